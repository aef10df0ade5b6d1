// expect: a Server needs start(const Endpoint&), start(host, port), start(port) or start(), or to be callable like
// one sentence, one cause
#include <retry_on_addr_in_use.hpp>

using namespace addr_in_use;

#ifdef FIXED
struct Server {
    void start(int);
};
#else
struct Server {
    void start(int, int);
};
#endif
void use() { RetryOnAddrInUse<Server>().start(80); }
