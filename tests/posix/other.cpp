// The region of other POSIX systems: lsof finds the holder, the report names it, and nothing is terminated.

#include "system.hpp"

#include "../regions/no_paths.hpp"
#include "../regions/reports.hpp"

TEST_CASE("a holder is found by lsof and named, and lives") {
    NEEDS_PROBE();
    const HolderProcess holder({"listen=" + at("127.0.0.1")});
    TcpServer server("127.0.0.1");
    const Recovery recovery = start(server, Endpoint("127.0.0.1", holder.port()));
    INFO(describe(recovery));
    CHECK_FALSE(server.running());
    CHECK(server.starts == 1);
    REQUIRE(recovery.evictions.size() == 1);
    CHECK(recovery.evictions[0].holder.pid == holder.pid());
    CHECK(recovery.evictions[0].fate == Fate::refused);
    CHECK(recovery.obstacle == Obstacle::refused_holder);
    CHECK(recovery.evictions[0].reason == "on this system the library only reports");
    CHECK_THAT(describe(recovery), has_text("posix_holder (pid " + std::to_string(holder.pid()) + ')'));
    CHECK(holder.alive());
}

TEST_CASE("no killer and no rule reaches a process here") {
    NEEDS_PROBE();
    const HolderProcess holder({"listen=" + at("127.0.0.1")});
    const Endpoint here("127.0.0.1", holder.port());
    for (const Recovery& recovery :
         {free_it(here, TerminateThenKill{milliseconds(0)}), free_it(here, OnlyIf<SameExecutable>{}),
          free_it(here, OnlyIf<SameUser>{}), free_it(here, ReportOnly{})}) {
        CHECK(recovery.evictions.at(0).fate == Fate::refused);
        CHECK(recovery.obstacle == Obstacle::refused_holder);
    }
    CHECK(holder.alive());
}

TEST_CASE("whether a :: includes IPv4 is not shown: a test bind decides") {
    NEEDS_PROBE();
    if (access("/proc/net/if_inet6", F_OK) != 0) { SKIP_HERE("needs IPv6"); }
    std::error_code error;
    {
        const HolderProcess dual({"listen=" + at("::")});
        const Endpoint wanted("127.0.0.1", dual.port());
        const std::vector<Holder> holders = SystemProbe{}(wanted, error);
        CHECK_FALSE(error);
        REQUIRE(holders.size() == 1);
        CHECK(holders[0].pid == dual.pid());
        CHECK(free_it(wanted).obstacle == Obstacle::refused_holder);
        CHECK(dual.alive());
    }
    const HolderProcess narrow({"v6only", "listen=" + at("::")});
    CHECK(SystemProbe{}(Endpoint("127.0.0.1", narrow.port()), error).empty());
    CHECK_FALSE(error);
    CHECK(free_it(Endpoint("127.0.0.1", narrow.port())).obstacle == Obstacle::none);
    CHECK(free_it(Endpoint("::1", narrow.port())).obstacle == Obstacle::refused_holder);
    // Beside a holder of IPv4 it does not conflict.
    const HolderProcess beside({"listen=" + at("127.0.0.1", narrow.port())});
    const std::vector<Holder> holders = SystemProbe{}(Endpoint("127.0.0.1", narrow.port()), error);
    REQUIRE(holders.size() == 1);
    CHECK(holders[0].pid == beside.pid());
    CHECK(narrow.alive());
    CHECK(beside.alive());
}
