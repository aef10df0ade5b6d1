// A process that holds an address, for the tests on Windows:
//
//   holder tcp|udp HOST PORT [leave|share|orphan|dual]
//
// "leave": a child inherits the socket and goes on, and this process ends. "share": both go on. "orphan": a child does
// all this, and this process ends. "dual": the socket of a "::" takes IPv4 too.
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
    const std::string kind = argv[1];
    const std::string host = argv[2];
    const std::string option = argc == 5 ? argv[4] : "";
    if (option == "orphan") {
        run(std::string("\"") + argv[0] + "\" " + kind + ' ' + host + ' ' + argv[3]);
        return 0;
    }
    WSADATA data;
    if (WSAStartup(0x202, &data) != 0) { fail("WSAStartup"); }
    const bool v6 = host.find(':') != std::string::npos;
    const SOCKET socket = ::socket(v6 ? AF_INET6 : AF_INET, kind == "udp" ? SOCK_DGRAM : SOCK_STREAM, 0);
    const DWORD v6_only = option == "dual" ? 0 : 1;
    if (v6) { setsockopt(socket, IPPROTO_IPV6, IPV6_V6ONLY, reinterpret_cast<const char*>(&v6_only), sizeof v6_only); }
    sockaddr_in to4{};
    to4.sin_family = AF_INET;
    to4.sin_port = htons(static_cast<u_short>(std::atoi(argv[3])));
    inet_pton(AF_INET, host.c_str(), &to4.sin_addr);
    sockaddr_in6 to6{};
    to6.sin6_family = AF_INET6;
    to6.sin6_port = to4.sin_port;
    inet_pton(AF_INET6, host.c_str(), &to6.sin6_addr);
    sockaddr* const address = v6 ? reinterpret_cast<sockaddr*>(&to6) : reinterpret_cast<sockaddr*>(&to4);
    int size = static_cast<int>(v6 ? sizeof to6 : sizeof to4);
    if (bind(socket, address, size) != 0) { fail("bind"); }
    if (kind == "tcp" && listen(socket, 5) != 0) { fail("listen"); }
    getsockname(socket, address, &size);
    DWORD child = 0;
    if (option == "leave" || option == "share") {
        SetHandleInformation(reinterpret_cast<HANDLE>(socket), HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT);
        child = run(std::string("\"") + argv[0] + "\" wait");
    }
    std::printf("ready %d %lu %lu\n", ntohs(v6 ? to6.sin6_port : to4.sin_port), GetCurrentProcessId(), child);
    std::fflush(stdout);
    if (option == "leave") { return 0; }
    while (std::getchar() != EOF) {}
    return 0;
}
