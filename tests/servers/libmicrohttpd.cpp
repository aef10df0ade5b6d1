#include <arpa/inet.h>
#include <microhttpd.h>

#include "serving.hpp"

namespace {
MHD_Result answer(void*, MHD_Connection* connection, const char*, const char*, const char*, const char*, size_t*,
                  void**) {
    MHD_Response* const response =
        MHD_create_response_from_buffer(hello.size(), const_cast<char*>(hello.data()), MHD_RESPMEM_PERSISTENT);
    const MHD_Result result = MHD_queue_response(connection, 200, response);
    MHD_destroy_response(response);
    return result;
}
} // namespace

void serve(const std::string& host, std::uint16_t port) {
    // recipe
    RetryOnAddrInUse server{[](const Endpoint& endpoint) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(endpoint.port());
        inet_pton(AF_INET, endpoint.host().c_str(), &address.sin_addr);
        return MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD, 0, nullptr, nullptr, &answer, nullptr,
                                MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_END);
    }};
    MHD_Daemon* const daemon = server.start(host, port);
    if (daemon == nullptr) { throw std::runtime_error("cannot listen"); }
    // end of recipe
    serving();
    wait_for_the_end();
}
