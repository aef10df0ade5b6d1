// Endpoint, Holder, Recovery: text, comparison and conflicts.

#include <retry_on_addr_in_use.hpp>

#include "../catch.hpp"

#include <limits>

using namespace addr_in_use;

TEST_CASE("a port that is none is rejected, and never cut to another one") {
    CHECK_THROWS_AS(Endpoint(70001), std::invalid_argument); // 70001 & 0xffff is 4465
    CHECK_THROWS_AS(Endpoint(-1), std::invalid_argument);
    CHECK_THROWS_AS(Endpoint(65536L), std::invalid_argument);
    CHECK_THROWS_AS(Endpoint(std::numeric_limits<std::int64_t>::min()), std::invalid_argument);
    CHECK_THROWS_AS(Endpoint(std::numeric_limits<std::uint64_t>::max()), std::invalid_argument);
    CHECK_THROWS_AS(Endpoint("127.0.0.1", 70001), std::invalid_argument);
    CHECK_THROWS_WITH(Endpoint(70001), has_text("70001"));
    CHECK(Endpoint(0).port() == 0);
    CHECK(Endpoint(65535U).port() == 65535);
    CHECK_FALSE(std::is_convertible_v<bool, Endpoint>);
    CHECK_FALSE(std::is_convertible_v<double, Endpoint>);
}

TEST_CASE("a host that is none is rejected by its text") {
    for (const char* host : {"example.org",
                             "127.0.0",
                             "127.0.0.1.1",
                             "127.0.0.256",
                             "127.0.0.01",
                             " 127.0.0.1",
                             "1",
                             "::1::",
                             ":::",
                             "1:2:3:4:5:6:7",
                             "1:2:3:4:5:6:7:8:9",
                             "12345::",
                             "::g",
                             "[::1",
                             "[127.0.0.1]",
                             "[localhost]",
                             "[]",
                             "::1 ",
                             "1:2:3:4:5:6:7:8::",
                             "::127.0.0",
                             "::1%",
                             "fe80::1%no-such-interface",
                             "127.0.0.1%1",
                             "fe80::1%1234567890abcdefgh",
                             ":",
                             "1:",
                             ":1:2:3:4:5:6:7",
                             "**",
                             "localhost."}) {
        INFO(host);
        CHECK_THROWS_AS(Endpoint(host, 1), std::invalid_argument);
        CHECK_THROWS_WITH(Endpoint(host, 1), has_text(host));
    }
}

TEST_CASE("a host is written in its shortest form") {
    const std::pair<const char*, const char*> forms[] = {
        {"127.0.0.1", "127.0.0.1"},
        {"0.0.0.0", "0.0.0.0"},
        {"255.255.255.255", "255.255.255.255"},
        {"", ""},
        {"*", ""},
        {"localhost", "localhost"},
        {"LOCALHOST", "localhost"},
        {"[::1]", "::1"},
        {"[fe80::1%1]", "fe80::1%1"},
        {"::", "::"},
        {"::1", "::1"},
        {"0:0:0:0:0:0:0:1", "::1"},
        {"2001:DB8::0:1", "2001:db8::1"},
        {"1:0:0:2:0:0:0:3", "1:0:0:2::3"},
        {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
        {"1:0:3:4:5:6:7:8", "1:0:3:4:5:6:7:8"},
        {"1::", "1::"},
        {"::8", "::8"},
        {"::ffff:127.0.0.1", "::ffff:127.0.0.1"},
        {"::FFFF:7f00:1", "::ffff:127.0.0.1"},
        {"::1.2.3.4", "::102:304"},
        {"fe80::1%1", "fe80::1%1"},
        {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
        {"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
        {"64:ff9b::1.2.3.4", "64:ff9b::102:304"},
        {"1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"},
    };
    for (const auto& [text, shortest] : forms) { CHECK(Endpoint(text, 1).host() == shortest); }
    CHECK(Endpoint(80).host().empty());
    CHECK(Endpoint("fe80::1%1", 1).host() == "fe80::1%1");
#if defined(__linux__)
    CHECK(detail::Os::interface_index("lo") == 1);
    CHECK(Endpoint("fe80::1%lo", 1).host() == "fe80::1%1");
#endif
}

TEST_CASE("an endpoint can be a path") {
    const Endpoint file = Endpoint::unix_stream("/run/my.sock");
    const Endpoint name = Endpoint::unix_stream("@my");
    CHECK(file.path() == "/run/my.sock");
    CHECK(file.host().empty());
    CHECK(file.port() == 0);
    CHECK(file.transport() == Transport::tcp);
    CHECK(to_string(file) == "unix:/run/my.sock");
    CHECK(to_string(name) == "unix:@my");
    CHECK(Endpoint(80).path().empty());
    CHECK(Endpoint::parse("unix:/run/my.sock") == file);
    CHECK(Endpoint::parse("unix:@my") == name);
    CHECK_FALSE(Endpoint::parse("unix:"));
    CHECK_FALSE(Endpoint::parse("/run/my.sock"));
    CHECK(file != Endpoint::unix_stream("/run/my.soc"));
    CHECK(file != Endpoint::unix_datagram("/run/my.sock"));
    CHECK(file != Endpoint(0));
    CHECK(detail::conflicts(file, Endpoint::unix_datagram("/run/my.sock"))); // one file, whatever is sent through it
    CHECK(detail::conflicts(name, name));
    CHECK_FALSE(detail::conflicts(name, Endpoint::unix_datagram("@my")));
    CHECK_FALSE(detail::conflicts(file, Endpoint::unix_stream("/run/my.soc")));
    CHECK_FALSE(detail::conflicts(file, Endpoint(80)));
    CHECK_FALSE(detail::conflicts(Endpoint(80), file));
    CHECK(Endpoint::unix_stream(std::string(107, 'x')).path().size() == 107);
    for (const std::string& bad : {std::string(), std::string(108, 'x'), std::string("/a\0b", 4)}) {
        CHECK_THROWS_AS(Endpoint::unix_stream(bad), std::invalid_argument);
    }
    CHECK_THROWS_WITH(Endpoint::unix_stream(std::string(108, 'x')), has_text("1 to 107 bytes"));
}

TEST_CASE("endpoints are read from text") {
    CHECK(Endpoint::parse("127.0.0.1:80") == Endpoint("127.0.0.1", 80));
    CHECK(Endpoint::parse("[::1]:8080") == Endpoint("::1", 8080));
    CHECK(Endpoint::parse("8080") == Endpoint(8080));
    CHECK(Endpoint::parse(":8080") == Endpoint("", 8080));
    CHECK(Endpoint::parse("*:0") == Endpoint("*", 0));
    CHECK(Endpoint::parse("localhost:65535") == Endpoint("localhost", 65535));
    for (const char* text : {"",
                             ":",
                             "::1:80",
                             "[::1",
                             "[127.0.0.1]",
                             "[localhost]",
                             "[]",
                             "[::1]80",
                             "[127.0.0.1]:80",
                             "127.0.0.1",
                             "127.0.0.1:",
                             "127.0.0.1:65536",
                             "127.0.0.1:80 ",
                             "127.0.0.1:+80",
                             "127.0.0.1:-1",
                             "127.0.0.1:080",
                             "host:80",
                             "99999999999999999999999",
                             "[]:80",
                             "[:80",
                             "]:80",
                             "80:80",
                             "127.0.0.1:0x50"}) {
        INFO(text);
        CHECK_FALSE(Endpoint::parse(text).has_value());
    }
    CHECK_FALSE(Endpoint::parse(std::string_view("80\0", 3)).has_value());
}

TEST_CASE("an endpoint says all it knows") {
    CHECK(to_string(Endpoint("127.0.0.1", 80)) == "127.0.0.1:80");
    CHECK(to_string(Endpoint("::1", 53, Transport::udp)) == "[::1]:53/udp");
    CHECK(to_string(Endpoint(80)) == "port 80");
    CHECK(to_string(Endpoint("*", 80)) == "port 80");
    CHECK(Endpoint("*", 80) == Endpoint(80));
    CHECK(Endpoint("", 80) == Endpoint(80));
    Endpoint only("::", 1);
    CHECK_FALSE(only.v6_only());
    CHECK(only.v6_only(true).v6_only());
    CHECK(only != Endpoint("::", 1));
    CHECK(Endpoint("1.2.3.4", 1) != Endpoint("1.2.3.4", 1, Transport::udp));
    CHECK(Endpoint() == Endpoint(0));
}

TEST_CASE("conflicts beyond the matrix of addresses") {
    CHECK_FALSE(detail::conflicts({"127.0.0.1", 1}, {"127.0.0.1", 2}));
    CHECK_FALSE(detail::conflicts({"127.0.0.1", 1}, {"127.0.0.1", 1, Transport::udp}));
    CHECK_FALSE(detail::conflicts({"127.0.0.1", 0}, {"127.0.0.1", 0})); // port 0 is a free one each time
    CHECK(detail::conflicts(80, {"127.0.0.2", 80}));                    // it may be the wanted one
    CHECK(detail::conflicts({"", 80}, {"::1", 80}));
    CHECK(detail::conflicts({"localhost", 80}, {"127.0.0.1", 80}));
    CHECK(detail::conflicts({"localhost", 80}, {"::1", 80}));
    CHECK_FALSE(detail::conflicts({"localhost", 80}, {"127.0.0.2", 80}));
    CHECK_FALSE(detail::conflicts({"fe80::1%1", 80}, {"fe80::1%2", 80}));
    CHECK(detail::conflicts({"fe80::1%1", 80}, {"::", 80}));
}

TEST_CASE("every enum has its words") {
    CHECK(to_string(Transport::tcp) == "tcp");
    CHECK(to_string(Transport::udp) == "udp");
    const char* states[] = {"listening", "bound", "connected", "lingering"};
    for (std::size_t i = 0; i < 4; ++i) { CHECK(to_string(static_cast<State>(i)) == states[i]); }
    const char* fates[] = {"exited", "released", "killed", "already_gone", "refused", "not_permitted", "survived"};
    for (std::size_t i = 0; i < 7; ++i) { CHECK(to_string(static_cast<Fate>(i)) == fates[i]); }
    const char* obstacles[] = {"none",
                               "refused_holder",
                               "surviving_holder",
                               "invisible_holder",
                               "lingering_connections",
                               "live_connection",
                               "taken_again",
                               "this_process",
                               "reserved_port",
                               "file_in_the_way",
                               "probe_failed",
                               "other_address",
                               "other_failure"};
    for (std::size_t i = 0; i < 13; ++i) { CHECK(to_string(static_cast<Obstacle>(i)) == obstacles[i]); }
    CHECK(to_string(static_cast<Fate>(99)) == "unknown");
}

TEST_CASE("values are what they are said to be") {
    STATIC_REQUIRE(std::is_aggregate_v<Holder>);
    STATIC_REQUIRE(std::is_default_constructible_v<Holder>);
    STATIC_REQUIRE(std::is_trivially_copyable_v<Endpoint>);
    STATIC_REQUIRE(sizeof(Holder::pid) == 4);
    STATIC_REQUIRE(ADDR_IN_USE_VERSION_MAJOR == 0);
    STATIC_REQUIRE(ADDR_IN_USE_VERSION_MINOR == 2);
    STATIC_REQUIRE(ADDR_IN_USE_VERSION_PATCH == 0);
    STATIC_REQUIRE(std::is_same_v<Endpoint, addr_in_use::v0_2_0::Endpoint>);
#if defined(ADDR_IN_USE_TRY) || defined(ADDR_IN_USE_CATCH_ALL) || defined(ADDR_IN_USE_RETHROW) ||                      \
    defined(ADDR_IN_USE_NAMESPACE) || defined(ADDR_IN_USE_HAS_EXCEPTIONS) || defined(ADDR_IN_USE_OS_POSIX)
    FAIL("a private macro has leaked");
#endif
}
