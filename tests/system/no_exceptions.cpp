// Compiled with -fno-exceptions -fno-rtti: a start that returns false is recovered, and a wrong port aborts the program
// with a message.

#include <retry_on_addr_in_use.hpp>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

using namespace addr_in_use;

namespace {

int failures = 0;

void check(bool condition, const char* what) {
    if (!condition) {
        std::printf("FAILED: %s\n", what);
        ++failures;
    }
}

// A listening socket on 127.0.0.1, or -1 with errno.
int listen_at(std::uint16_t port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in local{};
    local.sin_family = AF_INET;
    local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    local.sin_port = htons(port);
    if (::bind(fd, reinterpret_cast<sockaddr*>(&local), sizeof local) == 0 && ::listen(fd, 1) == 0) { return fd; }
    const int error = errno;
    ::close(fd);
    errno = error;
    return -1;
}

} // namespace

int main() {
    int ends[2];
    if (::pipe(ends) != 0) { return 1; }
    const pid_t holder = ::fork();
    if (holder == 0) {
        sockaddr_in local{};
        socklen_t size = sizeof local;
        ::getsockname(listen_at(0), reinterpret_cast<sockaddr*>(&local), &size);
        const std::uint16_t port = ntohs(local.sin_port);
        if (::write(ends[1], &port, sizeof port) != sizeof port) { ::_exit(1); }
        for (;;) { ::pause(); }
    }
    std::uint16_t port = 0;
    if (::read(ends[0], &port, sizeof port) != sizeof port) { return 1; }

    int starts = 0;
    RetryOnAddrInUse retry{[&](std::uint16_t p) {
                               ++starts;
                               return listen_at(p) >= 0;
                           },
                           SystemProbe{},
                           OnlyIf{[&](const Holder& found) { return found.pid == static_cast<std::uint32_t>(holder); }},
                           NoLog{}};
    check(retry.start("127.0.0.1", port), "it serves");
    check(starts == 2, "after two starts");
    check(retry.recovery().evictions.size() == 1 && retry.recovery().evictions[0].fate == Fate::exited,
          "and its child left");
    ::waitpid(holder, nullptr, 0);

    const pid_t bad = ::fork();
    if (bad == 0) {
        ::close(STDERR_FILENO);
        const Endpoint never(70001);
        ::_exit(never.port() == 4465 ? 1 : 0);
    }
    int status = 0;
    ::waitpid(bad, &status, 0);
    check(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "port 70001 ends the program");
    std::printf("%s\n", failures == 0 ? "all checks passed" : "some checks failed");
    return failures;
}
