// A server on a Unix domain socket, and what the tests do with its file.

#pragma once

#include "real.hpp"

#include <sys/stat.h>

inline int open_at(const Endpoint& endpoint, bool then_connect) {
    return open_path(endpoint.path(), endpoint.transport() == Transport::udp, then_connect);
}

// A server that does not remove its file, as most do.
struct PathServer {
    int fd = -1;
    int starts = 0;
    void start(const Endpoint& endpoint) {
        ++starts;
        fd = open_at(endpoint, false);
    }
    ~PathServer() { close(fd); }
};

inline bool answers(const Endpoint& endpoint) {
    try {
        close(open_at(endpoint, true));
        return true;
    } catch (const std::system_error&) { return false; }
}

template <class Killer = TerminateThenKill>
Started start_on(PathServer& server, const Endpoint& endpoint, Killer killer = Killer()) {
    return start_server(server, endpoint, killer, [&] { return answers(endpoint); });
}
template <class Killer = TerminateThenKill> Started start_on(const Endpoint& endpoint, Killer killer = Killer()) {
    PathServer server;
    return start_on(server, endpoint, killer);
}

inline std::string word(const std::string& what, const Endpoint& endpoint) { return what + '=' + to_string(endpoint); }

// The file of a server that was killed.
inline void leave_stale(const Endpoint& endpoint) {
    Helper dead({word(endpoint.transport() == Transport::udp ? "udp" : "listen", endpoint)});
    dead.process().signal(SIGKILL);
    REQUIRE(dead.process().exits_within(5000));
}

inline ino_t file_number(const std::string& path) {
    struct stat file {};
    return lstat(path.c_str(), &file) == 0 ? file.st_ino : 0;
}
