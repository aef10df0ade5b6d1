// A program that starts a server through the library and tells what came of it, for tests that need it in a process of
// its own: as a descendant of the holder, at a terminal, or rebuilt.
//
//   starter [same-executable | same-command-line | ask=MILLISECONDS | lsof] HOST PORT [stay]
//   starter [same-executable] unix:PATH 0
//
// Prints "served" or "failed", the name of the obstacle, the fates and the probe's error, in one line. `stay`: serves
// on until its standard input ends.

#include <retry_on_addr_in_use.hpp>

#include "../server.hpp"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <unistd.h>

namespace {

template <class Killer, class Probe = addr_in_use::SystemProbe>
void start(const std::string& host, int port, Killer killer, Probe probe = Probe()) {
    TcpServer server(host);
    const bool is_path = host.substr(0, 5) == "unix:";
    const auto listen = [&](const addr_in_use::Endpoint& endpoint) {
        is_path ? static_cast<void>(open_path(endpoint.path())) : server.start(endpoint.port());
    };
    addr_in_use::RetryOnAddrInUse retry{listen, std::move(probe), std::move(killer)};
    std::string outcome = "served";
    try {
        retry.start(is_path ? addr_in_use::Endpoint::unix_stream(host.substr(5)) : addr_in_use::Endpoint(host, port));
    } catch (const std::system_error&) { outcome = "failed"; }
    outcome += ' ' + to_string(retry.recovery().obstacle);
    for (const addr_in_use::Eviction& eviction : retry.recovery().evictions) {
        outcome += ' ' + std::to_string(eviction.holder.pid) + '=' + to_string(eviction.fate);
    }
    if (retry.recovery().error) { outcome += " error=" + std::to_string(retry.recovery().error.value()); }
    std::printf("%s\n", outcome.c_str());
    std::fflush(stdout);
    char c = 0;
    while (read(STDIN_FILENO, &c, 1) > 0) {}
}

} // namespace

int main(int argc, char** argv) {
    std::string rule = argc > 3 ? argv[1] : "";
    const bool ruled =
        rule == "same-executable" || rule == "same-command-line" || rule == "lsof" || rule.substr(0, 4) == "ask=";
    if (argc < (ruled ? 4 : 3)) { return 2; }
    const std::string host = argv[ruled ? 2 : 1];
    const int port = std::atoi(argv[ruled ? 3 : 2]);
    const bool stay = std::string(argv[argc - 1]) == "stay";
    if (!stay && freopen("/dev/null", "r", stdin) == nullptr) { return 2; }
    using namespace addr_in_use;
    if (rule == "same-executable") {
        start(host, port, OnlyIf<SameExecutable>{});
    } else if (rule == "same-command-line") {
        start(host, port, OnlyIf<SameCommandLine>{});
    } else if (rule == "lsof") {
        start(host, port, TerminateThenKill{}, LsofProbe{});
    } else if (ruled) {
        start(host, port, OnlyIf{AskOnTerminal{std::chrono::milliseconds(std::atoi(rule.c_str() + 4))}});
    } else {
        start(host, port, TerminateThenKill{});
    }
}
