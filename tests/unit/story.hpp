// Fake policies that write into one story, so that a test can compare the order of all calls.

#pragma once

#include <retry_on_addr_in_use.hpp>

#include "../catch.hpp"

#include <string>
#include <vector>

using namespace addr_in_use;

inline const int in_use_number = detail::Os::traits.in_use; // what the system says of a failed bind
inline constexpr std::uint32_t unused_pid = 0x7ffffff0;

inline Holder holder_at(const Endpoint& socket, std::uint32_t pid = unused_pid, State state = State::listening) {
    Holder holder;
    holder.pid = pid;
    holder.name = "old";
    holder.sockets = {socket};
    holder.state = state;
    return holder;
}

inline const Endpoint here("127.0.0.1", 80);

struct InUse : std::system_error {
    explicit InUse(int the_number) : std::system_error(in_use_number, std::system_category()), number(the_number) {}
    int number;
};

struct Story {
    std::string text;
    std::vector<Holder> holders{holder_at(here)}; // what the probe finds, until the killer reports it gone
    std::vector<std::string> log;
    int failures = 1;
};

struct StoryServer {
    Story* story;
    int starts = 0;
    int start(std::uint16_t) {
        story->text += "start ";
        if (++starts <= story->failures) { throw InUse(starts); }
        return starts;
    }
};
struct StoryProbe {
    Story* story;
    std::vector<Holder> operator()(const Endpoint&, std::error_code&) {
        story->text += "probe ";
        return story->holders;
    }
    bool held(const Endpoint&) {
        story->text += "held ";
        return !story->holders.empty() && story->holders[0].state != State::lingering;
    }
};
struct StoryKiller {
    Story* story;
    Fate fate = Fate::killed;
    std::vector<Eviction> operator()(const std::vector<Holder>& holders) {
        story->text += "kill ";
        std::vector<Eviction> evictions;
        for (const Holder& holder : holders) { evictions.push_back({holder, fate, {}, {}, "because"}); }
        if (fate < Fate::refused) { story->holders.clear(); }
        return evictions;
    }
};
struct StoryLog {
    Story* story;
    void operator()(std::string_view line) { story->log.emplace_back(line); }
};

inline auto retry_in(Story& story, Fate fate = Fate::killed) {
    return RetryOnAddrInUse{StoryServer{&story}, StoryProbe{&story}, StoryKiller{&story, fate}, StoryLog{&story}};
}

// What the log says at the end: the fates have lines of their own.
inline std::string last_line(const Recovery& recovery) {
    const std::string line = to_string(recovery.endpoint) + ':' + detail::conclusion(recovery);
    CHECK_THAT(describe(recovery), has_text(detail::conclusion(recovery)));
    return line;
}
