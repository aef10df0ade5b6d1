// expect: this Killer is a Probe
// one sentence, one cause
#include <retry_on_addr_in_use.hpp>

using namespace addr_in_use;

#ifdef FIXED
void use() {
    RetryOnAddrInUse{[](int) {}, ReportOnly{}}.start(80);
}
#else
void use() {
    RetryOnAddrInUse{[](int) {}, SystemProbe{}}.start(80);
}
#endif
