#include <boost/asio.hpp>

#include "serving.hpp"

namespace asio = boost::asio;
using asio::ip::tcp;

void serve(const std::string& host, std::uint16_t port) {
    // recipe
    asio::io_context io;
    tcp::acceptor acceptor(io);
    RetryOnAddrInUse server{[&](const Endpoint& endpoint) {
        const tcp::endpoint address(asio::ip::make_address(endpoint.host()), endpoint.port());
        boost::system::error_code error;
        acceptor = tcp::acceptor(io, address.protocol()); // a new socket for each try
        acceptor.set_option(tcp::acceptor::reuse_address(true));
        acceptor.bind(address, error);
        if (!error) { acceptor.listen(tcp::acceptor::max_listen_connections, error); }
        return error;
    }};
    if (const boost::system::error_code error = server.start(host, port)) { throw boost::system::system_error(error); }
    // end of recipe
    serving();
    for (;;) { asio::write(*std::make_unique<tcp::socket>(acceptor.accept()), asio::buffer(hello)); }
}
