// A recovery inside of a program that has its own plans: it cancels threads, runs fibres, filters system calls, handles
// signals, and cannot start its server twice.

#include "paths.hpp"

#include <cstddef>
#include <functional>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <ucontext.h>

namespace {

// The body of a thread or a fibre of the C library.
std::function<void()> body;

void* run_body_as_thread(void*) {
    body();
    return nullptr;
}

// Lets pidfd_send_signal fail with ENOSYS, and pidfd_open succeed, as a filter of a container does.
bool forbid_signals_by_pidfd() {
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_send_signal, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog filter{static_cast<unsigned short>(sizeof program / sizeof *program), program};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

volatile sig_atomic_t interruptions = 0;

extern "C" void count_interruption(int) { interruptions = interruptions + 1; }

// Interrupts the system calls of this process every 2 ms, as a profiler does.
class Interruptions {
public:
    Interruptions() {
        interruptions = 0;
        struct sigaction action {};
        action.sa_handler = count_interruption; // without SA_RESTART
        sigaction(SIGALRM, &action, &before_);
        set_timer(2000);
    }
    Interruptions(const Interruptions&) = delete;
    ~Interruptions() {
        set_timer(0);
        sigaction(SIGALRM, &before_, nullptr);
        CHECK(interruptions > 0);
    }

private:
    static void set_timer(suseconds_t microseconds) {
        const itimerval time{{0, microseconds}, {0, microseconds}};
        setitimer(ITIMER_REAL, &time, nullptr);
    }
    struct sigaction before_ {};
};

// Starts a server that cannot bind, and lets `helper` go on 5 ms after the first try: between two looks.
Recovery start_in_vain(const Endpoint& here, Helper& helper) {
    RetryOnAddrInUse retry{[&](const Endpoint&) {
                               helper.close_input();
                               return std::errc::address_in_use;
                           },
                           SystemProbe{}, TerminateThenKill{}, NoLog{}};
    CHECK(retry.start(here) == std::errc::address_in_use);
    return retry.recovery();
}

// As the acceptor of Asio: a failed bind leaves it open, and an open one cannot be opened.
struct Acceptor {
    bool is_open = false;
    std::error_code open(std::uint16_t port) {
        if (is_open) { return std::make_error_code(std::errc::already_connected); }
        is_open = true;
        TcpServer server("127.0.0.1");
        try {
            server.start(port);
        } catch (const std::system_error& error) { return error.code(); }
        return {};
    }
};

// Counts how often the library asks whether the address is still held, and calls `visit` each time.
struct CountingProbe {
    int& count;
    std::function<void()> visit;
    std::vector<Holder> operator()(const Endpoint& endpoint, std::error_code& error) const {
        return SystemProbe{}(endpoint, error);
    }
    [[nodiscard]] bool held(const Endpoint& endpoint) const {
        ++count;
        visit();
        return SystemProbe{}.held(endpoint);
    }
};

// A killer that only says so: the library waits until the address is free.
std::vector<Eviction> say_released(const std::vector<Holder>& holders) {
    return {{holders.at(0), Fate::released, {}, {}, ""}};
}

} // namespace

TEST_CASE("a thread that is cancelled during a recovery ends after it") {
    for (const bool has_server : {true, false}) {
        Helper holder({"listen=127.0.0.1:0"});
        const std::string outcome = in_child(geteuid(), [&] {
            std::string text;
            body = [&] {
                const auto cancel = [](std::string_view) { pthread_cancel(pthread_self()); };
                const Endpoint here("127.0.0.1", holder.port());
                TcpServer server("127.0.0.1", SOCK_STREAM, true);
                RetryOnAddrInUse retry{server, SystemProbe{}, TerminateThenKill{}, cancel};
                if (has_server) { retry.start(here); }
                text = to_string(has_server ? retry.recovery().obstacle
                                            : free_address(here, SystemProbe{}, TerminateThenKill{}, cancel).obstacle);
                pthread_testcancel();
                text += " not cancelled";
            };
            pthread_t thread{};
            void* result = nullptr;
            pthread_create(&thread, nullptr, run_body_as_thread, nullptr);
            pthread_join(thread, &result);
            return text + (result == PTHREAD_CANCELED ? " cancelled" : "");
        });
        CHECK(outcome == "none cancelled");
        CHECK_FALSE(holder.alive());
    }
}

// AddressSanitizer does not know where the stack of a fibre ends; musl has no fibres.
#if !defined(__SANITIZE_ADDRESS__) && defined(__GLIBC__)
static void run_body() { body(); }

TEST_CASE("a recovery runs on a fibre with 64 KiB of stack") {
    NEEDS_SOCK_DIAG();
    constexpr std::size_t size = 64 << 10;
    const Directory own;
    const Endpoint file = Endpoint::unix_stream(own.path() + "/socket");
    { Helper dead({"listen=" + to_string(file)}); }
    Helper holder({"listen=127.0.0.1:0"});
    for (const Endpoint& here : {Endpoint("127.0.0.1", holder.port()), file}) {
        const std::string outcome = in_child(geteuid(), [&] {
            std::string text;
            body = [&] {
                const auto start = [&](const Endpoint& endpoint) {
                    TcpServer server("127.0.0.1", SOCK_STREAM, true);
                    here == file ? static_cast<void>(open_path(file.path())) : server.start(endpoint.port());
                };
                RetryOnAddrInUse retry{start, SystemProbe{}, OnlyIf<SameUser>{}, [](std::string_view) {}};
                retry.start(here);
                text = describe(retry.recovery());
            };
            // An overflow meets the pages below, which cannot be written.
            constexpr std::size_t guard = 64 << 10;
            void* const memory =
                mmap(nullptr, guard + size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            mprotect(memory, guard, PROT_NONE);
            ucontext_t fibre{};
            ucontext_t here_again{};
            getcontext(&fibre);
            fibre.uc_stack.ss_sp = static_cast<char*>(memory) + guard;
            fibre.uc_stack.ss_size = size;
            fibre.uc_link = &here_again;
            makecontext(&fibre, run_body, 0);
            swapcontext(&here_again, &fibre);
            return text;
        });
        CHECK_THAT(outcome, has_text(here == file ? " was removed after " : " exited after "));
    }
}
#endif

TEST_CASE("where a pidfd can be opened and no signal sent by it, holders are terminated by their pid") {
    const std::pair<std::vector<std::string>, const char*> holders[] = {
        {{"listen=127.0.0.1:0"}, "none exited"}, {{"ignore-term", "listen=127.0.0.1:0"}, "none killed"}};
    for (const auto& [words, expected] : holders) {
        Helper holder(words);
        const std::string outcome = in_child(geteuid(), [&] {
            if (!forbid_signals_by_pidfd()) { return std::string("seccomp"); }
            const Started started = start_at("127.0.0.1", holder.port(), TerminateThenKill{milliseconds(100)});
            return to_string(started.recovery.obstacle) + ' ' + to_string(started.fate());
        });
        CHECK(outcome == expected);
        CHECK_FALSE(holder.alive());
    }
}

TEST_CASE("a start that lost a race to a new holder does not wait for its exit") {
    for (const int moment : {1, 9}) { // at once; after the wait has become slow
        Helper holder({"listen=127.0.0.1:0"});
        const Endpoint here("127.0.0.1", holder.port());
        std::unique_ptr<Helper> winner;
        int count = 0;
        const auto win = [&] {
            if (count != moment) { return; }
            holder.process().signal(SIGKILL);
            REQUIRE(holder.process().exits_within(10000));
            winner = std::make_unique<Helper>(std::vector<std::string>{"reuseaddr", "listen=" + to_string(here)});
        };
        TcpServer server("127.0.0.1", SOCK_STREAM, true);
        RetryOnAddrInUse retry{server, CountingProbe{count, win}, say_released, NoLog{}};
        CHECK_THROWS_AS(retry.start(here), std::system_error);
        CHECK(count < 20); // in 2 s it is asked more often
        CHECK(server.starts == 2);
        CHECK(retry.recovery().obstacle == Obstacle::taken_again);
        REQUIRE(winner);
        CHECK(winner->alive());
    }
}

TEST_CASE("a holder that is late to leave is waited for longer than a new one") {
    Helper holder({"listen=127.0.0.1:0"});
    int count = 0;
    const auto leave = [&] {
        if (count == 12) { holder.close_input(); }
    };
    TcpServer server("127.0.0.1", SOCK_STREAM, true);
    RetryOnAddrInUse retry{server, CountingProbe{count, leave}, say_released, NoLog{}};
    CHECK_NOTHROW(retry.start("127.0.0.1", holder.port()));
    CHECK(server.running());
}

TEST_CASE("an interrupted wait goes on: a client between bind and connect lives") {
    NEEDS_BOUND_SOCKETS();
    Helper target({"listen=127.0.0.1:0"});
    Helper client({"bind=127.0.0.1:0", "connect-soon=127.0.0.1:" + std::to_string(target.port())});
    Recovery recovery;
    {
        const Interruptions every_2_ms;
        recovery = start_in_vain(Endpoint("127.0.0.1", client.port()), client);
    }
    CHECK(recovery.obstacle == Obstacle::live_connection);
    CHECK(client.alive());
}

TEST_CASE("an interrupted wait goes on: the socket file of a server that is about to listen elsewhere stays") {
    NEEDS_ROOT();
    const Directory own;
    const Endpoint here = Endpoint::unix_stream(own.path() + "/socket");
    Helper server({"new-network", "bind=" + to_string(here), "listen-soon"});
    {
        const Interruptions every_2_ms;
        start_in_vain(here, server);
    }
    CHECK(server.alive());
    REQUIRE(std::filesystem::is_socket(here.path()));
    CHECK(becomes_true([&] { return answers(here); }));
}

TEST_CASE("an interrupted wait goes on: holders have all of their time") {
    constexpr milliseconds time(100);
    Helper holder({"ignore-term", "listen=127.0.0.1:0"});
    const auto start = [&](auto killer) {
        const Interruptions every_2_ms;
        return start_at("127.0.0.1", holder.port(), killer);
    };
    const Started waited = start(WaitForExit{time});
    CHECK(waited.fate() == Fate::survived);
    CHECK(waited.recovery.evictions[0].took >= time);
    CHECK(holder.alive());
    const Started killed = start(TerminateThenKill{time});
    CHECK(killed.fate() == Fate::killed);
    CHECK(killed.recovery.evictions[0].took >= time);
}

TEST_CASE("the error of a server that cannot start twice is reported, with the way out") {
    Acceptor acceptor;
    const auto check_report = [](const Recovery& recovery, const std::string& last_line) {
        CHECK(recovery.obstacle == Obstacle::other_failure);
        const std::string error = std::make_error_code(std::errc::already_connected).message();
        CHECK((has_text("already connected").match(recovery.failure) || has_text(error).match(recovery.failure)));
        for (const std::string& text : {describe(recovery), last_line}) {
            CHECK_THAT(text, has_text(recovery.failure));
            CHECK_THAT(text, has_text("ServerTraits"));
            CHECK_THAT(text, has_text("restart"));
        }
    };
    Helper holder({"listen=127.0.0.1:0"});
    std::string last_line;
    const auto log = [&](std::string_view line) { last_line = line; };
    SECTION("by an exception") {
        RetryOnAddrInUse retry{[&](std::uint16_t port) {
                                   if (const std::error_code error = acceptor.open(port)) {
                                       throw std::system_error(error, "already connected");
                                   }
                               },
                               SystemProbe{}, TerminateThenKill{}, log};
        CHECK_THROWS_AS(retry.start("127.0.0.1", holder.port()), std::system_error);
        check_report(retry.recovery(), last_line);
    }
    SECTION("by a code") {
        RetryOnAddrInUse retry{[&](std::uint16_t port) { return acceptor.open(port); }, SystemProbe{},
                               TerminateThenKill{}, log};
        CHECK(retry.start("127.0.0.1", holder.port()) == std::errc::already_connected);
        check_report(retry.recovery(), last_line);
    }
    CHECK_FALSE(holder.alive());
}
