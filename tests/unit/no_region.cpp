// What remains on a system that the header does not know: the probe says so, and the server's own error propagates.

#include "../catch.hpp"

#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstring>
#include <exception>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#pragma push_macro("__linux__")
#undef __linux__
#include <retry_on_addr_in_use.hpp>
#pragma pop_macro("__linux__")

using namespace addr_in_use;

TEST_CASE("without a region the probe reports it and the server's error propagates") {
    std::error_code error;
    CHECK(SystemProbe{}(Endpoint("127.0.0.1", 80), error).empty());
    CHECK(error == std::errc::function_not_supported);
    int starts = 0;
    RetryOnAddrInUse retry{[&](std::uint16_t) {
                               ++starts;
                               throw std::system_error(EADDRINUSE, std::system_category());
                           },
                           SystemProbe{}, TerminateThenKill{}, NoLog{}};
    CHECK_THROWS_AS(retry.start("127.0.0.1", 80), std::system_error);
    CHECK(starts == 1);
    CHECK(retry.recovery().error == std::errc::function_not_supported);
    CHECK(retry.recovery().evictions.empty());
}

TEST_CASE("without a region a killer that is called all the same ends nobody") {
    Holder holder;
    holder.pid = static_cast<std::uint32_t>(getppid());
    const std::vector<Eviction> evictions = TerminateThenKill{}({holder});
    REQUIRE(evictions.size() == 1);
    CHECK(evictions[0].fate == Fate::refused);
}
