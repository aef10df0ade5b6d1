// Outlines of server libraries that Debian does not have: enough to compile the recipes of not_run.cpp. The names and
// types are those of the libraries' own headers; no code of theirs is copied.
#ifndef TESTS_README_NOT_RUN_HPP
#define TESTS_README_NOT_RUN_HPP

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

namespace crow { // 1.3.3: include/crow/app.h
struct SimpleApp {
    SimpleApp& bindaddr(std::string);
    SimpleApp& port(std::uint16_t);
    void run();
    bool is_bound() const;
};
} // namespace crow

namespace drogon { // 1.9.13: lib/inc/drogon/HttpAppFramework.h
struct HttpAppFramework {
    HttpAppFramework& addListener(const std::string& ip, std::uint16_t port);
    void run();
};
HttpAppFramework& app();
} // namespace drogon

struct us_listen_socket_t; // 20.79: uSockets/src/libusockets.h, src/App.h
enum { LIBUS_LISTEN_DEFAULT, LIBUS_LISTEN_EXCLUSIVE_PORT };
namespace uWS {
struct App {
    App&& listen(std::string host, int port, int options, std::function<void(us_listen_socket_t*)> handler);
};
} // namespace uWS

namespace oatpp::network { // 1.3.1: src/oatpp/network/tcp/server/ConnectionProvider.hpp
struct Address {
    Address(std::string host, std::uint16_t port);
};
namespace tcp::server {
struct ConnectionProvider {
    static std::shared_ptr<ConnectionProvider> createShared(const Address& address);
};
} // namespace tcp::server
} // namespace oatpp::network

namespace seastar { // include/seastar/core/seastar.hh, include/seastar/net/api.hh
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

namespace folly { // folly/io/async/AsyncServerSocket.h
struct SocketAddress {
    SocketAddress(const std::string& host, std::uint16_t port);
};
struct AsyncServerSocket {
    void bind(const SocketAddress& address);
    void listen(int backlog);
};
} // namespace folly

namespace userver::engine::io { // core/include/userver/engine/io/socket.hpp, sockaddr.hpp
enum class AddrDomain { kInet6 };
enum class SocketType { kTcp };
struct Sockaddr {
    static Sockaddr MakeLoopbackAddress() noexcept;
    AddrDomain Domain() const;
    void SetPort(std::uint16_t port);
};
struct Socket {
    Socket(AddrDomain, SocketType);
    void Bind(const Sockaddr&);
    void Listen(int backlog = 128);
};
} // namespace userver::engine::io

namespace brpc { // 1.17: src/brpc/server.h
struct ServerOptions {};
struct Server {
    int Start(const char* ip_port_str, const ServerOptions* options);
};
} // namespace brpc

struct QUIC_HANDLE; // 2.6: src/inc/msquic.h
struct QUIC_BUFFER;
struct QUIC_ADDR;
using HQUIC = QUIC_HANDLE*;
using QUIC_STATUS = unsigned;
constexpr QUIC_STATUS QUIC_STATUS_ADDRESS_IN_USE = 98;
struct QUIC_API_TABLE {
    QUIC_STATUS (*ListenerStart)(HQUIC, const QUIC_BUFFER* alpn, std::uint32_t count, const QUIC_ADDR* local);
};
inline bool QUIC_FAILED(QUIC_STATUS status) { return status != 0; }

namespace ix { // 12.0: ixwebsocket/IXWebSocketServer.h, IXSocketServer.h
struct WebSocketServer {
    WebSocketServer(int port, const std::string& host);
    std::pair<bool, std::string> listen();
};
} // namespace ix

#endif
