// Real processes and sockets for the region of macOS; see region.hpp.

#include "stranger.hpp"

#if defined(REGION_MACOS)
#    include "standin.hpp"
#endif

TEST_CASE("a stranger that holds the port leaves when asked, and the server starts") {
    const Stranger holder({"listen=" + at("127.0.0.1")});
    const Stranger beside({"listen=" + at("::1", holder.port)});
    TcpServer server("127.0.0.1");
    const Recovery recovery = start(server, Endpoint("127.0.0.1", holder.port));
    INFO(describe(recovery));
    CHECK(server.running());
    CHECK(server.starts == 2);
    REQUIRE(recovery.evictions.size() == 1);
    CHECK(recovery.evictions[0].fate == Fate::exited);
    CHECK(recovery.evictions[0].holder.pid == holder.pid);
    CHECK(recovery.obstacle == Obstacle::none);
    CHECK(holder.dies());
    CHECK(beside.alive());
}

TEST_CASE("what does not leave is forced, and what is stopped goes on to leave") {
    const Stranger stubborn({"ignore-term", "listen=" + at("127.0.0.1")});
    CHECK(free_it(Endpoint("127.0.0.1", stubborn.port), TerminateThenKill{std::chrono::milliseconds(200)})
              .evictions.at(0)
              .fate == Fate::killed);
    CHECK(stubborn.dies());
    const Stranger stopped({"listen=" + at("127.0.0.1")});
    kill(static_cast<pid_t>(stopped.pid), SIGSTOP);
    CHECK(free_it(Endpoint("127.0.0.1", stopped.port)).evictions.at(0).fate == Fate::exited);
    CHECK(stopped.dies());
}

TEST_CASE("what lets the address go lives on") {
    const Stranger holder({"release-on-term", "listen=" + at("127.0.0.1")});
    TcpServer server("127.0.0.1");
    const Recovery recovery = start(server, Endpoint("127.0.0.1", holder.port));
    CHECK(server.running());
    CHECK(recovery.evictions.at(0).fate == Fate::released);
    CHECK(holder.alive());
}

TEST_CASE("a socket that is bound and does not listen") {
    const Stranger holder({"bind=" + at("127.0.0.1")});
    TcpServer server("127.0.0.1");
    const Recovery recovery = start(server, Endpoint("127.0.0.1", holder.port));
    INFO(describe(recovery));
    CHECK(server.running());
    CHECK(holder.dies());
}

TEST_CASE("a UDP socket") {
    for (int port = 20000 + getpid() % 10000;; ++port) {
        if (system(("exec " HOLDER_PROGRAM " udp=" + at("127.0.0.1", static_cast<std::uint16_t>(port)) +
                    " </dev/null >/dev/null 2>&1")
                       .c_str()) != 0) {
            continue; // taken: the next
        }
        const Stranger holder({"udp=" + at("127.0.0.1", static_cast<std::uint16_t>(port))});
        const Recovery recovery = free_it(Endpoint("127.0.0.1", port, Transport::udp));
        INFO(describe(recovery));
        REQUIRE(recovery.evictions.size() == 1);
        CHECK(recovery.evictions[0].holder.pid == holder.pid);
        CHECK(holder.dies());
        break;
    }
}

TEST_CASE("a dual-stack holder is in the way of IPv4") {
    const Stranger holder({"listen=" + at("::")});
    const Recovery recovery = free_it(Endpoint("127.0.0.1", holder.port));
    INFO(describe(recovery));
    CHECK(holder.dies());
    CHECK(recovery.obstacle == Obstacle::none);
}

TEST_CASE("who holds the very address is meant, and a wildcard one only if there is nobody") {
    const Stranger wildcard({"reuseport", "listen=" + at("0.0.0.0")});
    const Stranger exact({"reuseport", "listen=" + at("127.0.0.1", wildcard.port)});
    CHECK(free_address(Endpoint("127.0.0.1", wildcard.port), SystemProbe{}, TerminateThenKill{}, NoLog{})
              .evictions.at(0)
              .holder.pid == exact.pid);
    CHECK(exact.dies());
    CHECK(wildcard.alive());
    const Stranger again({"reuseport", "listen=" + at("127.0.0.1", wildcard.port)});
    CHECK(free_it(Endpoint("0.0.0.0", wildcard.port)).evictions.at(0).holder.pid == wildcard.pid);
    CHECK(wildcard.dies());
    CHECK(again.alive());
    const Stranger alone({"listen=" + at("0.0.0.0")});
    CHECK(free_it(Endpoint("127.0.0.1", alone.port)).evictions.at(0).fate == Fate::exited);
}

TEST_CASE("with the port alone, a holder on one address beside another one lives") {
    const Stranger one({"listen=" + at("127.0.0.1")});
    const Stranger two({"listen=" + at("::1", one.port)});
    const Recovery recovery = free_it(Endpoint(one.port));
    INFO(describe(recovery));
    CHECK(one.alive());
    CHECK(two.alive());
    CHECK(recovery.obstacle != Obstacle::none);
}

TEST_CASE("what is known of a holder, and of ourselves") {
    const std::uint64_t before = detail::os::now();
    const Stranger holder({"listen=" + at("127.0.0.1")});
    std::error_code error;
    const std::vector<Holder> holders = SystemProbe{}(Endpoint("127.0.0.1", holder.port), error);
    REQUIRE_FALSE(error);
    REQUIRE(holders.size() == 1);
    CHECK(holders[0].pid == holder.pid);
    CHECK_THAT(holders[0].name, has_text("holder"));
    CHECK(holders[0].user == std::to_string(geteuid()));
    CHECK(holders[0].state == State::listening);
    CHECK(holders[0].start_time + 2000000 > before); // in the same unit: seconds, or microseconds
    CHECK(holders[0].start_time <= detail::os::now() + 2);
    CHECK(SystemProbe{}.held(Endpoint("127.0.0.1", holder.port)));
    CHECK_FALSE(SystemProbe{}.held(Endpoint("::1", holder.port)));
    CHECK(detail::os::holds(holder.pid, holders[0].socket, error));
    CHECK_FALSE(detail::os::holds(holder.pid, Endpoint("::1", holder.port), error));
    CHECK(detail::os::parent(detail::os::self(), error) == static_cast<std::uint32_t>(getppid()));
    Holder us = detail::os::identify(detail::os::self());
    CHECK(SameUser{}(us));
    CHECK(SameUser{}(holders[0]));
    CHECK(SameExecutable{}(us));
    CHECK(SameCommandLine{}(us));
    CHECK_FALSE(SameExecutable{}(holders[0]));
    CHECK_THAT(holders[0].executable, has_text("holder"));
    CHECK_THAT(holders[0].command_line, has_text(" listen=127.0.0.1:0"));
}

TEST_CASE("a rule that forbids it, and an end that is waited for") {
    const Stranger holder({"listen=" + at("127.0.0.1")});
    const Endpoint here("127.0.0.1", holder.port);
    CHECK(free_it(here, OnlyIf<SameExecutable>{}).obstacle == Obstacle::refused_holder);
    CHECK(free_it(here, WaitForExit{std::chrono::milliseconds(20)}).obstacle == Obstacle::surviving_holder);
    Holder wrong = detail::os::identify(holder.pid);
    wrong.socket = Endpoint("::1", holder.port);
    CHECK(TerminateThenKill{}({wrong}).at(0).fate == Fate::released);
    wrong.socket = here;
    wrong.start_time += 7;
    CHECK(TerminateThenKill{}({wrong}).at(0).fate == Fate::already_gone);
    CHECK(holder.alive());
}

TEST_CASE("this process and a successor are left alone") {
    TcpServer ours("127.0.0.1");
    ours.start(0);
    TcpServer server("127.0.0.1");
    CHECK(start(server, Endpoint("127.0.0.1", ours.port())).obstacle == Obstacle::this_process);
    Holder holder;
    holder.start_time = detail::os::now();
    CHECK_FALSE(detail::os::started_after(holder, holder.start_time));
    CHECK(detail::os::started_after(holder, holder.start_time - 1));
    CHECK(detail::os::Process(0x7ffffff0).exited());
    CHECK(detail::os::Process(1).signal(detail::os::Ask::permission) == std::errc::operation_not_permitted);
}

TEST_CASE("many processes and descriptors: lists grow") {
    const Stranger crowd({"fork=150", "listen=" + at("127.0.0.1")});
    const Stranger holder({"descriptors=300", "listen=" + at("127.0.0.1")});
    std::error_code error;
    const std::vector<Holder> holders = SystemProbe{}(Endpoint("127.0.0.1", holder.port), error);
    REQUIRE(holders.size() == 1);
    CHECK(holders[0].pid == holder.pid);
}

TEST_CASE("another user's holder is reported and lives") {
    if (geteuid() != 0) { SKIP_HERE("needs root"); }
    const Stranger holder({"listen=" + at("127.0.0.1")});
    int answer[2];
    REQUIRE(pipe(answer) == 0);
    const pid_t child = fork();
    if (child == 0) {
        if (setgid(65534) != 0 || setuid(65534) != 0) { _exit(1); }
        TcpServer server("127.0.0.1");
        RetryOnAddrInUse retry{server, SystemProbe{}, TerminateThenKill{}, NoLog{}};
        try {
            retry.start("127.0.0.1", holder.port);
        } catch (const std::system_error&) {}
        // Without a server nothing but the probe can tell that somebody may be there.
        const char obstacle =
            static_cast<char>(free_it(Endpoint("127.0.0.1", holder.port)).obstacle == retry.recovery().obstacle
                                  ? retry.recovery().obstacle
                                  : Obstacle::none);
        _exit(write(answer[1], &obstacle, 1) == 1 ? 0 : 1);
    }
    close(answer[1]);
    char obstacle = 0;
    CHECK(read(answer[0], &obstacle, 1) == 1);
    close(answer[0]);
    waitpid(child, nullptr, 0);
    CHECK(static_cast<Obstacle>(obstacle) == Obstacle::invisible_holder);
    CHECK(holder.alive());
}

TEST_CASE("nobody is ended for a path here, and where the system shows that nobody has it its file is removed") {
    char directory[] = "/tmp/addr-in-use-XXXXXX";
    REQUIRE(mkdtemp(directory) != nullptr);
    const std::string path = std::string(directory) + "/socket";
    const Endpoint here = Endpoint::path(path);
    const auto exists = [&] {
        struct stat file {};
        return lstat(path.c_str(), &file) == 0;
    };
    for (const std::string what : {"listen=", "bind="}) { // one that is only bound refuses a connect as a dead one does
        unlink(path.c_str());
        const Stranger holder({what + to_string(here)});
        const Recovery recovery = free_it(here);
        CHECK(holder.alive());
        CHECK(exists());
        CHECK(recovery.obstacle == Obstacle::invisible_holder);
    }
    const Recovery recovery = free_it(here);
    CHECK(recovery.evictions.at(0).fate == Fate::released);
    CHECK(recovery.obstacle == Obstacle::none);
    CHECK_FALSE(exists());
    REQUIRE(symlink("nothing", path.c_str()) == 0);
    CHECK(free_it(here).obstacle == Obstacle::file_in_the_way);
    CHECK(exists());
    unlink(path.c_str());
    rmdir(directory);
}

#if defined(REGION_MACOS)
TEST_CASE("another user's socket file is nobody's to remove where its processes cannot be seen") {
    if (geteuid() != 0) { SKIP_HERE("needs root"); }
    char directory[] = "/tmp/addr-in-use-XXXXXX";
    REQUIRE(mkdtemp(directory) != nullptr);
    chmod(directory, 0777);
    const std::string path = std::string(directory) + "/socket";
    { const Stranger dead({"listen=unix:" + path}); }
    chmod(path.c_str(), 0777);
    const pid_t child = fork();
    if (child == 0) {
        if (setuid(65534) != 0) { _exit(99); }
        const bool good = free_it(Endpoint::path(path)).obstacle == Obstacle::invisible_holder;
        _exit(good && access(path.c_str(), F_OK) == 0 ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    CHECK(status == 0);
    unlink(path.c_str());
    rmdir(directory);
}

TEST_CASE("a process that ends between two looks is no holder") {
    const Stranger holder({"listen=" + at("127.0.0.1")});
    standin.vanishes = static_cast<int>(holder.pid);
    std::error_code error;
    CHECK(SystemProbe{}(Endpoint("127.0.0.1", holder.port), error).empty());
    CHECK_FALSE(error);
    standin.vanishes = 0;
    CHECK(SystemProbe{}(Endpoint("127.0.0.1", holder.port), error).size() == 1);
}

TEST_CASE("a socket that is parked in a Mach port is found") {
    const Stranger holder({"listen=" + at("127.0.0.1")});
    standin.parks_in_fileports = static_cast<int>(holder.pid);
    std::error_code error;
    const std::vector<Holder> holders = SystemProbe{}(Endpoint("127.0.0.1", holder.port), error);
    standin.parks_in_fileports = 0;
    REQUIRE(holders.size() == 1);
    CHECK(holders[0].pid == holder.pid);
}

TEST_CASE("one look asks for the list of processes a few times only") {
    standin.lists_of_pids = 0;
    std::error_code error;
    static_cast<void>(SystemProbe{}(Endpoint("127.0.0.1", 1), error));
    CHECK(standin.lists_of_pids >= 1);
    CHECK(standin.lists_of_pids < 8); // it doubles until it fits
}
#endif
