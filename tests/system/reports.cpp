// The whole text of the report, once for each obstacle and each cause. Each comes from a real start.

#include "real.hpp"

#include <fstream>
#include <linux/capability.h>
#include <regex>

namespace {

// The report with the words ADDRESS, PID and TIME for what differs from run to run.
std::string plain(const Recovery& recovery) {
    std::string text = std::regex_replace(describe(recovery), std::regex("pid [0-9]+"), "pid PID");
    text = std::regex_replace(text, std::regex("after (less than 1|[0-9]+) ms"), "after TIME");
    const std::string address = to_string(recovery.endpoint);
    for (std::size_t at = text.find(address); at != std::string::npos; at = text.find(address)) {
        text.replace(at, address.size(), "ADDRESS");
    }
    return std::regex_replace(text, std::regex(":" + std::to_string(recovery.endpoint.port()) + "(?![0-9])"), ":PORT");
}

template <class Killer = TerminateThenKill>
std::string report_of(const Endpoint& endpoint, Killer killer = Killer(), bool reuse_address = true) {
    return plain(start_at(endpoint.host(), endpoint, killer, reuse_address).recovery);
}

std::string own_executable() { return std::filesystem::read_symlink("/proc/self/exe").string(); }

const std::string still_in_use = " The address is still in use. Stop the process by hand, or choose another port.";

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

TEST_CASE("report: no process had to be terminated") {
    CHECK(report_of(Endpoint("127.0.0.1", unused_port())) == "ADDRESS: no process had to be terminated.");
    const Recovery free = free_address(Endpoint("127.0.0.1", unused_port()), TerminateThenKill{});
    CHECK(free.obstacle == Obstacle::none);
    CHECK(plain(free) == "ADDRESS: no process had to be terminated.");
}

TEST_CASE("report: the holders were terminated, each with its fate") {
    Helper exits({"listen=127.0.0.1:0"});
    CHECK(report_of(Endpoint("127.0.0.1", exits.port())) == "ADDRESS: holder (pid PID) exited after TIME.");
    Helper stays({"ignore-term", "listen=127.0.0.1:0"});
    CHECK(report_of(Endpoint("127.0.0.1", stays.port()), TerminateThenKill{milliseconds(20)}) ==
          "ADDRESS: holder (pid PID) was killed after TIME.");
    Helper releases({"release-on-term", "listen=127.0.0.1:0"});
    CHECK(report_of(Endpoint("127.0.0.1", releases.port())) ==
          "ADDRESS: holder (pid PID) released the address after TIME and is still running.");
    CHECK(releases.alive());
    Helper forks({"listen=127.0.0.1:0", "fork=1"});
    CHECK(report_of(Endpoint("127.0.0.1", forks.port())) ==
          "ADDRESS: holder (pid PID) exited after TIME; holder (pid PID) exited after TIME.");
}

TEST_CASE("report: a refused executable is shown beside ours") {
    Helper holder({"listen=127.0.0.1:0"});
    CHECK(report_of(Endpoint("127.0.0.1", holder.port()), OnlyIf<SameExecutable>{}) ==
          "ADDRESS: holder (pid PID) was not terminated: it does not run our executable (it runs " HOLDER_PROGRAM
          ", this process runs " +
              own_executable() + ")." + still_in_use);
    CHECK(report_of(Endpoint("127.0.0.1", holder.port()), OnlyIf{[](const Holder&) { return false; }}) ==
          "ADDRESS: holder (pid PID) was not terminated: the OnlyIf predicate rejected it." + still_in_use);
    CHECK(report_of(Endpoint("127.0.0.1", holder.port()), ReportOnly{}) ==
          "ADDRESS: holder (pid PID) was not terminated: ReportOnly terminates no process." + still_in_use);
    CHECK(holder.alive());
}

TEST_CASE("report: with a port alone and two holders the host must be named") {
    Helper first({"listen=127.0.0.1:0"});
    Helper second({"listen=127.0.0.2:" + std::to_string(first.port())});
    const auto ambiguous = [](const char* other) {
        return std::string("holder (pid PID) was not terminated: ambiguous: the start names no single address, and ") +
               other + ":PORT is in use too: name the host (0.0.0.0, ::, 127.0.0.1)";
    };
    CHECK(plain(start_at("127.0.0.1", Endpoint(first.port())).recovery) ==
          "ADDRESS: " + ambiguous("127.0.0.2") + "; " + ambiguous("127.0.0.1") + '.' + still_in_use);
}

TEST_CASE("report: a survivor has the time that it was waited for") {
    Helper holder({"listen=127.0.0.1:0"});
    const Started started = start_at("127.0.0.1", Endpoint("127.0.0.1", holder.port()), WaitForExit{milliseconds(30)});
    CHECK(plain(started.recovery) == "ADDRESS: holder (pid PID) still holds the address after TIME. The address is "
                                     "still in use.");
    CHECK(started.recovery.evictions[0].took >= milliseconds(30));
    CHECK(started.recovery.obstacle == Obstacle::surviving_holder);
}

TEST_CASE("report: the text of a killer that throws is quoted") {
    Helper holder({"listen=127.0.0.1:0"});
    const auto killer = [](const std::vector<Holder>&) -> std::vector<Eviction> {
        throw std::runtime_error("no connection to the manager");
    };
    CHECK(report_of(Endpoint("127.0.0.1", holder.port()), killer) ==
          "ADDRESS: holder (pid PID) still holds the address after TIME: the killer threw an exception: no connection "
          "to the manager. The address is still in use.");
    const auto silent = [](const Holder&) { return Fate::refused; };
    CHECK(report_of(Endpoint("127.0.0.1", holder.port()), silent) ==
          "ADDRESS: holder (pid PID) was not terminated: the killer refused it." + still_in_use);
    const auto not_permitted = [](const Holder&) { return Fate::not_permitted; };
    CHECK(report_of(Endpoint("127.0.0.1", holder.port()), not_permitted) ==
          "ADDRESS: holder (pid PID) could not be signalled. The address is still in use.");
    CHECK(holder.alive());
}

TEST_CASE("report: a holder that is not visible, with the way to see it") {
    NEEDS_ROOT();
    Helper holder({"listen=127.0.0.1:0"});
    const Endpoint here("127.0.0.1", holder.port());
    const std::string not_visible = " The holder is not visible. To see it: ";
    const std::string by_ss = "ss -tulnp 'sport = :PORT'";
    CHECK(in_child(65534, [&] { return report_of(here); }) ==
          "ADDRESS: an unidentified process (user 0) was not terminated: it belongs to another user, a container or "
          "the kernel." +
              not_visible + "sudo " + by_ss);
    const auto sees_none = [](const Endpoint&) { return std::vector<Holder>(); };
    CHECK(in_child(65534, [&] { return plain(free_address(here, sees_none, TerminateThenKill{}, NoLog{})); }) ==
          "ADDRESS: The holder is not visible. It may belong to another user, a container or the kernel. To see it: "
          "sudo " +
              by_ss);
    CHECK(holder.alive());
    Helper own({"user=65534", "listen=127.0.0.1:0", "no-dump"});
    CHECK_THAT(in_child(65534, [&] { return report_of(Endpoint("127.0.0.1", own.port())); }),
               has_text("(user 65534) was not terminated: it may not be inspected: a program with capabilities or a "
                        "set-user-id bit. The holder is not visible. To see it: sudo ss"));
    CHECK(own.alive());
}

TEST_CASE("report: root is told which right it lacks") {
    NEEDS_ROOT();
    Helper in_flight({"listen=127.0.0.1:0", "in-flight"});
    const Endpoint here("127.0.0.1", in_flight.port());
    if (detail::Os::is_privileged()) {
        CHECK_THAT(report_of(here), has_text("The holder is not visible. To see it: ss -tulnp"));
    }
    const std::string in_container = in_child(0, [&] {
        __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
        __user_cap_data_struct data[2] = {};
        if (syscall(SYS_capget, &header, data) != 0) { return std::string("capget"); }
        data[0].effective &= ~(1U << CAP_SYS_PTRACE);
        if (syscall(SYS_capset, &header, data) != 0) { return std::string("capset"); }
        return report_of(here);
    });
    CHECK_THAT(in_container, has_text("This process is root without CAP_SYS_PTRACE. To see it: docker run --cap-add "
                                      "SYS_PTRACE"));
    CHECK(in_flight.alive());
}

TEST_CASE("report: connections, of an exited process, of a client, of the old server") {
    const std::string lingering =
        " Connections of an exited process hold the address for up to a minute (TIME_WAIT, FIN_WAIT). Wait, or set "
        "SO_REUSEADDR before bind, in the old and in the new server.";
    Helper exits({"listen=127.0.0.1:0"});
    Helper its_client({"connect=127.0.0.1:" + std::to_string(exits.port())});
    exits.accept();
    CHECK(report_of(Endpoint("127.0.0.1", exits.port()), TerminateThenKill{}, false) ==
          "ADDRESS: holder (pid PID) exited after TIME." + lingering);

    Helper target({"listen=127.0.0.1:0"});
    Helper client({"connect=127.0.0.1:" + std::to_string(target.port())});
    CHECK(
        report_of(Endpoint("127.0.0.1", client.port())) ==
        "ADDRESS: holder (pid PID) was not terminated: it only has a connection on this port. No process listens: the "
        "address is the local end of a live connection. Wait until it is closed, or choose a port outside the "
        "ephemeral range.");

    Helper drains({"release-on-term", "listen=127.0.0.1:0"});
    Helper still_served({"connect=127.0.0.1:" + std::to_string(drains.port())});
    drains.accept();
    CHECK(report_of(Endpoint("127.0.0.1", drains.port()), TerminateThenKill{}, false) ==
          "ADDRESS: holder (pid PID) released the address after TIME and is still running. Connections that the old "
          "server accepted are still open. Wait until they are closed, or set SO_REUSEADDR before bind, in the old and "
          "in the new server.");
    CHECK(drains.alive());
}

TEST_CASE("report: another process bound the address before the second start") {
    Helper holder({"listen=127.0.0.1:0"});
    std::unique_ptr<Helper> next;
    TcpServer server("127.0.0.1");
    RetryOnAddrInUse retry{[&](std::uint16_t port) {
                               const std::string where = "listen=127.0.0.1:" + std::to_string(port);
                               const auto begin = detail::Os::now(); // beyond the tick in which the start began
                               while (server.starts == 0 && detail::Os::now() < begin + 25000000) {}
                               if (server.starts == 1) {
                                   next = std::make_unique<Helper>(std::vector<std::string>{"reuseaddr", where});
                               }
                               server.start(port);
                           },
                           SystemProbe{}, TerminateThenKill{}, NoLog{}};
    CHECK_THROWS_AS(retry.start("127.0.0.1", holder.port()), std::system_error);
    CHECK(plain(retry.recovery()) ==
          "ADDRESS: holder (pid PID) exited after TIME; holder (pid PID) was not terminated: it started after this "
          "start began: stop the service manager that restarts it. Another process bound the address before the second "
          "start.");
    CHECK(retry.recovery().obstacle == Obstacle::taken_again);
    CHECK(next->alive());
}

TEST_CASE("report: this process holds the address") {
    TcpServer first("127.0.0.1");
    first.start(0);
    const std::string report = report_of(Endpoint("127.0.0.1", first.port()));
    CHECK_THAT(report,
               has_text("(pid PID) was not terminated: it is this process itself. This process itself holds the "
                        "address: stop the server that it started before, or close the socket."));
}

TEST_CASE("report: a file that is not removed is at the path") {
    NEEDS_SOCK_DIAG();
    const Directory own;
    const Endpoint here = Endpoint::unix_stream(own.path() + "/socket");
    const auto start_on = [&](auto killer) {
        RetryOnAddrInUse retry{[](const Endpoint& endpoint) { ::close(open_path(endpoint.path())); }, SystemProbe{},
                               killer, NoLog{}};
        CHECK_THROWS_AS(retry.start(here), std::system_error);
        CHECK(retry.recovery().obstacle == Obstacle::file_in_the_way);
        return plain(retry.recovery());
    };
    ::close(open_path(here.path())); // a stale socket
    CHECK(start_on(ReportOnly{}) == "ADDRESS: the file at " + here.path() +
                                        " was not removed: ReportOnly removes no file. A file that was not removed is "
                                        "at the path.");
    std::filesystem::remove(here.path());
    std::ofstream(here.path()) << "text";
    CHECK(start_on(TerminateThenKill{}) ==
          "ADDRESS: the file at " + here.path() +
              " was not removed: it is no socket, and only sockets are removed. A file "
              "that was not removed is at the path.");
}

TEST_CASE("report: a probe that cannot see") {
    Helper holder({"listen=127.0.0.1:0"});
    const auto blind = [](const Endpoint&, std::error_code& error) {
        error = std::make_error_code(std::errc::permission_denied);
        return std::vector<Holder>();
    };
    const Endpoint here("127.0.0.1", holder.port());
    Recovery recovery = free_address(here, blind, TerminateThenKill{}, NoLog{});
    CHECK(recovery.obstacle == Obstacle::probe_failed);
    CHECK(plain(recovery) == "ADDRESS: The probe cannot determine which process holds the address (Permission denied): "
                             "no process was terminated.");
    const auto throws = [](const Endpoint&) -> std::vector<Holder> { throw 1; };
    recovery = free_address(here, throws, TerminateThenKill{}, NoLog{});
    CHECK_THAT(plain(recovery),
               has_text("(" + std::make_error_code(std::errc::io_error).message() + "): no process was terminated."));
    CHECK(holder.alive());
    int looks = 0;
    const auto soon_blind = [&](const Endpoint& endpoint, std::error_code& error) {
        return ++looks > 1 ? blind(endpoint, error) : SystemProbe{}(endpoint, error);
    };
    recovery = free_address(here, soon_blind, TerminateThenKill{}, NoLog{});
    CHECK(recovery.obstacle == Obstacle::probe_failed);
    CHECK_THAT(plain(recovery),
               has_text("exited after TIME. The probe cannot determine which process holds the address "
                        "now (Permission denied)."));
}

TEST_CASE("report: the address is free, the start failed on another one") {
    Helper metrics({"listen=127.0.0.1:0"});
    const std::string advice = " The address is free: the start failed on another one. The server may bind twice "
                               "(0.0.0.0 and a dual-stack ::) or a second port. The last start failed with: bind: " +
                               std::make_error_code(std::errc::address_in_use).message();
    std::vector<std::string> lines;
    const auto start = [&](auto& server, const Endpoint& endpoint) {
        RetryOnAddrInUse retry{server, SystemProbe{}, TerminateThenKill{},
                               [&](std::string_view line) { lines.emplace_back(line); }};
        CHECK_THROWS_AS(retry.start(endpoint), std::system_error);
        CHECK(retry.recovery().obstacle == Obstacle::other_address);
        return plain(retry.recovery());
    };
    TwoPorts server;
    server.second_port = metrics.port();
    const std::uint16_t port = unused_port();
    CHECK_THAT(
        start(server, Endpoint("127.0.0.2", port)),
        has_text("(pid PID) was not terminated: it holds 127.0.0.1:PORT." + advice)); // the server's first socket
    CHECK(server.starts == 2);
    server.first.stop();
    CHECK(lines.size() == 2);

    Helper elsewhere({"listen=127.0.0.3:0"});
    TcpServer binds_elsewhere("127.0.0.3");
    CHECK(start(binds_elsewhere, Endpoint("127.0.0.2", elsewhere.port())) ==
          "ADDRESS: holder (pid PID) was not terminated: it holds 127.0.0.3:PORT." + advice);
    CHECK(metrics.alive());
    CHECK(elsewhere.alive());
}

TEST_CASE("report: a second start that fails for another reason is quoted") {
    Helper holder({"listen=127.0.0.1:0"});
    int starts = 0;
    RetryOnAddrInUse retry{[&](std::uint16_t) {
                               const int error = ++starts == 1 ? EADDRINUSE : EALREADY;
                               throw std::system_error(error, std::system_category(), "open");
                           },
                           SystemProbe{}, TerminateThenKill{}, NoLog{}};
    CHECK_THROWS_AS(retry.start("127.0.0.1", holder.port()), std::system_error);
    CHECK(retry.recovery().obstacle == Obstacle::other_failure);
    CHECK(retry.recovery().failure == "open: Operation already in progress");
    CHECK(
        plain(retry.recovery()) ==
        "ADDRESS: holder (pid PID) exited after TIME. The start failed for another reason. If the server cannot start "
        "twice, specialise ServerTraits with a restart. The last start failed with: open: Operation already in "
        "progress");
    RetryOnAddrInUse first{[](std::uint16_t) { return std::errc::permission_denied; }, SystemProbe{},
                           TerminateThenKill{}, NoLog{}};
    CHECK(first.start("127.0.0.1", 80) == std::errc::permission_denied);
    CHECK(plain(first.recovery()) == "ADDRESS: The start failed for another reason. The last start failed with: "
                                     "Permission denied");
}

TEST_CASE("after a failure without a reason one line names the holder and the cure") {
    Helper holder({"listen=127.0.0.1:0"});
    std::vector<std::string> lines;
    const auto log = [&](std::string_view line) { lines.emplace_back(line); };
    RetryOnAddrInUse fails{[](std::uint16_t) { return false; }, SystemProbe{}, TerminateThenKill{}, log};
    CHECK_FALSE(fails.start("127.0.0.1", holder.port()));
    REQUIRE(lines.size() == 1);
    CHECK(lines[0] == "127.0.0.1:" + std::to_string(holder.port()) + " is held by holder (pid " +
                          std::to_string(holder.pid()) +
                          "), and the start failed without a reason. If the address is the reason, wrap the server in "
                          "AskProbe");
    CHECK(fails.recovery().obstacle == Obstacle::other_failure);
    CHECK(holder.alive());
    CHECK_FALSE(fails.start("127.0.0.1", unused_port()));
    CHECK(lines.size() == 1);
}
