// What the shorter snippets of the README may assume: the header, its names, and servers of the usual kinds.
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

struct Library { // one that hides the failure
    void listen(const std::string& host, int port);
    bool bind(const std::string& host, int port);
    bool listen_on(const char* path);
};
inline Library library;

struct WebServer { // one that is opened and reset
    int open(const std::string& host, int port);
    void reset();
};
constexpr int WEB_PORT_TAKEN = 10;
