// Holders that exit already or write a core dump, and those whose exit would harm this process or its successors.

#include "real.hpp"

#include <fstream>
#include <linux/capability.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>

namespace {

// The value of a line "NAME: VALUE"; 0 without it.
std::size_t read_number(const std::string& file, const std::string& name) {
    std::ifstream lines(file);
    std::string word;
    std::size_t value = 0;
    while (lines >> word && word != name + ':') {}
    lines >> value;
    return value;
}

#define NEEDS_MEMORY()                                                                                                 \
    if (read_number("/proc/meminfo", "MemAvailable") < (std::size_t{3} << 20)) { SKIP_HERE("needs 3 GiB of memory"); }

// Starts a run of our own program, which serves under OnlyIf<SameExecutable>.
std::unique_ptr<Helper> run(const std::string& port, std::vector<std::string> words = {},
                            const std::string& program = STARTER_PROGRAM) {
    words.insert(words.begin(), {"same-executable", "127.0.0.1", port, "stay"});
    return std::make_unique<Helper>(program, words, Helper::Kin::stranger);
}

bool serves(const std::string& line) { return line.find("served none") == 0; }

// What a starter says with the word `log`, up to its outcome.
std::string read_all(Helper& starter) {
    std::string text;
    for (;;) {
        const std::string line = starter.read_line();
        text += line + '\n';
        if (line.empty() || line.find("served ") == 0 || line.find("failed ") == 0) { return text; }
    }
}

// 0 without exactly one holder.
std::uint32_t holder_of(const std::string& port) {
    std::error_code error;
    const std::vector<Holder> holders = SystemProbe{}(Endpoint("127.0.0.1", std::atoi(port.c_str())), error);
    return holders.size() == 1 ? holders[0].pid : 0;
}

// Ends the run of the program by SIGTERM and starts the next one at once, 20 times. Returns how many came up.
int count_restarts(const std::vector<std::string>& words) {
    const std::string port = std::to_string(unused_port());
    std::unique_ptr<Helper> old;
    int up = 0;
    for (int round = 0; round < 20; ++round) {
        if (!old) {
            old = run(port, words);
            REQUIRE(serves(old->read_line()));
        }
        const KnownProcess process(static_cast<pid_t>(holder_of(port)));
        process.signal(SIGTERM);
        auto next = run(port, words);
        const std::string line = next->read_line();
        up += serves(line) ? 1 : 0;
        UNSCOPED_INFO(line);
        REQUIRE(process.exits_within(10000));
        if (!serves(line)) { next.reset(); }
        old = std::move(next);
    }
    return up;
}

bool is_dumping(const Helper& holder) {
    return read_number("/proc/" + std::to_string(holder.pid()) + "/status", "CoreDumping") == 1;
}

// Whether the process has begun to exit: PF_EXITING (man 5 proc_pid_stat, include/linux/sched.h in the kernel).

constexpr std::uintmax_t mebibyte = 1 << 20;

bool writes_cores_here() {
    std::string pattern;
    std::getline(std::ifstream("/proc/sys/kernel/core_pattern"), pattern);
    rlimit limit{};
    getrlimit(RLIMIT_CORE, &limit);
    return !pattern.empty() && pattern.find_first_of("|/@") == std::string::npos && limit.rlim_max == RLIM_INFINITY &&
           std::filesystem::space(std::filesystem::temp_directory_path()).available > 2048 * mebibyte;
}

#define NEEDS_CORES()                                                                                                  \
    if (!writes_cores_here()) { SKIP_HERE("needs a core_pattern that names a file in the working directory"); }

// 0 without a core. A killed process leaves a short one.
std::uintmax_t core_size(const Directory& directory) {
    for (const auto& file : std::filesystem::directory_iterator(directory.path())) {
        char magic[5] = {};
        std::ifstream(file.path()).read(magic, 4);
        if (std::string_view(magic) == "\177ELF") { return file.file_size(); }
    }
    return 0;
}

// Holds up the core dump of a process: its other thread cannot end while it is frozen (cgroup v1).
class FrozenThread {
public:
    explicit FrozenThread(const Helper& holder) {
        const std::string pid = std::to_string(holder.pid());
        REQUIRE(::mkdtemp(hierarchy_.data()) != nullptr);
        group_ = hierarchy_ + "/addr-in-use-" + pid;
        is_frozen_ =
            ::mount("freezer", hierarchy_.c_str(), "cgroup", 0, "freezer") == 0 && ::mkdir(group_.c_str(), 0700) == 0;
        for (const auto& thread : std::filesystem::directory_iterator("/proc/" + pid + "/task")) {
            const std::string number = thread.path().filename();
            if (number != pid) { thread_ = number; }
        }
        write(group_, "tasks", thread_);
        write(group_, "freezer.state", "FROZEN");
        is_frozen_ = is_frozen_ && becomes_true([&] {
                         std::string state;
                         std::ifstream(group_ + "/freezer.state") >> state;
                         return state == "FROZEN";
                     });
    }
    FrozenThread(const FrozenThread&) = delete;
    ~FrozenThread() {
        thaw();
        write(hierarchy_, "tasks", thread_); // out of the group, or the group stays
        becomes_true([&] { return ::rmdir(group_.c_str()) == 0 || errno != EBUSY; });
        ::umount2(hierarchy_.c_str(), MNT_DETACH);
        ::rmdir(hierarchy_.c_str());
    }
    [[nodiscard]] bool is_frozen() const { return is_frozen_; }
    void thaw() const { write(group_, "freezer.state", "THAWED"); }

private:
    static void write(const std::string& group, const char* file, const std::string& text) {
        std::ofstream(group + '/' + file) << text << std::flush;
    }
    std::string hierarchy_ = (std::filesystem::temp_directory_path() / "addr-in-use-XXXXXX").string();
    std::string group_;
    std::string thread_;
    bool is_frozen_ = false;
};

#define NEEDS_FREEZER(thread)                                                                                          \
    if (!(thread).is_frozen()) { SKIP_HERE("needs the freezer of control groups version 1"); }

// Without CAP_SYS_PTRACE, as root in most containers, and so is each program that is started.
bool give_up_ptrace() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2] = {};
    if (::prctl(PR_CAPBSET_DROP, CAP_SYS_PTRACE) != 0 || ::syscall(SYS_capget, &header, data) != 0) { return false; }
    data[0].effective &= ~(1U << CAP_SYS_PTRACE);
    data[0].permitted = data[0].effective;
    return ::syscall(SYS_capset, &header, data) == 0;
}

} // namespace

TEST_CASE("after kill -TERM of a run with 1 GiB of memory the next run comes up") {
    NEEDS_MEMORY();
    CHECK(count_restarts({"memory=1024"}) == 20);
}

TEST_CASE("after kill -TERM of a run with 20,000 descriptors the next run comes up") {
    CHECK(count_restarts({"descriptors=20000"}) == 20);
}

TEST_CASE("after kill -TERM of a run whose first thread has ended the next run comes up") {
    CHECK(count_restarts({"last-thread", "memory=256"}) == 20);
}

TEST_CASE("of five runs that start at once after kill -TERM one comes up and stays, and the others name it") {
    NEEDS_MEMORY();
    const std::string port = std::to_string(unused_port());
    const auto old = run(port, {"memory=2560"}); // it exits slowly: each of the five still meets it
    REQUIRE(serves(old->read_line()));
    const KnownProcess process(static_cast<pid_t>(holder_of(port)));
    process.signal(SIGTERM);
    std::vector<std::unique_ptr<Helper>> runs;
    for (int i = 0; i < 5; ++i) { runs.push_back(run(port)); }
    std::vector<std::string> failures;
    for (auto& next : runs) {
        const std::string line = next->read_line();
        if (serves(line)) { continue; }
        failures.push_back(line);
        next->close_input();
        CHECK(next->read_line().empty()); // it has ended
    }
    const std::string winner = std::to_string(holder_of(port));
    for (const std::string& line : failures) { CHECK_THAT(line, has_text(' ' + winner + "=refused")); }
    CHECK(failures.size() == 4);
    ::poll(nullptr, 0, 3000);
    CHECK(std::to_string(holder_of(port)) == winner);
}

TEST_CASE("a holder that exits already is waited for by a killer that terminates no process") {
    NEEDS_MEMORY();
    Helper holder({"memory=512", "listen=127.0.0.1:0"});
    holder.process().signal(SIGTERM);
    REQUIRE(becomes_true([&] { return is_exiting(holder); }));
    CHECK(start_at("127.0.0.1", holder.port(), ReportOnly{}).serves);
}

TEST_CASE("a UDP holder that exits already with many descriptors is waited for") {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    const auto count = std::to_string((std::min)(rlim_t{20000}, limit.rlim_max) - 200);
    for (int round = 0; round < 10; ++round) {
        Helper holder({"udp=127.0.0.1:low", "descriptors=" + count});
        holder.process().signal(SIGTERM);
        const Started started = start_at("127.0.0.1", Endpoint("127.0.0.1", holder.port(), Transport::udp));
        INFO(describe(started.recovery));
        CHECK(started.serves);
    }
}

TEST_CASE("a previous run whose first thread has ended is recognised as the same program") {
    for (const std::string rule : {"same-executable", "same-command-line"}) {
        const std::string port = std::to_string(unused_port());
        const std::vector<std::string> words{rule, "127.0.0.1", port, "stay", "last-thread"};
        Helper old(STARTER_PROGRAM, words, Helper::Kin::stranger);
        REQUIRE(serves(old.read_line()));
        const std::uint32_t pid = holder_of(port);
        REQUIRE(becomes_true([&] { return process_state(pid) == 'Z'; }));
        Helper next(STARTER_PROGRAM, words, Helper::Kin::stranger);
        CHECK(next.read_line() == "served none " + std::to_string(pid) + "=exited");
    }
}

TEST_CASE("a holder that writes a core dump is waited for, and its core is complete") {
    NEEDS_CORES();
    NEEDS_MEMORY();
    const Directory here;
    Helper holder({"core=" + here.path(), "memory=512", "listen=127.0.0.1:0"});
    holder.process().signal(SIGABRT);
    REQUIRE(becomes_true([&] { return is_dumping(holder); }));
    CHECK(start_at("127.0.0.1", holder.port(), TerminateThenKill{milliseconds(1)}).serves);
    CHECK(core_size(here) >= 512 * mebibyte);
}

TEST_CASE("a holder that still writes its core dump after 10 s is reported, and its core is complete") {
    NEEDS_ROOT();
    NEEDS_CORES();
    const Directory here;
    Helper holder({"core=" + here.path(), "memory=64", "thread", "listen=127.0.0.1:0"});
    const FrozenThread thread(holder);
    NEEDS_FREEZER(thread);
    holder.process().signal(SIGABRT);
    REQUIRE(becomes_true([&] { return is_dumping(holder); }));
    const Started started = start_at("127.0.0.1", holder.port(), TerminateThenKill{milliseconds(1)});
    CHECK_FALSE(started.serves);
    CHECK(started.recovery.obstacle == Obstacle::surviving_holder);
    CHECK_THAT(describe(started.recovery), has_text("it is writing a core dump"));
    CHECK(holder.alive());
    thread.thaw();
    REQUIRE(holder.process().exits_within(10000));
    CHECK(core_size(here) >= 64 * mebibyte);
}

TEST_CASE("a holder that crashes on SIGTERM is not killed, and its core is complete") {
    NEEDS_ROOT();
    NEEDS_CORES();
    const Directory here;
    Helper holder({"core=" + here.path(), "memory=64", "thread", "abort-on-term", "listen=127.0.0.1:0"});
    const FrozenThread thread(holder);
    NEEDS_FREEZER(thread);
    Eviction eviction;
    const auto terminate_then_thaw = [&](const std::vector<Holder>& holders) {
        std::vector<Eviction> evictions = TerminateThenKill{milliseconds(500)}(holders);
        eviction = evictions.at(0);
        thread.thaw();
        return evictions;
    };
    CHECK(start_at("127.0.0.1", holder.port(), terminate_then_thaw).serves);
    CHECK(eviction.fate == Fate::refused);
    CHECK(eviction.reason == "it is writing a core dump");
    CHECK(core_size(here) >= 64 * mebibyte);
}

TEST_CASE("a holder whose file is replaced or removed after the look is still killed") {
    for (const bool is_replaced : {true, false}) {
        const Directory here;
        const std::string program = here.install(HOLDER_PROGRAM, "server");
        Helper holder(program, {"ignore-term", "listen=127.0.0.1:0"}, Helper::Kin::stranger);
        holder.read_ready();
        const auto build_then_terminate = [&](const std::vector<Holder>& holders) {
            std::filesystem::remove(program);
            if (is_replaced) { REQUIRE(here.install(HOLDER_PROGRAM, "server") == program); }
            return TerminateThenKill{milliseconds(50)}(holders);
        };
        const Started started = start_at("127.0.0.1", holder.port(), build_then_terminate);
        CHECK(started.serves);
        CHECK(started.fate() == Fate::killed);
    }
}

TEST_CASE("SameExecutable holds where our own file was replaced, alone or beside the one of the holder") {
    for (const bool both : {true, false}) {
        const Directory here;
        const std::string port = std::to_string(unused_port());
        const auto build = [&] { return here.install(STARTER_PROGRAM, "server"); };
        const auto start_old = [&] {
            auto old = run(port, {}, build());
            REQUIRE(serves(old->read_line()));
            return old;
        };
        std::unique_ptr<Helper> old;
        if (both) { old = start_old(); }
        Helper next(build(), {"same-executable", "127.0.0.1", port, "late"}, Helper::Kin::stranger);
        REQUIRE(next.read_line() == "late");
        if (!both) { old = start_old(); }
        REQUIRE(build() == here.path() + "/server");
        const std::string pid = std::to_string(holder_of(port));
        next.close_input();
        CHECK(next.read_line() == "served none " + pid + "=exited");
    }
}

TEST_CASE("WaitForExit waits for the ancestor that started us as its successor") {
    Helper old({"listen=127.0.0.1:0", "start=" STARTER_PROGRAM, "wait=60000", "127.0.0.1", "@", "log"});
    CHECK_THAT(old.read_line(), has_text("is held by holder (pid " + std::to_string(old.pid()) + ')'));
    old.close_input(); // it exits
    CHECK_THAT(read_all(old), has_text("served none " + std::to_string(old.pid()) + '='));
}

TEST_CASE("an ancestor that stays is a survivor for WaitForExit, and lives") {
    Helper old({"listen=127.0.0.1:0", "start=" STARTER_PROGRAM, "wait=50", "127.0.0.1", "@"});
    CHECK(old.read_line() == "failed surviving_holder " + std::to_string(old.pid()) + "=survived");
    CHECK(old.alive());
}

TEST_CASE("a holder that leads the session of our terminal lives; without a terminal it is terminated") {
    const auto start_in_session = [](const char* session, const std::string& outcome, const std::string& reason) {
        Helper leader({session, "listen=127.0.0.1:0", "start-orphan=" STARTER_PROGRAM, "127.0.0.1", "@", "log"});
        const std::string text = read_all(leader);
        CHECK_THAT(text, has_text(outcome + std::to_string(leader.pid()) + '='));
        CHECK_THAT(text, has_text(reason));
        return leader.alive();
    };
    CHECK(start_in_session("terminal", "failed refused_holder ", "it leads the session of this terminal"));
    CHECK_FALSE(start_in_session("session", "served none ", "exited after"));
}

TEST_CASE("a process is not killed while a child of it may share the socket and cannot be inspected") {
    NEEDS_ROOT();
    const auto start = [](const Helper& holder) {
        const Started started = start_at("127.0.0.1", holder.port(), TerminateThenKill{milliseconds(50)});
        return (started.serves ? "served " : "failed ") + started.reason() + (holder.alive() ? " alive" : " gone");
    };
    const auto start_without_ptrace = [&](const std::vector<std::string>& words) {
        return in_child(0, [&] { return give_up_ptrace() ? start(Helper(words)) : "capset"; });
    };
    const std::string reason = "may share the socket and cannot be inspected alive";
    CHECK_THAT(start_without_ptrace({"ignore-term", "listen=127.0.0.1:0", "worker=1000"}), has_text(reason));
    CHECK(start_without_ptrace({"ignore-term", "listen=127.0.0.1:0", "fork=1"}) == "served  gone");
    // A server of an ordinary user with a child of root, as sudo is one.
    Helper holder({"worker=0", "user=65534", "dumpable", "ignore-term", "listen=127.0.0.1:0"});
    const bool is_hidden = in_child(65534, [] { return ::access("/proc/1", F_OK) == 0 ? "" : "hidden"; }) == "hidden";
    CHECK_THAT(in_child(65534, [&] { return start(holder); }), has_text(is_hidden ? "served " : reason)); // hidepid=2
}
