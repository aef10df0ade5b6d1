// A program that uses everything the header offers, for compilers and systems whose programs cannot be run here.

#include <retry_on_addr_in_use.hpp>

#include <cstdio>

using namespace addr_in_use;

int main(int argc, char**) {
    const auto start = [](const Endpoint& endpoint) { return endpoint.port() != 7; };
    RetryOnAddrInUse plain{start};
    RetryOnAddrInUse careful{Preflight{start}, OnlyIf<SameExecutable>{}};
    RetryOnAddrInUse by_lsof{AskProbe{start}, LsofProbe{}, OnlyIf{AskOnTerminal{}, WaitForExit{}}};
    RetryOnAddrInUse by_rules{start, SystemProbe{}, OnlyIf<SameCommandLine, OnlyIf<SameUser>>{}, NoLog{}};
    const bool up = plain.start("127.0.0.1", argc) && careful.start("::1", argc) && by_lsof.start("localhost", argc) &&
                    by_rules.start("*", argc);
    const Recovery recovery = free_address(Endpoint("127.0.0.1", argc, Transport::udp), ReportOnly{});
    std::printf("%d %s\n", static_cast<int>(up), describe(recovery).c_str());
    return Endpoint::parse("[::1]:80") == Endpoint("::1", 80) ? 0 : 1;
}
