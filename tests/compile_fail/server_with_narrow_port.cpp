// expect: where a port is an integer of at least 16 bits
// one sentence, one cause
#include <retry_on_addr_in_use.hpp>

using namespace addr_in_use;

#ifdef FIXED
struct Server {
    void start(long);
};
#else
struct Server {
    void start(bool);
    void start(char);
    void start(double);
};
#endif
void use() { RetryOnAddrInUse<Server>().start(80); }
