// Each parser and table reader, on what a system really said and on broken text.

#include <retry_on_addr_in_use.hpp>

#include "../catch.hpp"

#include <cstdio>
#include <cstring>

using namespace addr_in_use;
using namespace addr_in_use::detail;

// Four bytes as the kernel prints them: as a number of this processor.
static std::string word(std::vector<unsigned char> bytes) {
    char text[9];
    std::snprintf(text, sizeof text, "%08X", read_bytes<std::uint32_t>(bytes.data()));
    return text;
}

TEST_CASE("the tables of /proc/net") {
    const std::string loopback = word({127, 0, 0, 1});
    const std::string last = word({0, 0, 0, 1});
    const std::string mapped = word({0, 0, 255, 255});
    const std::string header =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
    const std::string rest =
        " 00000000:00000000 00:00000000 00000000  1000        0 12345 1 0000000000000000 100 0 0 10 0\n";
    const std::string orphan = " 00000000:00000000 03:00000F9F 00000000     0        0 0 3 0000000000000000\n";
    const std::string table =
        header + "   0: " + loopback + ":0050 00000000:0000 0A" + rest + "   1: " + loopback +
        ":0051 00000000:0000 0A" + rest + "   2: " + loopback + ":0050 " + loopback + ":9C40 06" + orphan +
        "   3: 000000000000000000000000" + last + ":0050 00000000000000000000000000000000:0000 0A" + rest +
        "   4: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A" + rest +
        "   5: 0000000000000000" + mapped + loopback + ":0050 00000000000000000000000000000000:0000 01" + rest;
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
        CHECK(stat.has_terminal);
        CHECK(stat.threads == 3);
        CHECK(stat.start_time == 987654);
    }
    CHECK_FALSE(read_stat("42 (x) S 41 42 42 0 42").has_terminal);
    for (const char* text : {"", "42", "42 (", "42 (x", "42 (x)", "42 (x) ", "42 (x) S", "42 (x) S 1 2 3"}) {
        CHECK(read_stat(text).start_time == 0);
    }
    CHECK(read_stat("42 (x) S -1").parent == 0);
    CHECK(read_stat("42 (x) S 99999999999").start_time == 0);
}

TEST_CASE("lines of numbers in /proc/PID/status") {
    const std::string text = "Name:\tUid:\t7\nUid:\t1\t2\t3\t4\nTracerPid:\t0\nNSpid:\t100\t7\n";
    const auto first = [&](const char* key) {
        const Numbers numbers = status_numbers(text, key);
        return std::vector<std::uint32_t>(numbers.first, numbers.first + numbers.count);
    };
    CHECK(first("Uid") == std::vector<std::uint32_t>{1, 2, 3, 4});
    CHECK(first("NSpid") == std::vector<std::uint32_t>{100, 7});
    CHECK(first("TracerPid") == std::vector<std::uint32_t>{0});
    CHECK(status_numbers("Groups:\t1 2 3 4 5 6\n", "Groups").count == 6);
    CHECK(status_numbers(":          0          0 4294967295\n", "").count == 3); // uid_map
    for (const char* none : {"Name:\t7\n", "Uid:\t1x\t2\n", "Uid:\t99999999999\n", "Uid:", ""}) {
        CHECK(status_numbers(none, "Uid").count == 0);
    }
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
    CHECK(read_cgroup("0::/web.slice/shop.service\n") == "/web.slice/shop.service");
    CHECK(read_cgroup("0::/runtime.slice/x.service\n") == "/runtime.slice/x.service");
    CHECK(read_cgroup("0::/openrc.nginx\n") == "/openrc.nginx");
    CHECK(read_cgroup("0::/rc/nginx\n") == "/rc/nginx");
    CHECK(read_cgroup("1:name=openrc:/nginx\n0::/\n") == "/openrc/nginx");
    CHECK(read_cgroup("1:name=openrc:/\n0::/\n").empty());
    CHECK(read_cgroup("0::/../0123abcd\n") == "/../0123abcd");
    CHECK(read_cgroup("0::/..\n").empty());
    CHECK(read_cgroup("0::/lxc/box\n") == "/lxc/box");
    CHECK(read_cgroup("0::/lxc.payload.box/init.scope\n") == "/lxc.payload.box");
    CHECK_THAT(stop_advice("/system.slice/nginx.service", 7), has_text("systemctl stop nginx.service"));
    CHECK_THAT(stop_advice("/system.slice/cron.service", 7), has_text("kill 7"));
    CHECK_THAT(stop_advice("/x.slice/actions.runner.a-b.c.service", 7), has_text("kill 7"));
    CHECK_THAT(stop_advice("/openrc.nginx", 7), has_text("rc-service nginx stop"));
    CHECK_THAT(stop_advice("/openrc/nginx", 7), has_text("rc-service nginx stop"));
    CHECK_THAT(stop_advice("/docker/0123", 7), has_text("docker stop"));
    CHECK_THAT(stop_advice("/lxc/box", 7), has_text("lxc-stop"));
    CHECK_THAT(stop_advice("/x/libpod-1.scope", 7), has_text("podman stop"));
    CHECK_THAT(stop_advice("/kubepods.slice/pod1", 7), has_text("pod"));
}

TEST_CASE("the tables of GetExtendedTcpTable and GetExtendedUdpTable") {
    const auto table = [](std::vector<std::uint32_t> fields) {
        std::vector<unsigned char> bytes(fields.size() * 4);
        std::memcpy(bytes.data(), fields.data(), bytes.size());
        return bytes;
    };
    const auto in_network_order = [](unsigned char a, unsigned char b, unsigned char c, unsigned char d) {
        const unsigned char bytes[] = {a, b, c, d};
        return read_bytes<std::uint32_t>(bytes);
    };
    const auto time_of = [](std::uint32_t first, std::uint32_t second) { // low and high
        const std::uint32_t words[] = {first, second};
        std::uint64_t time = 0;
        std::memcpy(&time, words, sizeof time);
        return time;
    };
    const std::uint32_t loopback = in_network_order(127, 0, 0, 1);
    const std::uint32_t port = in_network_order(0x1a, 0x20, 0xee, 0xff); // 6688, with what may stand beside it
    const std::uint32_t other = in_network_order(0x1a, 0x21, 0, 0);
    const Endpoint tcp("127.0.0.1", 6688);
    std::vector<Socket> sockets;
    const auto read = [&](const std::vector<unsigned char>& bytes, const Endpoint& wanted, bool v6) {
        sockets.clear();
        read_ip_table(bytes.data(), bytes.size(), wanted, v6, sockets);
        return sockets.size();
    };

    // Each row has the time of its creation and 16 numbers behind its fields.
    const auto rows = [&](std::size_t size, std::vector<std::vector<std::uint32_t>> fields, std::uint32_t count) {
        std::vector<std::uint32_t> all{count, 0};
        for (std::vector<std::uint32_t>& row : fields) {
            row.resize(size / 4);
            all.insert(all.end(), row.begin(), row.end());
        }
        return table(all);
    };

    // state, address, port, remote address, remote port, pid, created
    REQUIRE(read(rows(160,
                      {{2, loopback, port, 0, 0, 4242, 77, 1},
                       {2, loopback, other, 0, 0, 4242},
                       {5, loopback, port, loopback, other, 4242},
                       {11, loopback, port, loopback, other, 0},
                       {1, loopback, port, 0, 0, 4243}},
                      5),
                 tcp, false) == 4);
    CHECK(sockets[0].local == tcp);
    CHECK(sockets[0].state == State::listening);
    CHECK(sockets[0].pid == 4242);
    CHECK(sockets[0].created == time_of(77, 1));
    CHECK(sockets[1].state == State::connected);
    CHECK(sockets[1].created == 0);
    CHECK(sockets[2].state == State::lingering);
    CHECK(sockets[3].state == State::bound);

    // address, scope, port, remote address, remote scope, remote port, state, pid
    const std::uint32_t last = in_network_order(0, 0, 0, 1);
    const std::uint32_t link_local = in_network_order(0xfe, 0x80, 0, 0);
    REQUIRE(read(rows(192,
                      {{0, 0, 0, last, 4096, port, 0, 0, 0, 0, 0, 0, 2, 7, 88},
                       {0, 0, 0, 0, 0, port, 0, 0, 0, 0, 0, 0, 2, 8},
                       {link_local, 0, 0, last, 3, port, 0, 0, 0, 0, 0, 0, 2, 9},
                       {link_local, 0, 0, last, 3U << 24, port, 0, 0, 0, 0, 0, 0, 2, 9}},
                      4),
                 tcp, true) == 4);
    CHECK(sockets[0].local == Endpoint("::1", 6688));
    CHECK(sockets[0].pid == 7);
    CHECK(sockets[0].created == time_of(88, 0));
    CHECK(sockets[1].local.v6_only());
    CHECK(to_string(sockets[2].local) == "[fe80::1%3]:6688");
    CHECK(to_string(sockets[3].local) == "[fe80::1%3]:6688");

    // address, port, pid; and address, scope, port, pid
    const Endpoint udp("127.0.0.1", 6688, Transport::udp);
    REQUIRE(read(rows(160, {{loopback, port, 9, 0, 99}}, 1), udp, false) == 1);
    CHECK(sockets[0].local == udp);
    CHECK(sockets[0].state == State::bound);
    CHECK(sockets[0].pid == 9);
    CHECK(sockets[0].created == time_of(99, 0));
    REQUIRE(read(rows(176, {{0, 0, 0, last, 0, port, 10, 0, 98}}, 1), udp, true) == 1);
    CHECK(to_string(sockets[0].local) == "[::1]:6688/udp");
    CHECK(sockets[0].pid == 10);
    CHECK(sockets[0].created == time_of(98, 0));

    // A count beyond the bytes reads no more than there is; less than a count is nothing.
    CHECK(read(rows(160, {{2, loopback, port, 0, 0, 1}}, 0xffffffff), tcp, false) == 1);
    CHECK(read(table({0xffffffff, 0}), tcp, false) == 0);
    CHECK(read({1, 0, 0}, tcp, false) == 0);
    CHECK(read({}, tcp, true) == 0);
}

TEST_CASE("the output of lsof") {
    // lsof 4.95 with a forked Python server, a client, nginx on [::] and a resolver
    const char* text = "p100\ncpython3\nu1000\nf3\ntIPv4\nPTCP\nn127.0.0.1:80\nTST=LISTEN\nTQR=0\nTQS=0\n"
                       "f4\ntIPv4\nPTCP\nn127.0.0.1:80->127.0.0.1:40000\nTST=ESTABLISHED\n"
                       "p101\ncnginx\nu0\nf6\ntIPv6\nPTCP\nn*:80\nTST=LISTEN\n"
                       "p102\ncdns\nu0\nf6\ntIPv4\nPUDP\nn*:53\nf7\ntIPv6\nPUDP\nn[::1]:53\n";
    std::vector<Socket> sockets;
    REQUIRE(read_lsof(text, Transport::tcp, sockets));
    REQUIRE(sockets.size() == 3);
    CHECK(sockets[0].local == Endpoint("127.0.0.1", 80));
    CHECK(sockets[0].state == State::listening);
    CHECK(sockets[0].pid == 100);
    CHECK(sockets[1].state == State::connected);
    CHECK(sockets[2].local.host() == "::");
    CHECK(sockets[2].v6_only_unknown);
    CHECK(sockets[0].owner_name == "python3");
    CHECK(sockets[0].owner_user == "1000");

    sockets.clear();
    REQUIRE(read_lsof(text, Transport::udp, sockets));
    REQUIRE(sockets.size() == 2);
    CHECK(sockets[0].local == Endpoint("0.0.0.0", 53, Transport::udp));
    CHECK(sockets[0].state == State::bound);
    CHECK_FALSE(sockets[0].v6_only_unknown);

    for (const char* broken : {"x", "p", "px\n", "f3\n", "p-1\n", "p99999999999\n", "\n", "lsof: no pwd entry\n"}) {
        sockets.clear();
        INFO(broken);
        CHECK_FALSE(read_lsof(broken, Transport::tcp, sockets));
    }
    for (const char* odd :
         {"", "p1\n", "p1\nn\n", "p1\nf1\nn127.0.0.1\n", "p1\nf1\ntIPv4\nPTCP\nn*:*\n", "p1\nf1\ntIPv4\nPTCP\nn:\n"}) {
        sockets.clear();
        CHECK(read_lsof(odd, Transport::tcp, sockets));
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
    const Endpoint here("127.0.0.1", 80);
    SECTION("connections explain nothing where somebody listens") {
        std::vector<Socket> rows{socket("127.0.0.1", 1, State::connected), socket("127.0.0.1", 2),
                                 socket("127.0.0.2", 3)};
        select_conflicting(here, rows);
        REQUIRE(rows.size() == 1);
        CHECK(rows[0].pid == 2);
    }
    SECTION("with several addresses, a connection elsewhere counts") {
        std::vector<Socket> rows{socket("127.0.0.2", 1, State::connected), socket("127.0.0.1", 3, State::connected),
                                 socket("127.0.0.1", 2)};
        select_conflicting(80, rows);
        CHECK(rows.size() == 2);
    }
    SECTION("many lingering connections are one") {
        std::vector<Socket> rows(1000, socket("127.0.0.1", 0, State::lingering));
        select_conflicting(here, rows);
        CHECK(rows.size() == 1);
    }
    SECTION("several sockets of a process are one holder") {
        const std::uint32_t us = Os::current_pid();
        std::error_code error;
        const auto holders = to_holders(
            80, {socket("127.0.0.2", us), socket("127.0.0.1", us, State::bound), socket("127.0.0.2", us)}, error);
        REQUIRE(holders.size() == 1);
        CHECK(holders[0].pid == us);
        CHECK(holders[0].state == State::listening);
        CHECK(holders[0].sockets == std::vector<Endpoint>{Endpoint("127.0.0.1", 80), Endpoint("127.0.0.2", 80)});
    }
    SECTION("a socket that another user made is the one whose user is shown") {
        Socket ours = socket("127.0.0.1", Os::current_pid());
        ours.user = Os::inspect(Os::current_pid()).holder.user;
        Socket passed_on = ours;
        passed_on.local = Endpoint("127.0.0.2", 80);
        passed_on.user = "4711";
        std::error_code error;
        CHECK(to_holders(80, {ours, passed_on}, error).at(0).socket_user == "4711");
        CHECK(to_holders(80, {passed_on, ours}, error).at(0).socket_user == "4711");
    }
    SECTION("a row that may be v6-only does not conflict with IPv4 while a surer row does") {
        Socket any = socket("::", 5);
        any.v6_only_unknown = true;
        std::vector<Socket> rows{any, socket("127.0.0.1", 6)};
        select_conflicting(here, rows);
        REQUIRE(rows.size() == 1);
        CHECK(rows[0].pid == 6);
        rows = {any};
        select_conflicting(Endpoint("::1", 80), rows);
        CHECK(rows.at(0).pid == 5);
    }
}
