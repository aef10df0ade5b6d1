// Servers of every form, the wrappers around them, and what comes back from a start.

#include "story.hpp"

#include <cerrno>
#include <memory>

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
