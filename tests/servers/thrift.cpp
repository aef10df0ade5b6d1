#include <thrift/TProcessor.h>
#include <thrift/server/TSimpleServer.h>
#include <thrift/transport/TBufferTransports.h>
#include <thrift/transport/TServerSocket.h>

#include "serving.hpp"

using namespace apache::thrift;

struct Hello : TProcessor {
    bool process(std::shared_ptr<protocol::TProtocol>, std::shared_ptr<protocol::TProtocol> out, void*) override {
        out->getTransport()->write(reinterpret_cast<const std::uint8_t*>(hello.data()),
                                   static_cast<std::uint32_t>(hello.size()));
        out->getTransport()->flush();
        return false;
    }
};
struct SayServing : server::TServerEventHandler {
    void preServe() override { serving(); }
};

void serve(const std::string& host, std::uint16_t port) {
    const auto processor = std::make_shared<Hello>();
    const auto on_event = std::make_shared<SayServing>();
    // recipe
    RetryOnAddrInUse server{[&](const Endpoint& endpoint) {
        server::TSimpleServer thrift(processor,
                                     std::make_shared<transport::TServerSocket>(endpoint.host(), endpoint.port()),
                                     std::make_shared<transport::TBufferedTransportFactory>(),
                                     std::make_shared<protocol::TBinaryProtocolFactory>());
        thrift.setServerEventHandler(on_event);
        thrift.serve(); // binds, and returns when it is stopped
    }};
    server.start(host, port);
    // end of recipe
}
