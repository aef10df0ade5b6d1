#include <httplib.h>

#include "serving.hpp"

void serve(const std::string& host, std::uint16_t port) {
    // recipe
    httplib::Server http;
    http.set_socket_options([](socket_t socket) { // by itself it shares the port: SO_REUSEPORT
        const int on = 1;
        setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    });
    RetryOnAddrInUse server{[&](const Endpoint& endpoint) {
        http.stop(); // from 0.17 on a server whose bind failed refuses the next one without it
        return http.bind_to_port(endpoint.host().c_str(), endpoint.port());
    }};
    if (!server.start(host, port)) { throw std::runtime_error("cannot listen"); }
    // end of recipe
    http.Get("/",
             [](const httplib::Request&, httplib::Response& response) { response.set_content(hello, "text/plain"); });
    serving();
    http.listen_after_bind();
}
