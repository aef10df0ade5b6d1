// The Windows region with real processes and sockets. What is under Wine (10, in Debian 13) as it is not on Windows:
//
// - No table shows the IPv4 part of a dual-stack socket; Windows has a row of it in both.
// - A row names a process that has the socket open. Windows names the one that made it, dead or alive: MakerInRows.
// - No function tells the command line of another process.

#include <retry_on_addr_in_use.hpp>

// Only now, so that everything above had to do without it.
#include <winsock2.h>
#include <ws2tcpip.h>
// It needs the two above.
#include <iphlpapi.h>

#include "../catch.hpp"

#include <sstream>

using namespace addr_in_use;

namespace {

struct Sockets {
    Sockets() {
        WSADATA data;
        WSAStartup(0x202, &data);
    }
} const sockets;

bool under_wine() { return GetProcAddress(GetModuleHandleA("ntdll.dll"), "wine_get_version") != nullptr; }

class Server {
public:
    explicit Server(std::string host = "127.0.0.1", bool reuse_address = false)
        : host_(std::move(host)), reuse_address_(reuse_address) {}
    ~Server() { stop(); }
    void start(std::uint16_t port) {
        ++starts;
        const bool v6 = host_.find(':') != std::string::npos;
        socket_ = ::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
        sockaddr_in to4{};
        to4.sin_family = AF_INET;
        to4.sin_port = htons(port);
        inet_pton(AF_INET, host_.c_str(), &to4.sin_addr);
        sockaddr_in6 to6{};
        to6.sin6_family = AF_INET6;
        to6.sin6_port = to4.sin_port;
        inet_pton(AF_INET6, host_.c_str(), &to6.sin6_addr);
        const auto* const address = v6 ? reinterpret_cast<sockaddr*>(&to6) : reinterpret_cast<sockaddr*>(&to4);
        const BOOL on = reuse_address_;
        setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, reinterpret_cast<const char*>(&on), sizeof on);
        if (bind(socket_, address, static_cast<int>(v6 ? sizeof to6 : sizeof to4)) != 0 || listen(socket_, 5) != 0) {
            const int error = WSAGetLastError();
            stop();
            throw std::system_error(error, std::system_category());
        }
    }
    void stop() {
        if (socket_ != INVALID_SOCKET) { closesocket(socket_); }
        socket_ = INVALID_SOCKET;
    }
    [[nodiscard]] bool running() const { return socket_ != INVALID_SOCKET; }
    int starts = 0;

private:
    std::string host_;
    bool reuse_address_;
    SOCKET socket_ = INVALID_SOCKET;
};

// A process that is another one's child. It is ended with the object.
class Heir {
public:
    explicit Heir(std::uint32_t pid) : pid_(pid), process_(OpenProcess(SYNCHRONIZE | PROCESS_TERMINATE, FALSE, pid)) {
        REQUIRE(process_ != nullptr);
    }
    Heir(const Heir&) = delete;
    ~Heir() {
        TerminateProcess(process_, 0);
        CloseHandle(process_);
    }
    [[nodiscard]] bool alive() const { return WaitForSingleObject(process_, 0) == WAIT_TIMEOUT; }
    [[nodiscard]] std::string display_name() const { return "holder.exe (pid " + std::to_string(pid_) + ')'; }

private:
    std::uint32_t pid_;
    HANDLE process_;
};

// Lets the rows of a port name the process that made its socket, as on Windows, whatever Wine knows: the beginning of
// GetExtendedTcpTable is a jump to our own function meanwhile.
class MakerInRows {
public:
    MakerInRows(std::uint16_t port, std::uint32_t maker, std::uint64_t created = 0) {
        if (!under_wine()) { return; }
        FARPROC function = GetProcAddress(LoadLibraryA("iphlpapi.dll"), "GetExtendedTcpTable");
        std::memcpy(&code_, &function, sizeof code_);
        port_ = htons(port);
        maker_ = maker;
        created_ = created;
        const auto to = reinterpret_cast<std::uintptr_t>(&call);
        std::memcpy(jump_ + 2, &to, sizeof to);
        swap();
    }
    MakerInRows(const MakerInRows&) = delete;
    ~MakerInRows() {
        if (under_wine()) { swap(); }
    }

private:
    static DWORD WINAPI call(void* table, DWORD* size, BOOL in_order, ULONG family, TCP_TABLE_CLASS kind, ULONG zero) {
        decltype(&GetExtendedTcpTable) original = nullptr;
        std::memcpy(&original, &code_, sizeof original);
        swap();
        const DWORD error = original(table, size, in_order, family, kind, zero);
        swap();
        auto* const rows = static_cast<MIB_TCPTABLE_OWNER_MODULE*>(table);
        for (DWORD i = 0; error == 0 && family == AF_INET && i < rows->dwNumEntries; ++i) {
            if (rows->table[i].dwLocalPort != port_) { continue; }
            rows->table[i].dwOwningPid = maker_;
            rows->table[i].liCreateTimestamp.QuadPart = static_cast<LONGLONG>(created_);
        }
        return error;
    }
    static void swap() {
        DWORD before = 0;
        VirtualProtect(code_, sizeof jump_, PAGE_EXECUTE_READWRITE, &before);
        for (std::size_t i = 0; i < sizeof jump_; ++i) { std::swap(code_[i], jump_[i]); }
        FlushInstructionCache(GetCurrentProcess(), code_, sizeof jump_);
    }

    static inline unsigned char* code_ = nullptr;
    static inline unsigned char jump_[] = {0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xe0}; // mov rax, TO; jmp rax
    static inline DWORD port_ = 0;
    static inline DWORD maker_ = 0;
    static inline std::uint64_t created_ = 0;
};

// A process of holder.cpp.
class Holding {
public:
    explicit Holding(const std::string& arguments) {
        SECURITY_ATTRIBUTES inherited{sizeof inherited, nullptr, TRUE};
        HANDLE their_input = nullptr;
        HANDLE their_output = nullptr;
        CreatePipe(&their_input, &input_, &inherited, 0);
        CreatePipe(&output_, &their_output, &inherited, 0);
        SetHandleInformation(input_, HANDLE_FLAG_INHERIT, 0);
        SetHandleInformation(output_, HANDLE_FLAG_INHERIT, 0);
        std::string command = std::string("\"" HOLDER_PROGRAM "\" ") + arguments;
        STARTUPINFOA startup{};
        startup.cb = sizeof startup;
        startup.dwFlags = STARTF_USESTDHANDLES;
        startup.hStdInput = their_input;
        startup.hStdOutput = their_output;
        startup.hStdError = GetStdHandle(STD_ERROR_HANDLE);
        PROCESS_INFORMATION started{};
        REQUIRE(
            CreateProcessA(nullptr, command.data(), nullptr, nullptr, TRUE, 0, nullptr, nullptr, &startup, &started));
        CloseHandle(their_input);
        CloseHandle(their_output);
        CloseHandle(started.hThread);
        std::string line;
        char c = 0;
        for (DWORD size = 0; ReadFile(output_, &c, 1, &size, nullptr) && size == 1 && c != '\n';) { line += c; }
        std::istringstream words(line);
        std::string ready;
        words >> ready >> port >> pid >> child;
        REQUIRE(ready == "ready");
        process_ = OpenProcess(SYNCHRONIZE | PROCESS_TERMINATE, FALSE, pid); // an orphan's, perhaps
        CloseHandle(started.hProcess);
        REQUIRE(process_ != nullptr);
    }
    Holding(const Holding&) = delete;
    ~Holding() {
        CloseHandle(input_);
        WaitForSingleObject(process_, 5000);
        TerminateProcess(process_, 1);
        CloseHandle(output_);
        CloseHandle(process_);
    }
    [[nodiscard]] bool alive() const { return WaitForSingleObject(process_, 0) != WAIT_OBJECT_0; }
    void wait() const { WaitForSingleObject(process_, 5000); }

    std::uint16_t port = 0;
    std::uint32_t pid = 0;
    std::uint32_t child = 0;

private:
    HANDLE input_ = nullptr;
    HANDLE output_ = nullptr;
    HANDLE process_ = nullptr;
};

template <class Killer = TerminateThenKill>
Recovery start(Server& server, const Endpoint& endpoint, Killer killer = Killer()) {
    RetryOnAddrInUse retry{server, SystemProbe{}, killer, NoLog{}};
    try {
        retry.start(endpoint);
    } catch (const std::system_error&) {}
    return retry.recovery();
}
template <class Killer = TerminateThenKill>
Recovery start(Server& server, std::uint16_t port, Killer killer = Killer()) {
    return start(server, Endpoint("127.0.0.1", port), killer);
}

} // namespace

TEST_CASE("a stranger that holds the port is ended, and the server starts") {
    const Holding holder("tcp 127.0.0.1 0");
    const Holding beside("tcp 127.0.0.2 " + std::to_string(holder.port));
    Server server;
    const Recovery recovery = start(server, holder.port);
    INFO(describe(recovery));
    CHECK(server.running());
    CHECK(server.starts == 2);
    REQUIRE(recovery.evictions.size() == 1);
    CHECK(recovery.evictions[0].fate == Fate::killed);
    CHECK(recovery.evictions[0].holder.pid == holder.pid);
    CHECK(recovery.obstacle == Obstacle::none);
    CHECK_FALSE(holder.alive());
    CHECK(beside.alive());
}

TEST_CASE("with the port alone, the only holder is ended wherever it listens") {
    for (const char* const host : {"127.0.0.1", "0.0.0.0", "::1", "::"}) {
        INFO(host);
        const Holding holder("tcp " + std::string(host) + " 0");
        const Recovery recovery = free_address(Endpoint(holder.port), SystemProbe{}, TerminateThenKill{}, NoLog{});
        INFO(describe(recovery));
        REQUIRE(recovery.evictions.size() == 1);
        CHECK(recovery.evictions[0].fate == Fate::killed);
        CHECK(recovery.evictions[0].holder.pid == holder.pid);
        CHECK(recovery.obstacle == Obstacle::none);
        CHECK_FALSE(holder.alive());
    }
    const Holding holder("tcp 127.0.0.1 0");
    Server server;
    const Recovery recovery = start(server, Endpoint(holder.port));
    INFO(describe(recovery));
    CHECK(server.running());
    CHECK(server.starts == 2);
    CHECK(recovery.obstacle == Obstacle::none);
    CHECK_FALSE(holder.alive());
}

TEST_CASE("a holder on an IPv6 address is ended, and the server starts there") {
    const Holding holder("tcp ::1 0");
    const Holding beside("tcp 127.0.0.1 " + std::to_string(holder.port));
    const Endpoint here("::1", holder.port);
    std::error_code error;
    const std::vector<Holder> holders = SystemProbe{}(here, error);
    REQUIRE_FALSE(error);
    REQUIRE(holders.size() == 1);
    CHECK(holders[0].pid == holder.pid);
    CHECK(holders[0].state == State::listening);
    CHECK(holders[0].sockets == std::vector<Endpoint>{here});
    CHECK(detail::Os::test_bind(here) == std::errc::address_in_use);
    Server server("::1");
    const Recovery recovery = start(server, here);
    INFO(describe(recovery));
    CHECK(server.running());
    CHECK(server.starts == 2);
    REQUIRE(recovery.evictions.size() == 1);
    CHECK(recovery.evictions[0].fate == Fate::killed);
    CHECK(recovery.obstacle == Obstacle::none);
    CHECK_FALSE(holder.alive());
    CHECK(beside.alive());
}

TEST_CASE("of two wildcards only the owner of the one in the way is ended") {
    const std::string host = GENERATE(as<std::string>{}, "::", "0.0.0.0");
    const bool v6 = host == "::";
    const Holding four("tcp 0.0.0.0 0");
    const Holding six("tcp :: " + std::to_string(four.port));
    Server server(host);
    const Recovery recovery = start(server, Endpoint(host, four.port));
    INFO(describe(recovery));
    CHECK(server.running());
    REQUIRE(recovery.evictions.size() == 1);
    CHECK(recovery.evictions[0].holder.pid == (v6 ? six : four).pid);
    CHECK(recovery.obstacle == Obstacle::none);
    CHECK(four.alive() == v6);
    CHECK(six.alive() != v6);
    server.stop();
    const Holding again("tcp " + host + ' ' + std::to_string(four.port));
    CHECK(free_address(Endpoint(host, four.port).v6_only(v6), SystemProbe{}, TerminateThenKill{}, NoLog{})
              .evictions.at(0)
              .holder.pid == again.pid);
    CHECK_FALSE(again.alive());
    CHECK(four.alive() == v6);
    CHECK(six.alive() != v6);
}

TEST_CASE("a dual-stack holder is in the way of IPv6, and of IPv4 as far as a table shows it") {
    const Holding dual("tcp :: 0 dual");
    CHECK(detail::Os::test_bind(Endpoint("127.0.0.1", dual.port)) == std::errc::address_in_use);
    if (under_wine()) { // the row of IPv6 says nothing about IPv4
        const Recovery recovery =
            free_address(Endpoint("127.0.0.1", dual.port), SystemProbe{}, TerminateThenKill{}, NoLog{});
        CHECK(recovery.obstacle == Obstacle::invisible_holder);
        CHECK(dual.alive());
    }
    const Endpoint wanted = under_wine() ? Endpoint("::", dual.port) : Endpoint("127.0.0.1", dual.port);
    const Recovery recovery = free_address(wanted, SystemProbe{}, TerminateThenKill{}, NoLog{});
    INFO(describe(recovery));
    REQUIRE(recovery.evictions.size() == 1);
    CHECK(recovery.evictions[0].holder.pid == dual.pid);
    CHECK(recovery.obstacle == Obstacle::none);
    CHECK_FALSE(dual.alive());
}

TEST_CASE("with the port alone, a holder on one address beside another one lives") {
    const std::string second = GENERATE(as<std::string>{}, "127.0.0.2", "::1");
    const Holding one("tcp 127.0.0.1 0");
    const Holding two("tcp " + second + ' ' + std::to_string(one.port));
    Server server;
    const Recovery recovery = start(server, Endpoint(one.port));
    INFO(describe(recovery));
    CHECK_FALSE(server.running());
    CHECK(server.starts == 1);
    CHECK(recovery.obstacle == Obstacle::refused_holder);
    REQUIRE(recovery.evictions.size() == 2);
    for (const Eviction& eviction : recovery.evictions) {
        CHECK(eviction.fate == Fate::refused);
        CHECK((eviction.holder.pid == one.pid || eviction.holder.pid == two.pid));
        CHECK_THAT(eviction.reason, has_text("name the host"));
        CHECK_THAT(eviction.reason, has_text(eviction.holder.pid == two.pid ? "127.0.0.1:"
                                             : second == "::1"              ? "[::1]:"
                                                                            : "127.0.0.2:"));
    }
    CHECK(recovery.evictions[0].holder.pid != recovery.evictions[1].holder.pid);
    CHECK(one.alive());
    CHECK(two.alive());
}

TEST_CASE("a start that fails where the address is free failed on another one") {
    int starts = 0;
    for (const Endpoint& wanted : {Endpoint("127.0.0.9", 18471), Endpoint(18471)}) {
        starts = 0;
        RetryOnAddrInUse retry{[&] {
                                   ++starts;
                                   throw std::system_error(10048, std::system_category());
                               },
                               SystemProbe{}, TerminateThenKill{}, NoLog{}};
        CHECK_THROWS_AS(retry.start(wanted), std::system_error);
        INFO(describe(retry.recovery()));
        CHECK(starts == 2);
        CHECK(retry.recovery().obstacle == Obstacle::other_address);
        CHECK_THAT(describe(retry.recovery()), has_text("The address is free: the start failed on another one."));
    }
}

TEST_CASE("a test bind tells whether the address is free") {
    const Holding holder("tcp 127.0.0.1 0");
    CHECK(detail::Os::test_bind(Endpoint("127.0.0.1", holder.port)) == std::errc::address_in_use);
    CHECK_FALSE(detail::Os::test_bind(Endpoint("127.0.0.9", holder.port)));
    CHECK(detail::Os::test_bind(Endpoint("192.0.2.1", holder.port)) == std::errc::address_not_available);
    CHECK(detail::test_bind(Endpoint("localhost", holder.port)) == std::errc::address_in_use);
    const Holding udp("udp 127.0.0.1 0");
    CHECK(detail::Os::test_bind(Endpoint("127.0.0.1", udp.port, Transport::udp)) == std::errc::address_in_use);
}

TEST_CASE("what is known of a holder") {
    const Holding holder("tcp 127.0.0.1 0");
    const std::uint64_t now = detail::Os::now();
    std::error_code error;
    const std::vector<Holder> holders = SystemProbe{}(Endpoint("127.0.0.1", holder.port), error);
    REQUIRE_FALSE(error);
    REQUIRE(holders.size() == 1);
    CHECK(holders[0].pid == holder.pid);
    CHECK(holders[0].name == "holder.exe");
    CHECK_THAT(holders[0].executable, has_text("holder.exe"));
    if (!under_wine()) { CHECK_THAT(holders[0].command_line, has_text("tcp 127.0.0.1 0")); }
    CHECK_THAT(holders[0].user, has_text("S-1-"));
    CHECK(holders[0].sockets == std::vector<Endpoint>{Endpoint("127.0.0.1", holder.port)});
    CHECK(holders[0].state == State::listening);
    CHECK(holders[0].start_time != 0);
    CHECK(holders[0].start_time <= now);
    CHECK(now - holders[0].start_time < 600 * std::uint64_t{10000000}); // in one unit, ten minutes at most
    CHECK(SystemProbe{}.held(Endpoint("127.0.0.1", holder.port)));
    CHECK_FALSE(SystemProbe{}.held(Endpoint("127.0.0.3", holder.port)));
}

TEST_CASE("rules about a real holder") {
    const Holding holder("tcp 127.0.0.1 0");
    Server server;
    for (const auto& recovery :
         {start(server, holder.port, OnlyIf<SameExecutable>{}), start(server, holder.port, OnlyIf<SameCommandLine>{}),
          start(server, holder.port, ReportOnly{}),
          start(server, holder.port, OnlyIf{AskOnTerminal{std::chrono::milliseconds(1)}})}) {
        INFO(describe(recovery));
        REQUIRE(recovery.evictions.size() == 1);
        CHECK(recovery.evictions[0].fate == Fate::refused);
        CHECK(recovery.obstacle == Obstacle::refused_holder);
    }
    CHECK(holder.alive());
    CHECK(start(server, holder.port, WaitForExit{std::chrono::milliseconds(50)}).obstacle ==
          Obstacle::surviving_holder);
    CHECK(holder.alive());
    Holder us;
    us.pid = detail::Os::current_pid();
    CHECK(SameExecutable{}(us));
    CHECK(SameCommandLine{}(us) == !under_wine());
    CHECK(SameUser{}(us));
    CHECK(start(server, holder.port, OnlyIf<SameUser>{}).evictions.at(0).fate == Fate::killed);
    CHECK_FALSE(holder.alive());
}

TEST_CASE("a holder that started after the start began lives") {
    Server server;
    std::optional<Holding> successor;
    std::uint16_t port = 0;
    {
        const Holding scout("tcp 127.0.0.1 0");
        port = scout.port;
    }
    RetryOnAddrInUse retry{[&](std::uint16_t) {
                               Sleep(50); // beyond the clock's step, 16 ms at most
                               if (!successor) {
                                   successor.emplace("tcp 127.0.0.1 " + std::to_string(port) + " orphan");
                               }
                               throw std::system_error(10048, std::system_category());
                           },
                           SystemProbe{}, TerminateThenKill{}, NoLog{}};
    CHECK_THROWS_AS(retry.start("127.0.0.1", port), std::system_error);
    REQUIRE(retry.recovery().evictions.size() == 1);
    CHECK_THAT(retry.recovery().evictions[0].reason, has_text("after this start began"));
    CHECK(successor->alive());
}

TEST_CASE("UDP: another program's socket may be a client, and lives") {
    for (const std::string host : {"127.0.0.1", "::1"}) {
        INFO(host);
        const Holding holder("udp " + host + " 0");
        std::error_code error;
        const Endpoint here(host, holder.port, Transport::udp);
        const std::vector<Holder> holders = SystemProbe{}(here, error);
        REQUIRE(holders.size() == 1);
        CHECK(holders[0].pid == holder.pid);
        CHECK(holders[0].sockets == std::vector<Endpoint>{here});
        const Recovery recovery = free_address(here, SystemProbe{}, TerminateThenKill{}, NoLog{});
        CHECK(recovery.obstacle == Obstacle::refused_holder);
        CHECK_THAT(recovery.evictions.at(0).reason, has_text("client"));
        CHECK(holder.alive());
    }
}

TEST_CASE("UDP: below the ports that the system chooses a holder is no client, and is ended") {
    for (const std::string host : {"127.0.0.1", "::1"}) {
        INFO(host);
        std::uint16_t port = 400;
        while (port < 1024 && detail::Os::test_bind(Endpoint(host, port, Transport::udp))) { ++port; }
        const Holding holder("udp " + host + ' ' + std::to_string(port));
        const Recovery recovery =
            free_address(Endpoint(host, port, Transport::udp), SystemProbe{}, TerminateThenKill{}, NoLog{});
        INFO(describe(recovery));
        REQUIRE(recovery.evictions.size() == 1);
        CHECK(recovery.evictions[0].holder.pid == holder.pid);
        CHECK(recovery.evictions[0].fate == Fate::killed);
        CHECK(recovery.obstacle == Obstacle::none);
        CHECK_FALSE(holder.alive());
    }
}

TEST_CASE("a port that the system denies and nobody holds is reserved") {
    int starts = 0;
    RetryOnAddrInUse retry{[&](std::uint16_t) {
                               ++starts;
                               throw std::system_error(10013, std::system_category());
                           },
                           SystemProbe{}, TerminateThenKill{}, NoLog{}};
    CHECK_THROWS_AS(retry.start("127.0.0.9", 1), std::system_error);
    CHECK(starts == 1);
    CHECK(retry.recovery().obstacle == Obstacle::reserved_port);
    CHECK_THAT(describe(retry.recovery()), has_text("excludedportrange"));
}

TEST_CASE("a port that the system denies and somebody holds is in use") {
    const Holding holder("tcp 127.0.0.1 0");
    int starts = 0;
    RetryOnAddrInUse retry{[&](std::uint16_t) {
                               if (++starts == 1) { throw std::system_error(10013, std::system_category()); }
                           },
                           SystemProbe{}, TerminateThenKill{}, NoLog{}};
    retry.start("127.0.0.1", holder.port);
    CHECK(starts == 2);
    CHECK_FALSE(holder.alive());
}

TEST_CASE("errors of libuv and of the last error are understood by their numbers") {
    const Holding first("tcp 127.0.0.1 0");
    int starts = 0;
    RetryOnAddrInUse uv{[&](std::uint16_t) { return ++starts == 1 ? -4091 : 0; }, SystemProbe{}, TerminateThenKill{},
                        NoLog{}};
    CHECK(uv.start("127.0.0.1", first.port) == 0);
    CHECK(starts == 2);
    const Holding second("tcp 127.0.0.1 0");
    starts = 0;
    RetryOnAddrInUse silent{[&](std::uint16_t) {
                                if (++starts == 1) { WSASetLastError(10048); }
                                return starts != 1;
                            },
                            SystemProbe{}, TerminateThenKill{}, NoLog{}};
    CHECK(silent.start("127.0.0.1", second.port));
    CHECK(starts == 2);
    CHECK_FALSE(second.alive());
}

TEST_CASE("the last error of the caller survives") {
    const Holding holder("tcp 127.0.0.1 0");
    SetLastError(4711);
    static_cast<void>(free_address(Endpoint("127.0.0.1", holder.port), SystemProbe{}, ReportOnly{}, NoLog{}));
    CHECK(GetLastError() == 4711);
}

TEST_CASE("a socket whose maker is dead has no owner to be seen, and the child that inherited it lives") {
    const Holding holder("tcp 127.0.0.1 0 leave");
    holder.wait();
    REQUIRE_FALSE(holder.alive());
    const Heir child(holder.child);
    const MakerInRows as_on_windows(holder.port, holder.pid);
    std::error_code error;
    const std::vector<Holder> holders = SystemProbe{}(Endpoint("127.0.0.1", holder.port), error);
    CHECK_FALSE(error);
    REQUIRE(holders.size() == 1);
    CHECK(holders[0].pid == 0);
    CHECK(holders[0].name.empty());
    Server server;
    const Recovery recovery = start(server, holder.port);
    INFO(describe(recovery));
    CHECK_FALSE(server.running());
    CHECK(recovery.obstacle == Obstacle::invisible_holder);
    REQUIRE(recovery.evictions.size() == 1);
    CHECK(recovery.evictions[0].fate == Fate::refused);
    CHECK(recovery.evictions[0].reason == "its creator (pid " + std::to_string(holder.pid) +
                                              ") has exited, its child " + child.display_name() + " may hold it");
    CHECK(child.alive());
}

TEST_CASE("with SO_REUSEADDR a bind does not fail beside a listener, and Preflight ends that one before the start") {
    {
        const Holding holder("tcp 127.0.0.1 0");
        Server server("127.0.0.1", true);
        const Recovery recovery = start(server, holder.port);
        CHECK(server.running());
        CHECK(recovery.retried == under_wine()); // Wine refuses the bind, as Linux does
        CHECK(holder.alive() != under_wine());
    }
    const Holding holder("tcp 127.0.0.1 0");
    Server server("127.0.0.1", true);
    RetryOnAddrInUse retry{Preflight{[&](std::uint16_t port) { server.start(port); }}, SystemProbe{},
                           TerminateThenKill{}, NoLog{}};
    retry.start(Endpoint("127.0.0.1", holder.port));
    CHECK(server.running());
    CHECK(server.starts == 1);
    REQUIRE(retry.recovery().evictions.size() == 1);
    CHECK(retry.recovery().evictions[0].fate == Fate::killed);
    CHECK_FALSE(holder.alive());
}

TEST_CASE("a child that is older than the socket of a dead maker is not named: it is of another process") {
    if (!under_wine()) { return; } // a pid cannot be reused at will
    const Holding holder("tcp 127.0.0.1 0 leave");
    holder.wait();
    const Heir child(holder.child);
    const std::uint64_t day = std::uint64_t{24 * 60 * 60} * 10000000;
    const std::uint64_t tomorrow = detail::Os::inspect(detail::Os::current_pid()).holder.start_time + day;
    const MakerInRows as_on_windows(holder.port, holder.pid, tomorrow);
    Server server;
    const Recovery recovery = start(server, holder.port);
    REQUIRE(recovery.evictions.size() == 1);
    CHECK(recovery.evictions[0].reason == "its creator (pid " + std::to_string(holder.pid) + ") has exited");
}

TEST_CASE("a maker that lives is ended, and the report names the child that may hold the socket now") {
    const Holding holder("tcp 127.0.0.1 0 share");
    const Heir child(holder.child);
    const MakerInRows as_on_windows(holder.port, holder.pid);
    Server server;
    const Recovery recovery = start(server, holder.port);
    INFO(describe(recovery));
    CHECK_FALSE(server.running());
    REQUIRE_FALSE(recovery.evictions.empty());
    CHECK(recovery.evictions[0].holder.pid == holder.pid);
    CHECK(recovery.evictions[0].fate == Fate::killed);
    CHECK_FALSE(holder.alive());
    CHECK(child.alive());
    CHECK(recovery.obstacle == Obstacle::invisible_holder);
    CHECK_THAT(describe(recovery), has_text("its child " + child.display_name() + " may hold it"));
}

TEST_CASE("what is no process to end is refused") {
    for (const std::uint32_t pid : {0U, 4U, detail::Os::current_pid()}) {
        const detail::Os::Process process(pid);
        CHECK(process.signal(detail::Signal::kill) == std::errc::operation_not_permitted);
        CHECK_FALSE(process.exited());
    }
    CHECK(detail::Os::Process(0x7ffffffc).exited());
    CHECK(detail::Os::inspect(0x7ffffffc).is_dead);
    CHECK(detail::Os::inspect(4).is_critical);
    CHECK_FALSE(detail::Os::inspect(detail::Os::current_pid()).is_critical);
    Holder kernel;
    kernel.pid = 4;
    kernel.sockets = {Endpoint("127.0.0.1", 1)};
    const Recovery recovery = free_address(
        kernel.sockets[0], [&](const Endpoint&) { return std::vector<Holder>{kernel}; }, TerminateThenKill{}, NoLog{});
    CHECK(recovery.obstacle == Obstacle::refused_holder);
    CHECK_THAT(recovery.evictions.at(0).reason, has_text("Windows stops without it"));
}

TEST_CASE("ancestors are found") {
    std::error_code error;
    const Holding child("tcp 127.0.0.1 0");
    CHECK(detail::Os::parent(child.pid, error) == detail::Os::current_pid());
    CHECK_FALSE(error);
    const detail::ProcessInfo info = detail::Os::inspect(child.pid);
    CHECK_FALSE(info.error);
    CHECK(info.parent == detail::Os::current_pid());
    CHECK(info.service.empty());
}

TEST_CASE("many sockets: the buffer for the table grows") {
    std::vector<Server> many(200);
    for (Server& server : many) { server.start(0); }
    const Holding holder("tcp 127.0.0.1 0");
    std::error_code error;
    CHECK(SystemProbe{}(Endpoint("127.0.0.1", holder.port), error).size() == 1);
    CHECK_FALSE(error);
}

TEST_CASE("a last look before the end: a process that does not hold the socket is not ended") {
    const Holding holder("tcp 127.0.0.1 0");
    Holder wrong;
    wrong.pid = holder.pid;
    wrong.sockets = {Endpoint("127.0.0.1", static_cast<std::uint16_t>(holder.port ^ 1))};
    CHECK(TerminateThenKill{}({wrong}).at(0).fate == Fate::released);
    wrong.sockets = {Endpoint("127.0.0.1", holder.port)};
    wrong.start_time = 1;
    CHECK(TerminateThenKill{}({wrong}).at(0).fate == Fate::already_gone);
    CHECK(holder.alive());
}

TEST_CASE("preflight ends who holds the port before the start") {
    const Holding holder("tcp 127.0.0.1 0");
    Server server;
    RetryOnAddrInUse retry{Preflight{[&](std::uint16_t port) { server.start(port); }}, SystemProbe{},
                           TerminateThenKill{}, NoLog{}};
    retry.start("127.0.0.1", holder.port);
    CHECK(server.starts == 1);
    CHECK_FALSE(holder.alive());
}

TEST_CASE("lsof does not exist here, and that is an error") {
    std::error_code error;
    CHECK(LsofProbe{}(Endpoint("127.0.0.1", 1), error).empty());
    CHECK(error == std::errc::function_not_supported);
}

TEST_CASE("with a path nothing is terminated here") {
    const Recovery recovery =
        free_address(Endpoint::unix_stream("socket"), SystemProbe{}, TerminateThenKill{}, NoLog{});
    CHECK(recovery.obstacle == Obstacle::probe_failed);
    CHECK(recovery.error == std::errc::function_not_supported);
    CHECK(recovery.evictions.empty());
}
