#include <restinio/all.hpp>

#include "serving.hpp"

void serve(const std::string& host, std::uint16_t port) {
    const auto answer = [](const auto& request) { return request->create_response().set_body(hello).done(); };
    // recipe
    RetryOnAddrInUse server{[&](const Endpoint& endpoint) {
        auto settings = restinio::server_settings_t<>{};
        settings.address(endpoint.host()).port(endpoint.port()).request_handler(answer);
        return restinio::run_async<>(restinio::own_io_context(), std::move(settings), 1);
    }};
    auto running = server.start(host, port);
    // end of recipe
    serving();
    wait_for_the_end();
}
