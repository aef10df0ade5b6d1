#include <zmq.hpp>

#include "serving.hpp"

void serve(const std::string& host, std::uint16_t port) {
    // recipe
    zmq::context_t context;
    zmq::socket_t socket(context, zmq::socket_type::rep);
    RetryOnAddrInUse server{[&](const Endpoint& endpoint) { socket.bind("tcp://" + to_string(endpoint)); }};
    server.start(host, port);
    // end of recipe
    serving();
    wait_for_the_end();
}
