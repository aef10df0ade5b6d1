// Servers on a path that close the listener first, finish their work, and remove the socket file last.

#include "paths.hpp"

#include <poll.h>

namespace {

const std::string drain = "drain-on-term=300";

void wait_until_closed(const Endpoint& listener) {
    while (SystemProbe{}.held(listener)) { ::poll(nullptr, 0, 1); }
}

} // namespace

TEST_CASE("a server that drains and removes its socket file last leaves the next one reachable") {
    NEEDS_SOCK_DIAG();
    const Directory own;
    Endpoint here = Endpoint::unix_stream(own.path() + "/socket");
    const auto check_reachable = [&](Helper& holder, auto killer) {
        PathServer server;
        const Started started = start_on(server, here, killer);
        CHECK(started.serves);
        CHECK(started.fate() == Fate::exited);
        REQUIRE(holder.process().exits_within(10000));
        CHECK(answers(here));
    };
    SECTION("it listens") {
        Helper holder({drain, "listen=" + to_string(here)});
        check_reachable(holder, TerminateThenKill{});
    }
    SECTION("a client is connected") {
        Helper holder({drain, "listen=" + to_string(here)});
        const int client = open_at(here, true);
        holder.accept();
        check_reachable(holder, TerminateThenKill{});
        close(client);
    }
    SECTION("it takes datagrams") {
        here = Endpoint::unix_datagram(here.path());
        Helper holder({drain, "udp=" + to_string(here)});
        check_reachable(holder, TerminateThenKill{});
    }
    SECTION("it drains longer than the grace") {
        Helper holder({drain, "listen=" + to_string(here)});
        check_reachable(holder, TerminateThenKill{milliseconds(20)});
    }
    SECTION("it begins to drain between the look and the killer") {
        Helper holder({drain, "listen=" + to_string(here)});
        check_reachable(holder, [&](const std::vector<Holder>& holders) {
            holder.process().signal(SIGTERM);
            wait_until_closed(here);
            return TerminateThenKill{}(holders);
        });
    }
    SECTION("three processes share the listener") {
        Helper holder({drain, "listen=" + to_string(here), "fork=2"});
        check_reachable(holder, TerminateThenKill{});
    }
}

TEST_CASE("a server that closes its listener and stays is killed, since it may still remove the socket file") {
    NEEDS_SOCK_DIAG();
    const Directory own;
    const Endpoint here = Endpoint::unix_stream(own.path() + "/socket");
    for (const bool has_client : {false, true}) {
        Helper holder({"release-on-term", "listen=" + to_string(here)});
        const int client = has_client ? open_at(here, true) : -1;
        if (has_client) { holder.accept(); }
        PathServer server;
        const Started started = start_on(server, here, TerminateThenKill{milliseconds(50), milliseconds(50)});
        CHECK(started.serves);
        CHECK(started.fate() == Fate::killed);
        CHECK_FALSE(holder.alive());
        close(client);
        std::filesystem::remove(here.path());
    }
}

TEST_CASE("a process that closed its listener while one that is not terminated holds the path lives") {
    NEEDS_SOCK_DIAG();
    const Directory own;
    const Endpoint here = Endpoint::unix_stream(own.path() + "/socket");
    Helper holder({"release-on-term", "listen=" + to_string(here), "fork=1"});
    std::error_code error;
    std::vector<Holder> holders = SystemProbe{}(here, error);
    REQUIRE(holders.size() == 2);
    if (holders[0].pid != holder.pid()) { std::swap(holders[0], holders[1]); }
    holders.pop_back();
    holder.process().signal(SIGTERM);
    REQUIRE(becomes_true([&] { return SystemProbe{}(here, error).size() == 1; }));
    const std::vector<Eviction> evictions = TerminateThenKill{milliseconds(50), milliseconds(50)}(holders);
    CHECK(evictions.at(0).fate == Fate::released);
    CHECK(holder.alive());
}

TEST_CASE("a server that was sent SIGTERM before the start and drains for a client is waited for") {
    NEEDS_SOCK_DIAG();
    const Directory own;
    const Endpoint here = Endpoint::unix_stream(own.path() + "/socket");
    for (int round = 0; round < 10; ++round) {
        Helper holder({"drain-on-term=100", "listen=" + to_string(here)});
        const int client = open_at(here, true);
        holder.accept();
        holder.process().signal(SIGTERM); // in most rounds it closes its listener while the start looks
        if (round == 0) { wait_until_closed(here); }
        PathServer server;
        const Started started = start_on(server, here);
        INFO(describe(started.recovery));
        CHECK(started.serves);
        REQUIRE(holder.process().exits_within(10000));
        CHECK(answers(here));
        close(client);
        std::filesystem::remove(here.path());
    }
}

TEST_CASE("a draining server has nothing left of an abstract name, and lives") {
    NEEDS_SOCK_DIAG();
    const Endpoint here = Endpoint::unix_stream("@addr-in-use-drain-" + std::to_string(getpid()));
    Helper holder({"release-on-term", "listen=" + to_string(here)});
    PathServer server;
    const Started started = start_on(server, here);
    CHECK(started.serves);
    CHECK(started.fate() == Fate::released);
    CHECK(holder.alive());
}
