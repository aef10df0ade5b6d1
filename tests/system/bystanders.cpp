// Processes that must live, whatever the start does.

#include "real.hpp"

#include <sys/socket.h>

TEST_CASE("a client, other addresses, ports and transports are nobody's business") {
    Helper holder({"listen=127.0.0.1:0"});
    const std::string port = std::to_string(holder.port());
    Helper client({"connect=127.0.0.1:" + port});
    Helper beside({"listen=127.0.0.2:" + port});
    Helper udp({"udp=127.0.0.1:" + port});
    const std::string next_port = std::to_string(holder.port() == 65535 ? holder.port() - 1 : holder.port() + 1);
    Helper neighbour({"reuseaddr", "reuseport", "listen=127.0.0.1:" + next_port});
    const Started started = start_at("127.0.0.1", holder.port());
    CHECK(started.serves);
    CHECK(started.recovery.evictions.size() == 1);
    CHECK_FALSE(holder.alive());
    CHECK(client.alive());
    CHECK(beside.alive());
    CHECK(udp.alive());
    CHECK(neighbour.alive());
}

TEST_CASE("an outgoing connection on that port lives, and is named") {
    Helper target({"listen=127.0.0.1:0"});
    Helper client({"connect=127.0.0.1:" + std::to_string(target.port())});
    const Started started = start_at("127.0.0.1", client.port());
    CHECK_FALSE(started.serves);
    CHECK(started.starts == 1);
    CHECK(started.recovery.obstacle == Obstacle::live_connection);
    REQUIRE(started.recovery.evictions.size() == 1);
    CHECK(started.pid() == client.pid());
    CHECK(started.recovery.evictions[0].holder.state == State::connected);
    CHECK(client.alive());
    CHECK_THAT(describe(started.recovery), has_text("live connection"));
}

TEST_CASE("a UDP client on an ephemeral port lives") {
    Helper client({"udp=127.0.0.1:0"});
    const Started started = start_at("127.0.0.1", Endpoint("127.0.0.1", client.port(), Transport::udp));
    CHECK_FALSE(started.serves);
    CHECK(client.alive());
    CHECK_THAT(started.reason(), has_text("may be a client"));
}

TEST_CASE("two strangers side by side live when only the port is known") {
    Helper first({"listen=127.0.0.1:0"});
    Helper second({"listen=127.0.0.2:" + std::to_string(first.port())});
    const Started started = start_at("127.0.0.1", Endpoint(first.port()));
    CHECK_FALSE(started.serves);
    CHECK(first.alive());
    CHECK(second.alive());
    CHECK(started.recovery.obstacle == Obstacle::refused_holder);
    CHECK_THAT(describe(started.recovery), has_text("name the host"));
}

TEST_CASE("a stranger beside a connection lives when only the port is known") {
    Helper target({"listen=127.0.0.1:0"});
    Helper client({"connect=127.0.0.1:" + std::to_string(target.port())});
    Helper stranger({"listen=127.0.0.2:" + std::to_string(client.port())});
    const Started started = start_at("127.0.0.1", Endpoint(client.port()));
    CHECK_FALSE(started.serves);
    CHECK(client.alive());
    CHECK(stranger.alive());
}

TEST_CASE("a stranger that listens lives where the culprit on another address is only bound") {
    NEEDS_BOUND_SOCKETS();
    Helper culprit({"bind=127.0.0.1:0"});
    Helper stranger({"listen=127.0.0.2:" + std::to_string(culprit.port())});
    CHECK(start_at("127.0.0.1", culprit.port()).serves);
    CHECK_FALSE(culprit.alive());
    CHECK(stranger.alive());
    Helper again({"bind=127.0.0.1:" + std::to_string(culprit.port())});
    CHECK_FALSE(start_at("127.0.0.1", Endpoint(again.port())).serves);
    CHECK(stranger.alive());
    CHECK(again.alive());
}

TEST_CASE("a client between bind and connect lives") {
    NEEDS_BOUND_SOCKETS();
    Helper target({"listen=127.0.0.1:0"});
    Helper client({"bind=127.0.0.1:0", "connect-soon=127.0.0.1:" + std::to_string(target.port())});
    const Endpoint here("127.0.0.1", client.port());
    std::error_code error;
    const std::vector<detail::Socket> rows = detail::Os::list_sockets(here, detail::Which::all, error);
    REQUIRE_FALSE(error);
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].state == State::bound);
    RetryOnAddrInUse retry{[&](const Endpoint&) {
                               client.close_input(); // it connects 5 ms later, between the first look and the second
                               return std::errc::address_in_use;
                           },
                           SystemProbe{}, TerminateThenKill{}, NoLog{}};
    CHECK(retry.start(here) == std::errc::address_in_use);
    CHECK(retry.recovery().obstacle == Obstacle::live_connection);
    CHECK(client.alive());
}

TEST_CASE("we do not end ourselves") {
    TcpServer first("127.0.0.1");
    first.start(0);
    const Started started = start_at("127.0.0.1", first.port());
    CHECK_FALSE(started.serves);
    CHECK(started.starts == 1);
    CHECK(started.recovery.obstacle == Obstacle::this_process);
    CHECK(started.pid() == static_cast<std::uint32_t>(getpid()));
}

TEST_CASE("our ancestor lives") {
    Helper ancestor({"listen=127.0.0.1:0", "run=" STARTER_PROGRAM, "127.0.0.1", "@"});
    CHECK(ancestor.read_line() == "failed refused_holder " + std::to_string(ancestor.pid()) + "=refused");
    CHECK(ancestor.read_line() == "ran");
    CHECK(ancestor.alive());
}

TEST_CASE("our ancestor and a child of its that shares the listener both live") {
    Helper ancestor({"listen=127.0.0.1:0", "fork=1", "run=" STARTER_PROGRAM, "127.0.0.1", "@"});
    const std::string outcome = ancestor.read_line();
    CHECK_THAT(outcome, has_text("failed refused_holder"));
    CHECK_THAT(outcome, has_text(std::to_string(ancestor.pid(0)) + "=refused"));
    CHECK_THAT(outcome, has_text(std::to_string(ancestor.pid(1)) + "=refused"));
    CHECK(ancestor.read_line() == "ran");
    CHECK(ancestor.alive(0));
    CHECK(ancestor.alive(1));
}

TEST_CASE("a worker beside us under a parent that runs our executable lives") {
    // This test forks itself twice: both children run the executable of their parent.
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    const pid_t worker = fork();
    if (worker == 0) {
        TcpServer server("127.0.0.1");
        server.start(0);
        const std::uint16_t port = server.port();
        if (write(ends[1], &port, sizeof port) != sizeof port) { _exit(1); }
        for (;;) { pause(); }
    }
    const KnownProcess known(worker);
    std::uint16_t port = 0;
    REQUIRE(read(ends[0], &port, sizeof port) == sizeof port);
    const std::string outcome = in_child(geteuid(), [&] {
        const Started started = start_at("127.0.0.1", port);
        return (started.serves ? "served " : "failed ") + started.reason();
    });
    CHECK_THAT(outcome, has_text("failed it is a sibling worker of this process"));
    CHECK(known.alive());
    known.signal(SIGKILL);
    waitpid(worker, nullptr, 0);
    close(ends[0]);
    close(ends[1]);
}

TEST_CASE("a holder of another user is reported as such") {
    NEEDS_ROOT();
    Helper holder({"listen=127.0.0.1:0"});
    const std::string outcome = in_child(65534, [&] {
        const Started started = start_at("127.0.0.1", holder.port());
        return to_string(started.recovery.obstacle) + ' ' + std::to_string(started.starts) + ' ' +
               std::to_string(started.pid()) + ' ' + describe(started.recovery);
    });
    CHECK_THAT(outcome, has_text("invisible_holder 1 0 127.0.0.1:"));
    CHECK_THAT(outcome, has_text("an unidentified process (user 0) was not terminated"));
    CHECK_THAT(outcome, has_text("ss -tulnp"));
    CHECK(holder.alive());
}

TEST_CASE("root ends the holder of another user, and knows whose it is") {
    NEEDS_ROOT();
    Helper holder({"user=65534", "listen=127.0.0.1:0"});
    const Started started = start_at("127.0.0.1", holder.port());
    CHECK(started.serves);
    CHECK(started.recovery.evictions.at(0).holder.user == "65534");
    CHECK(started.recovery.evictions.at(0).holder.socket_user == "65534");
}

TEST_CASE("a holder with rights that we lack is not touched, nor is who shares the address with it") {
    NEEDS_ROOT();
    // As nobody, the worker's table may be read, but not root's: the socket is root's, so there may be more of them.
    Helper holder({"listen=127.0.0.1:0", "user=65534", "dumpable"});
    const std::string outcome = in_child(65534, [&] {
        const Started started = start_at("127.0.0.1", holder.port());
        return (started.serves ? "served " : "failed ") + started.reason();
    });
    CHECK_THAT(outcome, has_text("failed its socket was created by root"));
    CHECK(holder.alive());
}

TEST_CASE("a holder that started after our start began lives") {
    Helper scout({"listen=127.0.0.1:0"});
    const Endpoint here("127.0.0.1", scout.port());
    scout.close_input();
    REQUIRE(scout.process().exits_within(5000));
    std::unique_ptr<Helper> successor;
    TcpServer server("127.0.0.1", SOCK_STREAM, true);
    RetryOnAddrInUse retry{[&](std::uint16_t port) {
                               const auto begin = detail::Os::now();
                               while (detail::Os::now() < begin + 25000000) {} // beyond the tick of the kernel's clock
                               successor = std::make_unique<Helper>(
                                   std::vector<std::string>{"reuseaddr", "listen=127.0.0.1:" + std::to_string(port)});
                               server.start(port);
                           },
                           SystemProbe{}, TerminateThenKill{}, NoLog{}};
    CHECK_THROWS_AS(retry.start(here), std::system_error);
    CHECK(successor->alive());
    CHECK_THAT(retry.recovery().evictions.at(0).reason, has_text("after this start began"));
}

TEST_CASE("a supervisor that brings the holder back wins, after one round") {
    // "forked": its worker is a process in the background that it does not start itself.
    for (const char* kind : {"supervise", "supervise-forked"}) {
        INFO(kind);
        Helper supervisor({kind, "127.0.0.1"});
        const std::uint32_t worker = supervisor.pid(0);
        TcpServer server("127.0.0.1");
        RetryOnAddrInUse retry{[&](std::uint16_t port) {
                                   if (server.starts == 1) { supervisor.read_ready(); } // the new worker is up
                                   // Beyond the tick in which the start began, or the worker's age could not be told.
                                   const auto begin = detail::Os::now();
                                   while (server.starts == 0 && detail::Os::now() < begin + 25000000) {}
                                   server.start(port);
                               },
                               SystemProbe{}, TerminateThenKill{}, NoLog{}};
        CHECK_THROWS_AS(retry.start("127.0.0.1", supervisor.port()), std::system_error);
        CHECK(server.starts == 2);
        REQUIRE(retry.recovery().evictions.size() == 2);
        CHECK(retry.recovery().evictions[0].holder.pid == worker);
        CHECK(retry.recovery().evictions[1].holder.pid == supervisor.pid(2));
        CHECK(retry.recovery().obstacle == Obstacle::taken_again);
        CHECK_THAT(retry.recovery().evictions[1].reason, has_text("stop the service manager that restarts it"));
        CHECK(supervisor.alive(1)); // the supervisor itself
        CHECK(supervisor.alive(2)); // its new worker
    }
}

TEST_CASE("connections that a dead holder leaves behind are named, and nobody is ended for them") {
    // The holder's accepted connection goes into FIN_WAIT when it dies, and into TIME_WAIT when the client goes too.
    for (const bool client_too : {false, true}) {
        Helper holder({"listen=127.0.0.1:0"});
        Helper client({"connect=127.0.0.1:" + std::to_string(holder.port())});
        holder.accept();
        const Endpoint here("127.0.0.1", holder.port());
        if (client_too) {
            holder.process().signal(SIGKILL);
            REQUIRE(holder.process().exits_within(5000));
            client.process().signal(SIGKILL);
            REQUIRE(client.process().exits_within(5000));
        }
        const Started started = start_at("127.0.0.1", here, TerminateThenKill{}, false);
        CHECK_FALSE(started.serves);
        CHECK(started.starts == 2);
        CHECK(started.recovery.retried);
        CHECK(started.recovery.obstacle == Obstacle::lingering_connections);
        CHECK(started.recovery.evictions.size() == (client_too ? 0 : 1));
        CHECK_THAT(describe(started.recovery), has_text("SO_REUSEADDR"));
        if (!client_too) { CHECK(client.alive()); }
    }
}

TEST_CASE("with SO_REUSEADDR on both sides, connections left behind are in nobody's way") {
    Helper holder({"reuseaddr", "listen=127.0.0.1:0"});
    Helper client({"connect=127.0.0.1:" + std::to_string(holder.port())});
    holder.accept();
    CHECK(start_at("127.0.0.1", holder.port()).serves);
    CHECK(client.alive());
}
