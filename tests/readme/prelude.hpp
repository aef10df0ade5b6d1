// Declarations that the shorter snippets of the README may use: the header, its names, and servers of the usual kinds.
#include <retry_on_addr_in_use.hpp>

#include <cstdint>
#include <memory>
#include <string>

using namespace addr_in_use;

struct MyServer {
    void start(std::uint16_t port);
    void stop();
};
inline MyServer my_server;

struct Library { // it does not report why it failed
    void listen(const std::string& host, int port);
    bool bind(const std::string& host, int port);
    bool listen_on(const char* path);
};
inline Library library;

struct WebServer { // it has an open and a reset
    int open(const std::string& host, int port);
    void reset();
};
constexpr int WEB_PORT_TAKEN = 10;
