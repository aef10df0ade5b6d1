// Obstacles that a real start shows, and what the report says of them.

#include "real.hpp"

namespace {

// A server that listens on a second port after the first one.
struct TwoPorts {
    TcpServer first{"127.0.0.1"};
    TcpServer second{"127.0.0.1"};
    std::uint16_t second_port = 0;
    int starts = 0;
    void start(std::uint16_t port) {
        ++starts;
        first.stop();
        first.start(port);
        second.start(second_port);
    }
};

} // namespace

TEST_CASE("the address is free: the start failed on another one") {
    Helper metrics({"listen=127.0.0.1:0"});
    TwoPorts server;
    server.second_port = metrics.port();
    const std::uint16_t port = unused_port();
    std::vector<std::string> lines;
    RetryOnAddrInUse retry{server, SystemProbe{}, TerminateThenKill{},
                           [&](std::string_view line) { lines.emplace_back(line); }};
    // The server's own first socket would be found: it closes it before the start fails.
    const auto start = [&] {
        try {
            retry.start("127.0.0.2", port);
        } catch (const std::system_error&) { server.first.stop(); }
    };
    start();
    CHECK(server.starts == 2);
    CHECK(retry.recovery().obstacle == Obstacle::other_address);
    CHECK(metrics.alive());
    REQUIRE(lines.size() == 2);
    CHECK_THAT(lines[0], has_text("was not terminated: it holds 127.0.0.1:" + std::to_string(port))); // the first one
    CHECK(lines[1] == "127.0.0.2:" + std::to_string(port) +
                          ": The address is free: the start failed on another one. The server may bind twice (0.0.0.0 "
                          "and a dual-stack ::) or a second port. The last start failed with: bind: Address already in "
                          "use");
}

TEST_CASE("a second start that cannot be made twice is another failure, and is quoted") {
    Helper holder({"listen=127.0.0.1:0"});
    int starts = 0;
    RetryOnAddrInUse retry{[&](std::uint16_t) {
                               if (++starts == 1) {
                                   throw std::system_error(EADDRINUSE, std::system_category(), "bind");
                               }
                               throw std::system_error(EALREADY, std::system_category(), "open");
                           },
                           SystemProbe{}, TerminateThenKill{}, NoLog{}};
    CHECK_THROWS_AS(retry.start("127.0.0.1", holder.port()), std::system_error);
    CHECK(retry.recovery().obstacle == Obstacle::other_failure);
    CHECK(retry.recovery().failure == "open: Operation already in progress");
    CHECK_THAT(describe(retry.recovery()),
               has_text("exited after") && has_text("specialise ServerTraits with a restart. The last start failed "
                                                    "with: open"));
}

TEST_CASE("free_address tells whether the address is free by a test bind") {
    const std::uint16_t port = unused_port();
    CHECK(free_address(Endpoint("127.0.0.1", port), SystemProbe{}, TerminateThenKill{}, NoLog{}).obstacle ==
          Obstacle::none);
    Helper holder({"listen=127.0.0.1:0"});
    const auto sees_none = [](const Endpoint&) { return std::vector<Holder>(); };
    const Recovery recovery =
        free_address(Endpoint("127.0.0.1", holder.port()), sees_none, TerminateThenKill{}, NoLog{});
    CHECK(recovery.obstacle == Obstacle::invisible_holder);
    CHECK_THAT(describe(recovery), has_text("The holder is not visible."));
    CHECK(holder.alive());
}

TEST_CASE("a probe that cannot see is an obstacle of its own") {
    Helper holder({"listen=127.0.0.1:0"});
    const auto blind = [](const Endpoint&, std::error_code& error) {
        error = std::make_error_code(std::errc::permission_denied);
        return std::vector<Holder>();
    };
    const Recovery recovery = free_address(Endpoint("127.0.0.1", holder.port()), blind, TerminateThenKill{}, NoLog{});
    CHECK(recovery.obstacle == Obstacle::probe_failed);
    CHECK(describe(recovery) == "127.0.0.1:" + std::to_string(holder.port()) +
                                    ": The probe cannot determine which process holds the address (Permission denied): "
                                    "no process was terminated.");
    CHECK(holder.alive());
}
