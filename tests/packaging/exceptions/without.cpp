// Compiled without exceptions and RTTI, between the system's headers.
#include <unistd.h>

#include <retry_on_addr_in_use.hpp>

#include <sys/socket.h>

int ports_without(const char* text);

int ports_without(const char* text) {
    const auto endpoint = addr_in_use::Endpoint::parse(text);
    const auto start = [](const addr_in_use::Endpoint&) { return true; };
    return addr_in_use::RetryOnAddrInUse{start}.start("127.0.0.1", 0) && endpoint ? endpoint->port() : -1;
}
