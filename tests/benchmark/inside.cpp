// What runs inside a process, the library beside the same system calls in C. Called by tests/benchmark.sh with the port
// of a listener on 127.0.0.1 in BENCHMARK_PORT.

#include <retry_on_addr_in_use.hpp>

#include "../process.hpp"
#include "../server.hpp"
#include "floor.h"

#include <benchmark/benchmark.h>

#include <cstdlib>

using namespace addr_in_use;

namespace {

std::uint16_t port() { return static_cast<std::uint16_t>(std::atoi(std::getenv("BENCHMARK_PORT"))); }

void probe_floor(benchmark::State& state) {
    for (auto _ : state) {
        if (floor_probe(port()) == 0) { state.SkipWithError("no holder"); }
    }
}

void probe_library(benchmark::State& state) {
    const Endpoint endpoint("127.0.0.1", port());
    for (auto _ : state) {
        std::error_code error;
        if (SystemProbe{}(endpoint, error).empty()) { state.SkipWithError("no holder"); }
    }
}

// A whole recovery without a termination: the probe, the look at each holder, the rules, the report.
void report_library(benchmark::State& state) {
    const Endpoint endpoint("127.0.0.1", port());
    for (auto _ : state) {
        const Recovery recovery = free_address(endpoint, SystemProbe{}, ReportOnly{}, NoLog{});
        if (recovery.obstacle != Obstacle::refused_holder) { state.SkipWithError("no holder"); }
    }
}

void held_floor(benchmark::State& state) {
    for (auto _ : state) { benchmark::DoNotOptimize(floor_held(port())); }
}

void held_library(benchmark::State& state) {
    const Endpoint endpoint("127.0.0.1", port());
    for (auto _ : state) { benchmark::DoNotOptimize(SystemProbe{}.held(endpoint)); }
}

// From the failed bind to listening again; a new holder, which leaves on SIGTERM, for each time.
template <class Recover> void recover(benchmark::State& state, Recover recover) {
    for (auto _ : state) {
        Helper holder({"listen=127.0.0.1:0"});
        const auto begin = std::chrono::steady_clock::now();
        if (!recover(holder.port())) { state.SkipWithError("not listening"); }
        state.SetIterationTime(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    }
}

void recover_floor(benchmark::State& state) {
    recover(state, [](std::uint16_t at) {
        const int fd = floor_recover(at);
        close(fd);
        return fd >= 0;
    });
}

void recover_library(benchmark::State& state) {
    recover(state, [](std::uint16_t at) {
        TcpServer server("127.0.0.1", SOCK_STREAM, true);
        RetryOnAddrInUse{server, SystemProbe{}, TerminateThenKill{}, NoLog{}}.start("127.0.0.1", at);
        return server.running();
    });
}

BENCHMARK(probe_floor)->Unit(benchmark::kMicrosecond)->UseRealTime();
BENCHMARK(probe_library)->Unit(benchmark::kMicrosecond)->UseRealTime();
BENCHMARK(report_library)->Unit(benchmark::kMicrosecond)->UseRealTime();
BENCHMARK(held_floor)->Unit(benchmark::kMicrosecond)->UseRealTime();
BENCHMARK(held_library)->Unit(benchmark::kMicrosecond)->UseRealTime();
BENCHMARK(recover_floor)->Unit(benchmark::kMicrosecond)->UseManualTime();
BENCHMARK(recover_library)->Unit(benchmark::kMicrosecond)->UseManualTime();

} // namespace

BENCHMARK_MAIN();
