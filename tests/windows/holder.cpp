// A process that holds an address, for the tests on Windows:
//
//   holder tcp|udp HOST PORT [leave|orphan]
//
// "leave": it ends, and a child that inherited the socket goes on. "orphan": a child does all this, and it ends.
// When ready it prints "ready PORT PID CHILD"; it ends when its standard input does.

#include <winsock2.h>
#include <ws2tcpip.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

[[noreturn]] void fail(const char* what) {
    std::fprintf(stderr, "%s: %d\n", what, WSAGetLastError());
    std::exit(1);
}

DWORD run(std::string command) {
    STARTUPINFOA startup{};
    startup.cb = sizeof startup;
    PROCESS_INFORMATION started{};
    if (!CreateProcessA(nullptr, command.data(), nullptr, nullptr, TRUE, 0, nullptr, nullptr, &startup, &started)) {
        fail("CreateProcess");
    }
    return started.dwProcessId;
}

} // namespace

int main(int argc, char** argv) {
    if (argc == 2 && std::string(argv[1]) == "wait") {
        while (std::getchar() != EOF) {}
        return 0;
    }
    if (argc < 4) { return 2; }
    if (argc == 5 && std::string(argv[4]) == "orphan") {
        run(std::string("\"") + argv[0] + "\" " + argv[1] + ' ' + argv[2] + ' ' + argv[3]);
        return 0;
    }
    WSADATA data;
    if (WSAStartup(0x202, &data) != 0) { fail("WSAStartup"); }
    const std::string kind = argv[1];
    const SOCKET socket = ::socket(AF_INET, kind == "udp" ? SOCK_DGRAM : SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<u_short>(std::atoi(argv[3])));
    inet_pton(AF_INET, argv[2], &address.sin_addr);
    if (bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) { fail("bind"); }
    if (kind == "tcp" && listen(socket, 5) != 0) { fail("listen"); }
    u_long waiting = 0;
    ioctlsocket(socket, FIONREAD, &waiting); // Wine names the owner of a socket only after such a call
    int size = sizeof address;
    getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size);
    DWORD child = 0;
    if (argc == 5) {
        SetHandleInformation(reinterpret_cast<HANDLE>(socket), HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT);
        child = run(std::string("\"") + argv[0] + "\" wait");
    }
    std::printf("ready %d %lu %lu\n", ntohs(address.sin_port), GetCurrentProcessId(), child);
    std::fflush(stdout);
    if (argc == 5) { return 0; }
    while (std::getchar() != EOF) {}
    return 0;
}
