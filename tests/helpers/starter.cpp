// A program that starts a server through the library and tells what came of it, for tests that need it in a process of
// its own: as a descendant of the holder, at a terminal, or rebuilt.
//
//   starter [same-executable | same-command-line | ask=MILLISECONDS | wait=MILLISECONDS | lsof] HOST PORT [WORD...]
//   starter [same-executable] unix:PATH 0
//
// Prints "served" or "failed", the name of the obstacle, the fates and the probe's error, in one line. The words:
//
//   stay                       serves on until its standard input ends
//   late                       prints "late", and starts at the end of its standard input
//   log                        prints what the library logs
//   memory=MIB descriptors=N   uses that much once it serves; fewer descriptors where the limit is lower
//   last-thread                its first thread ends once it serves, another one stays

#include <retry_on_addr_in_use.hpp>

#include "../server.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <pthread.h>
#include <string>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>

namespace {

struct Words {
    bool stay = false;
    bool late = false;
    bool log = false;
    bool last_thread = false;
    std::size_t memory = 0;
    rlim_t descriptors = 0;
} words;

bool read_words(int argc, char** argv, int first) {
    for (int i = first; i < argc; ++i) {
        const std::string word = argv[i];
        const std::string name = word.substr(0, word.find('='));
        const std::size_t value = std::strtoul(word.c_str() + (std::min)(name.size() + 1, word.size()), nullptr, 10);
        words.stay = words.stay || name == "stay";
        words.late = words.late || name == "late";
        words.log = words.log || name == "log";
        words.last_thread = words.last_thread || name == "last-thread";
        if (name == "memory") { words.memory = value << 20; }
        if (name == "descriptors") { words.descriptors = value; }
    }
    return words.stay || words.late || std::freopen("/dev/null", "r", stdin) != nullptr;
}

void grow() {
    if (words.memory != 0) {
        const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE;
        if (::mmap(nullptr, words.memory, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED) { std::perror("mmap"); }
    }
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    if (words.descriptors != 0) { setrlimit(RLIMIT_NOFILE, &limit); }
    for (rlim_t n = 0; n < words.descriptors && ::eventfd(0, EFD_CLOEXEC) >= 0; ++n) {}
}

void print(const std::string& line) {
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
}

void wait_for_the_end() {
    char c = 0;
    while (read(STDIN_FILENO, &c, 1) > 0) {}
}

template <class Killer, class Probe = addr_in_use::SystemProbe>
void start(const std::string& host, int port, Killer killer, Probe probe = Probe()) {
    // It listens on where the first thread has ended, and until the exit itself: a destructor would close it before.
    static TcpServer& server = *new TcpServer(host);
    const bool is_path = host.substr(0, 5) == "unix:";
    const auto listen = [&](const addr_in_use::Endpoint& endpoint) {
        is_path ? static_cast<void>(open_path(endpoint.path())) : server.start(endpoint.port());
    };
    const auto log = [](std::string_view line) {
        words.log ? print(std::string(line)) : addr_in_use::StderrLog{}(line);
    };
    addr_in_use::RetryOnAddrInUse retry{listen, std::move(probe), std::move(killer), log};
    std::string outcome = "served";
    try {
        retry.start(is_path ? addr_in_use::Endpoint::unix_stream(host.substr(5)) : addr_in_use::Endpoint(host, port));
    } catch (const std::system_error&) { outcome = "failed"; }
    outcome += ' ' + to_string(retry.recovery().obstacle);
    for (const addr_in_use::Eviction& eviction : retry.recovery().evictions) {
        outcome += ' ' + std::to_string(eviction.holder.pid) + '=' + to_string(eviction.fate);
    }
    if (retry.recovery().error) { outcome += " error=" + std::to_string(retry.recovery().error.value()); }
    grow();
    print(outcome);
    if (words.last_thread) {
        std::thread(wait_for_the_end).detach();
        pthread_exit(nullptr);
    }
    wait_for_the_end();
}

} // namespace

int main(int argc, char** argv) {
    std::string rule = argc > 3 ? argv[1] : "";
    const bool asks = rule.substr(0, 4) == "ask=";
    const bool waits = rule.substr(0, 5) == "wait=";
    const bool ruled = rule == "same-executable" || rule == "same-command-line" || rule == "lsof" || asks || waits;
    if (argc < (ruled ? 4 : 3)) { return 2; }
    const std::string host = argv[ruled ? 2 : 1];
    const int port = std::atoi(argv[ruled ? 3 : 2]);
    if (!read_words(argc, argv, ruled ? 4 : 3)) { return 2; }
    if (words.late) {
        print("late");
        wait_for_the_end();
    }
    using namespace addr_in_use;
    if (rule == "same-executable") {
        start(host, port, OnlyIf<SameExecutable>{});
    } else if (rule == "same-command-line") {
        start(host, port, OnlyIf<SameCommandLine>{});
    } else if (rule == "lsof") {
        start(host, port, TerminateThenKill{}, LsofProbe{});
    } else if (waits) {
        start(host, port, WaitForExit{std::chrono::milliseconds(std::atoi(rule.c_str() + 5))});
    } else if (asks) {
        start(host, port, OnlyIf{AskOnTerminal{std::chrono::milliseconds(std::atoi(rule.c_str() + 4))}});
    } else {
        start(host, port, TerminateThenKill{});
    }
}
