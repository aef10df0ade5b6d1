// Which holders are never terminated, as far as fake holders can show it. The real ones are in tests/system.

#include <retry_on_addr_in_use.hpp>

#include "../catch.hpp"

#if defined(__linux__)
#    include <filesystem>
#endif

using namespace addr_in_use;

namespace {

constexpr std::uint32_t nobodys_pid = 0x7ffffff0;

Holder holder_at(const Endpoint& socket, std::uint32_t pid = nobodys_pid) {
    Holder holder;
    holder.pid = pid;
    holder.name = "old";
    holder.executable = "/opt/old";
    holder.user = "1000";
    holder.sockets = {socket};
    holder.state = socket.transport() == Transport::udp ? State::bound : State::listening;
    return holder;
}

// The reasons why each is left alone; empty when they were offered to the killer.
std::vector<std::string> reasons(const Endpoint& wanted, const std::vector<Holder>& holders) {
    bool offered = false;
    const Recovery recovery = free_address(
        wanted, [&](const Endpoint&) { return offered ? std::vector<Holder>() : holders; },
        [&](const Holder&) {
            offered = true;
            return Fate::killed;
        },
        NoLog{});
    std::vector<std::string> result;
    for (const Eviction& eviction : recovery.evictions) {
        if (eviction.fate == Fate::refused) { result.push_back(eviction.reason); }
    }
    CHECK(offered == result.empty());
    return result;
}

} // namespace

TEST_CASE("with several addresses, the holders are meant if all have the same sockets") {
    const Holder first = holder_at({"127.0.0.1", 80});
    const Holder second = holder_at({"127.0.0.2", 80}, nobodys_pid + 1);
    for (const Endpoint& wanted : {Endpoint(80), Endpoint("", 80), Endpoint("*", 80)}) {
        const auto both = reasons(wanted, {first, second});
        REQUIRE(both.size() == 2);
        CHECK_THAT(both[0], has_text("ambiguous") && has_text("127.0.0.2:80") && has_text("name the host"));
        CHECK_THAT(both[1], has_text("ambiguous") && has_text("127.0.0.1:80") && has_text("name the host"));
        CHECK(reasons(wanted, {first}).empty());
        CHECK(reasons(wanted, {first, holder_at({"127.0.0.1", 80}, nobodys_pid + 1)}).empty());
    }
    CHECK(reasons({"localhost", 80}, {first, holder_at({"::1", 80}, nobodys_pid + 1)}).size() == 2);
    CHECK(reasons({"127.0.0.1", 80}, {holder_at({"0.0.0.0", 80}), first}).empty()); // a host is exact
}

TEST_CASE("workers with a socket for each family are one set") {
    Holder master = holder_at({"0.0.0.0", 80});
    master.sockets.push_back(Endpoint("::", 80).v6_only(true));
    Holder worker = master;
    worker.pid = nobodys_pid + 1;
    CHECK(reasons(80, {master, worker}).empty());
    worker.sockets.pop_back();
    CHECK(reasons(80, {master, worker}).size() == 2);
}

TEST_CASE("with several addresses, a connection that no holder overlaps makes it ambiguous") {
    for (const State state : {State::connected, State::lingering}) {
        Holder elsewhere = holder_at({"127.0.0.2", 80}, state == State::lingering ? 0 : nobodys_pid + 1);
        elsewhere.state = state;
        // What only lingers has no process: it is no holder, but it is on another address.
        const auto refused = reasons(80, {holder_at({"127.0.0.1", 80}), elsewhere});
        REQUIRE_FALSE(refused.empty());
        CHECK_THAT(refused[0], has_text("127.0.0.2:80") && has_text("name the host"));
    }
}

TEST_CASE("sockets on different interfaces are not ended together") {
    CHECK(reasons({"fe80::1", 80}, {holder_at({"fe80::1%1", 80}), holder_at({"fe80::1%2", 80}, nobodys_pid + 1)})
              .size() == 2);
    CHECK(reasons({"fe80::1", 80}, {holder_at({"fe80::1%1", 80})}).empty());
}

TEST_CASE("UDP programs that share an address do so on purpose") {
    const Endpoint here("127.0.0.1", 853, Transport::udp); // given out to clients nowhere
    Holder other = holder_at(here, nobodys_pid + 1);
    CHECK(reasons(here, {holder_at(here), other}).empty());
    other.executable = "/opt/other"; // one socket, or none any more: tests/system/hard_holders.cpp has two
    CHECK(reasons(here, {holder_at(here), other}).empty());
}

TEST_CASE("a UDP socket on an ephemeral port may be a client") {
    const Endpoint here("127.0.0.1", 50000, Transport::udp);
    const auto refused = reasons(here, {holder_at(here)});
    REQUIRE(refused.size() == 1);
    CHECK_THAT(refused[0], has_text("may be a client"));
}

TEST_CASE("a socket that another user made was planted, or hides its owner") {
    Holder holder = holder_at({"127.0.0.1", 80});
    holder.socket_user = "1000";
    CHECK(reasons(holder.sockets[0], {holder}).empty());
    holder.socket_user = "1001";
    CHECK_THAT(reasons(holder.sockets[0], {holder}).at(0), has_text("created by user 1001"));
    holder.socket_user = "0";
    CHECK(reasons(holder.sockets[0], {holder}).empty() == detail::Os::is_privileged());
}

TEST_CASE("the first process, this one and its ancestors are left alone") {
    const Endpoint here("127.0.0.1", 80);
    CHECK_FALSE(reasons(here, {holder_at(here, 1)}).at(0).empty());
    CHECK_THAT(reasons(here, {holder_at(here, detail::Os::current_pid())}).at(0), has_text("this process"));
    std::error_code error;
    if (const std::uint32_t parent = detail::Os::parent(detail::Os::current_pid(), error); parent > 4) {
        CHECK_THAT(reasons(here, {holder_at(here, parent)}).at(0), has_text("ancestor"));
    }
}

TEST_CASE("killers refuse by themselves what is no process to end") {
    // Safe even where the guard fails: nothing holds port 1, and a look at the holder comes before any signal.
    for (const std::uint32_t pid : {0U, 1U, detail::Os::current_pid()}) {
        const auto evictions = TerminateThenKill{std::chrono::milliseconds(0)}({holder_at({"127.0.0.1", 1}, pid)});
        REQUIRE(evictions.size() == 1);
        CHECK(evictions[0].fate == Fate::refused);
        detail::Os::Process process(pid);
        CHECK(process.signal(detail::Signal::probe) == std::errc::operation_not_permitted);
        CHECK_FALSE(process.exited());
    }
    CHECK(TerminateThenKill{}({holder_at({"127.0.0.1", 1})}).at(0).fate == Fate::already_gone);
    CHECK(TerminateThenKill{}({}).empty());
}

TEST_CASE("programs whose end does harm are known by their executable and by their cut name") {
    bool has_terminal = false;
    const auto advice = [&](const char* name, const char* executable) {
        Holder holder = holder_at({"127.0.0.1", 8080});
        holder.name = name;
        holder.executable = executable;
        detail::ProcessInfo info;
        info.has_terminal = has_terminal;
        return detail::protected_program(holder, info);
    };
    CHECK_THAT(advice("docker-proxy", "/usr/bin/docker-proxy"), has_text("publish=8080"));
    CHECK_THAT(advice("containerd-shim", ""), has_text("container"));
    CHECK_THAT(advice("x", "/usr/bin/containerd-shim-runc-v2"), has_text("container"));
    CHECK_THAT(advice("com.docker.back", ""), has_text("container"));
    CHECK_THAT(advice("systemd", ""), has_text("socket unit"));
    CHECK_THAT(advice("sshd", "/usr/sbin/sshd"), has_text("remote session"));
    CHECK_THAT(advice("firefox-bin", "/usr/lib/firefox/firefox-bin"), has_text("inherited"));
    CHECK_THAT(advice("gnome-terminal-", ""), has_text("inherited"));
    CHECK_THAT(advice("renamed", "/usr/bin/tmux (deleted)"), has_text("inherited"));
    CHECK_THAT(advice("qemu-system-x86", ""), has_text("virtual machine"));
    CHECK_THAT(advice("ControlCenter", ""), has_text("AirPlay"));
    for (const char* name : {"python3", "node", "java", "nginx", "my-server", "codeserver", "dockerish", "sshx"}) {
        CHECK(advice(name, "").empty());
    }
    CHECK(advice("bash", "").empty());
    has_terminal = true;
    CHECK_THAT(advice("bash", ""), has_text("shell with a terminal"));
}

TEST_CASE("rules let a killer at all holders or at none") {
    const Endpoint here("127.0.0.1", 80);
    const std::vector<Holder> two{holder_at(here), holder_at(here, nobodys_pid + 1)};
    int kills = 0;
    const auto killer = [&](const Holder&) {
        ++kills;
        return Fate::killed;
    };
    OnlyIf one{[](const Holder& holder) { return holder.pid == nobodys_pid; }, killer};
    auto evictions = one(two);
    REQUIRE(evictions.size() == 2);
    CHECK(kills == 0);
    CHECK(evictions[0].fate == Fate::refused);
    CHECK_THAT(evictions[0].reason, has_text("(pid 2147483633) also holds the address"));
    CHECK_THAT(evictions[1].reason, has_text("the OnlyIf predicate rejected it"));
    OnlyIf all{[](const Holder&) { return true; }, killer};
    CHECK(all(two).size() == 2);
    CHECK(kills == 2);
    OnlyIf nested{[](const Holder&) { return true; }, one};
    CHECK(nested(two).at(0).fate == Fate::refused);
    CHECK(kills == 2);
    OnlyIf broken{[](const Holder&) -> bool { throw 1; }, killer};
    CHECK(broken(two).at(0).reason == "the OnlyIf predicate threw an exception");
    CHECK(kills == 2);
    CHECK_THAT(OnlyIf<SameExecutable>{}(two).at(0).reason, has_text("does not run our executable"));
    CHECK(ReportOnly{}(two).at(1).fate == Fate::refused);
    CHECK(WaitForExit{std::chrono::milliseconds(0)}(two).at(0).fate == Fate::already_gone);
}

// An emulator names the file of the program, and the kernel opens the emulator's.
static bool is_run_by_emulator() {
#if defined(__linux__)
    const std::filesystem::path own = "/proc/self/exe";
    return !std::filesystem::equivalent(std::filesystem::read_symlink(own), own);
#else
    return false;
#endif
}

TEST_CASE("rules about this very process") {
    Holder self = holder_at({"127.0.0.1", 80}, detail::Os::current_pid());
    CHECK(SameExecutable{}(self) != is_run_by_emulator());
    const bool has_command_line = !detail::Os::inspect(self.pid).holder.command_line.empty(); // Wine 8 does not tell it
    CHECK(SameCommandLine{}(self) == (has_command_line && !is_run_by_emulator()));
    CHECK(SameUser{}(self));
    Holder nobody = holder_at({"127.0.0.1", 80});
    CHECK_FALSE(SameExecutable{}(nobody));
    CHECK_FALSE(SameCommandLine{}(nobody));
    CHECK_FALSE(SameUser{}(nobody));
}
