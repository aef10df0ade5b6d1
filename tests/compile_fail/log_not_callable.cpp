// expect: a Log needs void operator()(std::string_view)
// one sentence, one cause
#include <retry_on_addr_in_use.hpp>

using namespace addr_in_use;

#ifdef FIXED
using Log = NoLog;
#else
struct Log {
    void operator()(int) const {}
};
#endif
void use() {
    RetryOnAddrInUse{[](int) {}, SystemProbe{}, ReportOnly{}, Log{}}.start(80);
}
