// A start that succeeds, COUNT times: BARE calls it, otherwise the library does. For callgrind, and for the size of
// the code that a use adds.

#include <cstdint>
#include <cstdlib>

struct Server {
    __attribute__((noinline)) void start(std::uint16_t port) { last = port; }
    volatile std::uint16_t last = 0;
};

#ifdef BARE
int main(int, char** argv) {
    const int count = std::atoi(argv[1]);
    Server server;
    for (int i = 0; i < count; ++i) { server.start(6688); }
    return 0;
}
#else
#    include <retry_on_addr_in_use.hpp>
int main(int, char** argv) {
    const int count = std::atoi(argv[1]);
    addr_in_use::RetryOnAddrInUse<Server> server;
    const addr_in_use::Endpoint here("127.0.0.1", 6688);
    for (int i = 0; i < count; ++i) { server.start(here); }
    return 0;
}
#endif
