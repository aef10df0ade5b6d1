// The rule of what conflicts, compared with what this kernel refuses to bind.

#include "real.hpp"

namespace {

struct Form {
    const char* host;
    bool v6_only;
};
constexpr Form forms[] = {{"0.0.0.0", false},
                          {"127.0.0.1", false},
                          {"127.0.0.2", false},
                          {"::", false},
                          {"::", true},
                          {"::1", false},
                          {"::1", true},
                          {"::ffff:127.0.0.1", false},
                          {"::ffff:0.0.0.0", false}};

// A bound socket, or -1 with errno.
int bind_to(const Form& form, std::uint16_t port, int type) {
    const bool v6 = std::string(form.host).find(':') != std::string::npos;
    const int fd = socket(v6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, 0);
    sockaddr_in6 to6{};
    sockaddr_in to4{};
    to6.sin6_family = AF_INET6;
    to6.sin6_port = htons(port);
    to4.sin_family = AF_INET;
    to4.sin_port = htons(port);
    const int only = form.v6_only ? 1 : 0;
    if (v6) {
        inet_pton(AF_INET6, form.host, &to6.sin6_addr);
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
    } else {
        inet_pton(AF_INET, form.host, &to4.sin_addr);
    }
    if (bind(fd, v6 ? reinterpret_cast<sockaddr*>(&to6) : reinterpret_cast<sockaddr*>(&to4),
             v6 ? sizeof to6 : sizeof to4) == 0) {
        return fd;
    }
    const int error = errno;
    close(fd);
    errno = error;
    return -1;
}

std::uint16_t port_of(int fd) {
    sockaddr_in6 local{};
    socklen_t size = sizeof local;
    getsockname(fd, reinterpret_cast<sockaddr*>(&local), &size);
    return ntohs(local.sin6_port);
}

} // namespace

TEST_CASE("conflicts() is the kernel's own rule, for every pair of addresses") {
    NEEDS_IPV6();
    for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
        const Transport transport = type == SOCK_STREAM ? Transport::tcp : Transport::udp;
        int conflicting = 0;
        for (const Form& held : forms) {
            for (const Form& wanted : forms) {
                const int holder = bind_to(held, 0, type);
                REQUIRE(holder >= 0);
                const std::uint16_t port = port_of(holder);
                Endpoint a(held.host, port, transport);
                Endpoint b(wanted.host, port, transport);
                a.v6_only(held.v6_only);
                b.v6_only(wanted.v6_only);
                const int second = bind_to(wanted, port, type);
                const bool is_mapped_pair =
                    held.host == std::string("::ffff:0.0.0.0") && wanted.host == std::string("::ffff:127.0.0.1");
                if (second >= 0 && is_mapped_pair && kernel_is(6, 1) && !kernel_is(6, 6)) { // a fault of those kernels
                    ++conflicting;
                    close(second);
                    close(holder);
                    continue;
                }
                INFO(held.host << (held.v6_only ? " v6only" : "") << " against " << wanted.host
                               << (wanted.v6_only ? " v6only" : ""));
                REQUIRE((second >= 0 || errno == EADDRINUSE));
                CHECK(detail::conflicts(a, b) == (second < 0));
                CHECK(detail::conflicts(b, a) == (second < 0));
                conflicting += second < 0 ? 1 : 0;
                if (second >= 0) { close(second); }
                close(holder);
            }
        }
        CHECK(conflicting == 47); // of 81, as measured; a kernel that refuses nothing proves nothing
    }
}

TEST_CASE("the table of sockets shows each address as it was bound") {
    NEEDS_IPV6();
    NEEDS_SOCK_DIAG();
    for (const Form& form : forms) {
        const int holder = bind_to(form, 0, SOCK_STREAM);
        REQUIRE(listen(holder, 1) == 0);
        const std::uint16_t port = port_of(holder);
        Endpoint bound(form.host, port);
        bound.v6_only(form.v6_only);
        std::error_code error;
        const std::vector<detail::Socket> rows = detail::Os::list_sockets(bound, detail::Which::listening, error);
        REQUIRE_FALSE(error);
        REQUIRE(rows.size() == 1);
        CHECK(detail::same_address(rows[0].local, bound));
        CHECK(rows[0].local.v6_only() == (form.v6_only && bound.host() == "::"));
        CHECK(rows[0].state == State::listening);
        CHECK(SystemProbe{}.held(bound));
        CHECK(SystemProbe{}.held(Endpoint("127.0.0.3", port)) == detail::conflicts(bound, Endpoint("127.0.0.3", port)));
        close(holder);
    }
}
