// The region of other POSIX systems: lsof finds the holder, the report names it, and nothing is terminated.

#include "stranger.hpp"

TEST_CASE("a holder is found by lsof and named, and lives") {
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
    CHECK_THAT(describe(recovery), has_text("posix_holder (pid " + std::to_string(holder.pid) + ')'));
    CHECK(holder.alive());
}

TEST_CASE("no killer and no rule reaches a process here") {
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
    const Stranger holder({"listen=" + at("127.0.0.1")});
    CHECK(SystemProbe{}.held(Endpoint("127.0.0.1", holder.port)));
    std::error_code error;
    CHECK(SystemProbe{}(Endpoint("127.0.0.1", holder.port), error).size() == 1);
    CHECK_FALSE(error);
}

TEST_CASE("a path cannot be looked up here, and that is said") {
    const Recovery recovery = free_it(Endpoint::path("/tmp/addr-in-use-none"));
    CHECK(recovery.error == std::errc::function_not_supported);
}
