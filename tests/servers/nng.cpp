#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>

#include "serving.hpp"

void serve(const std::string& host, std::uint16_t port) {
    // recipe
    nng_socket socket;
    nng_rep0_open(&socket);
    RetryOnAddrInUse server{[&](const Endpoint& endpoint) {
        const int error = nng_listen(socket, ("tcp://" + to_string(endpoint)).c_str(), nullptr, 0);
        if (error == NNG_EADDRINUSE) { throw std::system_error(std::make_error_code(std::errc::address_in_use)); }
        if (error != 0) { throw std::runtime_error(nng_strerror(error)); } // numbers of its own
    }};
    server.start(host, port);
    // end of recipe
    serving();
    wait_for_the_end();
}
