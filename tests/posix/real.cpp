// Real processes and sockets for the region of macOS; see region.hpp.

#include "system.hpp"

#include "../regions/scenarios.hpp"

#if defined(REGION_MACOS)
#    include "standin.hpp"
#endif

// macOS compares the last part of a path only: that of another test must differ.
static std::string unique_path(const std::string& directory) {
    return directory + "/socket-" + std::to_string(getpid());
}

TEST_CASE("what does not leave is forced, and what is stopped goes on to leave") {
    const HolderProcess stubborn({"ignore-term", "listen=" + at("127.0.0.1")});
    CHECK(free_it(Endpoint("127.0.0.1", stubborn.port()), TerminateThenKill{milliseconds(200)}).evictions.at(0).fate ==
          Fate::killed);
    CHECK(stubborn.exits());
    const HolderProcess stopped({"listen=" + at("127.0.0.1")});
    stopped.process().signal(SIGSTOP);
    CHECK(free_it(Endpoint("127.0.0.1", stopped.port())).evictions.at(0).fate == Fate::exited);
    CHECK(stopped.exits());
}

TEST_CASE("what lets the address go lives on") {
    const HolderProcess holder({"release-on-term", "listen=" + at("127.0.0.1")});
    TcpServer server("127.0.0.1");
    const Recovery recovery = start(server, Endpoint("127.0.0.1", holder.port()));
    CHECK(server.running());
    CHECK(recovery.evictions.at(0).fate == Fate::released);
    CHECK(holder.alive());
}

TEST_CASE("a socket that is bound and does not listen") {
    const HolderProcess holder({"bind=" + at("127.0.0.1")});
    TcpServer server("127.0.0.1");
    const Recovery recovery = start(server, Endpoint("127.0.0.1", holder.port()));
    INFO(describe(recovery));
    CHECK(server.running());
    CHECK(holder.exits());
}

TEST_CASE("a dual-stack holder is in the way of IPv4") {
    const HolderProcess holder({"listen=" + at("::")});
    const Recovery recovery = free_it(Endpoint("127.0.0.1", holder.port()));
    INFO(describe(recovery));
    CHECK(holder.exits());
    CHECK(recovery.obstacle == Obstacle::none);
}

TEST_CASE("the holder of the very address is meant, and one of a wildcard only if there is no other") {
    const HolderProcess wildcard({"reuseport", "listen=" + at("0.0.0.0")});
    const HolderProcess exact({"reuseport", "listen=" + at("127.0.0.1", wildcard.port())});
    CHECK(free_address(Endpoint("127.0.0.1", wildcard.port()), SystemProbe{}, TerminateThenKill{}, NoLog{})
              .evictions.at(0)
              .holder.pid == exact.pid());
    CHECK(exact.exits());
    CHECK(wildcard.alive());
    const HolderProcess again({"reuseport", "listen=" + at("127.0.0.1", wildcard.port())});
    CHECK(free_it(Endpoint("0.0.0.0", wildcard.port())).evictions.at(0).holder.pid == wildcard.pid());
    CHECK(wildcard.exits());
    CHECK(again.alive());
    const HolderProcess alone({"listen=" + at("0.0.0.0")});
    CHECK(free_it(Endpoint("127.0.0.1", alone.port())).evictions.at(0).fate == Fate::exited);
}

TEST_CASE("with the port alone, processes that share their sockets are terminated together") {
    const HolderProcess holder({"listen=" + at("127.0.0.1"), "listen=" + at("::1", "@"), "fork=1"});
    for (const Endpoint& wanted : {Endpoint(holder.port()), Endpoint("localhost", holder.port())}) {
        std::error_code error;
        const std::vector<Holder> holders = SystemProbe{}(wanted, error);
        REQUIRE(holders.size() == 2);
        const std::vector<Endpoint> both{Endpoint("127.0.0.1", holder.port()), Endpoint("::1", holder.port())};
        CHECK(holders[0].sockets == both);
        CHECK(holders[1].sockets == both);
    }
    const Recovery recovery = free_it(Endpoint(holder.port()));
    INFO(describe(recovery));
    REQUIRE(recovery.evictions.size() == 2);
    CHECK(recovery.evictions[0].fate == Fate::exited);
    CHECK(recovery.evictions[1].fate == Fate::exited);
    CHECK(recovery.obstacle == Obstacle::none);
    CHECK(holder.exits());
}

TEST_CASE("what is known of a process beside its sockets") {
    const HolderProcess holder({"listen=" + at("127.0.0.1")});
    std::error_code error;
    CHECK(detail::Os::parent(detail::Os::current_pid(), error) == static_cast<std::uint32_t>(getppid()));
    CHECK_FALSE(error);
    const detail::ProcessInfo info = detail::Os::inspect(holder.pid());
    CHECK_FALSE(info.error);
    CHECK_FALSE(info.is_dead);
    CHECK_FALSE(info.is_stopped);
    CHECK(info.session == static_cast<std::uint32_t>(getsid(static_cast<pid_t>(holder.pid()))));
    for (const std::string& user : info.users) { CHECK(user == std::to_string(geteuid())); }
    CHECK(detail::Os::inspect(0x7ffffff0).is_dead);
}

TEST_CASE("a process that started later, one that has exited, and the first one") {
    Holder holder;
    holder.start_time = detail::Os::now();
    CHECK_FALSE(detail::Os::started_after(holder, holder.start_time));
    CHECK(detail::Os::started_after(holder, holder.start_time - 1));
    CHECK(detail::Os::Process(0x7ffffff0).exited());
    CHECK(detail::Os::Process(1).signal(detail::Signal::probe) == std::errc::operation_not_permitted);
}

TEST_CASE("many processes and descriptors: lists grow") {
    const HolderProcess crowd({"fork=150", "listen=" + at("127.0.0.1")});
    const HolderProcess holder({"descriptors=200", "listen=" + at("127.0.0.1")});
    std::error_code error;
    const std::vector<Holder> holders = SystemProbe{}(Endpoint("127.0.0.1", holder.port()), error);
    REQUIRE(holders.size() == 1);
    CHECK(holders[0].pid == holder.pid());
}

TEST_CASE("another user's holder is reported and lives") {
    if (geteuid() != 0) { SKIP_HERE("needs root"); }
    const HolderProcess holder({"listen=" + at("127.0.0.1")});
    int answer[2];
    REQUIRE(pipe(answer) == 0);
    const pid_t child = fork();
    if (child == 0) {
        if (setgid(65534) != 0 || setuid(65534) != 0) { _exit(1); }
        TcpServer server("127.0.0.1");
        RetryOnAddrInUse retry{server, SystemProbe{}, TerminateThenKill{}, NoLog{}};
        try {
            retry.start("127.0.0.1", holder.port());
        } catch (const std::system_error&) {}
        // What is hidden is no holder: a test bind tells that the address is in use.
        const Recovery& recovery = retry.recovery();
        const bool good = recovery.retried && recovery.evictions.empty() &&
                          recovery.obstacle == free_it(Endpoint("127.0.0.1", holder.port())).obstacle &&
                          recovery.obstacle == free_it(Endpoint(holder.port())).obstacle;
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
        const bool yes = AskOnTerminal{milliseconds(limit)}(holder);
        const bool waited = std::chrono::steady_clock::now() - begin >= milliseconds(limit);
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

TEST_CASE("no process is terminated for a path here, and a file that no process has is removed") {
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
        const HolderProcess holder({what + to_string(here)});
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
TEST_CASE("another user's socket file stays where its processes cannot be seen") {
    if (geteuid() != 0) { SKIP_HERE("needs root"); }
    char directory[] = "/tmp/addr-in-use-XXXXXX";
    REQUIRE(mkdtemp(directory) != nullptr);
    chmod(directory, 0777);
    const std::string path = unique_path(directory);
    { const HolderProcess dead({"listen=unix:" + path}); }
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
    const HolderProcess holder({"listen=" + at("127.0.0.1")});
    standin.vanishes = static_cast<int>(holder.pid());
    std::error_code error;
    CHECK(SystemProbe{}(Endpoint("127.0.0.1", holder.port()), error).empty());
    CHECK_FALSE(error);
    standin.vanishes = 0;
    CHECK(SystemProbe{}(Endpoint("127.0.0.1", holder.port()), error).size() == 1);
}

TEST_CASE("a socket that is parked in a Mach port is found") {
    const HolderProcess holder({"listen=" + at("127.0.0.1")});
    standin.parks_in_fileports = static_cast<int>(holder.pid());
    std::error_code error;
    const std::vector<Holder> holders = SystemProbe{}(Endpoint("127.0.0.1", holder.port()), error);
    standin.parks_in_fileports = 0;
    REQUIRE(holders.size() == 1);
    CHECK(holders[0].pid == holder.pid());
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
    { const HolderProcess dead({"listen=unix:" + path}); }
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
    const HolderProcess hidden({"listen=" + at("0.0.0.0")});
    const pid_t child = fork();
    if (child == 0) {
        if (setgid(65534) != 0 || setuid(65534) != 0) { _exit(99); }
        std::error_code error;
        const bool sees_none = SystemProbe{}(Endpoint(hidden.port()), error).empty() && !error;
        const bool good = free_it(Endpoint(hidden.port())).obstacle == Obstacle::invisible_holder &&
                          free_it(Endpoint("localhost", hidden.port())).obstacle == Obstacle::invisible_holder &&
                          free_it(Endpoint("127.0.0.1", hidden.port())).obstacle == Obstacle::invisible_holder &&
                          free_it(Endpoint("::1", hidden.port())).obstacle == Obstacle::none;
        _exit(sees_none && good ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    CHECK(status == 0);
    CHECK(hidden.alive());
}

TEST_CASE("a process that changes its user between two looks is not terminated") {
    const HolderProcess holder({"listen=" + at("127.0.0.1")});
    standin.denies = static_cast<int>(holder.pid());
    std::error_code error;
    const detail::ProcessInfo info = detail::Os::inspect(holder.pid());
    CHECK(info.error == std::errc::operation_not_permitted);
    CHECK_FALSE(info.is_dead);
    Holder found = info.holder;
    found.sockets = {Endpoint("127.0.0.1", holder.port())};
    const Eviction eviction = TerminateThenKill{}({found}).at(0);
    standin.denies = 0;
    CHECK(eviction.fate == Fate::refused);
    CHECK_THAT(eviction.reason, has_text("it cannot be inspected"));
    CHECK(holder.alive());
}

TEST_CASE("a holder whose executable was removed is terminated") {
    const HolderProcess holder({"listen=" + at("127.0.0.1")});
    standin.has_no_path = static_cast<int>(holder.pid());
    const Recovery recovery = free_it(Endpoint("127.0.0.1", holder.port()));
    standin.has_no_path = 0;
    INFO(describe(recovery));
    REQUIRE(recovery.evictions.size() == 1);
    CHECK(recovery.evictions[0].holder.executable.empty());
    CHECK(recovery.evictions[0].fate == Fate::exited);
    CHECK(recovery.obstacle == Obstacle::none);
}

TEST_CASE("of two processes that share a socket, one that ends between two looks is no holder") {
    const HolderProcess holder({"listen=" + at("127.0.0.1")});
    const Endpoint here("127.0.0.1", holder.port());
    std::error_code error;
    std::vector<detail::Socket> rows = detail::Os::list_sockets(here, detail::Which::all, error);
    REQUIRE_FALSE(error);
    REQUIRE(rows.size() == 1);
    rows.push_back(rows[0]);
    rows[1].pid = 0x7ffffff0;
    const std::vector<Holder> holders = detail::to_holders(here, rows, error);
    CHECK_FALSE(error);
    REQUIRE(holders.size() == 1);
    CHECK(holders[0].pid == holder.pid());
}

TEST_CASE("a holder that is not visible has no creator that lives") {
    const HolderProcess holder({"listen=" + at("127.0.0.1")});
    Holder hidden;
    hidden.sockets = {Endpoint("127.0.0.1", holder.port())};
    CHECK(detail::reason_not_to_offer(hidden) == "it belongs to another user, a container or the kernel");
}
#endif
