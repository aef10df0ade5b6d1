#include <civetweb.h>

#include "serving.hpp"

void serve(const std::string& host, std::uint16_t port) {
    // recipe
    RetryOnAddrInUse server{[](const Endpoint& endpoint) {
        const std::string address = to_string(endpoint);
        const char* options[] = {"listening_ports", address.c_str(), nullptr};
        const mg_callbacks callbacks{};
        return mg_start(&callbacks, nullptr, options);
    }};
    mg_context* const context = server.start(host, port);
    if (context == nullptr) { throw std::runtime_error("cannot listen"); }
    // end of recipe
    mg_set_request_handler(
        context, "/",
        [](mg_connection* connection, void*) {
            return mg_write(connection, http_hello.data(), http_hello.size()) > 0 ? 200 : 500;
        },
        nullptr);
    serving();
    wait_for_the_end();
}
