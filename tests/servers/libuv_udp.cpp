#include <uv.h>

#include "serving.hpp"

void serve(const std::string& host, std::uint16_t port) {
    // recipe
    uv_udp_t socket;
    uv_udp_init(uv_default_loop(), &socket);
    RetryOnAddrInUse server{[&](const Endpoint& endpoint) {
        sockaddr_in address;
        uv_ip4_addr(endpoint.host().c_str(), endpoint.port(), &address);
        return uv_udp_bind(&socket, reinterpret_cast<const sockaddr*>(&address), 0);
    }};
    const int error = server.start(Endpoint(host, port, Transport::udp));
    if (error != 0) { throw std::runtime_error(uv_strerror(error)); }
    // end of recipe
    serving();
    wait_for_the_end();
}
