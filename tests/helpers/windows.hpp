// What a holder process does on Windows alone.
#ifndef TESTS_HELPERS_WINDOWS_HPP
#define TESTS_HELPERS_WINDOWS_HPP

#include "behaviours.hpp"

// Until the other end of standard input is closed.
[[noreturn]] inline void wait_for_the_end() {
    while (std::getchar() != EOF) {}
    std::exit(0);
}

// Starts this program with other words. It inherits what is inheritable.
inline unsigned long start_again(const std::vector<std::string>& words) {
    std::string command = '"' + state.program + '"';
    for (const std::string& word : words) { command += ' ' + word; }
    STARTUPINFOA startup{};
    startup.cb = sizeof startup;
    PROCESS_INFORMATION started{};
    if (!CreateProcessA(nullptr, command.data(), nullptr, nullptr, TRUE, 0, nullptr, nullptr, &startup, &started)) {
        fail("CreateProcess");
    }
    return started.dwProcessId;
}

inline void fork_children(const std::string& value) {
    for (const Socket socket : state.sockets) {
        SetHandleInformation(reinterpret_cast<HANDLE>(socket), HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT);
    }
    for (int n = to_int(value); n > 0; --n) { state.children.push_back(start_again({"wait"})); }
}

inline void only_wait(const std::string&) { wait_for_the_end(); }

inline void exit_when_ready(const std::string&) {
    state.when_ready.push_back([] { std::exit(0); });
}

inline void become_orphan(const std::string&) {
    start_again(take_rest());
    std::exit(0);
}

inline const std::vector<Word> windows_words = {
    {"fork=N", fork_children, "has N children that inherit the sockets"},
    {"wait", only_wait, "is never ready, and waits: what such a child does"},
    {"exit", exit_when_ready, "exits once it is ready"},
    {"orphan", become_orphan, "a child carries out the rest, and this process exits"},
};

#endif
