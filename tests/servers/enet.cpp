#include <enet/enet.h>

#include "serving.hpp"

void serve(const std::string& host, std::uint16_t port) {
    // recipe
    RetryOnAddrInUse server{[](const Endpoint& endpoint) {
        ENetAddress address;
        enet_address_set_host_ip(&address, endpoint.host().c_str());
        address.port = endpoint.port();
        return enet_host_create(&address, 32, 2, 0, 0);
    }};
    ENetHost* const enet = server.start(Endpoint(host, port, Transport::udp));
    if (enet == nullptr) { throw std::runtime_error("cannot listen"); }
    // end of recipe
    serving();
    for (;;) { enet_host_service(enet, nullptr, 1000); }
}
