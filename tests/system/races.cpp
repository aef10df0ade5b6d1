// Pids that are used again, servers that start at the same time, and supervisors.

#include "real.hpp"

#include <fcntl.h>
#include <fstream>
#include <linux/sched.h>
#include <thread>

namespace {

// Starts a program of ours that serves through the library and stays, and reads how that went.
std::unique_ptr<Helper> stay(const std::string& port, const std::string& rule = "") {
    std::vector<std::string> words{"127.0.0.1", port, "stay"};
    if (!rule.empty()) { words.insert(words.begin(), rule); }
    return std::make_unique<Helper>(STARTER_PROGRAM, words, Helper::Kin::stranger);
}

// A child with that very number, as a checkpoint is restored (man 2 clone3, set_tid).
pid_t fork_as(pid_t wanted) {
    clone_args arguments{};
    arguments.exit_signal = SIGCHLD;
    arguments.set_tid = reinterpret_cast<std::uintptr_t>(&wanted);
    arguments.set_tid_size = 1;
    const auto pid = static_cast<pid_t>(::syscall(SYS_clone3, &arguments, sizeof arguments));
    if (pid == 0) {
        for (;;) { ::pause(); }
    }
    return pid;
}

} // namespace

TEST_CASE("a pid that is used again between the look and the signal is not signalled") {
    NEEDS_ROOT();
    const std::string outcome = in_pid_namespace([] {
        std::string text = "no reuse";
        Helper holder({"listen=127.0.0.1:0"}, Helper::Kin::child);
        const auto old_pid = static_cast<pid_t>(holder.pid());
        pid_t reused = 0;
        const auto reuse_then_kill = [&](const std::vector<Holder>& holders) {
            holder.process().signal(SIGKILL);
            waitpid(old_pid, nullptr, 0);
            // Beyond the tick of the kernel's clock: within it the two would differ in their sockets only.
            const auto begin = detail::Os::now();
            while (detail::Os::now() < begin + 25000000) {}
            reused = fork_as(old_pid);
            return TerminateThenKill{milliseconds(0)}(holders);
        };
        const Started started = start_at("127.0.0.1", Endpoint("127.0.0.1", holder.port()), reuse_then_kill);
        if (reused == old_pid) {
            const bool lives = waitpid(reused, nullptr, WNOHANG) == 0;
            text = to_string(started.fate()) + (lives ? " lives" : " died");
            kill(reused, SIGKILL); // our own child, not waited for
            waitpid(reused, nullptr, 0);
        }
        return text;
    });
    if (outcome == "no reuse") { SKIP_HERE("needs Linux 5.5, which lets a pid be chosen"); }
    CHECK(outcome == "already_gone lives");
}

TEST_CASE("a supervisor that takes its time leaves us the address") {
    Helper supervisor({"supervise-late", "127.0.0.1"});
    const Started started = start_at("127.0.0.1", supervisor.port());
    CHECK(started.serves);
    CHECK(started.starts == 2);
    CHECK(supervisor.alive(1)); // the supervisor
}

TEST_CASE("two of our servers that start at once: one serves, and neither goes on for ever") {
    for (int round = 0; round < 6; ++round) {
        const std::string port = std::to_string(unused_port());
        std::unique_ptr<Helper> holder;
        if (round % 2 == 0) { holder = std::make_unique<Helper>(std::vector<std::string>{"listen=127.0.0.1:" + port}); }
        const auto first = stay(port);
        const auto second = stay(port);
        // Each says what it came to, or nothing when the other one ended it before it could.
        const std::string one = first->read_line();
        const std::string two = second->read_line();
        INFO(one << " / " << two);
        // Whoever served last serves still.
        std::error_code error;
        const auto holders = SystemProbe{}(Endpoint("127.0.0.1", std::atoi(port.c_str())), error);
        CHECK(holders.size() == 1);
        CHECK((one.find("served") == 0 || two.find("served") == 0));
        if (holder) { CHECK_FALSE(holder->alive()); }
    }
}

TEST_CASE("pre-forked workers that each look first do not end each other") {
    // A parent and four workers that run its executable; each binds with SO_REUSEPORT, after a look.
    int results[2];
    int hold[2];
    REQUIRE(pipe(results) == 0);
    REQUIRE(pipe(hold) == 0);
    const auto port = unused_port();
    std::vector<pid_t> workers;
    for (int i = 0; i < 4; ++i) {
        workers.push_back(fork());
        if (workers.back() == 0) {
            close(hold[1]);
            RetryOnAddrInUse retry{Preflight{[](std::uint16_t p) { return start_shared(p, true); }}, SystemProbe{},
                                   TerminateThenKill{}, NoLog{}};
            const char served = retry.start("127.0.0.1", port) ? 'y' : 'n';
            if (write(results[1], &served, 1) != 1) { _exit(1); }
            char c = 0;
            if (read(hold[0], &c, 1) != 0) { _exit(1); } // until the test ends
            _exit(0);
        }
    }
    close(results[1]);
    close(hold[0]);
    std::string served;
    char c = 0;
    while (served.size() < 4 && read(results[0], &c, 1) == 1) { served += c; }
    CHECK(served == "yyyy");
    close(hold[1]);
    close(results[0]);
    for (const pid_t worker : workers) {
        int status = 0;
        waitpid(worker, &status, 0);
        CHECK(status == 0);
    }
}

TEST_CASE("the war of two supervised services ends with a rule") {
    // Two services want one port, and each comes back whenever it ends. With OnlyIf<SameExecutable> the first one
    // stays.
    Directory directory;
    const std::string other = directory.install(STARTER_PROGRAM, "other");
    const std::string port = std::to_string(unused_port());
    const auto first = stay(port, "same-executable");
    REQUIRE(first->read_line() == "served none");
    for (int restart = 0; restart < 5; ++restart) {
        Helper second(other, {"same-executable", "127.0.0.1", port, "stay"}, Helper::Kin::stranger);
        CHECK_THAT(second.read_line(), has_text("failed refused_holder"));
    }
    // Without a rule the last one to come takes it: so it goes on and on between two supervisors.
    Helper greedy(other, {"127.0.0.1", port, "stay"}, Helper::Kin::stranger);
    CHECK_THAT(greedy.read_line(), has_text("served none"));
    CHECK(first->read_line().empty()); // its output has ended, and so has it
}

TEST_CASE("several threads start servers at once") {
    std::vector<std::unique_ptr<Helper>> holders;
    for (int i = 0; i < 4; ++i) {
        holders.push_back(std::make_unique<Helper>(std::vector<std::string>{"listen=127.0.0.1:0"}));
    }
    std::vector<int> served(holders.size());
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < holders.size(); ++i) {
        threads.emplace_back([&, i] {
            TcpServer server("127.0.0.1");
            RetryOnAddrInUse retry{server, SystemProbe{}, TerminateThenKill{}, [](std::string_view) {}};
            retry.start("127.0.0.1", holders[i]->port());
            served[i] = server.running() ? 1 : 0;
        });
    }
    for (std::thread& thread : threads) { thread.join(); }
    for (std::size_t i = 0; i < holders.size(); ++i) {
        CHECK(served[i] == 1);
        CHECK_FALSE(holders[i]->alive());
    }
}
