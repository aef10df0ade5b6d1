#include "serving.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

void serve(const std::string& host, std::uint16_t port) {
    // recipe
    RetryOnAddrInUse server{[](const Endpoint& endpoint) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(endpoint.port());
        inet_pton(AF_INET, endpoint.host().c_str(), &address.sin_addr);
        const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const int on = 1; // without it, connections of the old server hold the port for a minute
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 && listen(fd, SOMAXCONN) == 0) {
            return fd;
        }
        const int error = errno; // of bind or listen; close() may change it
        close(fd);
        errno = error;
        return -1;
    }};
    const int listener = server.start(host, port);
    if (listener < 0) { throw std::runtime_error("cannot listen"); }
    // end of recipe
    serving();
    for (;;) {
        const int client = accept(listener, nullptr, nullptr);
        static_cast<void>(send(client, hello.data(), hello.size(), MSG_NOSIGNAL));
        close(client);
    }
}
