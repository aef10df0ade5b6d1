#include <boost/asio.hpp>

#include "serving.hpp"

namespace asio = boost::asio;
using asio::ip::tcp;

void serve(const std::string& host, std::uint16_t port) {
    // recipe
    asio::io_context io;
    RetryOnAddrInUse server{[&](const Endpoint& endpoint) {
        return tcp::acceptor(io, {asio::ip::make_address(endpoint.host()), endpoint.port()});
    }};
    tcp::acceptor acceptor = server.start(host, port);
    // end of recipe
    serving();
    for (;;) { asio::write(*std::make_unique<tcp::socket>(acceptor.accept()), asio::buffer(hello)); }
}
