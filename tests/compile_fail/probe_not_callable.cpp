// expect: a Probe needs std::vector<Holder> operator()(const Endpoint&, std::error_code&)
// one sentence, one cause
#include <retry_on_addr_in_use.hpp>

using namespace addr_in_use;

#ifdef FIXED
using Probe = SystemProbe;
#else
struct Probe {};
#endif
void use() {
    RetryOnAddrInUse{[](int) {}, Probe{}, ReportOnly{}}.start(80);
}
