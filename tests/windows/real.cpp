// The Windows region with real processes and sockets. What is under Wine (10, in Debian 13) as it is not on Windows:
//
// - No table shows the IPv4 part of a dual-stack socket; Windows has a row of it in both.
// - A row names a process that has the socket open. Windows names the one that made it, dead or alive: MakerInRows.
// - No function tells the command line of another process.

#include "system.hpp"

#include "../regions/no_paths.hpp"
#include "../regions/scenarios.hpp"

namespace {

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

// Starts a server on 127.0.0.1.
template <class Killer = TerminateThenKill>
Recovery start(TcpServer& server, std::uint16_t port, Killer killer = Killer()) {
    return start(server, Endpoint("127.0.0.1", port), killer);
}

// What starts from now on has a later start time: its clock has steps of up to 16 ms.
void wait_for_the_clock() {
    FILETIME first{};
    GetSystemTimeAsFileTime(&first);
    for (FILETIME now = first; CompareFileTime(&now, &first) == 0; GetSystemTimeAsFileTime(&now)) {}
}

std::string display_name(std::uint32_t pid) { return "holder.exe (pid " + std::to_string(pid) + ')'; }

} // namespace

TEST_CASE("of two wildcards only the owner of the one in the way is terminated") {
    const std::string host = GENERATE(as<std::string>{}, "::", "0.0.0.0");
    const bool v6 = host == "::";
    const HolderProcess four({"listen=" + at("0.0.0.0")});
    const HolderProcess six({"v6only", "listen=" + at("::", four.port())});
    TcpServer server(host);
    const Recovery recovery = start(server, Endpoint(host, four.port()));
    INFO(describe(recovery));
    CHECK(server.running());
    REQUIRE(recovery.evictions.size() == 1);
    CHECK(recovery.evictions[0].holder.pid == (v6 ? six : four).pid());
    CHECK(recovery.obstacle == Obstacle::none);
    CHECK(four.alive() == v6);
    CHECK(six.alive() != v6);
    server.stop();
    const HolderProcess again({"v6only", "listen=" + at(host, four.port())});
    CHECK(free_it(Endpoint(host, four.port()).v6_only(v6)).evictions.at(0).holder.pid == again.pid());
    CHECK_FALSE(again.alive());
    CHECK(four.alive() == v6);
    CHECK(six.alive() != v6);
}

TEST_CASE("a dual-stack holder is in the way of IPv6, and of IPv4 as far as a table shows it") {
    const HolderProcess dual({"listen=" + at("::")});
    CHECK(detail::Os::test_bind(Endpoint("127.0.0.1", dual.port())) == std::errc::address_in_use);
    if (under_wine()) { // the row of IPv6 says nothing about IPv4
        const Recovery recovery = free_it(Endpoint("127.0.0.1", dual.port()));
        CHECK(recovery.obstacle == Obstacle::invisible_holder);
        CHECK(dual.alive());
    }
    const Endpoint wanted = under_wine() ? Endpoint("::", dual.port()) : Endpoint("127.0.0.1", dual.port());
    const Recovery recovery = free_it(wanted);
    INFO(describe(recovery));
    REQUIRE(recovery.evictions.size() == 1);
    CHECK(recovery.evictions[0].holder.pid == dual.pid());
    CHECK(recovery.obstacle == Obstacle::none);
    CHECK_FALSE(dual.alive());
}

TEST_CASE("a question without an answer in time is a no") {
    const HolderProcess holder({"listen=" + at("127.0.0.1")});
    const Recovery recovery = free_it(Endpoint("127.0.0.1", holder.port()), OnlyIf{AskOnTerminal{milliseconds(1)}});
    INFO(describe(recovery));
    REQUIRE(recovery.evictions.size() == 1);
    CHECK(recovery.evictions[0].fate == Fate::refused);
    CHECK(recovery.obstacle == Obstacle::refused_holder);
    CHECK(holder.alive());
}

TEST_CASE("a holder that started after the start began lives") {
    TcpServer server;
    std::optional<HolderProcess> successor;
    const std::uint16_t port = unused_port();
    RetryOnAddrInUse retry{
        [&](std::uint16_t) {
            wait_for_the_clock();
            if (!successor) {
                successor.emplace(std::vector<std::string>{"orphan", "listen=" + at("127.0.0.1", port)});
            }
            throw std::system_error(10048, std::system_category());
        },
        SystemProbe{}, TerminateThenKill{}, NoLog{}};
    CHECK_THROWS_AS(retry.start("127.0.0.1", port), std::system_error);
    REQUIRE(retry.recovery().evictions.size() == 1);
    CHECK_THAT(retry.recovery().evictions[0].reason, has_text("after this start began"));
    CHECK(successor->alive());
}

TEST_CASE("a port that the system denies and no process holds is reserved") {
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

TEST_CASE("a port that the system denies and a process holds is in use") {
    const HolderProcess holder({"listen=" + at("127.0.0.1")});
    int starts = 0;
    RetryOnAddrInUse retry{[&](std::uint16_t) {
                               if (++starts == 1) { throw std::system_error(10013, std::system_category()); }
                           },
                           SystemProbe{}, TerminateThenKill{}, NoLog{}};
    retry.start("127.0.0.1", holder.port());
    CHECK(starts == 2);
    CHECK_FALSE(holder.alive());
}

TEST_CASE("errors of libuv and of the last error are understood by their numbers") {
    const HolderProcess first({"listen=" + at("127.0.0.1")});
    int starts = 0;
    RetryOnAddrInUse uv{[&](std::uint16_t) { return ++starts == 1 ? -4091 : 0; }, SystemProbe{}, TerminateThenKill{},
                        NoLog{}};
    CHECK(uv.start("127.0.0.1", first.port()) == 0);
    CHECK(starts == 2);
    const HolderProcess other({"listen=" + at("127.0.0.1")});
    starts = 0;
    RetryOnAddrInUse silent{[&](std::uint16_t) {
                                if (++starts == 1) { WSASetLastError(10048); }
                                return starts != 1;
                            },
                            SystemProbe{}, TerminateThenKill{}, NoLog{}};
    CHECK(silent.start("127.0.0.1", other.port()));
    CHECK(starts == 2);
    CHECK_FALSE(other.alive());
}

TEST_CASE("the last error of the caller survives") {
    const HolderProcess holder({"listen=" + at("127.0.0.1")});
    SetLastError(4711);
    static_cast<void>(free_it(Endpoint("127.0.0.1", holder.port()), ReportOnly{}));
    CHECK(GetLastError() == 4711);
}

TEST_CASE("a socket whose maker is dead has no owner to be seen, and the child that inherited it lives") {
    const HolderProcess holder({"listen=" + at("127.0.0.1"), "fork=1", "exit"});
    REQUIRE(holder.process().exits_within(10000));
    const MakerInRows as_on_windows(holder.port(), holder.pid());
    std::error_code error;
    const std::vector<Holder> holders = SystemProbe{}(Endpoint("127.0.0.1", holder.port()), error);
    CHECK_FALSE(error);
    REQUIRE(holders.size() == 1);
    CHECK(holders[0].pid == 0);
    CHECK(holders[0].name.empty());
    TcpServer server;
    const Recovery recovery = start(server, holder.port());
    INFO(describe(recovery));
    CHECK_FALSE(server.running());
    CHECK(recovery.obstacle == Obstacle::invisible_holder);
    REQUIRE(recovery.evictions.size() == 1);
    CHECK(recovery.evictions[0].fate == Fate::refused);
    CHECK(recovery.evictions[0].reason == "its creator (pid " + std::to_string(holder.pid()) +
                                              ") has exited, its child " + display_name(holder.pid(1)) +
                                              " may hold it");
    CHECK(holder.alive(1));
}

TEST_CASE(
    "with SO_REUSEADDR a bind does not fail beside a listener, and Preflight terminates that one before the start") {
    {
        const HolderProcess holder({"listen=" + at("127.0.0.1")});
        TcpServer server("127.0.0.1", true);
        const Recovery recovery = start(server, holder.port());
        CHECK(server.running());
        CHECK(recovery.retried == under_wine()); // Wine refuses the bind, as Linux does
        CHECK(holder.alive() != under_wine());
    }
    const HolderProcess holder({"listen=" + at("127.0.0.1")});
    TcpServer server("127.0.0.1", true);
    RetryOnAddrInUse retry{Preflight{[&](std::uint16_t port) { server.start(port); }}, SystemProbe{},
                           TerminateThenKill{}, NoLog{}};
    retry.start(Endpoint("127.0.0.1", holder.port()));
    CHECK(server.running());
    CHECK(server.starts == 1);
    REQUIRE(retry.recovery().evictions.size() == 1);
    CHECK(retry.recovery().evictions[0].fate == Fate::killed);
    CHECK_FALSE(holder.alive());
}

TEST_CASE("a child that is older than the socket of a dead maker is not named: it is of another process") {
    if (!under_wine()) { return; } // a pid cannot be reused at will
    const HolderProcess holder({"listen=" + at("127.0.0.1"), "fork=1", "exit"});
    REQUIRE(holder.process().exits_within(10000));
    const std::uint64_t day = std::uint64_t{24 * 60 * 60} * 10000000;
    const std::uint64_t tomorrow = detail::Os::inspect(detail::Os::current_pid()).holder.start_time + day;
    const MakerInRows as_on_windows(holder.port(), holder.pid(), tomorrow);
    TcpServer server;
    const Recovery recovery = start(server, holder.port());
    REQUIRE(recovery.evictions.size() == 1);
    CHECK(recovery.evictions[0].reason == "its creator (pid " + std::to_string(holder.pid()) + ") has exited");
}

TEST_CASE("a maker that lives is terminated, and the report names the child that may hold the socket now") {
    const HolderProcess holder({"listen=" + at("127.0.0.1"), "fork=1"});
    const MakerInRows as_on_windows(holder.port(), holder.pid());
    TcpServer server;
    const Recovery recovery = start(server, holder.port());
    INFO(describe(recovery));
    CHECK_FALSE(server.running());
    REQUIRE_FALSE(recovery.evictions.empty());
    CHECK(recovery.evictions[0].holder.pid == holder.pid());
    CHECK(recovery.evictions[0].fate == Fate::killed);
    CHECK_FALSE(holder.alive());
    CHECK(holder.alive(1));
    CHECK(recovery.obstacle == Obstacle::invisible_holder);
    CHECK_THAT(describe(recovery), has_text("its child " + display_name(holder.pid(1)) + " may hold it"));
}

TEST_CASE("what is no process to terminate is refused") {
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
    const HolderProcess child({"listen=" + at("127.0.0.1")});
    CHECK(detail::Os::parent(child.pid(), error) == detail::Os::current_pid());
    CHECK_FALSE(error);
    const detail::ProcessInfo info = detail::Os::inspect(child.pid());
    CHECK_FALSE(info.error);
    CHECK(info.parent == detail::Os::current_pid());
    CHECK(info.service.empty());
}

TEST_CASE("many sockets: the buffer for the table grows") {
    std::vector<TcpServer> many(200);
    for (TcpServer& server : many) { server.start(0); }
    const HolderProcess holder({"listen=" + at("127.0.0.1")});
    std::error_code error;
    CHECK(SystemProbe{}(Endpoint("127.0.0.1", holder.port()), error).size() == 1);
    CHECK_FALSE(error);
}

TEST_CASE("lsof does not exist here, and that is an error") {
    std::error_code error;
    CHECK(LsofProbe{}(Endpoint("127.0.0.1", 1), error).empty());
    CHECK(error == std::errc::function_not_supported);
}
