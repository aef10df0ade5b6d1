// expect: Did you mean OnlyIf{predicate}?
// one sentence, one cause
#include <retry_on_addr_in_use.hpp>

using namespace addr_in_use;

#ifdef FIXED
void use() {
    RetryOnAddrInUse{[](int) {}, OnlyIf{SameExecutable{}}}.start(80);
}
#else
void use() {
    RetryOnAddrInUse{[](int) {}, SameExecutable{}}.start(80);
}
#endif
