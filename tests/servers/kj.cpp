#include <kj/async-io.h>

#include "serving.hpp"

void serve(const std::string& host, std::uint16_t port) {
    // recipe
    kj::AsyncIoContext io = kj::setupAsyncIo();
    RetryOnAddrInUse server{[&](const Endpoint& endpoint) {
        return io.provider->getNetwork().parseAddress(to_string(endpoint)).wait(io.waitScope)->listen();
    }};
    kj::Own<kj::ConnectionReceiver> listener = server.start(host, port);
    // end of recipe
    serving();
    for (;;) {
        kj::Own<kj::AsyncIoStream> connection = listener->accept().wait(io.waitScope);
        connection->write(hello.data(), hello.size()).wait(io.waitScope);
    }
}
