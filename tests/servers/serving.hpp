// What the recipes share. Each is a program "NAME HOST PORT" that starts a server of one library there and prints
// "serving" once it does; it ends with its standard input. When the start fails it prints "failed: ..." and returns 1.
#ifndef TESTS_SERVERS_SERVING_HPP
#define TESTS_SERVERS_SERVING_HPP

#include <retry_on_addr_in_use.hpp>

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>

using namespace addr_in_use;

// To show what a library does by itself, its recipe is compiled once more without the wrapper.
#ifdef WITHOUT_PREFLIGHT
template <class Server> struct Unwrapped : Server {};
template <class Server> Unwrapped(Server) -> Unwrapped<Server>;
#    define Preflight Unwrapped
#endif

void serve(const std::string& host, std::uint16_t port);

inline void serving() {
    std::printf("serving\n");
    std::fflush(stdout);
    std::thread([] {
        char c = 0;
        while (read(STDIN_FILENO, &c, 1) > 0) {}
        _exit(0);
    }).detach();
}

// For a server that runs in threads of its own.
[[noreturn]] inline void wait_for_the_end() {
    for (;;) { pause(); }
}

inline const std::string hello = "hello";
inline const std::string http_hello = "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n" + hello;

int main(int, char** argv) {
    try {
        serve(argv[1], static_cast<std::uint16_t>(std::atoi(argv[2])));
    } catch (const std::exception& failure) { std::printf("failed: %s\n", failure.what()); }
    return 1;
}

#endif
