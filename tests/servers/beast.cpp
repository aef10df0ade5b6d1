#include <boost/asio.hpp>
#include <boost/beast.hpp>

#include "serving.hpp"

namespace beast = boost::beast;
namespace http = beast::http;
using boost::asio::ip::tcp;

void serve(const std::string& host, std::uint16_t port) {
    // recipe
    boost::asio::io_context io;
    RetryOnAddrInUse server{[&](const Endpoint& endpoint) {
        return tcp::acceptor(io, {boost::asio::ip::make_address(endpoint.host()), endpoint.port()});
    }};
    tcp::acceptor acceptor = server.start(host, port);
    // end of recipe
    serving();
    for (;;) {
        beast::tcp_stream stream(acceptor.accept());
        beast::flat_buffer buffer;
        http::request<http::string_body> request;
        http::read(stream, buffer, request);
        http::response<http::string_body> response(http::status::ok, 10, hello);
        response.prepare_payload();
        http::write(stream, response);
    }
}
