// expect: a Probe needs std::vector<Holder> operator()
// one sentence, one cause
#include <retry_on_addr_in_use.hpp>

using namespace addr_in_use;

#ifdef FIXED
inline std::vector<Holder> probe(const Endpoint&) { return {}; }
#else
inline Holder probe(const Endpoint&) { return {}; }
#endif
void use() {
    RetryOnAddrInUse{[](int) {}, probe, ReportOnly{}}.start(80);
}
