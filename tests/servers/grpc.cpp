#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

#include "serving.hpp"

void serve(const std::string& host, std::uint16_t port) {
    grpc::CallbackGenericService service;
    // recipe
    RetryOnAddrInUse server{Preflight{[&](const Endpoint& endpoint) {
        grpc::ServerBuilder builder; // shares the port: SO_REUSEPORT
        builder.AddListeningPort(to_string(endpoint), grpc::InsecureServerCredentials());
        builder.RegisterCallbackGenericService(&service);
        return builder.BuildAndStart();
    }}};
    const std::unique_ptr<grpc::Server> running = server.start(host, port);
    if (running == nullptr) { throw std::runtime_error("cannot listen"); }
    // end of recipe
    serving();
    running->Wait();
}
