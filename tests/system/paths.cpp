// Unix domain sockets that a process has open.

#include "paths.hpp"

TEST_CASE("a listener on a path leaves when asked, and its file goes with it") {
    NEEDS_SOCK_DIAG();
    const Directory own;
    const Endpoint here = Endpoint::unix_stream(own.path() + "/socket");
    SECTION("that was not removed by it") {
        Helper holder({word("listen", here)});
        const Started started = start_on(here);
        CHECK(started.serves);
        REQUIRE(started.recovery.evictions.size() == 2);
        CHECK(started.fate(0) == Fate::exited);
        CHECK(started.pid(0) == holder.pid());
        CHECK(started.recovery.evictions[0].holder.sockets.at(0) == here);
        CHECK(started.fate(1) == Fate::released);
        CHECK_FALSE(holder.alive());
    }
    SECTION("that ignores SIGTERM and is forced") {
        Helper holder({"ignore-term", word("listen", here)});
        const Started started = start_on(here, TerminateThenKill{milliseconds(10)});
        CHECK(started.serves);
        CHECK(started.fate(0) == Fate::killed);
    }
    SECTION("that three processes share") {
        Helper holder({word("listen", here), "fork=2"});
        const Started started = start_on(here);
        CHECK(started.serves);
        CHECK(started.recovery.evictions.size() == 4);
    }
    SECTION("that is bound and does not listen yet, and refuses a connect as a dead one does") {
        Helper holder({word("bind", here)});
        const Started started = start_on(here);
        CHECK(started.serves);
        CHECK(started.recovery.evictions[0].holder.state == State::bound);
        CHECK_FALSE(holder.alive());
    }
    SECTION("that takes datagrams, where a stream is wanted") {
        Helper holder({word("udp", here)});
        CHECK(start_on(here).serves);
        CHECK_FALSE(holder.alive());
    }
    SECTION("whose backlog is full") {
        Helper holder({"backlog=0", word("listen", here)});
        const int waiting = open_at(here, true);
        CHECK_FALSE(answers(here)); // EAGAIN
        CHECK(start_on(here).serves);
        CHECK_FALSE(holder.alive());
        close(waiting);
    }
    SECTION("by another spelling of the path") {
        Helper holder({word("listen", here)});
        CHECK(start_on(Endpoint::unix_stream(own.path() + "/./socket")).serves);
        CHECK_FALSE(holder.alive());
    }
}

TEST_CASE("an abstract name is free as soon as its holder is gone") {
    NEEDS_SOCK_DIAG();
    const Endpoint here = Endpoint::unix_stream("@addr-in-use-" + std::to_string(getpid()));
    const Endpoint datagrams = Endpoint::unix_datagram(here.path());
    Helper holder({word("listen", here)});
    Helper other({word("udp", datagrams)});
    const Started started = start_on(here);
    CHECK(started.serves);
    CHECK(started.recovery.evictions.size() == 1);
    CHECK_FALSE(holder.alive());
    CHECK(other.alive());
    Helper stream({word("listen", here)});
    CHECK(start_on(datagrams).serves);
    CHECK_FALSE(other.alive());
    CHECK(stream.alive());
}

TEST_CASE("the holder of an abstract name with zeros at its end is named, and lives") {
    NEEDS_SOCK_DIAG();
    const Endpoint here = Endpoint::unix_stream("@addr-in-use-" + std::to_string(getpid()));
    Helper holder({"padded", word("listen", here)});
    PathServer as_named;
    RetryOnAddrInUse exact{as_named};
    exact.start(here);
    CHECK(exact.recovery().evictions.empty()); // it is another name
    close(as_named.fd);
    std::string padded = here.path();
    padded.resize(sizeof(sockaddr_un::sun_path));
    RetryOnAddrInUse retry{[&] { open_path(padded); }, SystemProbe{}, TerminateThenKill{}, NoLog{}};
    CHECK_THROWS_AS(retry.start(here), std::system_error);
    CHECK(describe(retry.recovery()) ==
          to_string(here) + ": holder (pid " + std::to_string(holder.pid()) + ") was not terminated: it holds " +
              to_string(here) + " with zeros at the end of the name. The address is free: the start failed on " +
              "another one. The last start failed with: bind: Address already in use");
    CHECK(holder.alive());
}

TEST_CASE("another user's holder of an abstract name with zeros at its end is reported") {
    NEEDS_ROOT();
    NEEDS_SOCK_DIAG();
    const Endpoint here = Endpoint::unix_stream("@addr-in-use-" + std::to_string(getpid()));
    const Helper holder({"padded", word("listen", here)});
    const std::string report = in_child(65534, [&] {
        RetryOnAddrInUse retry{[] { return std::errc::address_in_use; }, SystemProbe{}, TerminateThenKill{}, NoLog{}};
        retry.start(here);
        return describe(retry.recovery());
    });
    CHECK_THAT(report, has_text("it holds " + to_string(here) + " with zeros at the end of the name"));
    CHECK(holder.alive());
}

TEST_CASE("who holds what a link leads to is nobody's business") {
    NEEDS_SOCK_DIAG();
    const Directory own;
    const Endpoint real = Endpoint::unix_stream(own.path() + "/real");
    Helper holder({word("listen", real)});
    std::filesystem::create_symlink(real.path(), own.path() + "/link");
    const Started started = start_on(Endpoint::unix_stream(own.path() + "/link"));
    CHECK_FALSE(started.serves);
    CHECK(started.recovery.obstacle == Obstacle::file_in_the_way);
    CHECK(holder.alive());
    CHECK(answers(real));
}

TEST_CASE("a stranger on a path lives under a rule, and so does its file") {
    NEEDS_SOCK_DIAG();
    const Directory own;
    const Endpoint here = Endpoint::unix_stream(own.path() + "/socket");
    Helper holder({word("listen", here)});
    const Started started = start_on(here, OnlyIf<SameExecutable>{});
    CHECK_FALSE(started.serves);
    CHECK(started.fate() == Fate::refused);
    CHECK(started.recovery.obstacle == Obstacle::refused_holder);
    CHECK(holder.alive());
    CHECK(answers(here));
}

TEST_CASE("a server that lost its file to another one lives") {
    NEEDS_SOCK_DIAG();
    const Directory own;
    const Endpoint here = Endpoint::unix_stream(own.path() + "/socket");
    Helper without({word("listen", here)}); // its socket still has the name
    std::filesystem::remove(here.path());
    leave_stale(here);
    const Started started = start_on(here);
    CHECK(started.serves);
    CHECK(started.recovery.evictions.size() == 1);
    CHECK(without.alive());
}

TEST_CASE("a server in another network namespace is reached by its path, and lives") {
    NEEDS_ROOT();
    NEEDS_SOCK_DIAG();
    const Directory own;
    const Endpoint here = Endpoint::unix_stream(own.path() + "/socket");
    for (const std::string backlog : {"backlog=16", "backlog=0"}) {
        std::filesystem::remove(here.path());
        Helper holder({"new-network", backlog, word("listen", here)});
        const int waiting = open_at(here, true);
        const Started started = start_on(here);
        CHECK_FALSE(started.serves);
        CHECK(started.recovery.obstacle == Obstacle::invisible_holder);
        CHECK(holder.alive());
        CHECK(file_number(here.path()) != 0);
        close(waiting);
    }
}

TEST_CASE("we do not end ourselves for a path") {
    NEEDS_SOCK_DIAG();
    const Directory own;
    const Endpoint here = Endpoint::unix_stream(own.path() + "/socket");
    PathServer first;
    first.start(here);
    const Started started = start_on(here);
    CHECK_FALSE(started.serves);
    CHECK(started.recovery.obstacle == Obstacle::this_process);
    CHECK(answers(here));
}

TEST_CASE("a path is freed without a server") {
    NEEDS_SOCK_DIAG();
    const Directory own;
    const Endpoint here = Endpoint::unix_stream(own.path() + "/socket");
    leave_stale(here);
    const Recovery recovery = free_address(here, SystemProbe{}, TerminateThenKill{}, NoLog{});
    CHECK(recovery.obstacle == Obstacle::none);
    CHECK(recovery.evictions.size() == 1);
    CHECK(file_number(here.path()) == 0);
    CHECK(free_address(here, SystemProbe{}, TerminateThenKill{}, NoLog{}).evictions.empty());
}

TEST_CASE("a server that takes a port is not started on a path") {
    TcpServer server("127.0.0.1");
    RetryOnAddrInUse retry{server, SystemProbe{}, TerminateThenKill{}, NoLog{}};
    CHECK_THROWS_AS(retry.start(Endpoint::unix_stream("/tmp/socket")), std::invalid_argument);
    CHECK(server.starts == 0);
}

TEST_CASE("lsof cannot tell who has a path, and says so") {
    std::error_code error;
    CHECK(LsofProbe{}(Endpoint::unix_stream("/tmp/socket"), error).empty());
    CHECK(error == std::errc::function_not_supported);
}
