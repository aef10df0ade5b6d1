// What the tests of the regions share. Each system's system.hpp has before:
//
//   HolderProcess         a process of helpers/holder.cpp: port(), pid(), alive(), exits(), end(); known by its words
//   TcpServer             a server on a host: start(port), running(), starts
//   terminated            the fate of a holder that does nothing against it
//   other_hosts           hosts that do not conflict with 127.0.0.1
//   second                of Os::now()
//   our_user              a part of the user of our processes, as the library shows it
//   shows_command_lines   whether the system shows those of other processes
//   can_probe             whether the probe works on this machine
#ifndef TESTS_REGIONS_COMMON_HPP
#define TESTS_REGIONS_COMMON_HPP

using std::chrono::milliseconds;

inline std::string at(const std::string& host, const std::string& port) {
    return host.find(':') == std::string::npos ? host + ':' + port : '[' + host + "]:" + port;
}

inline std::string at(const std::string& host, std::uint16_t port = 0) { return at(host, std::to_string(port)); }

// A port that was free a moment ago.
inline std::uint16_t unused_port() {
    HolderProcess scout({"listen=" + at("127.0.0.1")});
    scout.end();
    return scout.port();
}

template <class Killer = TerminateThenKill>
Recovery start(TcpServer& server, const Endpoint& endpoint, Killer killer = Killer()) {
    RetryOnAddrInUse retry{server, SystemProbe{}, killer, NoLog{}};
    try {
        retry.start(endpoint);
    } catch (const std::system_error& error) { CHECK(error.code().value() == detail::Os::traits.in_use); }
    return retry.recovery();
}

template <class Killer = TerminateThenKill> Recovery free_it(const Endpoint& endpoint, Killer killer = Killer()) {
    return free_address(endpoint, SystemProbe{}, killer, NoLog{});
}

// Starts a server that fails, though no process holds its port: once for each way to name the port.
template <class Fail, class Check> void start_on_free_port(Fail fail, Check check) {
    const std::uint16_t port = unused_port();
    for (const Endpoint& wanted : {Endpoint("127.0.0.1", port), Endpoint(port), Endpoint("localhost", port)}) {
        INFO(to_string(wanted));
        int starts = 0;
        RetryOnAddrInUse retry{[&] {
                                   ++starts;
                                   return fail();
                               },
                               SystemProbe{}, TerminateThenKill{}, NoLog{}};
        check(retry, wanted, starts);
        CHECK(free_it(wanted).obstacle == Obstacle::none);
    }
}

#endif
