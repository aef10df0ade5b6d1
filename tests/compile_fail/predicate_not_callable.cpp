// expect: OnlyIf needs a predicate: bool operator()(const Holder&)
// one sentence, one cause
#include <retry_on_addr_in_use.hpp>

using namespace addr_in_use;

#ifdef FIXED
inline bool rule(const Holder&) { return true; }
#else
inline bool rule(int) { return true; }
#endif
void use() {
    RetryOnAddrInUse{[](int) {}, OnlyIf{rule}}.start(80);
}
