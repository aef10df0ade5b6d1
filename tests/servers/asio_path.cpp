#include <asio.hpp>

#include "serving.hpp"

using asio::local::stream_protocol;

void serve(const std::string& path, std::uint16_t) {
    // recipe
    asio::io_context io;
    RetryOnAddrInUse server{[&](const Endpoint& endpoint) {
        return stream_protocol::acceptor(io, stream_protocol::endpoint(endpoint.path()));
    }};
    stream_protocol::acceptor acceptor = server.start(Endpoint::unix_stream(path));
    // end of recipe
    serving();
    for (;;) { asio::write(*std::make_unique<stream_protocol::socket>(acceptor.accept()), asio::buffer(hello)); }
}
