#include <libwebsockets.h>

#include "serving.hpp"

void serve(const std::string& host, std::uint16_t port) {
    lws_set_log_level(0, nullptr);
    const lws_protocols protocols[] = {{"http", lws_callback_http_dummy, 0, 0, 0, nullptr, 0},
                                       {nullptr, nullptr, 0, 0, 0, nullptr, 0}};
    // recipe
    lws_context_creation_info info{};
    info.protocols = protocols;
    info.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND;
    lws_context* const context = lws_create_context(&info); // what else can fail fails here
    RetryOnAddrInUse server{AskProbe{[&](const Endpoint& endpoint) {
        const std::string address = endpoint.host();
        info.iface = address.c_str();
        info.port = endpoint.port();
        return lws_create_vhost(context, &info);
    }}};
    if (server.start(host, port) == nullptr) { throw std::runtime_error("cannot listen"); }
    // end of recipe
    serving();
    while (lws_service(context, 0) >= 0) {}
}
