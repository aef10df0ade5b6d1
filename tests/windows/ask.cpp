// Asks in its console whether to end a process, and prints "answer YES MILLISECONDS":
//
//   ask LIMIT [typed-ahead]
//
// "typed-ahead": it prints "type", and asks when there is input.

#include <retry_on_addr_in_use.hpp>

#include <windows.h>

#include <cstdio>
#include <cstdlib>

int main(int argc, char** argv) {
    if (argc < 2) { return 2; }
    if (argc == 3) {
        std::printf("type\r\n");
        std::fflush(stdout);
        // Until each event of "y" and Enter is there.
        for (DWORD count = 0; count < 4; GetNumberOfConsoleInputEvents(GetStdHandle(STD_INPUT_HANDLE), &count)) {
            WaitForSingleObject(GetStdHandle(STD_INPUT_HANDLE), INFINITE);
        }
    }
    addr_in_use::Holder holder;
    holder.pid = 4711;
    holder.name = "old.exe";
    holder.sockets = {addr_in_use::Endpoint("127.0.0.1", 80)};
    const auto begin = std::chrono::steady_clock::now();
    const bool yes = addr_in_use::AskOnTerminal{std::chrono::milliseconds(std::atoi(argv[1]))}(holder);
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
    std::printf("answer %d %d\r\n", yes ? 1 : 0, static_cast<int>(took.count()));
    return 0;
}
