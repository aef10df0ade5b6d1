// The region of other POSIX systems: lsof finds the holder, the report names it, and nothing is terminated.

#include "stranger.hpp"

#define NEEDS_LSOF()                                                                                                   \
    if (access("/usr/bin/lsof", X_OK) != 0 && access("/usr/sbin/lsof", X_OK) != 0) { SKIP_HERE("needs lsof"); }

TEST_CASE("a holder is found by lsof and named, and lives") {
    NEEDS_LSOF();
    const Stranger holder({"listen=" + at("127.0.0.1")});
    TcpServer server("127.0.0.1");
    const Recovery recovery = start(server, Endpoint("127.0.0.1", holder.port));
    INFO(describe(recovery));
    CHECK_FALSE(server.running());
    CHECK(server.starts == 1);
    REQUIRE(recovery.evictions.size() == 1);
    CHECK(recovery.evictions[0].holder.pid == holder.pid);
    CHECK(recovery.evictions[0].fate == Fate::refused);
    CHECK(recovery.obstacle == Obstacle::refused_holder);
    CHECK(recovery.evictions[0].reason == "on this system the library only reports");
    CHECK_THAT(describe(recovery), has_text("posix_holder (pid " + std::to_string(holder.pid) + ')'));
    CHECK(holder.alive());
}

TEST_CASE("no killer and no rule reaches a process here") {
    NEEDS_LSOF();
    const Stranger holder({"listen=" + at("127.0.0.1")});
    const Endpoint here("127.0.0.1", holder.port);
    for (const Recovery& recovery :
         {free_it(here, TerminateThenKill{std::chrono::milliseconds(0)}), free_it(here, OnlyIf<SameExecutable>{}),
          free_it(here, OnlyIf<SameUser>{}), free_it(here, ReportOnly{})}) {
        CHECK(recovery.evictions.at(0).fate == Fate::refused);
        CHECK(recovery.obstacle == Obstacle::refused_holder);
    }
    CHECK(holder.alive());
}

TEST_CASE("what is held is seen, and what is free too") {
    NEEDS_LSOF();
    const Stranger holder({"listen=" + at("127.0.0.1")});
    CHECK(SystemProbe{}.held(Endpoint("127.0.0.1", holder.port)));
    std::error_code error;
    CHECK(SystemProbe{}(Endpoint("127.0.0.1", holder.port), error).size() == 1);
    CHECK_FALSE(error);
    CHECK_FALSE(SystemProbe{}.held(Endpoint("127.0.0.2", holder.port)));
    CHECK(SystemProbe{}(Endpoint("127.0.0.2", holder.port), error).empty());
    CHECK_FALSE(error);
}

TEST_CASE("whether a :: includes IPv4 is not shown: a test bind decides") {
    NEEDS_LSOF();
    if (access("/proc/net/if_inet6", F_OK) != 0) { SKIP_HERE("needs IPv6"); }
    std::error_code error;
    {
        const Stranger dual({"listen=" + at("::")});
        const Endpoint wanted("127.0.0.1", dual.port);
        const std::vector<Holder> holders = SystemProbe{}(wanted, error);
        CHECK_FALSE(error);
        REQUIRE(holders.size() == 1);
        CHECK(holders[0].pid == dual.pid);
        CHECK(free_it(wanted).obstacle == Obstacle::refused_holder);
        CHECK(dual.alive());
    }
    const Stranger narrow({"v6only", "listen=" + at("::")});
    CHECK(SystemProbe{}(Endpoint("127.0.0.1", narrow.port), error).empty());
    CHECK_FALSE(error);
    CHECK(free_it(Endpoint("127.0.0.1", narrow.port)).obstacle == Obstacle::none);
    CHECK(free_it(Endpoint("::1", narrow.port)).obstacle == Obstacle::refused_holder);
    // Beside a holder of IPv4 it does not conflict.
    const Stranger beside({"listen=" + at("127.0.0.1", narrow.port)});
    const std::vector<Holder> holders = SystemProbe{}(Endpoint("127.0.0.1", narrow.port), error);
    REQUIRE(holders.size() == 1);
    CHECK(holders[0].pid == beside.pid);
    CHECK(narrow.alive());
    CHECK(beside.alive());
}

TEST_CASE("a start that fails where the address is free failed on another one") {
    NEEDS_LSOF();
    std::uint16_t port = 0;
    {
        const Stranger scout({"listen=" + at("127.0.0.1")});
        port = scout.port;
    }
    int starts = 0;
    RetryOnAddrInUse retry{[&] {
                               ++starts;
                               return std::errc::address_in_use;
                           },
                           SystemProbe{}, TerminateThenKill{}, NoLog{}};
    CHECK(retry.start("127.0.0.1", port) == std::errc::address_in_use);
    CHECK(starts == 2);
    CHECK(retry.recovery().obstacle == Obstacle::other_address);
    CHECK(free_it(Endpoint("127.0.0.1", port)).obstacle == Obstacle::none);
}

TEST_CASE("a path cannot be looked up here, and that is said") {
    const Recovery recovery = free_it(Endpoint::unix_stream("/tmp/addr-in-use-none"));
    CHECK(recovery.obstacle == Obstacle::probe_failed);
    CHECK(recovery.evictions.empty());
    CHECK(recovery.error == std::errc::function_not_supported);
}
