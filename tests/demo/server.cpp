// The server of the demo: a little HTTP server that answers /api/health. The library is in `main`, in two lines.

#include <retry_on_addr_in_use.hpp>

#include "../server.hpp"

#include <poll.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

class HealthServer {
public:
    // Binds and listens; throws std::system_error when the address is in use.
    void start(std::uint16_t port) { listener_.start(port); }

    // Answers until its standard input ends.
    void serve() {
        for (;;) {
            pollfd ready[] = {{STDIN_FILENO, POLLIN, 0}, {listener_.descriptor(), POLLIN, 0}};
            if (::poll(ready, 2, -1) < 0 || ready[0].revents != 0) { return; }
            const int client = ::accept(listener_.descriptor(), nullptr, nullptr);
            char request[1024] = {};
            const ssize_t size = ::read(client, request, sizeof request - 1);
            const bool healthy = size > 0 && std::string(request).find("GET /api/health ") == 0;
            const std::string body = healthy ? "{\"status\":\"ok\"}\n" : "not found\n";
            const std::string response = std::string("HTTP/1.1 ") + (healthy ? "200 OK" : "404 Not Found") +
                                         "\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) +
                                         "\r\n\r\n" + body;
            if (::send(client, response.data(), response.size(), MSG_NOSIGNAL) < 0) { std::perror("send"); }
            ::close(client);
        }
    }

private:
    TcpServer listener_{"127.0.0.1", SOCK_STREAM, true};
};

} // namespace

// demo_server (plain | retry) PORT
int main(int argc, char** argv) {
    if (argc != 3) { return 2; }
    const bool plain = std::string(argv[1]) == "plain";
    const int port = std::atoi(argv[2]);
    try {
        HealthServer server;
        if (plain) {
            server.start(static_cast<std::uint16_t>(port));
        } else {
            addr_in_use::RetryOnAddrInUse retry{server};
            retry.start("127.0.0.1", port);
        }
        std::printf("listening\n");
        std::fflush(stdout);
        server.serve();
    } catch (const std::exception& error) {
        std::printf("%s\n", error.what());
        return 1;
    }
}
