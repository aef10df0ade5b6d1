// Each parser and table reader, on what a system really said and on broken text.

#include <retry_on_addr_in_use.hpp>

#include "../catch.hpp"

#include <cstddef>
#include <cstring>
#include <limits>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>

using namespace addr_in_use;
using namespace addr_in_use::detail;

namespace {

using Bytes = std::vector<unsigned char>;

template <class T> void append(Bytes& bytes, const T& value) {
    const auto* first = reinterpret_cast<const unsigned char*>(&value);
    bytes.insert(bytes.end(), first, first + sizeof value);
}

Bytes row(unsigned char family, unsigned char state, std::uint16_t port, std::uint32_t inode, int v6_only = -1) {
    inet_diag_msg message{};
    message.idiag_family = family;
    message.idiag_state = state;
    message.id.idiag_sport = static_cast<__be16>(port << 8 | port >> 8);
    if (family == 2) { message.id.idiag_src[0] = 0x0100007f; }
    message.idiag_uid = 1000;
    message.idiag_inode = inode;
    Bytes bytes;
    nlmsghdr header{};
    header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    header.nlmsg_len = static_cast<std::uint32_t>(sizeof header + sizeof message + (v6_only >= 0 ? 8 : 0));
    append(bytes, header);
    append(bytes, message);
    if (v6_only >= 0) {
        append(bytes, nlattr{5, INET_DIAG_SKV6ONLY});
        append(bytes, static_cast<std::uint32_t>(v6_only));
    }
    return bytes;
}

Bytes done(int code) {
    Bytes bytes;
    append(bytes, nlmsghdr{20, NLMSG_DONE, 0, 0, 0});
    append(bytes, code);
    return bytes;
}

struct Reply {
    std::vector<Socket> sockets;
    std::error_code error;
    bool more;
};

Reply read(const Bytes& bytes, const Endpoint& wanted = Endpoint("*", 80)) {
    Reply reply;
    reply.more = read_diag(bytes.data(), bytes.size(), wanted, reply.sockets, reply.error);
    return reply;
}

Bytes operator+(Bytes a, const Bytes& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

} // namespace

TEST_CASE("the netlink layout is the kernel's") {
    STATIC_REQUIRE(sizeof(nlmsghdr) == 16);
    STATIC_REQUIRE(offsetof(nlmsghdr, nlmsg_type) == 4);
    STATIC_REQUIRE(offsetof(nlmsghdr, nlmsg_flags) == 6);
    STATIC_REQUIRE(sizeof(inet_diag_msg) == 72);
    STATIC_REQUIRE(offsetof(inet_diag_msg, idiag_state) == 1);
    STATIC_REQUIRE(offsetof(inet_diag_msg, id.idiag_sport) == 4);
    STATIC_REQUIRE(offsetof(inet_diag_msg, id.idiag_src) == 8);
    STATIC_REQUIRE(offsetof(inet_diag_msg, id.idiag_if) == 40);
    STATIC_REQUIRE(offsetof(inet_diag_msg, idiag_uid) == 64);
    STATIC_REQUIRE(offsetof(inet_diag_msg, idiag_inode) == 68);
    STATIC_REQUIRE(sizeof(inet_diag_req_v2) == 56);
    STATIC_REQUIRE(offsetof(inet_diag_req_v2, sdiag_protocol) == 1);
    STATIC_REQUIRE(offsetof(inet_diag_req_v2, idiag_states) == 4);
    STATIC_REQUIRE(offsetof(inet_diag_req_v2, id.idiag_sport) == 8);
    STATIC_REQUIRE(NLMSG_ERROR == 2);
    STATIC_REQUIRE(NLMSG_DONE == 3);
    STATIC_REQUIRE(SOCK_DIAG_BY_FAMILY == 20);
    STATIC_REQUIRE(INET_DIAG_SKV6ONLY == 11);
    STATIC_REQUIRE(NETLINK_SOCK_DIAG == 4);
    STATIC_REQUIRE(NLM_F_REQUEST == 1);
    STATIC_REQUIRE(NLM_F_DUMP == 0x300);
}

TEST_CASE("netlink rows are read, and only those of the port") {
    const Reply reply = read(row(2, 10, 80, 7) + row(2, 10, 81, 8) + row(10, 10, 80, 9, 1) + row(10, 10, 80, 9, 0) +
                             row(2, 7, 80, 10) + row(2, 1, 80, 11) + row(2, 6, 80, 0));
    REQUIRE(reply.sockets.size() == 6);
    CHECK(reply.more);
    CHECK(reply.sockets[0].local == Endpoint("127.0.0.1", 80));
    CHECK(reply.sockets[0].state == State::listening);
    CHECK(reply.sockets[0].inode == 7);
    CHECK(reply.sockets[0].user == "1000");
    CHECK(reply.sockets[1].local.v6_only());
    CHECK(reply.sockets[1].local.host() == "::");
    CHECK_FALSE(reply.sockets[2].local.v6_only());
    CHECK(reply.sockets[3].state == State::bound);
    CHECK(reply.sockets[4].state == State::connected);
    CHECK(reply.sockets[5].state == State::lingering);
    CHECK(reply.sockets[5].user.empty()); // the kernel shows user 0 for what nobody owns
}

TEST_CASE("a dump that failed says so inside its last message") {
    CHECK_FALSE(read(done(0)).more);
    CHECK_FALSE(read(done(0)).error);
    CHECK(read(done(-2)).error == std::errc::no_such_file_or_directory);
    CHECK(read(done(std::numeric_limits<int>::min())).error == std::errc::protocol_error); // found by fuzzing
    Bytes error;
    append(error, nlmsghdr{36, NLMSG_ERROR, 0, 0, 0});
    append(error, -1);
    error.resize(36);
    CHECK(read(error).error == std::errc::operation_not_permitted);
    CHECK_FALSE(read(row(2, 10, 80, 7) + done(0)).more);
}

TEST_CASE("broken netlink replies are errors, never crashes and never nobody") {
    const Bytes good = row(10, 10, 80, 7, 1);
    for (std::size_t size = 1; size < good.size(); ++size) {
        const Bytes cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size));
        CHECK(read(cut).error == std::errc::bad_message);
    }
    for (const std::uint32_t length : {0U, 1U, 15U, 16U, 87U, 4096U, 0xffffffffU}) {
        Bytes bytes = good;
        std::memcpy(bytes.data(), &length, sizeof length);
        CHECK(read(bytes).error == std::errc::bad_message);
    }
    for (const unsigned value : {0U, 3U, 4U, 9U, 65535U}) { // a broken attribute is no reason to lose the row
        const auto length = static_cast<std::uint16_t>(value);
        Bytes bytes = good;
        std::memcpy(bytes.data() + 88, &length, sizeof length);
        CHECK(read(bytes).sockets.size() == 1);
    }
    unsigned state = 1;
    for (int round = 0; round < 2000; ++round) {
        Bytes noise = good + good;
        for (int i = 0; i < 8; ++i) {
            state = state * 1664525 + 1013904223;
            noise[(state >> 8) % noise.size()] = static_cast<unsigned char>(state >> 24);
        }
        read(noise); // the sanitizers watch
    }
}

TEST_CASE("the tables of /proc/net") {
    const std::string header =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
    const std::string rest =
        " 00000000:00000000 00:00000000 00000000  1000        0 12345 1 0000000000000000 100 0 0 10 0\n";
    const std::string orphan = " 00000000:00000000 03:00000F9F 00000000     0        0 0 3 0000000000000000\n";
    const std::string table =
        header + "   0: 0100007F:0050 00000000:0000 0A" + rest + "   1: 0100007F:0051 00000000:0000 0A" + rest +
        "   2: 0100007F:0050 0100007F:9C40 06" + orphan +
        "   3: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A" + rest +
        "   4: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A" + rest +
        "   5: 0000000000000000FFFF00000100007F:0050 00000000000000000000000000000000:0000 01" + rest;
    std::vector<Socket> sockets;
    REQUIRE(read_proc_net(table, Endpoint("*", 80), 0xffff, sockets));
    REQUIRE(sockets.size() == 5);
    CHECK(sockets[0].local == Endpoint("127.0.0.1", 80));
    CHECK(sockets[0].state == State::listening);
    CHECK(sockets[0].inode == 12345);
    CHECK(sockets[0].user == "1000");
    CHECK(sockets[1].state == State::lingering);
    CHECK(sockets[1].user.empty());
    CHECK(sockets[2].local == Endpoint("::1", 80));
    CHECK_FALSE(sockets[2].v6_only_unknown);
    CHECK(sockets[3].local == Endpoint("::", 80));
    CHECK(sockets[3].v6_only_unknown);
    CHECK(sockets[4].local == Endpoint("::ffff:127.0.0.1", 80));
    CHECK(sockets[4].state == State::connected);
    sockets.clear();
    REQUIRE(read_proc_net(table, Endpoint("*", 80), 1U << 10, sockets));
    CHECK(sockets.size() == 3); // those that listen
    sockets.clear();
    CHECK_FALSE(read_proc_net("", Endpoint("*", 80), 0xffff, sockets));
    CHECK_FALSE(read_proc_net("garbage\n", Endpoint("*", 80), 0xffff, sockets));
    for (std::size_t size = header.size(); size < table.size(); ++size) {
        sockets.clear();
        CHECK(read_proc_net(std::string_view(table).substr(0, size), Endpoint("*", 80), 0xffff, sockets));
        CHECK(sockets.size() <= 5);
    }
}

TEST_CASE("the sockets that an io_uring shows") {
    CHECK(registered_sockets("pos:\t0\nUserFiles:\t2\n    0: socket:[1234]\n    1: pipe:[7]\n    2: socket:[99]\n") ==
          std::vector<std::uint64_t>{1234, 99});
    for (const char* text : {"", "socket:[", "socket:[]", "socket:[x]", "socket:[1"}) {
        CHECK(registered_sockets(text).empty());
    }
}

TEST_CASE("links of descriptors") {
    CHECK(socket_inode("socket:[4242]") == 4242);
    for (const char* link : {"", "socket:[", "socket:[]", "socket:[x]", "socket:[1", "socket:[1]x", "pipe:[1]",
                             "/socket:[1]", "socket:[99999999999999999999999]"}) {
        CHECK(socket_inode(link) == 0);
    }
}

TEST_CASE("/proc/PID/stat, whatever the name holds") {
    const std::string tail =
        " S 41 42 42 34816 42 4194304 100 0 0 0 1 2 0 0 20 0 3 0 987654 1000 200 18446744073709551615\n";
    for (const char* name : {"(bash)", "(a b)", "(a) R 1 (b)", "())", "(\n)", "()"}) {
        const ProcessStat stat = read_stat(std::string("42 ") + name + tail);
        CHECK(stat.state == 'S');
        CHECK(stat.parent == 41);
        CHECK(stat.terminal);
        CHECK(stat.threads == 3);
        CHECK(stat.start_time == 987654);
    }
    CHECK_FALSE(read_stat("42 (x) S 41 42 42 0 42").terminal);
    for (const char* text : {"", "42", "42 (", "42 (x", "42 (x)", "42 (x) ", "42 (x) S", "42 (x) S 1 2 3"}) {
        CHECK(read_stat(text).start_time == 0);
    }
    CHECK(read_stat("42 (x) S -1").parent == 0);
    CHECK(read_stat("42 (x) S 99999999999").start_time == 0);
}

TEST_CASE("lines of numbers in /proc/PID/status") {
    const std::string text = "Name:\tUid:\t7\nUid:\t1\t2\t3\t4\nTracerPid:\t0\nNSpid:\t100\t7\n";
    CHECK(status_numbers(text, "Uid") == std::vector<std::uint32_t>{1, 2, 3, 4});
    CHECK(status_numbers(text, "NSpid") == std::vector<std::uint32_t>{100, 7});
    CHECK(status_numbers(text, "TracerPid") == std::vector<std::uint32_t>{0});
    CHECK(status_numbers(text, "Gid").empty());
    CHECK(status_numbers("Uid:\t1x\t2\n", "Uid").empty());
    CHECK(status_numbers("Uid:\t99999999999\n", "Uid").empty());
    CHECK(status_numbers("Uid:", "Uid").empty());
    CHECK(status_numbers("", "Uid").empty());
}

TEST_CASE("services and containers in /proc/PID/cgroup") {
    CHECK(read_cgroup("0::/system.slice/nginx.service\n") == "/system.slice/nginx.service");
    CHECK(read_cgroup("0::/system.slice/a.service/sub/deeper\n") == "/system.slice/a.service");
    CHECK(read_cgroup("0::/system.slice/system-getty.slice/getty@tty1.service\n") ==
          "/system.slice/system-getty.slice/getty@tty1.service");
    CHECK(read_cgroup("0::/system.slice/docker-0123abcd.scope\n") == "/system.slice/docker-0123abcd.scope");
    CHECK(read_cgroup("12:cpu:/docker/0123abcd\n0::/\n") == "/docker/0123abcd");
    CHECK(read_cgroup("0::/user.slice/libpod-99.scope/container\n") == "/user.slice/libpod-99.scope");
    CHECK(read_cgroup("0::/kubepods.slice/pod1/abc\n") == "/kubepods.slice/pod1");
    CHECK(read_cgroup("0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.service\n").empty());
    CHECK(read_cgroup("0::/user.slice/user-1000.slice/session-3.scope\n").empty());
    for (const char* text : {"", "\n", "0::", "0::/", "garbage", "0::/docker", "///", "0::/docker//"}) {
        read_cgroup(text);
    }
    CHECK(read_cgroup("0::/").empty());
    CHECK_THAT(stop_advice("/system.slice/nginx.service"), has_text("systemctl stop nginx.service"));
    CHECK_THAT(stop_advice("/docker/0123"), has_text("docker stop"));
    CHECK_THAT(stop_advice("/x/libpod-1.scope"), has_text("podman stop"));
    CHECK_THAT(stop_advice("/kubepods.slice/pod1"), has_text("pod"));
}

TEST_CASE("the output of netstat") {
    // Rows of a German and a Chinese Windows: the words differ, the numbers do not.
    const std::string text = "\r\nAktive Verbindungen\r\n\r\n"
                             "  Proto  Lokale Adresse         Remoteadresse          Status           PID\r\n"
                             "  TCP    127.0.0.1:80           0.0.0.0:0              ABH\xd6REN         4242\r\n"
                             "  TCP    127.0.0.1:80           127.0.0.1:50000        HERGESTELLT     4242\r\n"
                             "  TCP    127.0.0.1:80           127.0.0.1:50001        WARTEND         0\r\n"
                             "  TCP    [::]:80                [::]:0                 LISTENING       4\r\n"
                             "  UDP    [fe80::1%12]:80        *:*                                    77\r\n"
                             "  UDP    0.0.0.0:81             *:*                                    4294967295 \r\n";
    std::vector<Socket> sockets;
    REQUIRE(read_netstat(text, Transport::tcp, sockets));
    REQUIRE(sockets.size() == 4);
    CHECK(sockets[0].local == Endpoint("127.0.0.1", 80));
    CHECK(sockets[0].state == State::listening);
    CHECK(sockets[0].pid == 4242);
    CHECK_FALSE(sockets[0].v6_only_unknown);
    CHECK(sockets[1].state == State::connected);
    CHECK(sockets[2].state == State::lingering);
    CHECK(sockets[2].pid == 0);
    CHECK(sockets[3].local == Endpoint("::", 80));
    CHECK(sockets[3].v6_only_unknown);
    sockets.clear();
    REQUIRE(read_netstat(text, Transport::udp, sockets));
    REQUIRE(sockets.size() == 2);
    CHECK(sockets[0].state == State::bound);
    CHECK(to_string(sockets[0].local) == "[fe80::1%12]:80/udp");
    CHECK(sockets[1].pid == 4294967295U);

    for (const char* broken :
         {"", "x", "  TCP", "  TCP 127.0.0.1:80 0.0.0.0:0 LISTENING\r\n",
          "  TCP 127.0.0.1:80 0.0.0.0:0 LISTENING 99999999999\r\n", "  TCP 80 0.0.0.0:0 LISTENING 1\r\n",
          "  TCP localhost.localdomain:80 0.0.0.0:0 LISTENING 1\r\n",
          "  SCTP 127.0.0.1:80 0.0.0.0:0 LISTENING 1\r\n"}) {
        sockets.clear();
        INFO(broken);
        CHECK_FALSE(read_netstat(broken, Transport::tcp, sockets));
        CHECK(sockets.empty());
    }
}

TEST_CASE("the output of lsof") {
    // lsof 4.95 with a forked Python server, a client, nginx on [::] and a resolver
    const char* text = "p100\ncpython3\nu1000\nf3\ntIPv4\nPTCP\nn127.0.0.1:80\nTST=LISTEN\nTQR=0\nTQS=0\n"
                       "f4\ntIPv4\nPTCP\nn127.0.0.1:80->127.0.0.1:40000\nTST=ESTABLISHED\n"
                       "p101\ncnginx\nu0\nf6\ntIPv6\nPTCP\nn*:80\nTST=LISTEN\n"
                       "p102\ncdns\nu0\nf6\ntIPv4\nPUDP\nn*:53\nf7\ntIPv6\nPUDP\nn[::1]:53\n";
    std::vector<Socket> sockets;
    std::vector<Holder> processes;
    REQUIRE(read_lsof(text, Transport::tcp, sockets, processes));
    REQUIRE(sockets.size() == 3);
    CHECK(sockets[0].local == Endpoint("127.0.0.1", 80));
    CHECK(sockets[0].state == State::listening);
    CHECK(sockets[0].pid == 100);
    CHECK(sockets[1].state == State::connected);
    CHECK(sockets[2].local.host() == "::");
    CHECK(sockets[2].v6_only_unknown);
    REQUIRE(processes.size() == 3);
    CHECK(processes[0].name == "python3");
    CHECK(processes[0].user == "1000");

    sockets.clear();
    processes.clear();
    REQUIRE(read_lsof(text, Transport::udp, sockets, processes));
    REQUIRE(sockets.size() == 2);
    CHECK(sockets[0].local == Endpoint("0.0.0.0", 53, Transport::udp));
    CHECK(sockets[0].state == State::bound);
    CHECK_FALSE(sockets[0].v6_only_unknown);

    for (const char* broken : {"x", "p", "px\n", "f3\n", "p-1\n", "p99999999999\n", "\n", "lsof: no pwd entry\n"}) {
        sockets.clear();
        processes.clear();
        INFO(broken);
        CHECK_FALSE(read_lsof(broken, Transport::tcp, sockets, processes));
    }
    for (const char* odd :
         {"", "p1\n", "p1\nn\n", "p1\nf1\nn127.0.0.1\n", "p1\nf1\ntIPv4\nPTCP\nn*:*\n", "p1\nf1\ntIPv4\nPTCP\nn:\n"}) {
        sockets.clear();
        processes.clear();
        CHECK(read_lsof(odd, Transport::tcp, sockets, processes));
        CHECK(sockets.empty());
    }
}

TEST_CASE("rows become holders, one for each process") {
    const auto socket = [](const char* host, std::uint32_t pid, State state = State::listening) {
        Socket result;
        result.local = Endpoint(host, 80);
        result.state = state;
        result.pid = pid;
        return result;
    };
    const auto process = [](std::uint32_t pid) {
        Holder holder;
        holder.pid = pid;
        return holder;
    };
    const Endpoint here("127.0.0.1", 80);
    SECTION("connections explain nothing where somebody listens") {
        std::vector<Socket> rows{socket("127.0.0.1", 1, State::connected), socket("127.0.0.1", 2),
                                 socket("127.0.0.2", 3)};
        keep_conflicting(here, rows);
        REQUIRE(rows.size() == 1);
        CHECK(rows[0].pid == 2);
    }
    SECTION("with the host unknown, a connection elsewhere counts") {
        std::vector<Socket> rows{socket("127.0.0.2", 1, State::connected), socket("127.0.0.1", 3, State::connected),
                                 socket("127.0.0.1", 2)};
        keep_conflicting(80, rows);
        CHECK(rows.size() == 2);
    }
    SECTION("many lingering connections are one") {
        std::vector<Socket> rows(1000, socket("127.0.0.1", 0, State::lingering));
        keep_conflicting(here, rows);
        CHECK(rows.size() == 1);
    }
    SECTION("several sockets of a process are one holder") {
        const auto holders = gather(Endpoint("*", 80), {socket("127.0.0.1", 5), socket("127.0.0.2", 5)}, {process(5)});
        REQUIRE(holders.size() == 1);
        CHECK(holders[0].socket.host() == "127.0.0.1");
    }
    SECTION("the disputed socket is shown, so that the dispute is seen") {
        const auto holders = gather(80, {socket("127.0.0.1", 5), socket("127.0.0.2", 5), socket("127.0.0.1", 6)},
                                    {process(5), process(6)});
        REQUIRE(holders.size() == 2);
        CHECK(holders[0].pid == 5);
        CHECK(holders[0].socket.host() == "127.0.0.2");
    }
    SECTION("a table without the v6-only flag cannot tell who holds an IPv4 address") {
        Socket any = socket("::", 5);
        any.v6_only_unknown = true;
        CHECK(gather(here, {any}, {process(5)}).at(0).pid == 0);
        CHECK(gather(Endpoint("::1", 80), {any}, {process(5)}).at(0).pid == 5);
    }
}
