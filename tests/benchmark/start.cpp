// A start that succeeds, 100,000 times: BARE calls it, otherwise the library does. For callgrind, and for the size of
// the code that a use adds.

#include <cstdint>

struct Server {
    __attribute__((noinline)) void start(std::uint16_t port) { last = port; }
    volatile std::uint16_t last = 0;
};

#ifdef BARE
int main() {
    Server server;
    for (int i = 0; i < 100000; ++i) { server.start(6688); }
    return 0;
}
#else
#    include <retry_on_addr_in_use.hpp>
int main() {
    addr_in_use::RetryOnAddrInUse<Server> server;
    const addr_in_use::Endpoint here("127.0.0.1", 6688);
    for (int i = 0; i < 100000; ++i) { server.start(here); }
    return 0;
}
#endif
