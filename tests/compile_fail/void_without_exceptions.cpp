// expect: without exceptions a start that returns void cannot report a failure
// flags: -fno-exceptions
#include <retry_on_addr_in_use.hpp>

using namespace addr_in_use;

#ifdef FIXED
void use() {
    RetryOnAddrInUse{Preflight{[](int) {}}}.start(80);
}
#else
void use() {
    RetryOnAddrInUse{[](int) {}}.start(80);
}
#endif
