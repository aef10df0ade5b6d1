// The scenarios of the regions that terminate holders: macOS and Windows. What a scenario needs is in common.hpp.
#ifndef TESTS_REGIONS_SCENARIOS_HPP
#define TESTS_REGIONS_SCENARIOS_HPP

#include "reports.hpp"

TEST_CASE("the holder of the port is terminated, and the server starts") {
    const HolderProcess holder({"listen=" + at("127.0.0.1")});
    std::vector<std::unique_ptr<HolderProcess>> beside;
    for (const std::string host : other_hosts) {
        const std::vector<std::string> words{"listen=" + at(host, holder.port())};
        beside.push_back(std::make_unique<HolderProcess>(words));
    }
    TcpServer server("127.0.0.1");
    const Recovery recovery = start(server, Endpoint("127.0.0.1", holder.port()));
    INFO(describe(recovery));
    CHECK(server.running());
    CHECK(server.starts == 2);
    REQUIRE(recovery.evictions.size() == 1);
    CHECK(recovery.evictions[0].fate == terminated);
    CHECK(recovery.evictions[0].holder.pid == holder.pid());
    CHECK(recovery.obstacle == Obstacle::none);
    CHECK(holder.exits());
    for (const auto& process : beside) { CHECK(process->alive()); }
}

TEST_CASE("a holder on an IPv6 address is terminated, and the server starts there") {
    const HolderProcess holder({"listen=" + at("::1")});
    const HolderProcess beside({"listen=" + at("127.0.0.1", holder.port())});
    const Endpoint here("::1", holder.port());
    std::error_code error;
    const std::vector<Holder> holders = SystemProbe{}(here, error);
    REQUIRE_FALSE(error);
    REQUIRE(holders.size() == 1);
    CHECK(holders[0].pid == holder.pid());
    CHECK(holders[0].state == State::listening);
    CHECK(holders[0].sockets == std::vector<Endpoint>{here});
    CHECK(detail::Os::test_bind(here) == std::errc::address_in_use);
    TcpServer server("::1");
    const Recovery recovery = start(server, here);
    INFO(describe(recovery));
    CHECK(server.running());
    CHECK(server.starts == 2);
    REQUIRE(recovery.evictions.size() == 1);
    CHECK(recovery.evictions[0].fate == terminated);
    CHECK(recovery.obstacle == Obstacle::none);
    CHECK(holder.exits());
    CHECK(beside.alive());
}

TEST_CASE("with the port alone, the only holder is terminated wherever it listens") {
    for (const std::string host : {"127.0.0.1", "::1", "0.0.0.0", "::"}) {
        INFO(host);
        const HolderProcess holder({"listen=" + at(host)});
        const Recovery recovery = free_it(Endpoint(holder.port()));
        INFO(describe(recovery));
        REQUIRE(recovery.evictions.size() == 1);
        CHECK(recovery.evictions[0].fate == terminated);
        CHECK(recovery.evictions[0].holder.pid == holder.pid());
        CHECK(recovery.obstacle == Obstacle::none);
        CHECK(holder.exits());
    }
    const HolderProcess holder({"listen=" + at("127.0.0.1")});
    TcpServer server("127.0.0.1");
    const Recovery recovery = start(server, Endpoint(holder.port()));
    INFO(describe(recovery));
    CHECK(server.running());
    CHECK(server.starts == 2);
    CHECK(recovery.obstacle == Obstacle::none);
    CHECK(holder.exits());
}

TEST_CASE("with the port alone, a holder on one address beside another one lives") {
    for (const std::string host : other_hosts) {
        INFO(host);
        const HolderProcess one({"listen=" + at("127.0.0.1")});
        const HolderProcess two({"listen=" + at(host, one.port())});
        TcpServer server("127.0.0.1");
        const Recovery recovery = start(server, Endpoint(one.port()));
        INFO(describe(recovery));
        CHECK_FALSE(server.running());
        CHECK(server.starts == 1);
        CHECK(recovery.obstacle == Obstacle::refused_holder);
        REQUIRE(recovery.evictions.size() == 2);
        for (const Eviction& eviction : recovery.evictions) {
            const bool is_first = eviction.holder.pid == one.pid();
            CHECK(eviction.fate == Fate::refused);
            CHECK((is_first || eviction.holder.pid == two.pid()));
            CHECK_THAT(eviction.reason, has_text("name the host"));
            CHECK_THAT(eviction.reason, has_text(at(is_first ? host : "127.0.0.1", one.port())));
        }
        CHECK(recovery.evictions[0].holder.pid != recovery.evictions[1].holder.pid);
        CHECK(one.alive());
        CHECK(two.alive());
    }
}

TEST_CASE("what is known of a holder") {
    const std::uint64_t before = detail::Os::now();
    const HolderProcess holder({"listen=" + at("127.0.0.1")});
    const Endpoint here("127.0.0.1", holder.port());
    std::error_code error;
    const std::vector<Holder> holders = SystemProbe{}(here, error);
    REQUIRE_FALSE(error);
    REQUIRE(holders.size() == 1);
    CHECK(holders[0].pid == holder.pid());
    CHECK_THAT(holders[0].name, has_text("holder"));
    CHECK_THAT(holders[0].executable, has_text("holder"));
    if (shows_command_lines()) { CHECK_THAT(holders[0].command_line, has_text(" listen=127.0.0.1:0")); }
    CHECK_THAT(holders[0].user, has_text(our_user()));
    CHECK(holders[0].sockets == std::vector<Endpoint>{here});
    CHECK(holders[0].state == State::listening);
    CHECK(holders[0].start_time + 2 * second > before); // both are in one unit
    CHECK(holders[0].start_time <= detail::Os::now() + 2);
    CHECK(detail::owns_socket(holders[0], error));
    CHECK_FALSE(error);
    Holder elsewhere = holders[0];
    elsewhere.sockets = {Endpoint("::1", holder.port())};
    CHECK_FALSE(detail::owns_socket(elsewhere, error));
    CHECK_FALSE(error);
    const Holder us = detail::Os::inspect(detail::Os::current_pid()).holder;
    CHECK(us.pid == detail::Os::current_pid());
    CHECK(SameUser{}(us));
    CHECK(SameUser{}(holders[0]));
    CHECK(SameExecutable{}(us));
    CHECK_FALSE(SameExecutable{}(holders[0]));
    CHECK(SameCommandLine{}(us) == shows_command_lines());
}

TEST_CASE("rules about a real holder") {
    const HolderProcess holder({"listen=" + at("127.0.0.1")});
    const Endpoint here("127.0.0.1", holder.port());
    for (const Recovery& recovery : {free_it(here, OnlyIf<SameExecutable>{}), free_it(here, OnlyIf<SameCommandLine>{}),
                                     free_it(here, ReportOnly{})}) {
        INFO(describe(recovery));
        REQUIRE(recovery.evictions.size() == 1);
        CHECK(recovery.evictions[0].fate == Fate::refused);
        CHECK(recovery.obstacle == Obstacle::refused_holder);
    }
    CHECK(free_it(here, WaitForExit{milliseconds(20)}).obstacle == Obstacle::surviving_holder);
    CHECK(holder.alive());
    CHECK(free_it(here, OnlyIf<SameUser>{}).evictions.at(0).fate == terminated);
    CHECK(holder.exits());
}

TEST_CASE("a last look before the end: a process that does not hold the socket is not terminated") {
    const HolderProcess holder({"listen=" + at("127.0.0.1")});
    Holder wrong = detail::Os::inspect(holder.pid()).holder;
    wrong.sockets = {Endpoint("127.0.0.1", static_cast<std::uint16_t>(holder.port() ^ 1))};
    CHECK(TerminateThenKill{}({wrong}).at(0).fate == Fate::released);
    wrong.sockets = {Endpoint("127.0.0.1", holder.port())};
    wrong.start_time += 7;
    CHECK(TerminateThenKill{}({wrong}).at(0).fate == Fate::already_gone);
    CHECK(holder.alive());
}

TEST_CASE("this process is left alone") {
    TcpServer ours("127.0.0.1");
    ours.start(0);
    TcpServer server("127.0.0.1");
    CHECK(start(server, Endpoint("127.0.0.1", ours.port())).obstacle == Obstacle::this_process);
    CHECK(ours.running());
}

TEST_CASE("UDP: another program's socket may be a client, and lives") {
    for (const std::string host : {"127.0.0.1", "::1"}) {
        INFO(host);
        const HolderProcess holder({"udp=" + at(host)});
        std::error_code error;
        const Endpoint here(host, holder.port(), Transport::udp);
        const std::vector<Holder> holders = SystemProbe{}(here, error);
        REQUIRE(holders.size() == 1);
        CHECK(holders[0].pid == holder.pid());
        CHECK(holders[0].sockets == std::vector<Endpoint>{here});
        const Recovery recovery = free_it(here);
        CHECK(recovery.obstacle == Obstacle::refused_holder);
        CHECK_THAT(recovery.evictions.at(0).reason, has_text("client"));
        CHECK(holder.alive());
    }
}

TEST_CASE("UDP: below the ports that the system chooses a holder is no client, and is terminated") {
    for (const std::string host : {"127.0.0.1", "::1"}) {
        INFO(host);
        const HolderProcess holder({"udp=" + at(host, "low")});
        const Recovery recovery = free_it(Endpoint(host, holder.port(), Transport::udp));
        INFO(describe(recovery));
        REQUIRE(recovery.evictions.size() == 1);
        CHECK(recovery.evictions[0].holder.pid == holder.pid());
        CHECK(recovery.evictions[0].fate == terminated);
        CHECK(recovery.obstacle == Obstacle::none);
        CHECK(holder.exits());
    }
}

TEST_CASE("preflight terminates the holder of the port before the start") {
    const HolderProcess holder({"listen=" + at("127.0.0.1")});
    TcpServer server("127.0.0.1");
    RetryOnAddrInUse retry{Preflight{[&](std::uint16_t port) { server.start(port); }}, SystemProbe{},
                           TerminateThenKill{}, NoLog{}};
    retry.start("127.0.0.1", holder.port());
    CHECK(server.running());
    CHECK(server.starts == 1);
    CHECK(holder.exits());
}

TEST_CASE("a failure that asks the probe is not of our business where the port is free") {
    const auto fail = [] { throw std::runtime_error("the server did not start"); };
    start_on_free_port(fail, [](auto& retry, const Endpoint& wanted, const int& starts) {
        CHECK_THROWS_AS(retry.start(wanted), std::runtime_error);
        CHECK(starts == 1);
        CHECK_FALSE(retry.recovery().retried);
        CHECK(retry.recovery().evictions.empty());
    });
}

#endif
