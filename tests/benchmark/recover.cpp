// From a failed bind to listening again by way of a command:
//
//   recover hold FILE             leaves a process that listens on 127.0.0.1, for a minute at most, its port in FILE
//   recover run FILE WORD...      runs the command, with the port for each PORT, and binds until that works

#include "../server.hpp"

#include <sys/wait.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

namespace {

int hold(const char* file) {
    TcpServer server("127.0.0.1");
    server.start(0);
    if (!(std::ofstream(file) << server.port())) { return 1; }
    if (fork() != 0) { return 0; }
    alarm(60);
    for (;;) { pause(); }
}

int run(const char* file, char** words) {
    std::uint16_t port = 0;
    std::ifstream(file) >> port;
    std::vector<std::string> texts;
    for (; *words != nullptr; ++words) {
        std::string& text = texts.emplace_back(*words);
        if (const std::size_t at = text.find("PORT"); at != std::string::npos) {
            text.replace(at, std::strlen("PORT"), std::to_string(port));
        }
    }
    std::vector<char*> arguments;
    for (std::string& text : texts) { arguments.push_back(text.data()); }
    arguments.push_back(nullptr);
    const pid_t command = fork();
    if (command == 0) {
        execvp(arguments[0], arguments.data());
        _exit(127);
    }
    int status = 0;
    if (waitpid(command, &status, 0) != command || !WIFEXITED(status) || WEXITSTATUS(status) != 0) { return 1; }
    for (int tries = 0; tries < 10000; ++tries) {
        TcpServer server("127.0.0.1");
        try {
            server.start(port);
            return 0;
        } catch (const std::system_error&) { usleep(100); }
    }
    return 1;
}

} // namespace

int main(int argc, char** argv) {
    return argc == 3 && argv[1] == std::string("hold") ? hold(argv[2])
           : argc > 3 && argv[1] == std::string("run") ? run(argv[2], argv + 3)
                                                       : 2;
}
