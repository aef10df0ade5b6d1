// The scenarios of each region in which no process is terminated.
#ifndef TESTS_REGIONS_REPORTS_HPP
#define TESTS_REGIONS_REPORTS_HPP

#include "common.hpp"

#define NEEDS_PROBE()                                                                                                  \
    if (!can_probe()) { SKIP_HERE("needs lsof"); }

TEST_CASE("what is held is seen, and what is free too") {
    NEEDS_PROBE();
    const HolderProcess holder({"listen=" + at("127.0.0.1")});
    std::error_code error;
    CHECK(SystemProbe{}.held(Endpoint("127.0.0.1", holder.port())));
    CHECK(SystemProbe{}(Endpoint("127.0.0.1", holder.port()), error).size() == 1);
    CHECK_FALSE(error);
    for (const std::string host : other_hosts) {
        INFO(host);
        CHECK_FALSE(SystemProbe{}.held(Endpoint(host, holder.port())));
        CHECK(SystemProbe{}(Endpoint(host, holder.port()), error).empty());
        CHECK_FALSE(error);
    }
}

TEST_CASE("a start that fails where the address is free failed on another one") {
    NEEDS_PROBE();
    const auto fail = [] { return std::errc::address_in_use; };
    start_on_free_port(fail, [](auto& retry, const Endpoint& wanted, const int& starts) {
        CHECK(retry.start(wanted) == std::errc::address_in_use);
        CHECK(starts == 2);
        CHECK(retry.recovery().obstacle == Obstacle::other_address);
        CHECK_THAT(describe(retry.recovery()), has_text("The address is free: the start failed on another one."));
    });
}

TEST_CASE("a test bind tells whether the address is free") {
    const HolderProcess holder({"listen=" + at("127.0.0.1")});
    CHECK(detail::Os::test_bind(Endpoint("127.0.0.1", holder.port())) == std::errc::address_in_use);
    CHECK(detail::test_bind(Endpoint("localhost", holder.port())) == std::errc::address_in_use);
    CHECK(detail::Os::test_bind(Endpoint("192.0.2.1", holder.port())) == std::errc::address_not_available);
    for (const std::string host : other_hosts) { CHECK_FALSE(detail::Os::test_bind(Endpoint(host, holder.port()))); }
    const HolderProcess udp({"udp=" + at("127.0.0.1")});
    CHECK(detail::Os::test_bind(Endpoint("127.0.0.1", udp.port(), Transport::udp)) == std::errc::address_in_use);
}

#endif
