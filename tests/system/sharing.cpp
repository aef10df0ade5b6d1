// Processes that share a socket, where one exits by itself while the others still hold it.

#include "paths.hpp"

namespace {

// Both listen. The first one exits slowly: it alone has that memory.
Helper start_pair(const std::vector<std::string>& before = {}) {
    std::vector<std::string> words{"listen=127.0.0.1:0", "fork=1", "memory=512"};
    words.insert(words.begin(), before.begin(), before.end());
    return Helper(words);
}

void begin_exit(const Helper& holder) {
    holder.process().signal(SIGTERM);
    REQUIRE(becomes_true([&] { return is_exiting(holder); }));
}

} // namespace

TEST_CASE("a holder that begins to exit while a predicate is asked does not protect the one that shares its socket") {
    const Helper holder = start_pair();
    const Started started = start_at("127.0.0.1", holder.port(), OnlyIf{[&](const Holder& asked) {
                                         if (asked.pid != holder.pid()) { return true; }
                                         begin_exit(holder);
                                         return false; // its executable cannot be read any more
                                     }});
    INFO(describe(started.recovery));
    CHECK(started.serves);
    REQUIRE(started.recovery.evictions.size() == 2);
    for (const Eviction& eviction : started.recovery.evictions) { CHECK(eviction.fate == Fate::exited); }
}

TEST_CASE("a holder that begins to exit before the killer looks does not protect the one that shares its socket") {
    const auto start = [](const Helper& holder) {
        const Started started = start_at("127.0.0.1", holder.port(), [&](const std::vector<Holder>& holders) {
            begin_exit(holder);
            return TerminateThenKill{}(holders);
        });
        return started.serves ? std::string("served") : describe(started.recovery);
    };
    CHECK(start(start_pair()) == "served");
    if (geteuid() != 0) { return; }
    // To a user who is not root an exiting process shows no descriptors (EACCES).
    const Helper ours = start_pair({"user=65534", "dumpable"});
    CHECK(in_child(65534, [&] { return start(ours); }) == "served");
}

TEST_CASE("after kill -TERM of a run and its worker, which exit one after the other, the next run comes up") {
    for (int round = 0; round < 20; ++round) {
        const Helper holder = start_pair();
        holder.process().signal(SIGTERM);
        const Started started = start_at("127.0.0.1", holder.port());
        INFO(describe(started.recovery));
        CHECK(started.serves);
    }
}

TEST_CASE("a worker on a path does not hide that its master may still remove the socket file") {
    NEEDS_SOCK_DIAG();
    const Directory own;
    const Endpoint here = Endpoint::unix_stream(own.path() + "/socket");
    Helper holder({"ignore-term", word("listen", here), "fork=1", "drain-on-term=300"});
    PathServer server;
    const Started started = start_on(server, here, TerminateThenKill{milliseconds(20)});
    INFO(describe(started.recovery));
    CHECK(started.serves);
    REQUIRE(holder.process().exits_within(10000));
    CHECK(answers(here));
}
