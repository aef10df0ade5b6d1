#include <Poco/Net/HTTPRequestHandler.h>
#include <Poco/Net/HTTPRequestHandlerFactory.h>
#include <Poco/Net/HTTPServer.h>
#include <Poco/Net/HTTPServerRequest.h>
#include <Poco/Net/HTTPServerResponse.h>
#include <Poco/Net/ServerSocket.h>

#include <memory>

#include "serving.hpp"

using namespace Poco::Net;

struct Hello : HTTPRequestHandler {
    void handleRequest(HTTPServerRequest&, HTTPServerResponse& response) override { response.send() << hello; }
};
struct Factory : HTTPRequestHandlerFactory {
    HTTPRequestHandler* createRequestHandler(const HTTPServerRequest&) override { return new Hello; }
};

void serve(const std::string& host, std::uint16_t port) {
    // recipe
    RetryOnAddrInUse server{Preflight{[](const Endpoint& endpoint) {
        const ServerSocket socket(SocketAddress(endpoint.host(), endpoint.port())); // shares the port: SO_REUSEPORT
        auto http = std::make_unique<HTTPServer>(new Factory, socket, new HTTPServerParams);
        http->start();
        return http;
    }}};
    const std::unique_ptr<HTTPServer> http = server.start(host, port);
    // end of recipe
    serving();
    wait_for_the_end();
}
