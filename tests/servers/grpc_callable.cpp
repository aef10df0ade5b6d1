#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

#include "serving.hpp"

void serve(const std::string& host, std::uint16_t port) {
    // recipe
    // A builder and an asynchronous service that failed once abort the process at the second try: make new ones.
    struct Running {
        std::unique_ptr<grpc::AsyncGenericService> service = std::make_unique<grpc::AsyncGenericService>();
        std::unique_ptr<grpc::ServerCompletionQueue> queue;
        std::unique_ptr<grpc::Server> server;
    } running;
    RetryOnAddrInUse server{AskProbe{[&](const Endpoint& endpoint) {
        running = Running();
        grpc::ServerBuilder builder;
        builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0); // so that it fails at all
        builder.AddListeningPort(to_string(endpoint), grpc::InsecureServerCredentials());
        builder.RegisterAsyncGenericService(running.service.get());
        running.queue = builder.AddCompletionQueue();
        running.server = builder.BuildAndStart();
        return running.server != nullptr;
    }}};
    if (!server.start(host, port)) { throw std::runtime_error("cannot listen"); }
    // end of recipe
    serving();
    void* tag = nullptr;
    bool good = false;
    running.queue->Next(&tag, &good);
}
