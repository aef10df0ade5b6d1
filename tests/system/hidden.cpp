// Namespaces and mounts between this process and a holder. Each case runs in a child process of its own.

#include "real.hpp"

#include <cstring>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

namespace {

// In a network namespace of its own a process finds the loopback interface switched off.
bool loopback_up() {
    const int any = socket(AF_INET, SOCK_DGRAM, 0);
    ifreq loopback{};
    std::strcpy(loopback.ifr_name, "lo");
    loopback.ifr_flags = IFF_UP;
    const bool good = ioctl(any, SIOCSIFFLAGS, &loopback) == 0;
    close(any);
    return good;
}

bool become(uid_t user) { return setresgid(user, user, user) == 0 && setresuid(user, user, user) == 0; }

} // namespace

TEST_CASE("hidepid hides another user's holder, and not our own") {
    NEEDS_ROOT();
    for (const char* option : {"hidepid=1", "hidepid=2"}) {
        Helper roots({"listen=127.0.0.1:0"});
        Helper ours({"user=65534", "dumpable", "listen=127.0.0.1:0"});
        const auto as_nobody = [&](std::uint16_t port) {
            return in_child(0, [&] {
                if (!private_mounts()) { return std::string("private mounts"); }
                if (mount("proc", "/proc", "proc", 0, option) != 0) {
                    return std::string(errno == EBUSY ? "busy" : "mount");
                }
                return become(65534) ? tell(start_at("127.0.0.1", port)) : std::string("user");
            });
        };
        const std::string outcome = as_nobody(roots.port());
        if (outcome == "busy") { SKIP_HERE("needs Linux 5.8, where each mount of /proc has options of its own"); }
        CHECK_THAT(outcome, has_text("failed 1 invisible_holder 0=refused"));
        CHECK(roots.alive());
        CHECK_THAT(as_nobody(ours.port()), has_text("served 2 none " + std::to_string(ours.pid()) + "=exited"));
    }
}

TEST_CASE("a process of ours that nobody may look at is invisible") {
    NEEDS_ROOT();
    Helper holder({"user=65534", "listen=127.0.0.1:0", "no-dump"});
    const std::string outcome = in_child(65534, [&] { return tell(start_at("127.0.0.1", holder.port())); });
    CHECK_THAT(outcome, has_text("failed 1 invisible_holder 0=refused"));
    CHECK(holder.alive());
}

TEST_CASE("without /proc nobody is named, and nobody is touched") {
    NEEDS_ROOT();
    Helper holder({"listen=127.0.0.1:0"});
    const std::string outcome = in_child(0, [&] {
        if (!private_mounts() || mount("nothing", "/proc", "tmpfs", 0, nullptr) != 0) { return std::string("mount"); }
        return tell(start_at("127.0.0.1", holder.port()));
    });
    CHECK_THAT(outcome, has_text("failed 1 probe_failed: "));
    CHECK_THAT(outcome, has_text("cannot determine which process holds"));
    CHECK(holder.alive());
}

TEST_CASE("a holder in a pid namespace below ours is in a container, and lives") {
    NEEDS_ROOT();
    int ports[2];
    int pids[2];
    REQUIRE(pipe(ports) == 0);
    REQUIRE(pipe(pids) == 0);
    const pid_t parent = fork();
    if (parent == 0) {
        if (unshare(CLONE_NEWPID) != 0) { _exit(1); }
        const pid_t first = fork();
        if (first == 0) {
            TcpServer server("127.0.0.1");
            server.start(0);
            const std::uint16_t port = server.port();
            if (write(ports[1], &port, sizeof port) != sizeof port) { _exit(1); }
            for (;;) { pause(); }
        }
        if (write(pids[1], &first, sizeof first) != sizeof first) { _exit(1); }
        waitpid(first, nullptr, 0);
        _exit(0);
    }
    close(ports[1]);
    close(pids[1]);
    pid_t first = 0;
    std::uint16_t port = 0;
    REQUIRE(read(pids[0], &first, sizeof first) == sizeof first);
    REQUIRE(read(ports[0], &port, sizeof port) == sizeof port);
    const KnownProcess known(first);
    const std::string outcome = tell(start_at("127.0.0.1", port));
    CHECK_THAT(outcome, has_text("refused_holder " + std::to_string(first) + "=refused"));
    CHECK_THAT(outcome, has_text("container or sandbox"));
    CHECK(known.alive());
    known.signal(SIGKILL);
    waitpid(parent, nullptr, 0);
    close(ports[0]);
    close(pids[0]);
}

TEST_CASE("a holder in a pid namespace above ours is invisible; one beside us is ended") {
    NEEDS_ROOT();
    Helper above({"listen=127.0.0.1:0"});
    CHECK_THAT(in_pid_namespace([&] { return tell(start_at("127.0.0.1", above.port())); }),
               has_text("failed 1 invisible_holder 0=refused"));
    CHECK(above.alive());
    CHECK_THAT(in_pid_namespace([&] {
                   Helper beside({"listen=127.0.0.1:0"});
                   return tell(start_at("127.0.0.1", beside.port()));
               }),
               has_text("served 2 none "));
}

TEST_CASE("the same port in another network namespace is no conflict") {
    NEEDS_ROOT();
    Helper holder({"listen=127.0.0.1:0"});
    const std::string outcome = in_child(0, [&] {
        if (unshare(CLONE_NEWNET) != 0) { return std::string("unshare"); }
        if (!loopback_up()) { return std::string("lo"); }
        Helper inside({"listen=127.0.0.1:" + std::to_string(holder.port())});
        const std::string text = tell(start_at("127.0.0.1", holder.port()));
        return text + (inside.alive() ? " alive" : " gone");
    });
    CHECK_THAT(outcome, has_text("served 2 none "));
    CHECK_THAT(outcome, has_text(" gone"));
    CHECK(holder.alive());
}
