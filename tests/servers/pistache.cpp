#include <pistache/endpoint.h>

#include "serving.hpp"

struct Hello : Pistache::Http::Handler {
    HTTP_PROTOTYPE(Hello)
    void onRequest(const Pistache::Http::Request&, Pistache::Http::ResponseWriter response) override {
        response.send(Pistache::Http::Code::Ok, hello);
    }
};

void serve(const std::string& host, std::uint16_t port) {
    // recipe
    Pistache::Http::Endpoint http(Pistache::Address(host, port));
    // Without ReuseAddr in the old and the new server, connections left behind keep the port for a minute.
    http.init(Pistache::Http::Endpoint::options().flags(Pistache::Tcp::Options::ReuseAddr));
    http.setHandler(Pistache::Http::make_handler<Hello>());
    RetryOnAddrInUse server{[&] { http.serveThreaded(); }};
    server.start(host, port);
    // end of recipe
    serving();
    wait_for_the_end();
}
