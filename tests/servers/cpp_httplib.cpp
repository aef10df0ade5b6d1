#include <httplib.h>

#include "serving.hpp"

void serve(const std::string& host, std::uint16_t port) {
    // recipe
    httplib::Server http; // shares the port: SO_REUSEPORT
    RetryOnAddrInUse server{Preflight{
        [&](const Endpoint& endpoint) { return http.bind_to_port(endpoint.host().c_str(), endpoint.port()); }}};
    if (!server.start(host, port)) { throw std::runtime_error("cannot listen"); }
    // end of recipe
    http.Get("/",
             [](const httplib::Request&, httplib::Response& response) { response.set_content(hello, "text/plain"); });
    serving();
    http.listen_after_bind();
}
