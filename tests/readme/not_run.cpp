// Recipes for server libraries that Debian does not have. Compiled against the outlines of not_run.hpp, not run here.
// The comment before each recipe is its title: the library, and whether its version was run by hand or its source read.
#include "not_run.hpp"

#include <retry_on_addr_in_use.hpp>

#include <stdexcept>

using namespace addr_in_use;

void crow_recipe(const std::string& host, std::uint16_t port, crow::SimpleApp& app) {
    // recipe: Crow from 1.3 on (run by hand: 1.3.3; before 1.3 no wrapper is needed, run by hand: 1.2.1)
    RetryOnAddrInUse server{Preflight{[&](const Endpoint& endpoint) {
        app.bindaddr(endpoint.host()).port(endpoint.port()).run(); // a numeric host; it returns after a failed bind
        return app.is_bound();
    }}};
    if (!server.start(host, port)) { throw std::runtime_error("cannot listen"); }
    // end of recipe
}

void drogon_recipe(const std::string& host, std::uint16_t port) {
    // recipe: Drogon (run by hand: 1.9.13)
    RetryOnAddrInUse server{Preflight{[](const Endpoint& endpoint) {       // a failed bind exits the process
        drogon::app().addListener(endpoint.host(), endpoint.port()).run(); // a numeric host: others abort
    }}};
    server.start(host, port);
    // end of recipe
}

void uwebsockets_recipe(const std::string& host, std::uint16_t port, uWS::App& app) {
    // recipe: uWebSockets (run by hand: 20.79; C++20)
    RetryOnAddrInUse server{[&](const Endpoint& endpoint) {
        bool listening = false;
        app.listen(endpoint.host(), endpoint.port(),
                   LIBUS_LISTEN_EXCLUSIVE_PORT, // without it two copies share the port
                   [&](us_listen_socket_t* socket) { listening = socket != nullptr; });
        return listening;
    }};
    if (!server.start(host, port)) { throw std::runtime_error("cannot listen"); }
    // end of recipe
}

void oatpp_recipe(const std::string& host, std::uint16_t port) {
    // recipe: oatpp (run by hand: 1.3.1, 1.4.0; on Windows its text gives no reason: wrap it in Preflight there)
    RetryOnAddrInUse server{[](const Endpoint& endpoint) {
        return oatpp::network::tcp::server::ConnectionProvider::createShared({endpoint.host(), endpoint.port()});
    }};
    auto provider = server.start(host, port);
    // end of recipe
}

void brpc_recipe(const std::string& host, std::uint16_t port, brpc::Server& brpc_server) {
    // recipe: brpc (run by hand: 1.17)
    const brpc::ServerOptions options;
    RetryOnAddrInUse server{
        [&](const Endpoint& endpoint) { return brpc_server.Start(to_string(endpoint).c_str(), &options); }};
    if (server.start(host, port) != 0) { throw std::runtime_error("cannot listen"); }
    // end of recipe
}

void ixwebsocket_recipe(const std::string& host, std::uint16_t port) {
    // recipe: IXWebSocket (run by hand: 12.0; for IPv6 its constructor needs AF_INET6 as the sixth argument)
    std::unique_ptr<ix::WebSocketServer> websockets;
    RetryOnAddrInUse server{[&](const Endpoint& endpoint) {
        websockets =
            std::make_unique<ix::WebSocketServer>(endpoint.port(), endpoint.host()); // a second listen() aborts
        if (const auto [good, reason] = websockets->listen(); !good) { throw std::runtime_error(reason); }
    }};
    server.start(host, port);
    // end of recipe
}

void seastar_recipe(const std::string& host, std::uint16_t port) {
    // recipe: seastar (read, not run)
    RetryOnAddrInUse server{[](const Endpoint& endpoint) {
        seastar::listen_options options;
        options.reuse_address = true;
        return seastar::listen(seastar::ipv4_addr(endpoint.host(), endpoint.port()), options);
    }};
    auto socket = server.start(host, port);
    // end of recipe
    static_cast<void>(socket);
}

void folly_recipe(const std::string& host, std::uint16_t port, folly::AsyncServerSocket& socket) {
    // recipe: folly (read, not run)
    RetryOnAddrInUse server{[&](const Endpoint& endpoint) {
        socket.bind(folly::SocketAddress(endpoint.host(), endpoint.port()));
        socket.listen(1024);
    }};
    server.start(host, port);
    // end of recipe
}

void userver_recipe(std::uint16_t port) {
    // recipe: userver (read, not run: 2.4)
    namespace io = userver::engine::io;
    RetryOnAddrInUse server{Preflight{[](const Endpoint& endpoint) { // shares the port: SO_REUSEPORT
        io::Sockaddr address = io::Sockaddr::MakeLoopbackAddress();  // [::1]
        address.SetPort(endpoint.port());
        io::Socket socket(address.Domain(), io::SocketType::kTcp);
        socket.Bind(address);
        socket.Listen();
        return socket;
    }}};
    io::Socket socket = server.start("::1", port);
    // end of recipe
    static_cast<void>(socket);
}

void msquic_recipe(std::uint16_t port, const QUIC_API_TABLE* msquic, HQUIC listener, const QUIC_BUFFER* alpn,
                   const QUIC_ADDR* address) {
    // recipe: msquic (read, not run: 2.6)
    RetryOnAddrInUse server{Preflight{[&] { // shares the port: SO_REUSEPORT
        const QUIC_STATUS status = msquic->ListenerStart(listener, alpn, 1, address);
        if (status == QUIC_STATUS_ADDRESS_IN_USE) { return std::make_error_code(std::errc::address_in_use); }
        return QUIC_FAILED(status) ? std::make_error_code(std::errc::io_error) : std::error_code();
    }}};
    const std::error_code error = server.start(Endpoint("*", port, Transport::udp)); // it always binds [::]
    if (error) { throw std::system_error(error); }
    // end of recipe
}
