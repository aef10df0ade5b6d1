// expect: a Killer needs std::vector<Eviction> operator()(const std::vector<Holder>&)
// one sentence, one cause
#include <retry_on_addr_in_use.hpp>

using namespace addr_in_use;

#ifdef FIXED
using Killer = TerminateThenKill;
#else
struct Killer {};
#endif
void use() { free_address(80, Killer{}); }
