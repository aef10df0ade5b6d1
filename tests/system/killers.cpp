// What the killers do with a holder that is no longer what the probe saw.

#include "real.hpp"

#include <sys/prctl.h>

namespace {

Holder look_at(const Helper& helper) {
    std::error_code error;
    const std::vector<Holder> holders = SystemProbe{}(Endpoint("127.0.0.1", helper.port()), error);
    REQUIRE_FALSE(error);
    REQUIRE(holders.size() == 1);
    return holders[0];
}

Eviction evict(const Holder& holder) {
    const auto evictions = TerminateThenKill{milliseconds(200)}({holder});
    REQUIRE(evictions.size() == 1);
    return evictions[0];
}

} // namespace

TEST_CASE("a pid that another process has by now is not signalled") {
    Helper helper({"listen=127.0.0.1:0"});
    Holder holder = look_at(helper);
    ++holder.start_time;
    CHECK(evict(holder).fate == Fate::already_gone);
    CHECK(helper.alive());
}

TEST_CASE("a process that has let the address go is not signalled") {
    Helper helper({"release-on-term", "listen=127.0.0.1:0"});
    const Holder holder = look_at(helper);
    helper.process().signal(SIGTERM);
    while (SystemProbe{}.held(holder.sockets[0])) {}
    CHECK(evict(holder).fate == Fate::released);
    CHECK(helper.alive());
}

TEST_CASE("a process that does not hold the socket it is said to hold is not signalled") {
    Helper helper({"listen=127.0.0.1:0"});
    Holder holder = look_at(helper);
    holder.sockets = {Endpoint("127.0.0.2", helper.port())};
    CHECK(evict(holder).fate == Fate::released);
    holder.sockets.clear();
    CHECK(evict(holder).fate == Fate::released);
    CHECK(helper.alive());
}

TEST_CASE("a process that runs another program by now is not signalled") {
    Helper helper({"listen=127.0.0.1:0", "exec"});
    const Holder holder = look_at(helper);
    helper.close_input();
    while (detail::Os::inspect(helper.pid()).holder.executable == holder.executable) {}
    const Eviction eviction = evict(holder);
    CHECK(eviction.fate == Fate::refused);
    CHECK_THAT(eviction.reason, has_text("another program"));
    CHECK(helper.alive());
}

TEST_CASE("a holder that died in the meantime is gone") {
    Helper helper({"listen=127.0.0.1:0"});
    const Holder holder = look_at(helper);
    helper.process().signal(SIGKILL);
    REQUIRE(helper.process().exits_within(5000));
    CHECK(evict(holder).fate == Fate::already_gone);
}

TEST_CASE("a process that the system does not let us signal is reported, and its partner lives") {
    NEEDS_ROOT();
    // Two processes share one listener: one of them is nobody's, who asks for the end of both.
    Helper helper({"listen=127.0.0.1:0", "fork=1"});
    std::error_code error;
    const auto holders = SystemProbe{}(Endpoint("127.0.0.1", helper.port()), error);
    REQUIRE(holders.size() == 2);
    const std::string outcome = in_child(65534, [&] {
        std::string text;
        for (const std::uint32_t pid : {holders[0].pid, holders[1].pid}) {
            text += detail::Os::Process(pid).signal(detail::Signal::probe).message() + ';';
        }
        for (const Eviction& eviction : TerminateThenKill{}(holders)) { text += to_string(eviction.fate) + ';'; }
        return text;
    });
    // As nobody its descriptors cannot be read either: refused, since it cannot be looked at.
    CHECK(outcome == "Operation not permitted;Operation not permitted;refused;refused;");
    CHECK(helper.alive(0));
    CHECK(helper.alive(1));
}

TEST_CASE("the right to look without the right to signal: tried for all before anybody is signalled") {
    NEEDS_ROOT();
    // Two processes share a listener: we could end the first, but not the second, which is root's.
    Helper helper({"listen=127.0.0.1:0", "fork=1", "user=65534"});
    const std::string outcome = in_child(0, [&] {
        // CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH and CAP_DAC_OVERRIDE stay, CAP_KILL goes, and so does root.
        ::prctl(PR_SET_KEEPCAPS, 1);
        if (::setresuid(65534, 65534, 65534) != 0) { return std::string("setresuid"); }
        struct Header {
            std::uint32_t version;
            int pid;
        } header{0x20080522, 0};
        struct Data {
            std::uint32_t effective, permitted, inheritable;
        } data[2] = {{1U << 19 | 1U << 2 | 1U << 1, 1U << 19 | 1U << 2 | 1U << 1, 0}, {0, 0, 0}};
        if (::syscall(SYS_capset, &header, data) != 0) { return std::string("capset"); }
        std::error_code error;
        const auto holders = SystemProbe{}(Endpoint("127.0.0.1", helper.port()), error);
        std::string text;
        for (const Eviction& eviction : TerminateThenKill{}(holders)) {
            text += std::to_string(eviction.holder.pid) + '=' + to_string(eviction.fate) + ' ' +
                    eviction.error.message() + ';';
        }
        return text;
    });
    CHECK_THAT(outcome, has_text(std::to_string(helper.pid(0)) + "=refused " + std::error_code().message() + ';'));
    CHECK_THAT(outcome, has_text(std::to_string(helper.pid(1)) + "=not_permitted Operation not permitted;"));
    CHECK(helper.alive(0));
    CHECK(helper.alive(1));
}

TEST_CASE("killers that end nobody") {
    Helper helper({"listen=127.0.0.1:0"});
    const Started reported = start_at("127.0.0.1", helper.port(), ReportOnly{});
    CHECK_FALSE(reported.serves);
    CHECK(reported.fate() == Fate::refused);
    const Started waited = start_at("127.0.0.1", helper.port(), WaitForExit{milliseconds(30)});
    CHECK_FALSE(waited.serves);
    CHECK(waited.fate() == Fate::survived);
    CHECK(waited.recovery.evictions[0].took >= milliseconds(20));
    CHECK(waited.recovery.obstacle == Obstacle::surviving_holder);
    CHECK(helper.alive());
}

TEST_CASE("rules about real holders") {
    Helper helper({"listen=127.0.0.1:0"});
    CHECK(start_at("127.0.0.1", helper.port(), OnlyIf<SameExecutable>{}).fate() == Fate::refused);
    CHECK(start_at("127.0.0.1", helper.port(), OnlyIf<SameCommandLine>{}).fate() == Fate::refused);
    CHECK(helper.alive());
    CHECK(start_at("127.0.0.1", helper.port(), OnlyIf<SameUser>{}).serves);
}

TEST_CASE("the same user is the same in all three ids") {
    NEEDS_ROOT();
    const auto same = [](uid_t real, uid_t effective, uid_t saved) {
        int ends[2];
        REQUIRE(pipe(ends) == 0);
        const pid_t child = fork();
        if (child == 0) {
            const bool changed = setresuid(real, effective, saved) == 0;
            if (write(ends[1], changed ? "y" : "n", 1) != 1) { _exit(1); }
            for (;;) { pause(); }
        }
        const KnownProcess known(child);
        char c = 0;
        REQUIRE(read(ends[0], &c, 1) == 1);
        REQUIRE(c == 'y');
        Holder holder;
        holder.pid = known.pid();
        const bool result = SameUser{}(holder);
        known.signal(SIGKILL);
        waitpid(child, nullptr, 0);
        close(ends[0]);
        close(ends[1]);
        return result;
    };
    CHECK(same(0, 0, 0));
    CHECK_FALSE(same(1000, 0, 0));
    CHECK_FALSE(same(0, 1000, 0));
    CHECK_FALSE(same(0, 0, 1000));
}

TEST_CASE("a simple killer that only sends a signal is given time to see it work") {
    Helper helper({"listen=127.0.0.1:0"});
    OnlyIf killer{[](const Holder&) { return true; },
                  [](const Holder& holder) { // the helper of this test, by its pid
                      ::kill(static_cast<pid_t>(holder.pid), SIGTERM);
                  }};
    CHECK(killer({look_at(helper)}).at(0).fate == Fate::exited);
    CHECK_FALSE(helper.alive());
    Helper next({"listen=127.0.0.1:0"});
    CHECK(start_at("127.0.0.1", Endpoint("127.0.0.1", next.port()), killer).serves);
}

TEST_CASE("free_address frees a real address") {
    Helper helper({"listen=127.0.0.1:0"});
    const Recovery recovery =
        free_address(Endpoint("127.0.0.1", helper.port()), SystemProbe{}, TerminateThenKill{}, NoLog{});
    CHECK(recovery.obstacle == Obstacle::none);
    CHECK(recovery.evictions.at(0).fate == Fate::exited);
    TcpServer server("127.0.0.1");
    CHECK_NOTHROW(server.start(helper.port()));
}

TEST_CASE("preflight ends the previous copy of a server that shares its port") {
    Helper previous({"reuseport", "listen=127.0.0.1:0"});
    const auto shared_start = [](std::uint16_t port) { return start_shared(port); };
    RetryOnAddrInUse without{shared_start, SystemProbe{}, TerminateThenKill{}, NoLog{}};
    CHECK(without.start("127.0.0.1", previous.port()));
    CHECK(previous.alive()); // side by side
    RetryOnAddrInUse with{Preflight{shared_start}, SystemProbe{}, TerminateThenKill{}, NoLog{}};
    CHECK(with.start("127.0.0.1", previous.port()));
    CHECK_FALSE(previous.alive());
}

TEST_CASE("a simple killer is not called for a pid that another process has by now") {
    const Helper helper({"listen=127.0.0.1:0"});
    Holder holder = look_at(helper);
    ++holder.start_time;
    int calls = 0;
    auto killer = [&](const Holder&) { ++calls; };
    const std::vector<Eviction> evictions = detail::call_killer(killer, {holder});
    CHECK(evictions.at(0).fate == Fate::already_gone);
    CHECK(calls == 0);
}

TEST_CASE("free_address says why the test bind was not possible") {
    const Endpoint elsewhere("203.0.113.7", 1); // TEST-NET-3, RFC 5737: no address of this machine
    CHECK(free_address(elsewhere, SystemProbe{}, ReportOnly{}, NoLog{}).error == std::errc::address_not_available);
}

TEST_CASE("a killer reports a holder that is a zombie as exited") {
    const Helper helper({"listen=127.0.0.1:0"}, Helper::Kin::child);
    const Holder holder = look_at(helper);
    CHECK(evict(holder).fate == Fate::exited);
    CHECK(waitpid(static_cast<pid_t>(holder.pid), nullptr, WNOHANG) == static_cast<pid_t>(holder.pid)); // not before
}
