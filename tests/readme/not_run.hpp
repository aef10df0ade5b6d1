// Outlines of server libraries that the tests do not install: enough to compile those recipes of the README that are
// not run. The names and types are those of the libraries' own headers; no code of theirs is copied.
#include "prelude.hpp"

#include <functional>
#include <utility>

namespace crow {
struct SimpleApp {
    SimpleApp& bindaddr(std::string);
    SimpleApp& port(std::uint16_t);
    void run();
};
} // namespace crow
inline crow::SimpleApp crow_app;

namespace drogon {
struct HttpAppFramework {
    HttpAppFramework& addListener(const std::string&, std::uint16_t);
    void run();
};
HttpAppFramework& app();
} // namespace drogon

struct us_listen_socket_t;
constexpr int LIBUS_LISTEN_EXCLUSIVE_PORT = 1;
namespace uWS {
struct App {
    App&& listen(std::string, int, int, std::function<void(us_listen_socket_t*)>);
    App&& run();
};
} // namespace uWS
inline uWS::App app;

namespace oatpp::network {
struct Address {
    Address(std::string, std::uint16_t);
};
namespace tcp::server {
struct ConnectionProvider {
    static std::shared_ptr<ConnectionProvider> createShared(const Address&);
};
} // namespace tcp::server
} // namespace oatpp::network

namespace seastar {
struct ipv4_addr {
    ipv4_addr(const std::string&, std::uint16_t);
};
struct socket_address {
    socket_address(ipv4_addr);
};
struct listen_options {
    bool reuse_address = false;
};
struct server_socket {};
server_socket listen(socket_address, listen_options);
} // namespace seastar

namespace folly {
struct SocketAddress {
    SocketAddress(const std::string&, std::uint16_t);
};
struct AsyncServerSocket {
    void bind(const SocketAddress&);
    void listen(int);
};
} // namespace folly
inline folly::AsyncServerSocket* folly_socket;

namespace engine::io {
struct Sockaddr {};
struct IoSystemError : std::runtime_error {
    std::error_code Code() const;
};
struct Socket {};
Socket Listen(const Endpoint&);
} // namespace engine::io

namespace brpc {
struct ServerOptions {};
struct Server {
    int Start(const char*, const ServerOptions*);
};
} // namespace brpc

struct QUIC_ADDR;
using QUIC_STATUS = unsigned;
constexpr QUIC_STATUS QUIC_STATUS_ADDRESS_IN_USE = 98;
struct QUIC_API_TABLE {
    QUIC_STATUS (*ListenerStart)(void*, const void*, unsigned, const QUIC_ADDR*);
};
inline const QUIC_API_TABLE* msquic;
inline void* listener;
inline const void* alpn;
inline const QUIC_ADDR* address;
inline bool QUIC_FAILED(QUIC_STATUS status) { return status != 0; }

namespace httplib {
struct Server {
    bool bind_to_port(const std::string&, int);
    bool listen_after_bind();
};
} // namespace httplib

namespace ix {
struct WebSocketServer {
    WebSocketServer(int, const std::string&);
    std::pair<bool, std::string> listen();
    void start();
};
} // namespace ix
inline const std::string host = "127.0.0.1";
inline const std::uint16_t port = 8848;
