// Compiled with exceptions, linked with without.cpp: each must keep its own functions.
#include <retry_on_addr_in_use.hpp>
#include <retry_on_addr_in_use.hpp> // twice, on purpose

int ports_without(const char* text);

int main() {
    int wrong = 0;
    try {
        addr_in_use::Endpoint("nowhere", 1);
        ++wrong;
    } catch (const std::invalid_argument&) {} // of this part: the other one would abort
    const auto start = [](std::uint16_t) { throw std::runtime_error("another reason"); };
    try {
        addr_in_use::RetryOnAddrInUse{start}.start("127.0.0.1", 0);
        ++wrong;
    } catch (const std::runtime_error&) {}
    return wrong + (ports_without("[::1]:80") == 80 ? 0 : 1);
}
