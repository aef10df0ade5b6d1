// Real processes and sockets for the region of macOS; see region.hpp.

#include "stranger.hpp"

#if defined(REGION_MACOS)
#    include "standin.hpp"
#endif

// macOS compares the last part of a path only: that of another test must differ.
static std::string unique_path(const std::string& directory) {
    return directory + "/socket-" + std::to_string(getpid());
}

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
        if (system(("exec " + std::string(holder_program()) +
                    " udp=" + at("127.0.0.1", static_cast<std::uint16_t>(port)) + " </dev/null >/dev/null 2>&1")
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
    CHECK(recovery.obstacle == Obstacle::refused_holder);
    REQUIRE(recovery.evictions.size() == 2);
    for (const Eviction& eviction : recovery.evictions) {
        CHECK(eviction.fate == Fate::refused);
        CHECK((eviction.holder.pid == one.pid || eviction.holder.pid == two.pid));
        CHECK_THAT(eviction.reason, has_text("name the host"));
        CHECK_THAT(eviction.reason,
                   has_text(eviction.holder.pid == one.pid ? at("[::1]", one.port) : at("127.0.0.1", one.port)));
    }
    CHECK(recovery.evictions[0].holder.pid != recovery.evictions[1].holder.pid);
}

TEST_CASE("with the port alone, the only holder is ended wherever it listens") {
    for (const char* const host : {"127.0.0.1", "::1", "0.0.0.0", "::"}) {
        INFO(host);
        const Stranger holder({"listen=" + at(host)});
        const Recovery recovery = free_it(Endpoint(holder.port));
        INFO(describe(recovery));
        REQUIRE(recovery.evictions.size() == 1);
        CHECK(recovery.evictions[0].holder.pid == holder.pid);
        CHECK(recovery.evictions[0].fate == Fate::exited);
        CHECK(recovery.obstacle == Obstacle::none);
        CHECK(holder.dies());
    }
    const Stranger holder({"listen=" + at("127.0.0.1")});
    TcpServer server("127.0.0.1");
    const Recovery recovery = start(server, Endpoint(holder.port));
    INFO(describe(recovery));
    CHECK(server.running());
    CHECK(server.starts == 2);
    CHECK(recovery.obstacle == Obstacle::none);
    CHECK(holder.dies());
}

TEST_CASE("with the port alone, processes that share their sockets are ended together") {
    const Stranger holder({"listen=" + at("127.0.0.1"), "listen-same=" + at("::1"), "fork=1"});
    for (const Endpoint& wanted : {Endpoint(holder.port), Endpoint("localhost", holder.port)}) {
        std::error_code error;
        const std::vector<Holder> holders = SystemProbe{}(wanted, error);
        REQUIRE(holders.size() == 2);
        const std::vector<Endpoint> both{Endpoint("127.0.0.1", holder.port), Endpoint("::1", holder.port)};
        CHECK(holders[0].sockets == both);
        CHECK(holders[1].sockets == both);
    }
    const Recovery recovery = free_it(Endpoint(holder.port));
    INFO(describe(recovery));
    REQUIRE(recovery.evictions.size() == 2);
    CHECK(recovery.evictions[0].fate == Fate::exited);
    CHECK(recovery.evictions[1].fate == Fate::exited);
    CHECK(recovery.obstacle == Obstacle::none);
    CHECK(holder.dies());
}

TEST_CASE("what is known of a holder, and of ourselves") {
    const std::uint64_t before = detail::Os::now();
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
    CHECK(holders[0].start_time <= detail::Os::now() + 2);
    CHECK(SystemProbe{}.held(Endpoint("127.0.0.1", holder.port)));
    CHECK_FALSE(SystemProbe{}.held(Endpoint("::1", holder.port)));
    CHECK(holders[0].sockets == std::vector<Endpoint>{Endpoint("127.0.0.1", holder.port)});
    CHECK(detail::owns_socket(holders[0], error));
    CHECK_FALSE(error);
    Holder elsewhere = holders[0];
    elsewhere.sockets = {Endpoint("::1", holder.port)};
    CHECK_FALSE(detail::owns_socket(elsewhere, error));
    CHECK_FALSE(error);
    CHECK(detail::Os::parent(detail::Os::current_pid(), error) == static_cast<std::uint32_t>(getppid()));
    CHECK_FALSE(error);
    const detail::ProcessInfo info = detail::Os::inspect(holder.pid);
    CHECK_FALSE(info.error);
    CHECK_FALSE(info.is_dead);
    CHECK_FALSE(info.is_stopped);
    CHECK(info.session == static_cast<std::uint32_t>(getsid(static_cast<pid_t>(holder.pid))));
    for (const std::string& user : info.users) { CHECK(user == std::to_string(geteuid())); }
    CHECK(detail::Os::inspect(0x7ffffff0).is_dead);
    const Holder us = detail::Os::inspect(detail::Os::current_pid()).holder;
    CHECK(us.pid == static_cast<std::uint32_t>(getpid()));
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
    Holder wrong = detail::Os::inspect(holder.pid).holder;
    wrong.sockets = {Endpoint("::1", holder.port)};
    CHECK(TerminateThenKill{}({wrong}).at(0).fate == Fate::released);
    wrong.sockets = {here};
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
    holder.start_time = detail::Os::now();
    CHECK_FALSE(detail::Os::started_after(holder, holder.start_time));
    CHECK(detail::Os::started_after(holder, holder.start_time - 1));
    CHECK(detail::Os::Process(0x7ffffff0).exited());
    CHECK(detail::Os::Process(1).signal(detail::Signal::probe) == std::errc::operation_not_permitted);
}

TEST_CASE("many processes and descriptors: lists grow") {
    const Stranger crowd({"fork=150", "listen=" + at("127.0.0.1")});
    const Stranger holder({"descriptors=200", "listen=" + at("127.0.0.1")});
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
        // What is hidden is no holder: a test bind tells that the address is in use.
        const Recovery& recovery = retry.recovery();
        const bool good = recovery.retried && recovery.evictions.empty() &&
                          recovery.obstacle == free_it(Endpoint("127.0.0.1", holder.port)).obstacle &&
                          recovery.obstacle == free_it(Endpoint(holder.port)).obstacle;
        const char obstacle = static_cast<char>(good ? recovery.obstacle : Obstacle::none);
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

TEST_CASE("a failure that asks the probe is none of our business where the port is free") {
    std::uint16_t port = 0;
    {
        const Stranger scout({"listen=" + at("127.0.0.1")});
        port = scout.port;
    }
    for (const Endpoint& wanted : {Endpoint("127.0.0.1", port), Endpoint(port), Endpoint("localhost", port)}) {
        int starts = 0;
        RetryOnAddrInUse retry{[&] {
                                   ++starts;
                                   throw std::runtime_error("the server did not start");
                               },
                               SystemProbe{}, TerminateThenKill{}, NoLog{}};
        CHECK_THROWS_AS(retry.start(wanted), std::runtime_error);
        CHECK(starts == 1);
        CHECK_FALSE(retry.recovery().retried);
        CHECK(retry.recovery().evictions.empty());
        CHECK(free_it(wanted).obstacle == Obstacle::none);
    }
}

// AskOnTerminal in a process with a pseudo-terminal of its own. A question without an end is ended by an alarm.
class Asked {
public:
    explicit Asked(int limit, int first_free_descriptor = 0) : master_(posix_openpt(O_RDWR | O_NOCTTY)) {
        REQUIRE(master_ >= 0);
        REQUIRE(grantpt(master_) == 0);
        REQUIRE(unlockpt(master_) == 0);
        const std::string name = ptsname(master_);
        child_ = fork();
        if (child_ != 0) { return; }
        setsid();
        const int terminal = open(name.c_str(), O_RDWR);
        ioctl(terminal, TIOCSCTTY, 0);
        alarm(15);
        const rlimit descriptors{2048, 2048};
        setrlimit(RLIMIT_NOFILE, &descriptors);
        while (first_free_descriptor > 0 && dup(terminal) < first_free_descriptor - 1) {}
        Holder holder;
        holder.sockets = {Endpoint("127.0.0.1", 80)};
        const auto begin = std::chrono::steady_clock::now();
        const bool yes = AskOnTerminal{std::chrono::milliseconds(limit)}(holder);
        const bool waited = std::chrono::steady_clock::now() - begin >= std::chrono::milliseconds(limit);
        _exit(yes ? 'y' : waited ? 'w' : 'n');
    }
    Asked(const Asked&) = delete;
    ~Asked() { close(master_); }
    // 'y': yes; 'n': no; 'w': no, and not before the limit.
    char answer(const std::string& text) {
        std::string shown;
        char c = 0;
        while (shown.find("[y/N] ") == std::string::npos && read(master_, &c, 1) == 1) { shown += c; }
        CHECK_THAT(shown, has_text("127.0.0.1:80 is held by"));
        CHECK(write(master_, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
        int status = 0;
        waitpid(child_, &status, 0);
        return static_cast<char>(WIFEXITED(status) ? WEXITSTATUS(status) : '?');
    }

private:
    int master_;
    pid_t child_ = 0;
};

TEST_CASE("a question on the terminal has an answer, or an end") {
    CHECK(Asked(60000).answer("y\n") == 'y');
    CHECK(Asked(60000).answer("n\n") == 'n');
    CHECK(Asked(200).answer("") == 'w');
    CHECK(Asked(200).answer("y") == 'w');              // without the end of the line
    CHECK(Asked(60000, FD_SETSIZE).answer("") == 'n'); // beyond what select() can watch
}

TEST_CASE("a start that fails where the address is free failed on another one") {
    std::uint16_t port = 0;
    {
        const Stranger scout({"listen=" + at("127.0.0.1")});
        port = scout.port;
    }
    int starts = 0;
    for (const Endpoint& wanted : {Endpoint("127.0.0.1", port), Endpoint(port), Endpoint("localhost", port)}) {
        starts = 0;
        RetryOnAddrInUse retry{[&] {
                                   ++starts;
                                   return std::errc::address_in_use;
                               },
                               SystemProbe{}, TerminateThenKill{}, NoLog{}};
        CHECK(retry.start(wanted) == std::errc::address_in_use);
        CHECK(starts == 2);
        CHECK(retry.recovery().obstacle == Obstacle::other_address);
        CHECK_THAT(describe(retry.recovery()), has_text("The address is free: the start failed on another one."));
        CHECK(free_it(wanted).obstacle == Obstacle::none);
    }
}

TEST_CASE("nobody is ended for a path here, and where the system shows that nobody has it its file is removed") {
    char directory[] = "/tmp/addr-in-use-XXXXXX";
    REQUIRE(mkdtemp(directory) != nullptr);
    const std::string path = unique_path(directory);
    const Endpoint here = Endpoint::unix_stream(path);
    const auto exists = [&] {
        struct stat file {};
        return lstat(path.c_str(), &file) == 0;
    };
    for (const std::string what : {"listen=", "bind="}) { // one that is only bound refuses a connect as a dead one does
        unlink(path.c_str());
        const Stranger holder({what + to_string(here)});
        const Recovery recovery = free_it(here);
        INFO(describe(recovery));
        CHECK(holder.alive());
        CHECK(exists());
        CHECK(recovery.obstacle == Obstacle::invisible_holder);
        REQUIRE(recovery.evictions.size() == 1);
        CHECK(recovery.evictions[0].fate == Fate::refused);
        CHECK(recovery.evictions[0].holder.pid == 0);
        CHECK(recovery.evictions[0].holder.name.empty());
        CHECK_THAT(describe(recovery), has_text("an unidentified process was not terminated: it belongs to another "
                                                "user, a container or the kernel."));
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
    const std::string path = unique_path(directory);
    { const Stranger dead({"listen=unix:" + path}); }
    chmod(path.c_str(), 0777);
    const pid_t child = fork();
    if (child == 0) {
        if (setuid(65534) != 0) { _exit(99); }
        const bool good = free_it(Endpoint::unix_stream(path)).obstacle == Obstacle::invisible_holder;
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

TEST_CASE("a stale socket file on a network file system stays") {
    char directory[] = "/tmp/addr-in-use-XXXXXX";
    REQUIRE(mkdtemp(directory) != nullptr);
    const std::string path = unique_path(directory);
    { const Stranger dead({"listen=unix:" + path}); }
    standin.network_directory = std::string(directory) + '/';
    const Recovery recovery = free_it(Endpoint::unix_stream(path));
    CHECK(recovery.obstacle == Obstacle::file_in_the_way);
    CHECK(recovery.evictions.at(0).fate == Fate::refused);
    CHECK_THAT(recovery.evictions.at(0).reason, has_text("network file system"));
    CHECK(access(path.c_str(), F_OK) == 0);
    standin.network_directory.clear();
    CHECK(free_it(Endpoint::unix_stream(path)).obstacle == Obstacle::none);
    CHECK(access(path.c_str(), F_OK) != 0);
    rmdir(directory);
}

TEST_CASE("an address that only another user's process holds is in use, and the port alone is too") {
    if (geteuid() != 0) { SKIP_HERE("needs root"); }
    const Stranger hidden({"listen=" + at("0.0.0.0")});
    const pid_t child = fork();
    if (child == 0) {
        if (setgid(65534) != 0 || setuid(65534) != 0) { _exit(99); }
        std::error_code error;
        const bool sees_none = SystemProbe{}(Endpoint(hidden.port), error).empty() && !error;
        const bool good = free_it(Endpoint(hidden.port)).obstacle == Obstacle::invisible_holder &&
                          free_it(Endpoint("localhost", hidden.port)).obstacle == Obstacle::invisible_holder &&
                          free_it(Endpoint("127.0.0.1", hidden.port)).obstacle == Obstacle::invisible_holder &&
                          free_it(Endpoint("::1", hidden.port)).obstacle == Obstacle::none;
        _exit(sees_none && good ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    CHECK(status == 0);
    CHECK(hidden.alive());
}

TEST_CASE("a process that changes its user between two looks is not ended") {
    const Stranger holder({"listen=" + at("127.0.0.1")});
    standin.denies = static_cast<int>(holder.pid);
    std::error_code error;
    const detail::ProcessInfo info = detail::Os::inspect(holder.pid);
    CHECK(info.error == std::errc::operation_not_permitted);
    CHECK_FALSE(info.is_dead);
    Holder found = info.holder;
    found.sockets = {Endpoint("127.0.0.1", holder.port)};
    const Eviction eviction = TerminateThenKill{}({found}).at(0);
    standin.denies = 0;
    CHECK(eviction.fate == Fate::refused);
    CHECK_THAT(eviction.reason, has_text("it cannot be inspected"));
    CHECK(holder.alive());
}

TEST_CASE("a holder whose executable was removed is ended") {
    const Stranger holder({"listen=" + at("127.0.0.1")});
    standin.has_no_path = static_cast<int>(holder.pid);
    const Recovery recovery = free_it(Endpoint("127.0.0.1", holder.port));
    standin.has_no_path = 0;
    INFO(describe(recovery));
    REQUIRE(recovery.evictions.size() == 1);
    CHECK(recovery.evictions[0].holder.executable.empty());
    CHECK(recovery.evictions[0].fate == Fate::exited);
    CHECK(recovery.obstacle == Obstacle::none);
}

TEST_CASE("of two processes that share a socket, one that ends between two looks is no holder") {
    const Stranger holder({"listen=" + at("127.0.0.1")});
    const Endpoint here("127.0.0.1", holder.port);
    std::error_code error;
    std::vector<detail::Socket> rows = detail::Os::list_sockets(here, detail::Which::all, error);
    REQUIRE_FALSE(error);
    REQUIRE(rows.size() == 1);
    rows.push_back(rows[0]);
    rows[1].pid = 0x7ffffff0;
    const std::vector<Holder> holders = detail::to_holders(here, rows, error);
    CHECK_FALSE(error);
    REQUIRE(holders.size() == 1);
    CHECK(holders[0].pid == holder.pid);
}

TEST_CASE("a holder that is not visible has no creator that lives") {
    const Stranger holder({"listen=" + at("127.0.0.1")});
    Holder hidden;
    hidden.sockets = {Endpoint("127.0.0.1", holder.port)};
    CHECK(detail::reason_not_to_offer(hidden) == "it belongs to another user, a container or the kernel");
}
#endif
