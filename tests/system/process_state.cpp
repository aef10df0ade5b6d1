// A recovery changes nothing in its process: errno, signals, descriptors, and no memory on the successful path.

#include "real.hpp"

#include <dirent.h>
#include <fcntl.h>

#include <atomic>
#include <new>

namespace {
std::atomic<std::size_t> allocations = 0;

std::size_t open_descriptors() {
    std::size_t count = 0;
    DIR* const directory = opendir("/proc/self/fd");
    while (readdir(directory) != nullptr) { ++count; }
    closedir(directory);
    return count;
}
} // namespace

void* operator new(std::size_t size) {
    ++allocations;
    void* const memory = std::malloc(size == 0 ? 1 : size);
    if (memory == nullptr) { throw std::bad_alloc(); }
    return memory;
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    ++allocations;
    return std::malloc(size == 0 ? 1 : size);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

TEST_CASE("a start that succeeds allocates nothing") {
    RetryOnAddrInUse retry{[](std::uint16_t) { return true; }};
    RetryOnAddrInUse nothing{[](std::uint16_t) {}};
    const Endpoint v6("2001:db8:1111:2222:3333:4444:5555:6666", 80);
    const std::size_t before = allocations;
    const bool started =
        retry.start("2001:db8:1111:2222:3333:4444:5555:6666", 80) && retry.start(v6) && retry.start(80);
    nothing.start("127.0.0.1", 80);
    const std::size_t after = allocations;
    CHECK(started);
    CHECK(after == before);
}

TEST_CASE("a recovery leaves errno, signals and descriptors alone") {
    Helper warm_up({"listen=127.0.0.1:0"});
    CHECK(start_at("127.0.0.1", warm_up.port()).serves);
    const std::size_t descriptors = open_descriptors();
    sigset_t mask_before;
    sigset_t mask_after;
    struct sigaction pipe_before {};
    struct sigaction pipe_after {};
    pthread_sigmask(SIG_SETMASK, nullptr, &mask_before);
    sigaction(SIGPIPE, nullptr, &pipe_before);
    for (int round = 0; round < 3; ++round) {
        Helper holder({"listen=127.0.0.1:0"});
        const std::size_t with_helper = open_descriptors();
        errno = ENOTTY;
        const Recovery recovery = free_address(Endpoint("127.0.0.1", holder.port()));
        CHECK(errno == ENOTTY);
        CHECK(recovery.obstacle == Obstacle::none);
        CHECK(open_descriptors() == with_helper);
    }
    CHECK(open_descriptors() == descriptors);
    pthread_sigmask(SIG_SETMASK, nullptr, &mask_after);
    sigaction(SIGPIPE, nullptr, &pipe_after);
    CHECK(sigismember(&mask_before, SIGPIPE) == sigismember(&mask_after, SIGPIPE));
    CHECK(pipe_before.sa_handler == pipe_after.sa_handler);
}

TEST_CASE("a log whose pipe is closed raises no signal") {
    const std::string outcome = in_child(geteuid(), [] {
        int ends[2];
        if (pipe(ends) != 0) { return std::string("pipe"); }
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        signal(SIGPIPE, SIG_DFL);
        StderrLog{}("nobody reads this");
        sigset_t pending;
        sigpending(&pending);
        if (sigismember(&pending, SIGPIPE) != 0) { return std::string("left pending"); }
        // One that was pending before is not taken away.
        sigset_t pipe_only;
        sigemptyset(&pipe_only);
        sigaddset(&pipe_only, SIGPIPE);
        pthread_sigmask(SIG_BLOCK, &pipe_only, nullptr);
        raise(SIGPIPE);
        StderrLog{}("nor this");
        sigpending(&pending);
        return std::string(sigismember(&pending, SIGPIPE) == 1 ? "fine" : "taken away");
    });
    CHECK(outcome == "fine");
}

TEST_CASE("the log says who holds the address and what became of them") {
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    Helper holder({"listen=127.0.0.1:0"});
    const int standard_error = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    const Recovery recovery = free_address(Endpoint("127.0.0.1", holder.port()));
    dup2(standard_error, STDERR_FILENO);
    close(ends[1]);
    close(standard_error);
    std::string text;
    char c = 0;
    while (read(ends[0], &c, 1) == 1) { text += c; }
    close(ends[0]);
    const std::string who = "holder (pid " + std::to_string(holder.pid()) + ')';
    const std::string prefix = "retry_on_addr_in_use: ";
    CHECK_THAT(text, has_text(prefix + "127.0.0.1:" + std::to_string(holder.port()) + " is held by " + who +
                              ": its exit may take up to 2000 ms\n" + prefix + who + " exited after "));
    CHECK(text.back() == '\n');
}

TEST_CASE("/proc of other processes' namespace is not believed") {
    NEEDS_ROOT();
    Helper holder({"listen=127.0.0.1:0"});
    const auto outcome = [&] {
        const Started started = start_at("127.0.0.1", holder.port());
        return to_string(started.recovery.obstacle) + ' ' + describe(started.recovery);
    };
    CHECK_THAT(in_pid_namespace(outcome, false), has_text("cannot determine which process holds"));
    CHECK_THAT(in_pid_namespace(outcome, true), has_text("invisible_holder"));
    CHECK(holder.alive());
}
