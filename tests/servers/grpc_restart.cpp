#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

#include "serving.hpp"

// recipe
// The same with a class that is there already: what it builds is thrown away before the second start.
struct Service {
    std::unique_ptr<grpc::AsyncGenericService> service = std::make_unique<grpc::AsyncGenericService>();
    std::unique_ptr<grpc::ServerCompletionQueue> queue;
    std::unique_ptr<grpc::Server> server;

    bool listen(const std::string& address) {
        grpc::ServerBuilder builder;
        builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
        builder.AddListeningPort(address, grpc::InsecureServerCredentials());
        builder.RegisterAsyncGenericService(service.get());
        queue = builder.AddCompletionQueue();
        server = builder.BuildAndStart();
        return server != nullptr;
    }
};
template <> struct addr_in_use::ServerTraits<Service> {
    static constexpr bool ask_probe = true; // a null pointer gives no reason
    static bool start(Service& service, const Endpoint& endpoint) { return service.listen(to_string(endpoint)); }
    static bool restart(Service& service, const Endpoint& endpoint) {
        service = Service();
        return start(service, endpoint);
    }
};
// end of recipe

void serve(const std::string& host, std::uint16_t port) {
    RetryOnAddrInUse<Service> server;
    if (!server.start(host, port)) { throw std::runtime_error("cannot listen"); }
    serving();
    void* tag = nullptr;
    bool good = false;
    server->queue->Next(&tag, &good);
}
