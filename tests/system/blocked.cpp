// System calls that fail, sources that are missing and limits that are reached. Each case runs in a child process of
// its own. No process is terminated on a guess, and the report says what could not be seen.

#include "real.hpp"

#include <cstddef>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

namespace {

// The low half of the first argument of a system call.
constexpr std::uint32_t first_argument =
    offsetof(seccomp_data, args) + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? sizeof(std::uint32_t) : 0);

// Lets a system call fail with `error`; with `argument` only where the first argument is that.
bool forbid(int system_call, int error, long argument = -1) {
    const auto number = static_cast<std::uint32_t>(system_call);
    const auto wanted = static_cast<std::uint32_t>(argument);
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, first_argument),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, wanted, 0, static_cast<unsigned char>(argument >= 0 ? 1 : 0)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog filter{static_cast<unsigned short>(sizeof program / sizeof *program), program};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

// Some C libraries call socketcall() instead of socket(). A filter does not see its arguments.
bool netlink_can_be_forbidden() {
    return in_child(geteuid(), [] {
               const bool good = forbid(SYS_socket, EPROTONOSUPPORT, AF_NETLINK);
               return std::string(good && socket(AF_NETLINK, SOCK_RAW, 0) < 0 ? "yes" : "no");
           }) == "yes";
}

#define NEEDS_NETLINK_FILTER()                                                                                         \
    if (!netlink_can_be_forbidden()) { SKIP_HERE("needs a C library that makes sockets by socket()"); }

} // namespace

TEST_CASE("without sock_diag the tables of /proc/net are the second source") {
    NEEDS_NETLINK_FILTER();
    const auto without = [](const std::string& host, const Endpoint& endpoint) {
        return in_child(geteuid(), [&] {
            if (!forbid(SYS_socket, EPROTONOSUPPORT, AF_NETLINK)) { return std::string("seccomp"); }
            return tell(start_at(host, endpoint));
        });
    };
    SECTION("a listener") {
        Helper holder({"listen=127.0.0.1:0"});
        CHECK_THAT(without("127.0.0.1", Endpoint("127.0.0.1", holder.port())),
                   has_text("served 2 none " + std::to_string(holder.pid()) + "=exited"));
    }
    SECTION("IPv6 and UDP") {
        NEEDS_IPV6();
        Helper v6({"listen=[::1]:0"});
        CHECK_THAT(without("::1", Endpoint("::1", v6.port())), has_text("served 2"));
        Helper udp({"udp=127.0.0.1:low"});
        CHECK_THAT(without("127.0.0.1", Endpoint("127.0.0.1", udp.port(), Transport::udp)), has_text("served 2"));
    }
    SECTION("whether a :: includes IPv4 is not shown: a test bind decides") {
        NEEDS_IPV6();
        Helper holder({"listen=[::]:0"});
        CHECK_THAT(without("127.0.0.1", Endpoint("127.0.0.1", holder.port())),
                   has_text("served 2 none " + std::to_string(holder.pid()) + "=exited"));
        CHECK_FALSE(holder.alive());
    }
    SECTION("a v6-only stranger on :: lives when 127.0.0.1 is wanted") {
        NEEDS_IPV6();
        Helper holder({"listen=127.0.0.1:0"});
        Helper stranger({"v6only", "listen=[::]:" + std::to_string(holder.port())});
        CHECK_THAT(without("127.0.0.1", Endpoint("127.0.0.1", holder.port())),
                   has_text("served 2 none " + std::to_string(holder.pid()) + "=exited"));
        CHECK(stranger.alive());
    }
    SECTION("a v6-only stranger on :: lives where a socket that is not shown prevents the bind") {
        NEEDS_IPV6();
        Helper hidden({"bind=127.0.0.1:0"});
        Helper stranger({"v6only", "listen=[::]:" + std::to_string(hidden.port())});
        CHECK_THAT(without("127.0.0.1", Endpoint("127.0.0.1", hidden.port())), has_text("invisible_holder"));
        CHECK(stranger.alive());
        CHECK(hidden.alive());
    }
    SECTION("a v6-only stranger on :: lives beside a connection on the wanted address") {
        NEEDS_IPV6();
        Helper target({"listen=127.0.0.1:0"});
        Helper client({"connect=127.0.0.1:" + std::to_string(target.port())});
        Helper stranger({"v6only", "listen=[::]:" + std::to_string(client.port())});
        CHECK_THAT(without("127.0.0.1", Endpoint("127.0.0.1", client.port())), has_text("failed 1 "));
        CHECK(stranger.alive());
        CHECK(client.alive());
    }
    SECTION("a socket that is bound and does not listen is not shown") {
        Helper holder({"bind=127.0.0.1:0"});
        CHECK_THAT(without("127.0.0.1", Endpoint("127.0.0.1", holder.port())), has_text("failed 2 invisible_holder"));
        CHECK(holder.alive());
    }
    SECTION("with the port alone the only holder on a specific address is terminated") {
        Helper holder({"listen=127.0.0.1:0"});
        CHECK_THAT(without("127.0.0.1", Endpoint(holder.port())),
                   has_text("served 2 none " + std::to_string(holder.pid()) + "=exited"));
    }
}

TEST_CASE("without sock_diag and without /proc nothing can be seen, and that is said") {
    NEEDS_ROOT();
    NEEDS_NETLINK_FILTER();
    Helper holder({"listen=127.0.0.1:0"});
    const std::string outcome = in_child(0, [&] {
        if (!private_mounts() || mount("nothing", "/proc", "tmpfs", 0, nullptr) != 0 ||
            !forbid(SYS_socket, EPROTONOSUPPORT, AF_NETLINK)) {
            return std::string("set-up");
        }
        return tell(start_at("127.0.0.1", holder.port()));
    });
    CHECK_THAT(outcome, has_text("failed 1 probe_failed: "));
    CHECK_THAT(outcome, has_text("(Protocol not supported): no process was terminated"));
    CHECK(holder.alive());
}

TEST_CASE("without pidfd the start time is compared before each signal") {
    for (const int error : {ENOSYS, EPERM}) {
        const auto without = [&](const Helper& holder, milliseconds grace) {
            return in_child(geteuid(), [&] {
                if (!forbid(SYS_pidfd_open, error) || !forbid(SYS_pidfd_send_signal, error)) {
                    return std::string("seccomp");
                }
                return tell(start_at("127.0.0.1", holder.port(), TerminateThenKill{grace}));
            });
        };
        Helper polite({"listen=127.0.0.1:0"});
        CHECK_THAT(without(polite, milliseconds(2000)), has_text("=exited"));
        Helper stubborn({"ignore-term", "listen=127.0.0.1:0"});
        CHECK_THAT(without(stubborn, milliseconds(50)), has_text("=killed"));
        const std::string outcome = in_child(geteuid(), [&] {
            Helper child({"listen=127.0.0.1:0"}, Helper::Kin::child);
            if (!forbid(SYS_pidfd_open, error) || !forbid(SYS_pidfd_send_signal, error)) {
                return std::string("seccomp");
            }
            return tell(start_at("127.0.0.1", child.port()));
        });
        CHECK_THAT(outcome, has_text("=exited")); // a zombie is dead
        CHECK_FALSE(polite.alive());
        CHECK_FALSE(stubborn.alive());
    }
}

TEST_CASE("out of descriptors no process is named, and none is terminated") {
    const std::string no_more = "1 probe_failed " + std::error_code(EMFILE, std::generic_category()).message();
    Helper holder({"listen=127.0.0.1:0"});
    for (rlim_t left = 0; left <= 7; ++left) { // without pidfd one more is open
        const std::string outcome = in_child(geteuid(), [&] {
            TcpServer server("127.0.0.1");
            const int next = dup(STDIN_FILENO);
            close(next);
            int starts = 0;
            RetryOnAddrInUse retry{[&](const Endpoint&) {
                                       ++starts;
                                       return std::errc::address_in_use;
                                   },
                                   SystemProbe{}, ReportOnly{}, NoLog{}};
            const rlimit limit{static_cast<rlim_t>(next) + left, static_cast<rlim_t>(next) + left};
            if (setrlimit(RLIMIT_NOFILE, &limit) != 0) { return std::string("setrlimit"); }
            retry.start("127.0.0.1", holder.port());
            return std::to_string(starts) + ' ' + to_string(retry.recovery().obstacle) + ' ' +
                   retry.recovery().error.message();
        });
        INFO(left);
        const bool found = has_text("1 refused_holder ").match(outcome);
        CHECK((found || outcome == no_more));
        if (left < 3) { CHECK(outcome == no_more); }
        if (left == 7) { CHECK(found); }
    }
    CHECK(holder.alive());
}

TEST_CASE("out of descriptors a killer takes the address for held, and has a reason not to kill") {
    const Helper holder({"listen=127.0.0.1:0"});
    const Endpoint here("127.0.0.1", holder.port());
    std::error_code error;
    const std::vector<Holder> holders = SystemProbe{}(here, error);
    REQUIRE(holders.size() == 1);
    CHECK(detail::reason_not_to_kill(holders[0]).empty());
    const std::string outcome = in_child(geteuid(), [&] {
        const int next = dup(STDIN_FILENO);
        close(next);
        const rlimit limit{static_cast<rlim_t>(next), static_cast<rlim_t>(next)};
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0) { return std::string("setrlimit"); }
        return (detail::is_held(here) ? "seen " : "unseen ") +
               std::string(detail::is_held(here, true) ? "held " : "free ") + detail::reason_not_to_kill(holders[0]);
    });
    CHECK_THAT(outcome, has_text("unseen held it cannot be inspected"));
}

TEST_CASE("nonsense from a probe reaches no process") {
    // In a session and a process of its own: what a failed guard would signal is this child and nothing else.
    const std::string outcome = in_child(geteuid(), [] {
        setsid();
        std::string text;
        for (const std::uint64_t pid :
             {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0}, (std::uint64_t{1} << 32) + 1,
              std::uint64_t{0x80000000}, static_cast<std::uint64_t>(getpid())}) {
            Holder holder;
            holder.pid = static_cast<std::uint32_t>(pid);
            holder.sockets = {Endpoint("127.0.0.1", 1)};
            RetryOnAddrInUse retry{[](int) { return std::errc::address_in_use; },
                                   [&](const Endpoint&) { return std::vector<Holder>{holder}; },
                                   TerminateThenKill{milliseconds(0)}, NoLog{}};
            retry.start("127.0.0.1", 1);
            const Eviction& eviction = retry.recovery().evictions.at(0);
            text += to_string(eviction.fate) + ": " + eviction.reason + '\n';
        }
        return text;
    });
    CHECK(outcome ==
          "refused: it belongs to another user, a container or the kernel\n" // 0
          "refused: it is the first process of the system: stop the socket unit or the container instead\n"
          "refused: it cannot be inspected: Operation not permitted\n" // none that fits a pid_t
          "refused: it is the first process of the system: stop the socket unit or the container instead\n" // cut
          "refused: it cannot be inspected: Operation not permitted\n"
          "refused: it is this process itself\n");
}

TEST_CASE("processes that come and go while we look do no harm") {
    Helper holder({"listen=127.0.0.1:0", "fork=2"});
    // In a group of its own, ended with one signal to that group, which is this test's.
    const pid_t crowd = fork();
    if (crowd == 0) {
        setpgid(0, 0);
        for (;;) {
            for (int i = 0; i < 20; ++i) {
                if (fork() == 0) { _exit(0); }
            }
            while (waitpid(-1, nullptr, 0) > 0) {}
        }
    }
    for (int round = 0; round < 20; ++round) {
        std::error_code error;
        CHECK(SystemProbe{}(Endpoint("127.0.0.1", holder.port()), error).size() == 3);
        CHECK_FALSE(error);
    }
    CHECK(start_at("127.0.0.1", holder.port()).serves);
    const KnownProcess known(crowd);
    known.signal(SIGKILL);
    waitpid(crowd, nullptr, 0);
}

TEST_CASE("without a view of Unix domain sockets no file is removed") {
    NEEDS_NETLINK_FILTER();
    Directory own;
    const Endpoint here = Endpoint::unix_stream(own.path() + "/socket");
    { Helper dead({"listen=" + to_string(here)}); }
    const std::string outcome = in_child(geteuid(), [&] {
        if (!forbid(SYS_socket, EPERM, AF_NETLINK)) { return std::string("seccomp"); }
        return describe(free_address(here, SystemProbe{}, TerminateThenKill{}, NoLog{}));
    });
    CHECK_THAT(outcome, has_text("(Operation not permitted): no process was terminated"));
    CHECK(std::filesystem::is_socket(here.path()));
}

TEST_CASE(
    "where a file system shows other numbers than it has inside, no process is terminated and no file is removed") {
    NEEDS_ROOT();
    NEEDS_SOCK_DIAG();
    Directory own;
    const std::string& at = own.path();
    for (const char* name : {"/lower", "/other", "/merged"}) { mkdir((at + name).c_str(), 0700); }
    // Two file systems below one, which has devices of its own for what it shows, unless told to make do without
    // (xino).
    const auto on_overlay = [&](const std::string& option, const std::string& what, const std::string& name) {
        return in_child(0, [&] {
            const std::string layers =
                option + ",lowerdir=" + at + "/lower,upperdir=" + at + "/other/u,workdir=" + at + "/other/w";
            if (!private_mounts() || mount("tmpfs", (at + "/other").c_str(), "tmpfs", 0, nullptr) != 0 ||
                mkdir((at + "/other/u").c_str(), 0700) != 0 || mkdir((at + "/other/w").c_str(), 0700) != 0 ||
                mount("overlay", (at + "/merged").c_str(), "overlay", 0, layers.c_str()) != 0) {
                return std::string("no overlay");
            }
            Helper holder({what + "=unix:" + at + "/merged/socket"});
            const Endpoint here = Endpoint::unix_stream(at + "/merged/" + name);
            const std::string text = describe(free_address(here, SystemProbe{}, TerminateThenKill{}, NoLog{}));
            const bool alive = holder.alive() && std::filesystem::is_socket(here.path());
            return text + (alive ? " untouched" : " gone");
        });
    };
    if (on_overlay("xino=off", "listen", "socket") == "no overlay") { SKIP_HERE("needs overlayfs"); }
    const auto check_untouched = [&](const std::string& outcome) {
        CHECK_THAT(outcome, has_text("The holder is not visible."));
        CHECK_THAT(outcome, has_text(" untouched"));
    };
    check_untouched(on_overlay("xino=off", "listen", "socket"));
    check_untouched(on_overlay("xino=off", "bind", "socket")); // which refuses a connect as a dead one does
    const std::string outcome = on_overlay("xino=on", "listen", "./socket"); // its devices are its own inside as well
    const bool has_xino = kernel_is(4, 19) && sizeof(long) > 4;
    CHECK_THAT(outcome, has_text(has_xino ? " gone" : " untouched"));
}
