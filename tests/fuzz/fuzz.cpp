// One libFuzzer target for each parser, chosen by -DTARGET=NAME; the seeds are in corpus/NAME. What must hold beyond
// "no crash" is checked with REQUIRE.

#include <retry_on_addr_in_use.hpp>

#include <cstdlib>

using namespace addr_in_use;
using namespace addr_in_use::detail;

#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition)) { std::abort(); }                                                                            \
    } while (false)

namespace {

const Endpoint wanted(80);

void check(const std::vector<Socket>& sockets) {
    for (const Socket& socket : sockets) {
        REQUIRE(conflicts(wanted, socket.local) == (socket.local.port() == 80));
        REQUIRE(!socket.local.host().empty());
    }
}

[[maybe_unused]] void netlink(std::string_view text) {
    std::vector<Socket> sockets;
    std::error_code error;
    // Copied, so that a read beyond the end is seen.
    const std::vector<char> bytes(text.begin(), text.end());
    const std::string_view copy(bytes.data(), bytes.size());
    read_dump(copy, wanted, sockets, error);
    REQUIRE(sockets.size() <= text.size() / 88);
    check(sockets);
    sockets.clear();
    read_dump(copy, Endpoint::unix_stream("/run/a"), sockets, error);
    REQUIRE(sockets.size() <= text.size() / 32);
    for (const Socket& socket : sockets) { REQUIRE(is_path(socket.local)); }
}

[[maybe_unused]] void proc_net(std::string_view text) {
    std::vector<Socket> sockets;
    read_proc_net(text, wanted, 0xffffffff, sockets);
    check(sockets);
    std::vector<Socket> kept = sockets;
    select_conflicting(wanted, kept);
    REQUIRE(kept.size() <= sockets.size());
}

[[maybe_unused]] void proc_pid(std::string_view text) {
    const ProcessStat stat = read_stat(text);
    REQUIRE(stat.state != '\0' || text.find('\0') != std::string_view::npos);
    status_numbers(text, "Uid");
    status_numbers(':' + std::string(text), "");
    socket_inode(text);
    const std::string service = read_cgroup(text);
    const std::size_t added = service.substr(0, 7) == "/openrc" ? 7 : 0; // in front of a path of OpenRC's hierarchy
    REQUIRE(text.find(service.substr(added)) != std::string_view::npos);
    if (!service.empty()) { stop_advice(service, 7); }
}

[[maybe_unused]] void lsof(std::string_view text) {
    std::vector<Socket> sockets;
    read_lsof(text, Transport::tcp, sockets);
    const std::size_t count = sockets.size();
    select_conflicting(wanted, sockets);
    REQUIRE(sockets.size() <= count);
    check(sockets);
}

[[maybe_unused]] void ip_table(std::string_view text) {
    const std::vector<unsigned char> bytes(text.begin(), text.end());
    for (const bool v6 : {false, true}) {
        std::vector<Socket> sockets;
        read_ip_table(bytes.data(), bytes.size(), wanted, v6, sockets);
        REQUIRE(sockets.size() <= text.size() / 24);
        check(sockets);
    }
}

[[maybe_unused]] void endpoint(std::string_view text) {
    const std::optional<Endpoint> parsed = Endpoint::parse(text);
    if (!parsed) { return; }
    // What is read is written so that it is read again, as the same.
    const bool is_path = !parsed->path().empty();
    if (is_path) {
        REQUIRE(Endpoint::unix_stream(parsed->path()) == *parsed);
    } else {
        REQUIRE(Endpoint(parsed->host(), parsed->port()) == *parsed);
    }
    if (is_path || !parsed->host().empty()) { REQUIRE(Endpoint::parse(to_string(*parsed)) == parsed); }
    REQUIRE((parsed->port() == 0 && !is_path) || conflicts(*parsed, *parsed));
}

[[maybe_unused]] void description(std::string_view text) {
    Recovery recovery;
    Eviction eviction;
    eviction.fate = static_cast<Fate>(text.size() % 7);
    eviction.holder.pid = static_cast<std::uint32_t>(text.size());
    eviction.holder.name = text;
    eviction.holder.executable = text;
    eviction.holder.socket_user = text;
    recovery.failure = text;
    recovery.evictions = {eviction, eviction};
    recovery.obstacle = static_cast<Obstacle>(text.size() % 13);
    for (const char c : describe(recovery)) { REQUIRE(c >= ' ' && c <= '~'); }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    TARGET(std::string_view(reinterpret_cast<const char*>(data), size));
    return 0;
}
