#include <cpprest/http_listener.h>

#include "serving.hpp"

void serve(const std::string& host, std::uint16_t port) {
    // recipe
    web::http::experimental::listener::http_listener listener(to_string(Endpoint(host, port)).insert(0, "http://"));
    RetryOnAddrInUse server{[&] { listener.open().wait(); }};
    server.start(host, port);
    // end of recipe
    listener.support([](web::http::http_request request) { request.reply(200, hello); });
    serving();
    wait_for_the_end();
}
