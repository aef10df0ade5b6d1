#include <CivetServer.h>

#include <cerrno>
#include <memory>

#include "serving.hpp"

struct Hello : CivetHandler {
    bool handleGet(CivetServer*, mg_connection* connection) override {
        return mg_write(connection, http_hello.data(), http_hello.size()) > 0;
    }
};

void serve(const std::string& host, std::uint16_t port) {
    // recipe
    RetryOnAddrInUse server{[](const Endpoint& endpoint) {
        errno = 0;
        try {
            return std::make_unique<CivetServer>(std::vector<std::string>{"listening_ports", to_string(endpoint)});
        } catch (const CivetException&) { // does not say why, but errno still does
            throw std::system_error(errno, std::system_category(), "CivetServer");
        }
    }};
    const std::unique_ptr<CivetServer> civet = server.start(host, port);
    // end of recipe
    Hello handler;
    civet->addHandler("/", handler);
    serving();
    wait_for_the_end();
}
