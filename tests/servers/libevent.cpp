#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>

#include "serving.hpp"

void serve(const std::string& host, std::uint16_t port) {
    // recipe
    event_base* const base = event_base_new();
    evhttp* const http = evhttp_new(base);
    RetryOnAddrInUse server{
        [&](const Endpoint& endpoint) { return evhttp_bind_socket(http, endpoint.host().c_str(), endpoint.port()); }};
    if (server.start(host, port) != 0) { throw std::runtime_error("cannot listen"); }
    // end of recipe
    evhttp_set_gencb(
        http,
        [](evhttp_request* request, void*) {
            evbuffer_add(evhttp_request_get_output_buffer(request), hello.data(), hello.size());
            evhttp_send_reply(request, 200, "OK", nullptr);
        },
        nullptr);
    serving();
    event_base_dispatch(base);
}
