// Holders that must be terminated. Afterwards the server listens.

#include "real.hpp"

#include <cstring>
#include <fstream>
#include <thread>
#include <sys/stat.h>

TEST_CASE("a holder that leaves on SIGTERM") {
    Helper holder({"listen=127.0.0.1:0"});
    const Started started = start_at("127.0.0.1", holder.port());
    CHECK(started.serves);
    CHECK(started.starts == 2);
    REQUIRE(started.recovery.evictions.size() == 1);
    CHECK(started.fate() == Fate::exited);
    CHECK(started.pid() == holder.pid());
    CHECK(started.recovery.evictions[0].holder.name == "holder");
    CHECK(started.recovery.evictions[0].holder.sockets.at(0) == Endpoint("127.0.0.1", holder.port()));
    CHECK(started.recovery.evictions[0].holder.state == State::listening);
    CHECK(started.recovery.evictions[0].holder.executable == HOLDER_PROGRAM);
    CHECK(started.recovery.evictions[0].holder.command_line == HOLDER_PROGRAM " listen=127.0.0.1:0");
    CHECK(started.recovery.evictions[0].holder.user == std::to_string(geteuid()));
    CHECK(started.recovery.obstacle == Obstacle::none);
    CHECK_FALSE(holder.alive());
}

TEST_CASE("a holder found by the port alone") {
    Helper holder({"listen=127.0.0.1:0"});
    CHECK(start_at("127.0.0.1", Endpoint(holder.port())).serves);
    Helper wildcard({"listen=0.0.0.0:0"});
    CHECK(start_at("127.0.0.1", Endpoint(wildcard.port())).serves);
}

TEST_CASE("workers with a socket for each family are one set of holders") {
    NEEDS_IPV6();
    const std::string port = std::to_string(unused_port());
    Helper workers({"listen=0.0.0.0:" + port, "v6only", "listen=[::]:" + port, "fork=2"});
    const Started started = start_at("127.0.0.1", Endpoint(workers.port()));
    CHECK(started.serves);
    REQUIRE(started.recovery.evictions.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
        CHECK(started.recovery.evictions[i].holder.sockets.size() == 2);
        CHECK_FALSE(workers.alive(i));
    }
}

TEST_CASE("the only holder on an address of localhost is found by localhost and by *") {
    for (const char* host : {"localhost", "*", "LocalHost", ""}) {
        Helper holder({"listen=127.0.0.1:0"});
        CHECK(start_at("127.0.0.1", Endpoint(host, holder.port())).serves);
        CHECK_FALSE(holder.alive());
    }
    NEEDS_IPV6();
    Helper v4({"listen=127.0.0.1:0"});
    Helper v6({"listen=[::1]:" + std::to_string(v4.port())});
    const Started started = start_at("127.0.0.1", Endpoint("localhost", v4.port()));
    CHECK_FALSE(started.serves);
    CHECK_THAT(started.reason(), has_text("ambiguous") && has_text("name the host"));
    CHECK(v4.alive());
    CHECK(v6.alive());
}

TEST_CASE("a holder that ignores SIGTERM is forced") {
    Helper holder({"ignore-term", "listen=127.0.0.1:0"});
    const Started started = start_at("127.0.0.1", holder.port(), TerminateThenKill{milliseconds(50)});
    CHECK(started.serves);
    CHECK(started.fate() == Fate::killed);
    CHECK(started.recovery.evictions[0].took >= milliseconds(50));
    CHECK_FALSE(holder.alive());
}

TEST_CASE("a grace of 0 forces at once") {
    Helper holder({"release-on-term", "listen=127.0.0.1:0"});
    CHECK(start_at("127.0.0.1", holder.port(), TerminateThenKill{milliseconds(0)}).fate() == Fate::killed);
    CHECK_FALSE(holder.alive());
}

TEST_CASE("a stopped holder leaves when asked") {
    Helper holder({"listen=127.0.0.1:0", "stop"});
    while (process_state(holder.pid()) != 'T') {}
    const Started started = start_at("127.0.0.1", holder.port());
    CHECK(started.serves);
    CHECK(started.fate() == Fate::exited); // not killed: SIGCONT made it take its SIGTERM
}

TEST_CASE("forked children that share the socket all leave") {
    Helper holder({"listen=127.0.0.1:0", "fork=3"});
    const Started started = start_at("127.0.0.1", holder.port());
    CHECK(started.serves);
    CHECK(started.recovery.evictions.size() == 4);
    for (std::size_t i = 0; i < 4; ++i) {
        CHECK_FALSE(holder.alive(i));
        CHECK(started.fate(i) == Fate::exited);
    }
}

TEST_CASE("two holders that share the address by SO_REUSEPORT both leave") {
    Helper first({"reuseport", "listen=127.0.0.1:0"});
    Helper second({"reuseport", "listen=127.0.0.1:" + std::to_string(first.port())});
    const Started started = start_at("127.0.0.1", first.port());
    CHECK(started.serves);
    CHECK(started.recovery.evictions.size() == 2);
    CHECK_FALSE(first.alive());
    CHECK_FALSE(second.alive());
}

TEST_CASE("a dual-stack holder of :: is in the way of 127.0.0.1") {
    NEEDS_IPV6();
    Helper holder({"listen=[::]:0"});
    CHECK(start_at("127.0.0.1", holder.port()).serves);
    CHECK_FALSE(holder.alive());
}

TEST_CASE("a holder that is bound but does not listen") {
    NEEDS_BOUND_SOCKETS();
    Helper holder({"bind=127.0.0.1:0"});
    const Started started = start_at("127.0.0.1", holder.port());
    CHECK(started.serves);
    CHECK(started.recovery.evictions.at(0).holder.state == State::bound);
    CHECK_FALSE(holder.alive());
}

TEST_CASE("a bound holder that ignores SIGTERM has all of its grace, and is forced then") {
    NEEDS_BOUND_SOCKETS();
    Helper holder({"ignore-term", "bind=127.0.0.1:0"});
    const Started started = start_at("127.0.0.1", holder.port(), TerminateThenKill{milliseconds(100)});
    CHECK(started.serves);
    CHECK(started.fate() == Fate::killed);
    CHECK(started.recovery.evictions[0].took >= milliseconds(100));
}

TEST_CASE("a UDP holder below the ephemeral range") {
    Helper holder({"udp=127.0.0.1:low"});
    const Started started = start_at("127.0.0.1", Endpoint("127.0.0.1", holder.port(), Transport::udp));
    CHECK(started.serves);
    CHECK(started.fate() == Fate::exited);
    CHECK_FALSE(holder.alive());
}

TEST_CASE("a socket in the descriptor table of one thread only") {
    Helper holder({"thread-listen=127.0.0.1:0"});
    const Started started = start_at("127.0.0.1", holder.port());
    CHECK(started.serves);
    CHECK(started.pid() == holder.pid());
    CHECK_FALSE(holder.alive());
}

TEST_CASE("our own child counts as gone although it is a zombie, and is left to its parent to reap") {
    Helper holder({"listen=127.0.0.1:0"}, Helper::Kin::child);
    const Started started = start_at("127.0.0.1", holder.port());
    CHECK(started.serves);
    CHECK(started.fate() == Fate::exited);
    CHECK(process_state(holder.pid()) == 'Z'); // not reaped
    int status = 0;
    CHECK(waitpid(static_cast<pid_t>(holder.pid()), &status, WNOHANG) == static_cast<pid_t>(holder.pid()));
    CHECK(WTERMSIG(status) == SIGTERM);
}

TEST_CASE("a child that was started after the start began is ours to end") {
    std::unique_ptr<Helper> holder;
    int starts = 0;
    RetryOnAddrInUse retry{[&](const Endpoint&) {
                               if (++starts > 1) { return true; }
                               // Beyond the tick in which the start began, or its age could not be told.
                               const auto begin = detail::Os::now();
                               while (detail::Os::now() < begin + 25000000) {}
                               holder = std::make_unique<Helper>(std::vector<std::string>{"listen=127.0.0.1:0"},
                                                                 Helper::Kin::child);
                               errno = EADDRINUSE;
                               return false;
                           },
                           [&](const Endpoint&, std::error_code& error) {
                               return SystemProbe{}(Endpoint("127.0.0.1", holder->port()), error);
                           },
                           TerminateThenKill{}, NoLog{}};
    CHECK(retry.start("127.0.0.1", 1));
    CHECK_FALSE(holder->alive());
}

TEST_CASE("a holder that leaves the address on SIGTERM and works on is not forced") {
    Helper holder({"release-on-term", "listen=127.0.0.1:0"});
    const Started started = start_at("127.0.0.1", holder.port(), TerminateThenKill{milliseconds(20000)});
    CHECK(started.serves);
    CHECK(started.fate() == Fate::released);
    CHECK(started.recovery.evictions[0].took < milliseconds(20000)); // the grace ends when the address is free
    CHECK(holder.alive());
}

TEST_CASE("a holder that leaves by itself is waited for") {
    Helper holder({"listen=127.0.0.1:0"});
    std::thread closer;
    struct WaitWhileItLeaves {
        Helper& holder;
        std::thread& closer;
        std::vector<Eviction> operator()(const std::vector<Holder>& holders) const {
            closer = std::thread([this] {
                poll(nullptr, 0, 50); // the killer waits by then; if it does not yet, the fate is already_gone
                holder.close_input();
            });
            return WaitForExit{milliseconds(10000)}(holders);
        }
    };
    const Started started =
        start_at("127.0.0.1", Endpoint("127.0.0.1", holder.port()), WaitWhileItLeaves{holder, closer});
    closer.join();
    CHECK(started.serves);
    CHECK((started.fate() == Fate::exited || started.fate() == Fate::already_gone));
    CHECK_FALSE(holder.alive());
}

TEST_CASE("our program was rebuilt while its previous run goes on") {
    Directory directory;
    const std::string program = directory.install(STARTER_PROGRAM, "server");
    {
        const std::string port = std::to_string(unused_port());
        Helper previous(program, {"127.0.0.1", port, "stay"}, Helper::Kin::stranger);
        REQUIRE(previous.read_line() == "served none");
        REQUIRE(directory.install(STARTER_PROGRAM, "server") == program);
        Helper next(program, {"same-executable", "127.0.0.1", port}, Helper::Kin::stranger);
        const std::string line = next.read_line();
        CHECK_THAT(line, has_text("served none "));
        CHECK_THAT(line, has_text("=exited"));
    }
    {
        Helper stranger({"listen=127.0.0.1:0"});
        const std::string port = std::to_string(stranger.port());
        Helper next(program, {"same-executable", "127.0.0.1", port}, Helper::Kin::stranger);
        CHECK(next.read_line() == "failed refused_holder " + std::to_string(stranger.pid()) + "=refused");
        CHECK(stranger.alive());
    }
    {
        const std::string port = std::to_string(unused_port());
        Helper previous(program, {"127.0.0.1", port, "stay"}, Helper::Kin::stranger);
        REQUIRE(previous.read_line() == "served none");
        Helper next(program, {"same-command-line", "127.0.0.1", port}, Helper::Kin::stranger);
        CHECK_THAT(next.read_line(), has_text("failed refused_holder")); // "stay" and the rule differ
    }
}

TEST_CASE("lsof finds the same holder") {
    if (access("/usr/bin/lsof", X_OK) != 0) { SKIP_HERE("needs lsof"); }
    const auto found = [](const Endpoint& endpoint) {
        std::error_code error;
        const std::vector<Holder> holders = LsofProbe{}(endpoint, error);
        CHECK_FALSE(error);
        return holders;
    };
    Helper tcp({"listen=127.0.0.1:0"});
    Helper udp({"udp=127.0.0.1:low"});
    std::error_code error;
    for (const Endpoint& endpoint :
         {Endpoint("127.0.0.1", tcp.port()), Endpoint("127.0.0.1", udp.port(), Transport::udp)}) {
        const auto by_lsof = found(endpoint);
        const auto by_system = SystemProbe{}(endpoint, error);
        REQUIRE(by_lsof.size() == 1);
        REQUIRE(by_system.size() == 1);
        CHECK(by_lsof[0].pid == by_system[0].pid);
        CHECK(by_lsof[0].start_time == by_system[0].start_time);
        CHECK(by_lsof[0].sockets == by_system[0].sockets);
        CHECK(by_lsof[0].state == by_system[0].state);
    }
    CHECK(found(Endpoint("127.0.0.2", tcp.port())).empty());
    CHECK(found(Endpoint(tcp.port())).size() == 1);
    CHECK(LsofProbe{milliseconds(0)}(Endpoint("127.0.0.1", tcp.port()), error).empty());
    CHECK(error == std::errc::timed_out);

    if (access("/proc/net/if_inet6", F_OK) == 0) { // lsof does not show IPV6_V6ONLY
        Helper stranger({"v6only", "listen=[::]:" + std::to_string(tcp.port())});
        REQUIRE(found(Endpoint("127.0.0.1", tcp.port())).size() == 1);
        CHECK(found(Endpoint("127.0.0.1", tcp.port()))[0].pid == tcp.pid());
        Helper dual({"listen=[::]:0"});
        CHECK(found(Endpoint("127.0.0.1", dual.port())).at(0).pid == dual.pid());
        Helper v6({"v6only", "listen=[::]:0"});
        CHECK(found(Endpoint("127.0.0.1", v6.port())).empty());
    }

    signal(SIGCHLD, SIG_IGN);
    CHECK(found(Endpoint("127.0.0.1", tcp.port())).at(0).pid == tcp.pid());
    signal(SIGCHLD, SIG_DFL);

    TcpServer server("127.0.0.1");
    RetryOnAddrInUse retry{server, LsofProbe{}, TerminateThenKill{}, NoLog{}};
    retry.start("127.0.0.1", tcp.port());
    CHECK(server.running());
}

TEST_CASE("many processes and descriptors are searched through") {
    std::vector<int> opened;
    for (int i = 0; i < 300; ++i) { opened.push_back(socket(AF_INET, SOCK_DGRAM, 0)); }
    Helper crowd({"listen=127.0.0.1:0", "fork=60"});
    std::error_code error;
    CHECK(SystemProbe{}(Endpoint("127.0.0.1", crowd.port()), error).size() == 61);
    CHECK_FALSE(error);
    for (const int fd : opened) { close(fd); }
}
