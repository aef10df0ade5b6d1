// What a holder process does on each system, and the table of the words for it. The words that fewer systems have stand
// in posix.hpp, linux.hpp and windows.hpp.
#ifndef TESTS_HELPERS_BEHAVIOURS_HPP
#define TESTS_HELPERS_BEHAVIOURS_HPP

#include "address.hpp"

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

// A word of the command line: its form as the help shows it, its behaviour, a line of help.
struct Word {
    const char* form;
    void (*carry_out)(const std::string& value);
    const char* help;
};

// What the words so far have made of the process.
struct State {
    std::string program;
    std::vector<std::string> rest; // the arguments that are not read yet
    bool reuse_address = false;
    bool reuse_port = false;
    bool v6_only = false;
    bool pad_names = false;
    int backlog = 16;
    std::vector<Socket> sockets;
    std::vector<std::string> socket_files;
    unsigned port = 0;
    std::vector<unsigned long> children;
    std::vector<std::function<void()>> when_ready;
};
inline State state;

[[noreturn]] inline void fail(const char* what) {
#if defined(_WIN32)
    std::fprintf(stderr, "%s: %d\n", what, WSAGetLastError());
#else
    std::perror(what);
#endif
    std::exit(1);
}

inline unsigned long current_pid() {
#if defined(_WIN32)
    return GetCurrentProcessId();
#else
    return static_cast<unsigned long>(getpid());
#endif
}

inline void print(const std::string& line) {
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
}

inline int to_int(const std::string& value) { return std::atoi(value.c_str()); }

// The next argument, as a value of the word before.
inline std::string take_next() {
    if (state.rest.empty()) { fail("no more arguments"); }
    std::string next = state.rest.front();
    state.rest.erase(state.rest.begin());
    return next;
}

inline std::vector<std::string> take_rest() {
    std::vector<std::string> rest;
    rest.swap(state.rest);
    return rest;
}

inline void note_port(Socket socket) {
    if (const unsigned port = Address(socket).port(); port != 0) { state.port = port; }
}

inline void close_sockets() {
    for (const Socket socket : state.sockets) { close_socket(socket); }
    state.sockets.clear();
}

// The ports below those that the system chooses for clients.
#if defined(_WIN32)
constexpr unsigned low_ports = 400;
constexpr unsigned count_of_low_ports = 600;
#else
constexpr unsigned low_ports = 20000;
constexpr unsigned count_of_low_ports = 12000;
#endif

// Whether `socket` is bound now, and listens if it is to.
inline bool try_to_open(const std::string& where, int type, bool then_listen, Socket& socket) {
    Address address(where);
    socket = ::socket(address.family(), type, 0);
    if (state.reuse_address) { set_option(socket, SOL_SOCKET, SO_REUSEADDR, 1); }
#if defined(SO_REUSEPORT)
    if (state.reuse_port) { set_option(socket, SOL_SOCKET, SO_REUSEPORT, 1); }
#endif
    if (address.family() == AF_INET6) { set_option(socket, IPPROTO_IPV6, IPV6_V6ONLY, state.v6_only ? 1 : 0); }
#if !defined(_WIN32)
    if (state.pad_names) { address.pad(); }
#endif
    return bind(socket, address.any(), address.size()) == 0 && (!then_listen || listen(socket, state.backlog) == 0);
}

inline Socket open_socket(const std::string& where, int type, bool then_listen) {
    const std::string place = where.substr(0, where.rfind(':') + 1);
    const std::string port = where.substr(place.size());
    const bool is_path = where.substr(0, 5) == "unix:";
    std::string text = !is_path && port == "@" ? place + std::to_string(state.port) : where;
    const unsigned tries = !is_path && port == "low" ? count_of_low_ports : 1;
    for (unsigned i = 0; i < tries; ++i) {
        if (tries > 1) { text = place + std::to_string(low_ports + (current_pid() + i) % count_of_low_ports); }
        Socket socket{};
        if (try_to_open(text, type, then_listen, socket)) {
            note_port(socket);
            if (is_path && text[5] != '@') { state.socket_files.push_back(text.substr(5)); }
            return socket;
        }
        if (tries > 1) { close_socket(socket); }
    }
    fail(where.c_str());
}

// The behaviours.

inline void reuse_address(const std::string&) { state.reuse_address = true; }

inline void use_v6_only(const std::string&) { state.v6_only = true; }

inline void set_backlog(const std::string& value) { state.backlog = to_int(value); }

inline void hold_listener(const std::string& value) { state.sockets.push_back(open_socket(value, SOCK_STREAM, true)); }

inline void hold_bound(const std::string& value) { state.sockets.push_back(open_socket(value, SOCK_STREAM, false)); }

inline void hold_udp(const std::string& value) { state.sockets.push_back(open_socket(value, SOCK_DGRAM, false)); }

inline void only_be_seen(const std::string&) { take_rest(); }

inline const std::vector<Word> common_words = {
    {"reuseaddr", reuse_address, "the sockets that follow have SO_REUSEADDR"},
    {"v6only", use_v6_only, "the IPv6 sockets that follow take no IPv4"},
    {"backlog=N", set_backlog, "the listeners that follow have that backlog"},
    {"listen=HOST:PORT", hold_listener, "holds a TCP socket that listens"},
    {"bind=HOST:PORT", hold_bound, "holds a TCP socket that is only bound"},
    {"udp=HOST:PORT", hold_udp, "holds a UDP socket"},
    {"only-seen ARGUMENT...", only_be_seen, "does nothing with the rest: it only stands in the command line"},
};

#endif
