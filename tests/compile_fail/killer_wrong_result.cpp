// expect: or Fate or void operator()(const Holder&)
// one sentence, one cause
#include <retry_on_addr_in_use.hpp>

using namespace addr_in_use;

#ifdef FIXED
inline Fate end(const Holder&) { return Fate::refused; }
#else
inline int end(const Holder&) { return 0; }
#endif
void use() {
    RetryOnAddrInUse{[](int) {}, end}.start(80);
}
