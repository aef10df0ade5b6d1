#include <evhtp.h>

#include "serving.hpp"

void serve(const std::string& host, std::uint16_t port) {
    // recipe
    event_base* const base = event_base_new();
    evhtp_t* const http = evhtp_new(base, nullptr);
    RetryOnAddrInUse server{[&](const Endpoint& endpoint) {
        return evhtp_bind_socket(http, endpoint.host().c_str(), endpoint.port(), 128);
    }};
    if (server.start(host, port) != 0) { throw std::runtime_error("cannot listen"); }
    // end of recipe
    evhtp_set_gencb(
        http,
        [](evhtp_request_t* request, void*) {
            evbuffer_add(request->buffer_out, hello.data(), hello.size());
            evhtp_send_reply(request, EVHTP_RES_OK);
        },
        nullptr);
    serving();
    event_base_dispatch(base);
}
