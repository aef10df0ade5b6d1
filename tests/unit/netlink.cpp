// The replies of NETLINK_SOCK_DIAG, in the kernel's own layout and broken.

#include <retry_on_addr_in_use.hpp>

#include "../catch.hpp"

#include <arpa/inet.h>
#include <cstddef>
#include <cstring>
#include <limits>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>

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
    message.id.idiag_sport = htons(port);
    if (family == 2) { message.id.idiag_src[0] = htonl(INADDR_LOOPBACK); }
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
        bytes.push_back(static_cast<unsigned char>(v6_only));
        bytes.resize(bytes.size() + 3); // up to the next row
    }
    return bytes;
}

void append_attribute(Bytes& bytes, std::uint16_t type, const std::string& value) {
    append(bytes, nlattr{static_cast<std::uint16_t>(4 + value.size()), type});
    bytes.insert(bytes.end(), value.begin(), value.end());
    bytes.resize((bytes.size() + 3) / 4 * 4);
}

template <class T> std::string as_text(const T& value) {
    return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

Bytes path_row(unsigned char type, unsigned char state, const std::string& name, std::uint32_t inode = 7) {
    Bytes attributes;
    if (!name.empty()) { append_attribute(attributes, UNIX_DIAG_NAME, name); }
    append_attribute(attributes, UNIX_DIAG_VFS, as_text(unix_diag_vfs{0x201, 0xfe00000}));
    append_attribute(attributes, UNIX_DIAG_UID, as_text(std::uint32_t{42}));
    Bytes bytes;
    nlmsghdr header{};
    header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    header.nlmsg_len = static_cast<std::uint32_t>(sizeof header + sizeof(unix_diag_msg) + attributes.size());
    unix_diag_msg message{};
    message.udiag_family = 1;
    message.udiag_type = type;
    message.udiag_state = state;
    message.udiag_ino = inode;
    append(bytes, header);
    append(bytes, message);
    bytes.insert(bytes.end(), attributes.begin(), attributes.end());
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
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    reply.more = read_dump(text, wanted, reply.sockets, reply.error);
    return reply;
}

Bytes operator+(Bytes a, const Bytes& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

} // namespace

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

TEST_CASE("rows of Unix domain sockets are read, and only those with a name") {
    const std::string zero(1, '\0');
    const Reply reply =
        read(path_row(1, 10, "/run/a" + zero) + path_row(1, 1, "/run/a" + zero) + path_row(2, 7, "/run/b" + zero) +
                 path_row(2, 1, zero + "b") + path_row(1, 7, "") + path_row(5, 10, zero + "c") +
                 path_row(1, 10, zero + "d" + std::string(106, '\0')) + path_row(1, 10, zero + "e" + zero) +
                 path_row(1, 10, zero) + path_row(1, 10, std::string(109, 'x')),
             Endpoint::unix_stream("/run/a"));
    REQUIRE(reply.sockets.size() == 7);
    CHECK(reply.more);
    CHECK(reply.sockets[0].local == Endpoint::unix_stream("/run/a"));
    CHECK(reply.sockets[0].state == State::listening);
    CHECK(reply.sockets[0].inode == 7);
    CHECK(reply.sockets[0].user == "42");
    CHECK(reply.sockets[0].file_number == 0x201);
    CHECK(reply.sockets[0].file_device == 0xfe00000);
    CHECK(reply.sockets[1].state == State::connected);
    CHECK(reply.sockets[2].local == Endpoint::unix_datagram("/run/b"));
    CHECK(reply.sockets[2].state == State::bound);
    CHECK(reply.sockets[3].local == Endpoint::unix_datagram("@b"));
    CHECK(reply.sockets[3].state == State::bound); // connected, and yet it keeps the name
    CHECK(reply.sockets[4].local == Endpoint::unix_stream("@c"));
    CHECK_FALSE(reply.sockets[4].is_padded);
    CHECK(reply.sockets[5].local == Endpoint::unix_stream("@d"));
    CHECK(reply.sockets[5].is_padded);
    CHECK(reply.sockets[6].local == Endpoint::unix_stream("@"));
    CHECK_FALSE(reply.sockets[6].is_padded);
    const Bytes good = path_row(1, 10, "/run/a" + zero);
    for (std::size_t size = 1; size < good.size(); ++size) {
        const Bytes cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size));
        CHECK(read(cut, Endpoint::unix_stream("/run/a")).error == std::errc::bad_message);
    }
}

TEST_CASE("a socket is behind a file of its number, and of its name too where the number is not told in full") {
    const Endpoint wanted = Endpoint::unix_stream("/run/a");
    const auto kept = [&](const std::string& name, std::uint32_t device, std::uint64_t number) {
        std::vector<Socket> sockets(1);
        sockets[0].local = Endpoint::unix_stream(name);
        sockets[0].state = State::listening;
        sockets[0].inode = 7;
        sockets[0].file_device = 1;
        sockets[0].file_number = 2;
        select_same_file(wanted, device, number, sockets);
        return sockets.empty() ? "no" : sockets[0].local != wanted ? "lost" : sockets[0].inode == 7 ? "yes" : "unknown";
    };
    CHECK(kept("/run/a", 1, 2) == std::string("yes"));
    CHECK(kept("a", 1, 2) == std::string("yes"));
    CHECK(kept("/run/a", 1, 3) == std::string("no"));
    CHECK(kept("/run/a", 9, 2) == std::string("unknown"));
    CHECK(kept("/run/a", 9, 3) == std::string("unknown"));
    CHECK(kept("a", 9, 2) == std::string("no"));
    CHECK(kept("/run/a", 1, (std::uint64_t{5} << 32) + 2) == std::string("yes"));
    CHECK(kept("a", 1, (std::uint64_t{5} << 32) + 2) == std::string("unknown"));
    CHECK(kept("a", 1, (std::uint64_t{5} << 32) + 3) == std::string("no"));
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
