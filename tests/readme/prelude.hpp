// Declarations that the shorter snippets of the README may use: the header, its names, and servers of the usual kinds.
#include <retry_on_addr_in_use.hpp>

#include <cstdint>
#include <stdexcept>
#include <string>
#if __has_include(<spdlog/spdlog.h>)
#    include <spdlog/spdlog.h>
#else
namespace spdlog { // an outline: the same call
template <class... Args> void warn(std::string_view format, Args&&... args);
}
#endif

using namespace addr_in_use;

struct MyServer {
    void start(std::uint16_t port);
    void stop();
};
inline MyServer my_server;

int listen_at(const Endpoint& endpoint);
bool bind_udp(const Endpoint& endpoint);

struct Library { // it does not report why it failed
    void listen(const std::string& host, int port);
    bool bind(const std::string& host, int port);
};
inline Library library;

struct WebServer { // it has an open and a reset
    int open(int port);
    void reset();
};
constexpr int WEB_PORT_TAKEN = 10;
