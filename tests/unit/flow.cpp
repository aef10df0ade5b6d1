// The flow of one start, with fake policies: which is called how often, and in which order.

#include "story.hpp"

#include <cerrno>

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
        {holder_at(here, unused_pid, State::connected), Obstacle::live_connection},
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
    CHECK(retry.recovery().evictions[0].holder.pid == unused_pid);
}

TEST_CASE("simple killers are called in turn until one holder is not gone") {
    Story story;
    story.holders = {holder_at(here, unused_pid), holder_at(here, unused_pid + 1), holder_at(here, unused_pid + 2)};
    std::vector<std::uint32_t> called;
    RetryOnAddrInUse retry{StoryServer{&story}, StoryProbe{&story},
                           [&](const Holder& holder) {
                               called.push_back(holder.pid);
                               return holder.pid == unused_pid + 1 ? Fate::not_permitted : Fate::exited;
                           },
                           NoLog{}};
    CHECK_THROWS_AS(retry.start(here), InUse);
    CHECK(called == std::vector<std::uint32_t>{unused_pid, unused_pid + 1});
    CHECK(retry.recovery().evictions.at(2).fate == Fate::refused);

    story = Story{};
    RetryOnAddrInUse generic{StoryServer{&story}, StoryProbe{&story},
                             [&](const auto& holder) {
                                 story.holders.clear();
                                 return holder.pid == unused_pid ? Fate::killed : Fate::survived;
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

TEST_CASE("a killer that repeats its answer is not asked for ever") {
    Story story;
    story.holders = {holder_at(here, unused_pid), holder_at(here, unused_pid + 1)};
    int calls = 0;
    RetryOnAddrInUse retry{StoryServer{&story}, StoryProbe{&story},
                           [&](const std::vector<Holder>&) {
                               const Holder& first = story.holders[0];
                               if (++calls > 5) { return std::vector<Eviction>{}; }
                               return std::vector<Eviction>{
                                   {first, Fate::exited, {}, {}, ""},
                                   {story.holders[1], Fate::refused, {}, {}, detail::blocked_by(first)}};
                           },
                           NoLog{}};
    CHECK_THROWS_AS(retry.start(here), InUse);
    CHECK(calls <= 2);
}

TEST_CASE("a look before the start that could not see is forgotten when the next one can") {
    Story story;
    int looks = 0;
    const auto probe = [&](const Endpoint&, std::error_code& error) {
        if (++looks == 2) { error = std::make_error_code(std::errc::permission_denied); } // the first asks whether
        return error ? std::vector<Holder>() : story.holders;
    };
    RetryOnAddrInUse retry{Preflight<StoryServer>{{&story}}, probe, StoryKiller{&story}, NoLog{}};
    CHECK(retry.start(here) == 2);
    CHECK(retry.recovery().obstacle == Obstacle::none);
}
