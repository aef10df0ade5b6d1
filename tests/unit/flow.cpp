// The flow of one start, with fake policies: what is called how often, in which order, and what comes back.

#include <retry_on_addr_in_use.hpp>

#include "../catch.hpp"

#include <cerrno>
#include <memory>

using namespace addr_in_use;

namespace {

const int in_use_number = detail::Os::traits.in_use; // what the system says of a failed bind
constexpr std::uint32_t nobodys_pid = 0x7ffffff0;

Holder holder_at(const Endpoint& socket, std::uint32_t pid = nobodys_pid, State state = State::listening) {
    Holder holder;
    holder.pid = pid;
    holder.name = "old";
    holder.sockets = {socket};
    holder.state = state;
    return holder;
}

const Endpoint here("127.0.0.1", 80);

struct InUse : std::system_error {
    explicit InUse(int the_number) : std::system_error(in_use_number, std::system_category()), number(the_number) {}
    int number;
};

// All four policies write into one story, so that a test can compare the whole order.
struct Story {
    std::string text;
    std::vector<Holder> holders{holder_at(here)}; // whom the probe finds; gone once the killer has said so
    std::vector<std::string> log;
    int failures = 1;
};

struct StoryServer {
    Story* story;
    int starts = 0;
    int start(std::uint16_t) {
        story->text += "start ";
        if (++starts <= story->failures) { throw InUse(starts); }
        return starts;
    }
};
struct StoryProbe {
    Story* story;
    std::vector<Holder> operator()(const Endpoint&, std::error_code&) {
        story->text += "probe ";
        return story->holders;
    }
    bool held(const Endpoint&) {
        story->text += "held ";
        return !story->holders.empty() && story->holders[0].state != State::lingering;
    }
};
struct StoryKiller {
    Story* story;
    Fate fate = Fate::killed;
    std::vector<Eviction> operator()(const std::vector<Holder>& holders) {
        story->text += "kill ";
        std::vector<Eviction> evictions;
        for (const Holder& holder : holders) { evictions.push_back({holder, fate, {}, {}, "because"}); }
        if (fate < Fate::refused) { story->holders.clear(); }
        return evictions;
    }
};
struct StoryLog {
    Story* story;
    void operator()(std::string_view line) { story->log.emplace_back(line); }
};

auto retry_in(Story& story, Fate fate = Fate::killed) {
    return RetryOnAddrInUse{StoryServer{&story}, StoryProbe{&story}, StoryKiller{&story, fate}, StoryLog{&story}};
}

// What the log says at the end: the fates have lines of their own.
std::string last_line(const Recovery& recovery) {
    const std::string line = to_string(recovery.endpoint) + ':' + detail::conclusion(recovery);
    CHECK_THAT(describe(recovery), has_text(detail::conclusion(recovery)));
    return line;
}

} // namespace

TEST_CASE("a first start that succeeds asks nobody") {
    Story story;
    story.failures = 0;
    auto retry = retry_in(story);
    CHECK(retry.start(here) == 1);
    CHECK(story.text == "start ");
    CHECK(story.log.empty());
    CHECK_FALSE(retry.recovery().retried);
    CHECK(retry.recovery().obstacle == Obstacle::none);
    CHECK(retry.recovery().endpoint == here);
}

TEST_CASE("one round, one retry") {
    Story story;
    auto retry = retry_in(story);
    CHECK(retry.start(here) == 2);
    CHECK(story.text == "start probe kill held start ");
    CHECK(retry.recovery().retried);
    CHECK(retry.recovery().obstacle == Obstacle::none);
    REQUIRE(retry.recovery().evictions.size() == 1);
    CHECK(retry.recovery().evictions[0].fate == Fate::killed);
    REQUIRE(story.log.size() == 2);
    CHECK(story.log[0] == "127.0.0.1:80 is held by old (pid 2147483632)");
    CHECK(story.log[1] == "old (pid 2147483632) was killed after less than 1 ms");
}

TEST_CASE("the second failure is the server's own object") {
    Story story;
    story.failures = 9;
    auto retry = retry_in(story);
    try {
        retry.start(here);
        FAIL("it must throw");
    } catch (const InUse& failure) { CHECK(failure.number == 2); }
    CHECK(story.text == "start probe kill held start probe ");
    CHECK(retry.recovery().obstacle != Obstacle::none); // which one, a test bind decides: tests/system/reports.cpp
    CHECK(retry.recovery().failure == InUse(2).what());
    CHECK(story.log.back() == last_line(retry.recovery()));
}

TEST_CASE("where somebody must stay, the first failure propagates") {
    for (const Fate fate : {Fate::refused, Fate::not_permitted, Fate::survived}) {
        Story story;
        auto retry = retry_in(story, fate);
        try {
            retry.start(here);
            FAIL("it must throw");
        } catch (const InUse& failure) { CHECK(failure.number == 1); }
        // A survivor is looked at once more before it is called so, and a process that has exited since: this one.
        CHECK(story.text == "start probe kill probe ");
        CHECK_FALSE(retry.recovery().retried);
        CHECK(retry.recovery().obstacle ==
              (fate == Fate::refused ? Obstacle::refused_holder : Obstacle::surviving_holder));
        CHECK(story.log.back() == last_line(retry.recovery()));
    }
}

TEST_CASE("another failure is none of our business") {
    Story story;
    RetryOnAddrInUse retry{[&](std::uint16_t) {
                               story.text += "start ";
                               return std::make_error_code(std::errc::permission_denied);
                           },
                           StoryProbe{&story}, StoryKiller{&story}, StoryLog{&story}};
    CHECK(retry.start(here) == std::errc::permission_denied);
    CHECK(story.text == "start ");
    CHECK(story.log.empty());
    CHECK(retry.recovery().obstacle == Obstacle::other_failure); // none would mean that the server runs
    CHECK(retry.recovery().failure == std::make_error_code(std::errc::permission_denied).message());
}

TEST_CASE("port 0 is never in use") {
    Story story;
    auto retry = retry_in(story);
    CHECK_THROWS_AS(retry.start("127.0.0.1", 0), InUse);
    CHECK(story.text == "start ");
    CHECK(free_address(Endpoint("127.0.0.1", 0), StoryProbe{&story}, StoryKiller{&story}, NoLog{}).evictions.empty());
    CHECK(story.text == "start ");
}

TEST_CASE("a bad endpoint never reaches the server") {
    Story story;
    auto retry = retry_in(story);
    CHECK_THROWS_AS(retry.start(70001), std::invalid_argument);
    CHECK_THROWS_AS(retry.start("nowhere", 80), std::invalid_argument);
    CHECK(story.text.empty());
}

TEST_CASE("with nobody there the start is tried once more") {
    Story story;
    story.holders.clear();
    auto retry = retry_in(story);
    CHECK(retry.start(here) == 2);
    CHECK(story.text == "start probe held start ");
    CHECK(story.log.empty());
}

TEST_CASE("lingering connections are not waited for") { // held() does not see them
    Story story;
    story.failures = 9;
    story.holders = {holder_at(here, 0, State::lingering)};
    auto retry = retry_in(story);
    CHECK_THROWS_AS(retry.start(here), InUse);
    CHECK(story.text == "start probe held start probe ");
    CHECK(retry.recovery().retried);
    CHECK(retry.recovery().obstacle == Obstacle::lingering_connections);
}

TEST_CASE("a connection, an invisible holder and this process are never offered to a killer") {
    const std::pair<Holder, Obstacle> cases[] = {
        {holder_at(here, nobodys_pid, State::connected), Obstacle::live_connection},
        {holder_at(here, 0), Obstacle::invisible_holder},
        {holder_at(here, detail::Os::current_pid()), Obstacle::this_process},
    };
    for (const auto& [holder, obstacle] : cases) {
        Story story;
        story.failures = 9;
        story.holders = {holder_at(here), holder};
        auto retry = retry_in(story);
        CHECK_THROWS_AS(retry.start(here), InUse);
        CHECK(story.text.find("kill") == std::string::npos);
        REQUIRE(retry.recovery().evictions.size() == 2);
        CHECK(retry.recovery().evictions[0].fate == Fate::refused);
        CHECK_THAT(retry.recovery().evictions[0].reason, has_text("also holds the address"));
        CHECK(retry.recovery().evictions[1].fate == Fate::refused);
        CHECK(retry.recovery().obstacle ==
              (obstacle == Obstacle::live_connection ? Obstacle::refused_holder : obstacle));
        story.holders = {holder};
        CHECK_THROWS_AS(retry.start(here), InUse);
        CHECK(retry.recovery().obstacle == obstacle);
        CHECK(retry.recovery().evictions.size() == 1);
    }
}

namespace {
struct Waiting : StoryKiller {
    static constexpr bool ends_nobody = true;
};
} // namespace

TEST_CASE("a killer that only waits is offered protected holders too, but never this process") {
    std::error_code error;
    const std::uint32_t parent = detail::Os::parent(detail::Os::current_pid(), error);
    for (const std::uint32_t pid : {parent, detail::Os::current_pid()}) {
        if (pid == 0) { continue; } // Wine may show no parent
        Story story;
        story.holders = {holder_at(here, pid)};
        RetryOnAddrInUse retry{StoryServer{&story}, StoryProbe{&story}, Waiting{{&story, Fate::exited}},
                               StoryLog{&story}};
        if (pid == parent) {
            CHECK(retry.start(here) == 2);
            CHECK(story.text == "start probe kill held start ");
        } else {
            CHECK_THROWS_AS(retry.start(here), InUse);
            CHECK(story.text == "start probe ");
        }
    }
    STATIC_REQUIRE(OnlyIf<SameUser, WaitForExit>::ends_nobody);
    STATIC_REQUIRE_FALSE(OnlyIf<SameUser>::ends_nobody);
}

TEST_CASE("after a failure without a reason the log names the holder, and nothing is done") {
    Story story;
    const auto fails = [&](std::uint16_t) -> bool { throw std::runtime_error("no certificate"); };
    RetryOnAddrInUse retry{fails, StoryProbe{&story}, StoryKiller{&story}, StoryLog{&story}};
    CHECK_THROWS_WITH(retry.start(here), "no certificate");
    CHECK(story.text == "probe ");
    REQUIRE(story.log.size() == 1);
    CHECK_THAT(story.log[0], has_text("127.0.0.1:80 is held by old (pid 2147483632)") && has_text("AskProbe"));
    CHECK(retry.recovery().obstacle == Obstacle::other_failure);
    story.holders.clear();
    CHECK_THROWS_WITH(retry.start(here), "no certificate");
    CHECK(story.log.size() == 1);
}

TEST_CASE("after an eviction, a start that fails for another reason says so and quotes it") {
    Story story;
    int starts = 0;
    RetryOnAddrInUse retry{[&](std::uint16_t) {
                               if (++starts == 1) { throw InUse(1); }
                               throw std::runtime_error("Already open");
                           },
                           StoryProbe{&story}, StoryKiller{&story}, StoryLog{&story}};
    CHECK_THROWS_WITH(retry.start(here), "Already open");
    CHECK(retry.recovery().obstacle == Obstacle::other_failure);
    CHECK(retry.recovery().failure == "Already open");
    CHECK_THAT(story.log.back(), has_text("The start failed for another reason. If the server cannot start twice, "
                                          "specialise ServerTraits with a restart. The last start failed with: "
                                          "Already open"));
}

TEST_CASE("a probe that cannot see says so, and nobody is touched") {
    Story story;
    int failures = 0;
    const auto server = [&](std::uint16_t) { throw InUse(++failures); };
    SECTION("by an error") {
        RetryOnAddrInUse retry{server,
                               [&](const Endpoint&, std::error_code& error) {
                                   error = std::make_error_code(std::errc::permission_denied);
                                   return story.holders;
                               },
                               StoryKiller{&story}, StoryLog{&story}};
        CHECK_THROWS_AS(retry.start(here), InUse);
        CHECK(retry.recovery().error == std::errc::permission_denied);
        CHECK_THAT(describe(retry.recovery()), has_text("cannot determine"));
        CHECK(story.log.size() == 1);
    }
    SECTION("by an exception") {
        RetryOnAddrInUse retry{server,
                               [](const Endpoint&) -> std::vector<Holder> { throw std::runtime_error("blind"); },
                               StoryKiller{&story}, StoryLog{&story}};
        CHECK_THROWS_AS(retry.start(here), InUse);
        CHECK(retry.recovery().error);
    }
    CHECK(failures == 1);
    CHECK(story.text.empty());
}

TEST_CASE("a probe that cannot see leaves a word where the failure alone does not tell") {
    Story story;
    RetryOnAddrInUse retry{[](int) { throw std::runtime_error("bind: Address already in use"); },
                           [](const Endpoint&, std::error_code& error) {
                               error = std::make_error_code(std::errc::permission_denied);
                               return std::vector<Holder>();
                           },
                           StoryKiller{&story}, StoryLog{&story}};
    CHECK_THROWS_AS(retry.start(here), std::runtime_error);
    REQUIRE(story.log.size() == 1);
    CHECK(story.log[0] == "127.0.0.1:80: The probe cannot determine which process holds the address (" +
                              std::make_error_code(std::errc::permission_denied).message() +
                              "): no process was terminated.");
    CHECK(story.text.empty());
}

TEST_CASE("a probe that cannot see any more does not make the report deny who was ended") {
    Story story;
    story.failures = 9;
    int probes = 0;
    RetryOnAddrInUse retry{StoryServer{&story},
                           [&](const Endpoint&, std::error_code& error) {
                               if (++probes > 1) { error = std::make_error_code(std::errc::permission_denied); }
                               return story.holders;
                           },
                           StoryKiller{&story}, StoryLog{&story}};
    CHECK_THROWS_AS(retry.start(here), InUse);
    CHECK(retry.recovery().error == std::errc::permission_denied);
    const std::string text = describe(retry.recovery());
    CHECK_THAT(text, has_text("was killed after"));
    CHECK_THAT(text, has_text("cannot determine which process holds the address now (" +
                              std::make_error_code(std::errc::permission_denied).message() + ")."));
    CHECK(text.find("no process was terminated") == std::string::npos);
    CHECK(story.log.back() == last_line(retry.recovery()));
}

TEST_CASE("policies that throw do not get in the way") {
    Story story;
    const auto throwing_log = [](std::string_view) { throw 1; };
    SECTION("a log") {
        RetryOnAddrInUse retry{StoryServer{&story}, StoryProbe{&story}, StoryKiller{&story}, throwing_log};
        CHECK(retry.start(here) == 2);
    }
    SECTION("a killer, whose holder is still there") {
        RetryOnAddrInUse retry{StoryServer{&story}, StoryProbe{&story},
                               [](const Holder&) -> Fate { throw std::runtime_error("killer"); }, throwing_log};
        CHECK_THROWS_AS(retry.start(here), InUse);
        CHECK(retry.recovery().evictions.at(0).fate == Fate::survived);
        CHECK(story.text == "start probe probe ");
    }
    SECTION("a killer, whose holder is gone") {
        RetryOnAddrInUse retry{StoryServer{&story}, StoryProbe{&story},
                               [&](const Holder&) -> Fate {
                                   story.holders.clear();
                                   throw std::runtime_error("killer");
                               },
                               throwing_log};
        CHECK(retry.start(here) == 2);
        CHECK(retry.recovery().evictions.at(0).fate == Fate::exited);
    }
    SECTION("a rule") {
        RetryOnAddrInUse retry{StoryServer{&story}, StoryProbe{&story},
                               OnlyIf{[](const Holder&) -> bool { throw 1; }, StoryKiller{&story}}, throwing_log};
        CHECK_THROWS_AS(retry.start(here), InUse);
        CHECK(story.text == "start probe probe "); // the process has exited since
        CHECK(retry.recovery().evictions.at(0).fate == Fate::refused);
    }
    SECTION("a look whether it is held") {
        struct Probe : StoryProbe {
            bool held(const Endpoint&) { throw 1; }
        };
        RetryOnAddrInUse retry{StoryServer{&story}, Probe{{&story}}, StoryKiller{&story}, throwing_log};
        CHECK(retry.start(here) == 2);
    }
}

TEST_CASE("a killer that says nothing about a holder is checked") {
    Story story;
    RetryOnAddrInUse retry{StoryServer{&story}, StoryProbe{&story},
                           [](const std::vector<Holder>&) { return std::vector<Eviction>(); }, NoLog{}};
    CHECK_THROWS_AS(retry.start(here), InUse);
    REQUIRE(retry.recovery().evictions.size() == 1);
    CHECK(retry.recovery().evictions[0].fate == Fate::survived);
    CHECK(retry.recovery().evictions[0].holder.pid == nobodys_pid);
}

TEST_CASE("simple killers are called in turn until one holder is not gone") {
    Story story;
    story.holders = {holder_at(here, nobodys_pid), holder_at(here, nobodys_pid + 1), holder_at(here, nobodys_pid + 2)};
    std::vector<std::uint32_t> called;
    RetryOnAddrInUse retry{StoryServer{&story}, StoryProbe{&story},
                           [&](const Holder& holder) {
                               called.push_back(holder.pid);
                               return holder.pid == nobodys_pid + 1 ? Fate::not_permitted : Fate::exited;
                           },
                           NoLog{}};
    CHECK_THROWS_AS(retry.start(here), InUse);
    CHECK(called == std::vector<std::uint32_t>{nobodys_pid, nobodys_pid + 1});
    CHECK(retry.recovery().evictions.at(2).fate == Fate::refused);

    story = Story{};
    RetryOnAddrInUse generic{StoryServer{&story}, StoryProbe{&story},
                             [&](const auto& holder) {
                                 story.holders.clear();
                                 return holder.pid == nobodys_pid ? Fate::killed : Fate::survived;
                             },
                             NoLog{}};
    CHECK(generic.start(here) == 2);

    story = Story{};
    RetryOnAddrInUse silent{StoryServer{&story}, StoryProbe{&story}, [&](const Holder&) { story.holders.clear(); },
                            NoLog{}}; // void: looked at again
    CHECK(silent.start(here) == 2);
    CHECK(silent.recovery().evictions.at(0).fate == Fate::already_gone);
}

TEST_CASE("a probe without held is asked itself while the address settles") {
    int probes = 0;
    int starts = 0;
    RetryOnAddrInUse retry{[&](std::uint16_t) { return ++starts == 1 ? std::errc::address_in_use : std::errc(); },
                           [&](const Endpoint&) {
                               ++probes;
                               return probes <= 3 ? std::vector<Holder>{holder_at(here)} : std::vector<Holder>();
                           },
                           [](const Holder&) { return Fate::exited; }, NoLog{}};
    CHECK(retry.start(here) == std::errc());
    CHECK(probes == 4);
}

TEST_CASE("preflight looks first, and a round that evicted is spent") {
    Story story;
    auto with = [&](int failures) {
        story = Story{};
        story.failures = failures;
        return RetryOnAddrInUse{Preflight{StoryServer{&story}}, StoryProbe{&story}, StoryKiller{&story},
                                StoryLog{&story}};
    };
    SECTION("held: evict, then start") {
        auto retry = with(0);
        CHECK(retry.start(here) == 1);
        CHECK(story.text == "held probe kill held start ");
        CHECK_FALSE(retry.recovery().retried);
        CHECK(retry.recovery().evictions.size() == 1);
    }
    SECTION("held, evicted, and the start fails all the same: no second round") {
        auto retry = with(9);
        CHECK_THROWS_AS(retry.start(here), InUse);
        CHECK(story.text == "held probe kill held start probe ");
        CHECK(story.log.back() == last_line(retry.recovery()));
    }
    SECTION("not held: the usual way") {
        auto retry = with(1);
        story.holders.clear();
        CHECK(retry.start(here) == 2);
        CHECK(story.text == "held start probe held start ");
    }
    SECTION("refused: started in any case, and the rule is not asked again") {
        story.failures = 9;
        RetryOnAddrInUse retry{Preflight{StoryServer{&story}}, StoryProbe{&story}, StoryKiller{&story, Fate::refused},
                               StoryLog{&story}};
        CHECK_THROWS_AS(retry.start(here), InUse);
        CHECK(story.text == "held probe kill probe start "); // the process has exited since
        CHECK(retry.recovery().obstacle == Obstacle::refused_holder);
        CHECK(story.log.size() == 3);
    }
    SECTION("a start that hides its failure") {
        int starts = 0;
        RetryOnAddrInUse retry{Preflight{[&] { ++starts; }}, StoryProbe{&story}, StoryKiller{&story}, NoLog{}};
        retry.start(here);
        CHECK(starts == 1);
        CHECK(story.text == "held probe kill held ");
    }
}

TEST_CASE("wrappers nest and keep what the server says") {
    Story story;
    struct Silent {
        Story* story;
        int starts = 0;
        bool start(int) { return ++starts == 2; }
    };
    RetryOnAddrInUse inner{Preflight{AskProbe{Silent{&story}}}, StoryProbe{&story}, StoryKiller{&story}, NoLog{}};
    story.holders.clear();
    CHECK_FALSE(inner.start(here));
    CHECK(story.text == "held probe ");
    story.holders = {holder_at(here)};
    RetryOnAddrInUse outer{AskProbe{Preflight{Silent{&story}}}, StoryProbe{&story}, StoryKiller{&story}, NoLog{}};
    story.text.clear();
    CHECK_FALSE(outer.start(here)); // evicted before the first start: spent
    CHECK(story.text == "held probe kill held probe ");
    RetryOnAddrInUse asked{AskProbe{Silent{&story}}, StoryProbe{&story}, StoryKiller{&story}, NoLog{}};
    story.holders = {holder_at(here)};
    CHECK(asked.start(here));
}

TEST_CASE("servers of every form are started") {
    struct ByEndpoint {
        std::string host;
        void start(const Endpoint& endpoint) { host = endpoint.host(); }
        void start(std::uint16_t) { FAIL("the endpoint comes first"); }
    };
    struct ByPort {
        std::uint64_t port = 0;
        void start(const std::uint64_t& p) { port = p; }
    };
    struct ByNothing {
        bool started = false;
        void start() { started = true; }
        void start(bool) { FAIL("a bool is no port"); }
        void start(char) { FAIL("a char is no port"); }
        void start(double) { FAIL("a double is no port"); }
    };
    struct WithDefault {
        int port = 0;
        void start(short p, int backlog = 16) { port = p + backlog; }
    };
    RetryOnAddrInUse<ByEndpoint> endpoint;
    endpoint.start("127.0.0.1", 80);
    CHECK(endpoint->host == "127.0.0.1");
    RetryOnAddrInUse<ByPort> port;
    port.start(65535);
    CHECK(port->port == 65535);
    RetryOnAddrInUse<ByNothing> nothing;
    nothing.start(1);
    CHECK(nothing.server().started);
    struct ByHost {
        std::string host;
        int port = 0;
        void start(const std::string& h, int p) {
            host = h;
            port = p;
        }
        void start(int) { FAIL("host and port come before the port alone"); }
        void start(bool, int) { FAIL("a bool is no host"); }
        void start(int, int) { FAIL("a number is no host"); }
    };
    RetryOnAddrInUse<ByHost> by_host;
    by_host.start("::1", 80);
    CHECK(by_host->host == "::1");
    CHECK(by_host->port == 80);
    by_host.start("LOCALHOST", 81);
    CHECK(by_host->host == "localhost");
    by_host.start(82);
    CHECK(by_host->host.empty());
    CHECK_THROWS_AS(by_host.start(Endpoint::unix_stream("/a")), std::invalid_argument);
    std::string view;
    RetryOnAddrInUse{[&](std::string_view h, std::uint16_t p) { view = std::string(h) + std::to_string(p); }}.start(
        "127.0.0.1", 80);
    CHECK(view == "127.0.0.180");
    RetryOnAddrInUse{[&](const char* h, long) { view = h; }}.start("0.0.0.0", 80);
    CHECK(view == "0.0.0.0");
    Transport transport = Transport::tcp;
    RetryOnAddrInUse{[&](const Endpoint& given) { transport = given.transport(); }}.start("::1", 80, Transport::udp);
    CHECK(transport == Transport::udp);
    RetryOnAddrInUse<WithDefault> with_default;
    with_default.start(64);
    CHECK(with_default->port == 80);

    std::string seen;
    RetryOnAddrInUse{[&](const auto& generic) { seen = to_string(generic); }}.start("::1", 80);
    CHECK(seen == "[::1]:80");
    RetryOnAddrInUse{[&](unsigned short p) { seen = std::to_string(p); }}.start(81);
    CHECK(seen == "81");
    RetryOnAddrInUse{[&] { seen = "nothing"; }}.start(81);
    CHECK(seen == "nothing");
}

namespace {
int last_port = 0;
void start_function(int port) { last_port = port; }
} // namespace

TEST_CASE("servers by reference, by value, in place, and functions") {
    struct Server {
        int starts = 0;
        void start() { ++starts; }
    };
    Server mine;
    RetryOnAddrInUse referring{mine};
    referring.start(1);
    CHECK(mine.starts == 1);
    STATIC_REQUIRE(std::is_same_v<decltype(referring), RetryOnAddrInUse<Server&>>);
    RetryOnAddrInUse owning{Server{}};
    owning.start(1);
    CHECK(owning->starts == 1);
    const auto& constant = owning;
    CHECK(constant->starts == 1);
    CHECK(constant.server().starts == 1);

    struct Immovable {
        explicit Immovable(int a, std::unique_ptr<int> b) : sum(a + *b) {}
        Immovable(Immovable&&) = delete;
        void start() {}
        int sum;
    };
    RetryOnAddrInUse<Immovable> in_place{std::in_place, 1, std::make_unique<int>(2)};
    in_place.start(1);
    CHECK(in_place->sum == 3);

    RetryOnAddrInUse{start_function}.start(4321);
    CHECK(last_port == 4321);
    RetryOnAddrInUse{[moved = std::make_unique<int>(1)](int port) { last_port = port + *moved; }}.start(1);
    CHECK(last_port == 2);
}

TEST_CASE("results come back as they are") {
    RetryOnAddrInUse moved{[](int port) { return std::make_unique<int>(port); }};
    CHECK(*moved.start(80) == 80);
    int place = 7;
    RetryOnAddrInUse referred{[&](int) -> int& { return place; }};
    STATIC_REQUIRE(std::is_same_v<decltype(referred.start(1)), int&>);
    CHECK(&referred.start(1) == &place);
    struct Immovable {
        explicit Immovable(int p) : port(p) {}
        Immovable(Immovable&&) = delete;
        int port;
    };
    RetryOnAddrInUse immovable{[](int port) { return Immovable(port); }};
    CHECK(immovable.start(80).port == 80);
    RetryOnAddrInUse nothing{[](int) {}};
    STATIC_REQUIRE(std::is_void_v<decltype(nothing.start(1))>);
}

TEST_CASE("the value of the start that failed last comes back, with its errno") {
    Story story;
    story.holders.clear();
    int starts = 0;
    RetryOnAddrInUse retry{[&](int) {
                               detail::Os::set_last_error(in_use_number);
                               return -100 * ++starts;
                           },
                           [&](const Endpoint&) {
                               detail::Os::set_last_error(ENOENT);
                               return std::vector<Holder>();
                           },
                           ReportOnly{}, NoLog{}};
    CHECK(retry.start(here) == -200);
    CHECK(detail::Os::last_error() == in_use_number);
    CHECK(starts == 2);
}

TEST_CASE("the caller's errno is left alone by a start that does not touch it") {
    RetryOnAddrInUse retry{[](int) { return true; }};
    detail::Os::set_last_error(ENOTTY);
    CHECK(retry.start(80));
    CHECK(detail::Os::last_error() == ENOTTY);
    RetryOnAddrInUse failing{[](int) { return false; }};
    CHECK_FALSE(failing.start(80));
    CHECK(detail::Os::last_error() == ENOTTY);
}

TEST_CASE("an exception that is being handled survives a recovery") {
    Story story;
    auto retry = retry_in(story);
    try {
        throw std::runtime_error("the caller's");
    } catch (...) {
        CHECK(retry.start(here) == 2);
        CHECK_THROWS_WITH(std::rethrow_exception(std::current_exception()), "the caller's");
    }
}

TEST_CASE("a new start forgets the recovery of the last one") {
    Story story;
    auto retry = retry_in(story);
    CHECK(retry.start(here) == 2);
    CHECK(retry.start("127.0.0.1", 81) == 3);
    CHECK(retry.recovery().evictions.empty());
    CHECK_FALSE(retry.recovery().retried);
    CHECK(retry.recovery().endpoint.port() == 81);
}

TEST_CASE("free_address is a round without a server") {
    Story story;
    Recovery recovery = free_address(here, StoryProbe{&story}, StoryKiller{&story}, StoryLog{&story});
    CHECK(story.text == "probe kill held probe ");
    CHECK(recovery.obstacle == Obstacle::none);
    CHECK(recovery.evictions.size() == 1);
    story.text.clear();
    recovery = free_address(here, StoryProbe{&story}, StoryKiller{&story}, StoryLog{&story});
    CHECK(story.text == "probe held probe ");
    CHECK(recovery.obstacle == Obstacle::none);
    story.holders = {holder_at(here)};
    recovery = free_address(here, StoryProbe{&story}, ReportOnly{}, StoryLog{&story});
    CHECK(recovery.obstacle == Obstacle::refused_holder);
    story.holders = {holder_at(here, 0, State::lingering)};
    recovery = free_address(here, StoryProbe{&story}, StoryKiller{&story}, StoryLog{&story});
    CHECK(recovery.obstacle == Obstacle::lingering_connections);
}

TEST_CASE("a description says who, what became of them, and what to do") {
    Recovery recovery;
    recovery.endpoint = here;
    CHECK(describe(recovery) == "127.0.0.1:80: no process had to be terminated.");
    Eviction eviction;
    eviction.holder = holder_at(here, 7);
    eviction.holder.name = std::string("a\x1b[2J\n\0b\\", 9) + std::string(200, 'x');
    eviction.fate = Fate::refused;
    eviction.reason = "of a rule";
    recovery.evictions = {eviction};
    for (int obstacle = 1; obstacle <= 12; ++obstacle) {
        recovery.obstacle = static_cast<Obstacle>(obstacle);
        const std::string text = describe(recovery);
        CHECK_THAT(text, has_text("127.0.0.1:80: a\\x1b[2J\\x0a\\x00b\\x5cx"));
        CHECK_THAT(text, has_text("(pid 7) was not terminated: of a rule."));
        CHECK(text.find_first_of("\n\x1b\x7f") == std::string::npos);
        CHECK(text.size() < 600);
    }
    recovery.evictions.clear();
    recovery.obstacle = Obstacle::invisible_holder;
    CHECK_THAT(describe(recovery), has_text("The holder is not visible.") && has_text("To see "));
}

TEST_CASE("policies by lambda, with state, and moved in") {
    auto log_lines = std::make_unique<std::vector<std::string>>();
    auto* lines = log_lines.get();
    int starts = 0;
    RetryOnAddrInUse retry{[&](int) { return ++starts == 2; },
                           [](const Endpoint&, std::error_code&) mutable { return std::vector<Holder>{}; },
                           [](const std::vector<Holder>&) mutable { return std::vector<Eviction>{}; },
                           [owned = std::move(log_lines)](std::string_view line) { owned->emplace_back(line); }};
    CHECK_FALSE(retry.start(80)); // no errno: not recognised
    CHECK(starts == 1);
    CHECK(lines->empty());
}

TEST_CASE("hostile values do no harm") {
    STATIC_REQUIRE_FALSE(std::is_constructible_v<Endpoint, std::nullptr_t, int>);
    const auto longest = std::chrono::milliseconds::max();
    const auto shortest = std::chrono::milliseconds::min();
    const std::string huge(1 << 16, '\xff');
    Holder odd = holder_at(Endpoint("255.255.255.255", 65535));
    odd.start_time = ~std::uint64_t{0};
    odd.name = odd.executable = odd.command_line = odd.user = odd.socket_user = huge;
    odd.state = static_cast<State>(200);
    CHECK(TerminateThenKill{longest, longest}({odd}).at(0).fate == Fate::already_gone);
    CHECK(TerminateThenKill{shortest, shortest}({odd}).at(0).fate == Fate::already_gone);
    CHECK(WaitForExit{longest}({odd}).at(0).fate == Fate::already_gone);
    CHECK(WaitForExit{shortest}({odd}).at(0).fate == Fate::already_gone);
    CHECK_FALSE(SameExecutable{}(odd));
    CHECK_FALSE(SameCommandLine{}(odd));
    CHECK_FALSE(SameUser{}(odd));
    std::error_code error;
    CHECK(LsofProbe{shortest}(Endpoint("127.0.0.1", 1), error).empty());
    CHECK(error);

    Recovery recovery;
    recovery.obstacle = static_cast<Obstacle>(200);
    for (int i = 0; i < 1000; ++i) {
        recovery.evictions.push_back({odd, static_cast<Fate>(i % 256), std::chrono::microseconds::max(), {}, ""});
    }
    const std::string text = describe(recovery);
    CHECK(text.size() < 1000000);
    CHECK(text.find('\xff') == std::string::npos);

    // A killer that makes its report up.
    Story story;
    RetryOnAddrInUse retry{StoryServer{&story}, StoryProbe{&story},
                           [&](const std::vector<Holder>&) {
                               Eviction nonsense;
                               nonsense.holder = odd;
                               nonsense.holder.pid = 0xffffffff;
                               nonsense.fate = static_cast<Fate>(200);
                               return std::vector<Eviction>(3, nonsense);
                           },
                           StoryLog{&story}};
    CHECK_THROWS_AS(retry.start(here), InUse);
    CHECK(retry.recovery().obstacle == Obstacle::surviving_holder);
}
