#define ASIO_STANDALONE
#include <websocketpp/config/asio_no_tls.hpp>
#include <websocketpp/server.hpp>

#include "serving.hpp"

void serve(const std::string& host, std::uint16_t port) {
    // recipe
    websocketpp::server<websocketpp::config::asio> websockets;
    websockets.init_asio();
    websockets.set_reuse_addr(true); // or connections left behind keep the port for a minute
    RetryOnAddrInUse server{[&](const Endpoint& endpoint) {
        websockets.listen(endpoint.host(), std::to_string(endpoint.port()));
        websockets.start_accept();
    }};
    server.start(host, port);
    // end of recipe
    websockets.clear_access_channels(websocketpp::log::alevel::all);
    websockets.set_http_handler([&](websocketpp::connection_hdl handle) {
        const auto connection = websockets.get_con_from_hdl(handle);
        connection->set_body(hello);
        connection->set_status(websocketpp::http::status_code::ok);
    });
    serving();
    websockets.run();
}
