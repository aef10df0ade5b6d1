// Holders that are hard to find or to terminate: hidden descriptors, slow exits, changing pids and programs.

#include "real.hpp"

#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <sys/resource.h>

TEST_CASE("a service of the system and a container are left to their managers") {
    NEEDS_ROOT();
    const std::pair<const char*, const char*> groups[] = {
        {"/system.slice/addr-in-use-test.service", "systemctl stop addr-in-use-test.service"},
        {"/docker/0123456789abcdef", "docker stop"},
        {"/machine.slice/libpod-0123456789abcdef.scope", "podman stop"},
        {"/kubepods.slice/pod0123", "delete the pod"}};
    for (const auto& [path, advice] : groups) {
        Group group(path);
        {
            Helper holder({"listen=127.0.0.1:0"});
            if (!group.take(holder.pid())) { SKIP_HERE("needs a hierarchy of control groups that can be written"); }
            const Started started = start_at("127.0.0.1", holder.port());
            CHECK_FALSE(started.serves);
            CHECK_THAT(started.reason(), has_text(advice));
            CHECK(started.recovery.obstacle == Obstacle::refused_holder);
            CHECK(holder.alive());
            holder.process().signal(SIGKILL);
            REQUIRE(holder.process().exits_within(5000));
        }
    }
}

TEST_CASE("within one service, its own previous run may be ended") {
    NEEDS_ROOT();
    Group group("/system.slice/addr-in-use-test.service");
    Helper holder({"listen=127.0.0.1:0"});
    if (!group.take(holder.pid())) { SKIP_HERE("needs a hierarchy of control groups that can be written"); }
    const std::string outcome = in_child(0, [&] {
        if (!group.take(static_cast<std::uint32_t>(getpid()))) { return std::string("no group"); }
        return std::string(start_at("127.0.0.1", holder.port()).serves ? "served" : "failed");
    });
    CHECK(outcome == "served");
}

TEST_CASE("a browser that inherited the listener of a dead server lives") {
    if (std::filesystem::is_symlink("/bin/sleep")) { SKIP_HERE("needs a sleep that may have another name"); }
    Directory directory;
    const std::string browser = directory.install("/bin/sleep", "firefox");
    Helper holder({"listen=127.0.0.1:0", "leave-program=" + browser, "60"});
    holder.process(0).signal(SIGKILL);
    REQUIRE(holder.process(0).exits_within(5000));
    const Started started = start_at("127.0.0.1", holder.port());
    CHECK_FALSE(started.serves);
    CHECK(started.pid() == holder.pid(1));
    CHECK_THAT(started.reason(), has_text("a person works in it"));
    CHECK(holder.alive(1));
}

TEST_CASE("a helper without a name that inherited the listener of a dead server is ended") {
    Helper holder({"listen=127.0.0.1:0", "leave-program=/bin/sleep", "60"});
    holder.process(0).signal(SIGKILL);
    REQUIRE(holder.process(0).exits_within(5000));
    CHECK(start_at("127.0.0.1", holder.port()).serves);
    CHECK_FALSE(holder.alive(1));
}

TEST_CASE("a listener that another user planted does not get its process killed") {
    NEEDS_ROOT();
    Helper victim({"planted=65534"});
    const Started started = start_at("127.0.0.1", victim.port());
    CHECK_FALSE(started.serves);
    CHECK_THAT(started.reason(), has_text("created by user 65534"));
    CHECK(victim.alive());
}

TEST_CASE("two programs that share a UDP address on purpose both live") {
    Directory directory;
    const std::string other = directory.install(HOLDER_PROGRAM, "other");
    Helper first({"reuseport", "udp=127.0.0.1:low"});
    Helper second(other, {"reuseport", "udp=127.0.0.1:" + std::to_string(first.port())}, Helper::Kin::stranger);
    second.read_ready();
    const Started started =
        start_at("127.0.0.1", Endpoint("127.0.0.1", first.port(), Transport::udp), TerminateThenKill{}, false);
    CHECK_FALSE(started.serves);
    CHECK_THAT(started.reason(), has_text("on purpose"));
    CHECK(first.alive());
    CHECK(second.alive());
}

TEST_CASE("a holder whose name and arguments are escape sequences is shown as plain text") {
    const std::string evil = "\x1b[2J\n\r\x07 evil\x9b";
    Helper holder({"listen=127.0.0.1:0", "name=" + evil});
    std::vector<std::string> lines;
    RetryOnAddrInUse retry{[&](int) { return std::errc::address_in_use; }, SystemProbe{}, ReportOnly{},
                           [&](std::string_view line) { lines.emplace_back(line); }};
    CHECK(retry.start("127.0.0.1", holder.port()) == std::errc::address_in_use);
    REQUIRE(lines.size() == 3);
    lines[2] = describe(retry.recovery());
    for (const std::string& line : lines) {
        CHECK_THAT(line, has_text("\\x1b[2J\\x0a"));
        for (const char c : line) { CHECK((c >= ' ' && c <= '~')); }
    }
    CHECK(retry.recovery().evictions.at(0).holder.name == evil.substr(0, 15)); // the fields keep the raw bytes
    CHECK_THAT(retry.recovery().evictions.at(0).holder.command_line, has_text(evil));
}

TEST_CASE("a process of 4 GiB takes its time to die, and is waited for") {
    std::ifstream file("/proc/meminfo");
    std::string word;
    std::size_t available = 0;
    while (file >> word && word != "MemAvailable:") {}
    file >> available;
    if (available < (std::size_t{8} << 20)) { SKIP_HERE("needs 8 GiB of memory"); }
    Helper holder({"listen=127.0.0.1:0", "memory=4096"});
    const Started started = start_at("127.0.0.1", holder.port(), TerminateThenKill{milliseconds(0)});
    CHECK(started.serves);
    CHECK(started.fate() == Fate::killed);
}

TEST_CASE("a process with 50,000 descriptors, or as many as this machine allows") {
    rlimit limit{};
    REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    const auto count = std::min<rlim_t>(50000, limit.rlim_max - 100);
    REQUIRE(count > 500);
    Helper holder({"descriptors=" + std::to_string(count), "listen=127.0.0.1:0"});
    CHECK(start_at("127.0.0.1", holder.port()).serves);
}

TEST_CASE("a process that is always in the middle of exec") {
    for (int round = 0; round < 10; ++round) {
        Helper holder({"listen=127.0.0.1:0", "exec-loop"});
        const Started started = start_at("127.0.0.1", holder.port());
        // It may look like another program for a moment; then it is left alone, and that is said.
        CHECK((started.serves || started.recovery.obstacle != Obstacle::none));
        CHECK(started.serves == !holder.alive());
    }
}

TEST_CASE("a process that daemonizes while it is looked at") {
    Helper holder({"listen=127.0.0.1:0", "daemonize-loop"});
    const Endpoint here("127.0.0.1", holder.port());
    bool free = false;
    for (int round = 0; round < 200 && !free; ++round) {
        const Started started = start_at("127.0.0.1", here);
        free = started.serves;
        CHECK((started.serves || started.recovery.obstacle != Obstacle::none || started.recovery.error));
    }
    CHECK(free); // 500 generations are over some time
}

TEST_CASE("a process stopped under a debugger") {
    Helper holder({"listen=127.0.0.1:0", "traced"});
    const Started started = start_at("127.0.0.1", holder.port(), TerminateThenKill{milliseconds(100)});
    CHECK(started.serves);
    CHECK(started.pid() == holder.pid(1));
    CHECK(started.fate() == Fate::killed);
    CHECK(holder.alive(0)); // the debugger
}

TEST_CASE("a process whose first thread has ended") {
    Helper holder({"listen=127.0.0.1:0", "last-thread"});
    while (process_state(holder.pid()) != 'Z') {}
    const Started started = start_at("127.0.0.1", holder.port());
    CHECK(started.serves);
    CHECK(started.pid() == holder.pid());
    CHECK_FALSE(holder.alive());
}

TEST_CASE("a socket in flight between processes has no owner to be seen") {
    Helper holder({"listen=127.0.0.1:0", "in-flight"});
    const Started started = start_at("127.0.0.1", holder.port());
    CHECK_FALSE(started.serves);
    CHECK(started.starts == 1);
    CHECK(started.recovery.obstacle == Obstacle::invisible_holder);
    CHECK(holder.alive());
}

TEST_CASE("a holder that forks a new one at each signal ends the round, not the machine") {
    Helper holder({"fork-on-term", "listen=127.0.0.1:0"});
    const Endpoint here("127.0.0.1", holder.port());
    const Started started = start_at("127.0.0.1", here, TerminateThenKill{milliseconds(200)});
    CHECK_FALSE(started.serves);
    CHECK(started.starts == 2);
    CHECK(started.recovery.obstacle == Obstacle::taken_again);
    // Forced at once it has no time to.
    CHECK(start_at("127.0.0.1", here, TerminateThenKill{milliseconds(0)}).serves);
}
