// A process that holds an address, for the tests that run on every POSIX system. Its arguments are carried out in
// order:
//
//   reuseport  v6only                     for the sockets that follow
//   listen=HOST:PORT bind=HOST:PORT udp=HOST:PORT listen=unix:PATH bind=unix:PATH
//   listen-same=HOST:0                    on the port of the socket before
//   ignore-term release-on-term           what to do on SIGTERM: nothing; close the sockets and go on
//   descriptors=N  fork=N                 holds that many; has that many children, which share everything
//
// When ready it prints "ready PORT PID"; it ends when its standard input does.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

std::vector<int> sockets;

[[noreturn]] void fail(const char* what) {
    std::perror(what);
    std::exit(1);
}

extern "C" void release(int) {
    for (const int fd : sockets) { close(fd); }
}

} // namespace

int main(int argc, char** argv) {
    int reuse_port = 0;
    int v6_only = 0;
    unsigned port = 0;
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        const std::string name = word.substr(0, word.find('='));
        const std::string value = word.substr(word.find('=') + 1);
        if (name == "reuseport") {
            reuse_port = 1;
        } else if (name == "v6only") {
            v6_only = 1;
        } else if (value.substr(0, 5) == "unix:") {
            sockaddr_un local{};
            local.sun_family = AF_UNIX;
            value.copy(local.sun_path, sizeof local.sun_path - 1, 5);
            const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
            if (bind(fd, reinterpret_cast<sockaddr*>(&local), sizeof local) != 0 ||
                (name == "listen" && listen(fd, 16) != 0)) {
                fail(argv[i]);
            }
            port = 1;
        } else if (name == "listen" || name == "listen-same" || name == "bind" || name == "udp") {
            const std::string host = value.substr(0, value.rfind(':'));
            const bool v6 = host.find(':') != std::string::npos;
            const bool is_same = name == "listen-same";
            const auto given = static_cast<std::uint16_t>(std::atoi(value.c_str() + host.size() + 1));
            const auto number = htons(is_same ? static_cast<std::uint16_t>(port) : given);
            sockaddr_in v4{};
            sockaddr_in6 any{};
            v4.sin_family = AF_INET;
            v4.sin_port = number;
            any.sin6_family = AF_INET6;
            any.sin6_port = number;
            inet_pton(v6 ? AF_INET6 : AF_INET, host.c_str(), v6 ? static_cast<void*>(&any.sin6_addr) : &v4.sin_addr);
            const int fd = socket(v6 ? AF_INET6 : AF_INET, name == "udp" ? SOCK_DGRAM : SOCK_STREAM, 0);
            setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &reuse_port, sizeof reuse_port);
            if (v6) { setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof v6_only); }
            auto* const address = v6 ? reinterpret_cast<sockaddr*>(&any) : reinterpret_cast<sockaddr*>(&v4);
            socklen_t size = v6 ? sizeof any : sizeof v4;
            if (bind(fd, address, size) != 0 || (name.substr(0, 6) == "listen" && listen(fd, 16) != 0)) {
                fail(argv[i]);
            }
            getsockname(fd, address, &size);
            port = ntohs(v6 ? any.sin6_port : v4.sin_port);
            sockets.push_back(fd);
        } else if (name == "ignore-term") {
            signal(SIGTERM, SIG_IGN);
        } else if (name == "release-on-term") {
            signal(SIGTERM, release);
        } else if (name == "descriptors") {
            for (int n = std::atoi(value.c_str()); n > 0; --n) {
                if (dup(STDIN_FILENO) < 0) { fail("dup"); }
            }
        } else if (name == "fork") {
            for (int n = std::atoi(value.c_str()); n > 0; --n) {
                if (fork() == 0) { break; }
            }
        }
    }
    if (port != 0) {
        std::printf("ready %u %d\n", port, getpid());
        std::fflush(stdout);
        port = 0;
    }
    char c = 0;
    while (read(STDIN_FILENO, &c, 1) != 0) {}
    return 0;
}
