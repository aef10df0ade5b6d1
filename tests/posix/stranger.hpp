// What the tests of the POSIX regions share: a holder process that is not our child, and starts on its address.
#ifndef TESTS_POSIX_STRANGER_HPP
#define TESTS_POSIX_STRANGER_HPP

#include "region.hpp"

#include "../server.hpp"

using namespace addr_in_use;

namespace {

// A copy of the program, where the built one cannot be reached by this user.
inline const char* holder_program() {
    const char* const copy = getenv("HOLDER_PROGRAM");
    return copy != nullptr ? copy : HOLDER_PROGRAM;
}

// A process of holder.cpp that is not our child. It is dead when its output ends.
class Stranger {
public:
    explicit Stranger(const std::vector<std::string>& words) {
        int in[2];
        int out[2];
        REQUIRE(pipe(in) == 0);
        REQUIRE(pipe(out) == 0);
        for (const int fd : {in[0], in[1], out[0], out[1]}) { fcntl(fd, F_SETFD, FD_CLOEXEC); }
        std::vector<const char*> arguments{holder_program()};
        for (const std::string& word : words) { arguments.push_back(word.c_str()); }
        arguments.push_back(nullptr);
        const pid_t child = fork();
        if (child == 0) {
            if (fork() != 0) { _exit(0); }
            dup2(in[0], STDIN_FILENO);
            dup2(out[1], STDOUT_FILENO);
            execv(arguments[0], const_cast<char* const*>(arguments.data()));
            _exit(127);
        }
        close(in[0]);
        close(out[1]);
        input_ = in[1];
        output_ = out[0];
        waitpid(child, nullptr, 0);
        std::string line;
        char c = 0;
        while (read(output_, &c, 1) == 1 && c != '\n') { line += c; }
        std::istringstream facts(line);
        std::string ready;
        facts >> ready >> port >> pid;
        REQUIRE(ready == "ready");
    }
    Stranger(const Stranger&) = delete;
    ~Stranger() {
        close(input_);
        char c = 0;
        while (read(output_, &c, 1) == 1) {}
        close(output_);
    }
    [[nodiscard]] bool alive() const {
        pollfd end{output_, POLLIN, 0};
        return poll(&end, 1, 0) == 0;
    }
    [[nodiscard]] bool dies() const {
        pollfd end{output_, POLLIN, 0};
        return poll(&end, 1, 10000) == 1;
    }

    std::uint16_t port = 0;
    std::uint32_t pid = 0;

private:
    int input_ = -1;
    int output_ = -1;
};

inline std::string at(const std::string& host, std::uint16_t port = 0) { return host + ':' + std::to_string(port); }

template <class Killer = TerminateThenKill>
Recovery start(TcpServer& server, const Endpoint& endpoint, Killer killer = Killer()) {
    RetryOnAddrInUse retry{server, SystemProbe{}, killer, NoLog{}};
    try {
        retry.start(endpoint);
    } catch (const std::system_error& error) { CHECK(error.code() == std::errc::address_in_use); }
    return retry.recovery();
}

template <class Killer = TerminateThenKill> Recovery free_it(const Endpoint& endpoint, Killer killer = Killer()) {
    return free_address(endpoint, SystemProbe{}, killer, NoLog{});
}

} // namespace

#endif
