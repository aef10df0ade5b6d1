// A busy machine: crowd processes=N descriptors=N connections=N listeners=N, spread over the processes. Prints "ready
// PORT" of one listener on 127.0.0.1 that belongs to a process of its own, and ends with its standard input. With
// holders=N that listener belongs to N processes.

#include "../server.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

void wait_for_the_end() {
    char c = 0;
    while (read(STDIN_FILENO, &c, 1) > 0) {}
}

// What processes have open, a quarter each: files, pipes, sockets, and what the kernel has no path for.
void open_one(int i) {
    static_cast<void>(i % 4 == 0   ? open("/proc/self/exe", O_RDONLY)
                      : i % 4 == 1 ? dup(STDIN_FILENO)
                      : i % 4 == 2 ? socket(AF_UNIX, SOCK_STREAM, 0)
                                   : eventfd(0, 0));
}

// Connections to the listener from many addresses of the loopback range, since each has few ports to give.
void connect_many(std::uint16_t port, int listener, int count, int process) {
    for (int i = 0; i < count; ++i) {
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(port);
        to.sin_addr.s_addr =
            htonl(0x7f010000U + static_cast<unsigned>(process % 200) * 256U + static_cast<unsigned>(i % 200) + 1U);
        const int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0 || accept(listener, nullptr, nullptr) < 0) {
            std::perror("connect");
            return;
        }
    }
}

} // namespace

int main(int argc, char** argv) {
    int processes = 1;
    int descriptors = 0;
    int connections = 0;
    int listeners = 0;
    int holders = 1;
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        const int value = std::atoi(word.c_str() + word.find('=') + 1);
        (word[0] == 'p'   ? processes
         : word[0] == 'd' ? descriptors
         : word[0] == 'c' ? connections
         : word[0] == 'h' ? holders
                          : listeners) = value;
    }
    int ready[2];
    if (pipe(ready) != 0) { return 1; }
    TcpServer busy("0.0.0.0");
    busy.start(0);
    listen(busy.descriptor(), 1024); // all connect at once, and a connection that finds the queue full may be lost
    const std::uint16_t busy_port = busy.port();
    for (int process = 0; process < processes; ++process) {
        if (fork() != 0) { continue; }
        for (int i = 0; i < descriptors; ++i) { open_one(i); }
        connect_many(busy_port, busy.descriptor(), connections / processes / 2, process);
        std::vector<TcpServer*> servers; // as long as the process
        for (int i = 0; i < listeners / processes; ++i) {
            servers.push_back(new TcpServer("127.0.0." + std::to_string(2 + process % 200)));
            servers.back()->start(0);
        }
        if (write(ready[1], "", 1) != 1) { return 1; }
        wait_for_the_end();
        return 0;
    }
    char c = 0;
    for (int process = 0; process < processes; ++process) {
        if (read(ready[0], &c, 1) != 1) { return 1; }
    }
    if (fork() == 0) {
        TcpServer server("127.0.0.1");
        server.start(0);
        for (int i = 1; i < holders; ++i) {
            if (fork() != 0) { continue; }
            wait_for_the_end();
            return 0;
        }
        std::printf("ready %u\n", server.port());
        std::fflush(stdout);
        wait_for_the_end();
        return 0;
    }
    wait_for_the_end();
    return 0;
}
