#include <uv.h>

#include "serving.hpp"

namespace {
void on_connection(uv_stream_t* listener, int) {
    auto* const connection = new uv_tcp_t;
    uv_tcp_init(listener->loop, connection);
    uv_accept(listener, reinterpret_cast<uv_stream_t*>(connection));
    uv_buf_t buffer = uv_buf_init(const_cast<char*>(hello.data()), static_cast<unsigned>(hello.size()));
    uv_try_write(reinterpret_cast<uv_stream_t*>(connection), &buffer, 1);
    uv_close(reinterpret_cast<uv_handle_t*>(connection),
             [](uv_handle_t* handle) { delete reinterpret_cast<uv_tcp_t*>(handle); });
}
} // namespace

void serve(const std::string& host, std::uint16_t port) {
    // recipe
    uv_tcp_t listener;
    uv_tcp_init(uv_default_loop(), &listener);
    RetryOnAddrInUse server{[&](const Endpoint& endpoint) {
        sockaddr_in address;
        uv_ip4_addr(endpoint.host().c_str(), endpoint.port(), &address);
        const int error = uv_tcp_bind(&listener, reinterpret_cast<const sockaddr*>(&address), 0);
        return error != 0 ? error : uv_listen(reinterpret_cast<uv_stream_t*>(&listener), 128, on_connection);
    }};
    if (const int error = server.start(host, port); error != 0) { throw std::runtime_error(uv_strerror(error)); }
    // end of recipe
    serving();
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
