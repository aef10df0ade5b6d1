// retry_on_addr_in_use.hpp - brings a server up although its address is taken.
//
// When a start fails because the address is in use, RetryOnAddrInUse finds the processes that hold the
// address, makes them leave, and starts the server exactly once more. A second failure is the server's own.
//
// SPDX-License-Identifier: MIT
//
// Copyright (c) 2026 the retry-on-addr-in-use authors
//
// Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
// documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
// rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to
// permit persons to whom the Software is furnished to do so, subject to the following conditions:
//
// The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
// Software.
//
// THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
// WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
// COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
// OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
//
// Contents
//    1  configuration and version
//    2  includes
//    3  values: Endpoint, Holder, Eviction, Recovery
//    4  what a policy must offer
//    5  the policies
//    6  RetryOnAddrInUse and free_address
//   =========================================== implementation: users can stop reading here
//    7  what the logic asks of an operating system
//    8  endpoints: text and conflicts
//    9  failures: starting a server, classifying what went wrong
//   10  sockets to holders
//   11  protection: every reason to leave a process alone
//   12  termination: pinned processes, the killers and predicates
//   13  recovery: probe, protect, evict, wait until free, clean up; the report
//   14  POSIX: what its systems share
//   15  Linux
//   16  macOS
//   17  other POSIX systems: finds by lsof and reports
//   18  Windows

#ifndef RETRY_ON_ADDR_IN_USE_HPP_0_1_0
#define RETRY_ON_ADDR_IN_USE_HPP_0_1_0

// 1  configuration and version ////////////////////////////////////////////////////////////////////////////////////////

#ifdef ADDR_IN_USE_VERSION_MAJOR
#    error "retry_on_addr_in_use.hpp: another version of this header was included before. Use one everywhere."
#endif
#define ADDR_IN_USE_VERSION_MAJOR 0 // incompatible changes, once it is 1
#define ADDR_IN_USE_VERSION_MINOR 1 // new features; incompatible changes while the major version is 0
#define ADDR_IN_USE_VERSION_PATCH 0 // corrections

#if __cplusplus < 201703L && (!defined(_MSVC_LANG) || _MSVC_LANG < 201703L)
#    error "retry_on_addr_in_use.hpp needs C++17: compile with -std=c++17 (or /std:c++17) or newer."
#endif

// Everything whose body depends on exceptions has another name without them, so that both kinds link into one program.
#if defined(__cpp_exceptions) || defined(__EXCEPTIONS) || defined(_CPPUNWIND)
#    define ADDR_IN_USE_HAS_EXCEPTIONS() 1
#    define ADDR_IN_USE_NAMESPACE v0_1_0
#    define ADDR_IN_USE_TRY try
#    define ADDR_IN_USE_CATCH_ALL catch (...)
#    define ADDR_IN_USE_RETHROW throw
#else
#    define ADDR_IN_USE_HAS_EXCEPTIONS() 0
#    define ADDR_IN_USE_NAMESPACE v0_1_0_noexcept
#    define ADDR_IN_USE_TRY if (true)
#    define ADDR_IN_USE_CATCH_ALL else
#    define ADDR_IN_USE_RETHROW static_cast<void>(0)
#endif

#if defined(_MSC_VER) // the linker refuses a program whose parts were compiled with different versions
#    pragma detect_mismatch("retry_on_addr_in_use.hpp", "0.1.0")
#endif

#if defined(__unix__) || defined(__APPLE__)
#    define ADDR_IN_USE_OS_POSIX() 1
#else
#    define ADDR_IN_USE_OS_POSIX() 0
#endif

// 2  includes /////////////////////////////////////////////////////////////////////////////////////////////////////////

#include <cerrno>       // for errno, EADDRINUSE
#include <chrono>       // for grace periods and deadlines
#include <cstdint>      // for fixed widths
#include <cstdio>       // for the last words before std::abort
#include <cstdlib>      // for std::abort
#include <exception>    // for std::nested_exception
#include <optional>     // for Endpoint::parse
#include <stdexcept>    // for std::invalid_argument
#include <string>       // for the facts of a holder
#include <string_view>  // for text that is only read
#include <system_error> // for std::error_code
#include <type_traits>  // for what a server and a policy can do
#include <vector>       // for the holders
// <cstddef>, <cstring> and <utility> would bring nothing more that is used here, but 340 lines.

#if ADDR_IN_USE_OS_POSIX()
#    include <fcntl.h>
#    include <poll.h>
#    include <signal.h>
#    include <spawn.h>
#    include <sys/socket.h>
#    include <sys/stat.h>
#    include <sys/wait.h>
#    include <termios.h>
#    include <time.h>
#    include <unistd.h>
#endif
#if defined(__linux__)
#    include <sys/syscall.h>
#elif ADDR_IN_USE_OS_POSIX()
#    include <net/if.h>
#endif
#if defined(__APPLE__)
#    include <libproc.h>
#    include <sys/event.h>
#    include <sys/sysctl.h>
#endif

namespace addr_in_use {
inline namespace ADDR_IN_USE_NAMESPACE {

// 3  values ///////////////////////////////////////////////////////////////////////////////////////////////////////////

enum class Transport : std::uint8_t { tcp, udp };

namespace detail {
struct Access;
inline void copy_bytes(void* to, const void* from, std::size_t size) noexcept {
    std::char_traits<char>::copy(static_cast<char*>(to), static_cast<const char*>(from), size);
}
inline bool same_bytes(const void* a, const void* b, std::size_t size) noexcept {
    return std::char_traits<char>::compare(static_cast<const char*>(a), static_cast<const char*>(b), size) == 0;
}
// In network byte order; IPv4 in its mapped form ::ffff:a.b.c.d.
struct Address {
    unsigned char bytes[16] = {};
    friend bool operator==(const Address& a, const Address& b) noexcept {
        return same_bytes(a.bytes, b.bytes, sizeof a.bytes);
    }
};
template <class T> inline constexpr bool is_port = std::is_integral_v<T> && !std::is_same_v<std::remove_cv_t<T>, bool>;
template <class Port> std::uint16_t checked_port(Port port);
[[noreturn]] void reject_host(std::string_view host);
} // namespace detail

// An address that a server binds. Comparable, and cheap to copy: it owns no memory.
class Endpoint {
public:
    Endpoint() = default;

    // The port alone: the host is unknown, so that a holder can be named only where no other address on this port is in
    // sight. Give the host where you know it. Throws std::invalid_argument for a port outside 0 to 65535.
    template <class Port, std::enable_if_t<detail::is_port<Port>, int> = 0>
    Endpoint(Port port) : port_(detail::checked_port(port)) {}

    // `host`: a numeric IPv4 or IPv6 address (with a scope: "fe80::1%eth0"), "localhost" (both loopback addresses), or
    // "" or "*" (every local address). Names are not resolved. Throws std::invalid_argument for anything else.
    template <class Port, std::enable_if_t<detail::is_port<Port>, int> = 0>
    Endpoint(std::string_view host, Port port, Transport transport = Transport::tcp)
        : port_(detail::checked_port(port)), transport_(transport) {
        if (!set_host(host)) { detail::reject_host(host); }
    }

    template <class Port> Endpoint(decltype(nullptr), Port, Transport = Transport::tcp) = delete;

    // A Unix domain socket: tcp stands for a stream, udp for datagrams. A leading '@' makes it an abstract name (Linux,
    // man 7 unix). Throws std::invalid_argument for a path that is empty, holds a zero or has more than 107 bytes.
    [[nodiscard]] static Endpoint path(std::string_view path, Transport transport = Transport::tcp);

    // "127.0.0.1:80", "[::1]:80", "localhost:80", ":80" (every address), "80" (host unknown), "unix:/run/my.sock".
    // Empty if it is none of these.
    [[nodiscard]] static std::optional<Endpoint> parse(std::string_view text);

    [[nodiscard]] std::string path() const; // empty unless it is a Unix domain socket

    // "127.0.0.1", "::1", "localhost", "*" for every address, and empty when it is unknown.
    [[nodiscard]] std::string host() const;
    [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
    [[nodiscard]] Transport transport() const noexcept { return transport_; }
    // Whether a "::" leaves IPv4 alone (IPV6_V6ONLY). Without it "::" means both families, as on Linux.
    [[nodiscard]] bool v6_only() const noexcept { return v6_only_; }
    Endpoint& v6_only(bool on) noexcept {
        v6_only_ = on;
        return *this;
    }

    friend bool operator==(const Endpoint& a, const Endpoint& b) noexcept {
        return a.address_ == b.address_ && a.scope_ == b.scope_ && a.port_ == b.port_ && a.host_ == b.host_ &&
               a.transport_ == b.transport_ && a.v6_only_ == b.v6_only_ &&
               detail::same_bytes(a.path_, b.path_, sizeof a.path_);
    }
    friend bool operator!=(const Endpoint& a, const Endpoint& b) noexcept { return !(a == b); }

private:
    friend struct detail::Access;
    enum class Host : std::uint8_t { unknown, every, localhost, v4, v6, path };
    bool set_host(std::string_view host) noexcept;
    bool set_path(std::string_view path) noexcept;

    detail::Address address_;
    std::uint32_t scope_ = 0; // interface index, 0: any
    std::uint16_t port_ = 0;
    Host host_ = Host::unknown;
    Transport transport_ = Transport::tcp;
    bool v6_only_ = false;
    char path_[108] = {}; // sun_path, with '@' for the zero before an abstract name
};

// Whether the system would refuse to bind one while a socket without SO_REUSEPORT is on the other: same port and
// transport, and the sets of addresses meet. 127.0.0.1 and 127.0.0.2 do not, 0.0.0.0 and a dual-stack "::" do. An
// unknown host may be any address. (The matrix in tests/system/conflicts.cpp is compared with the kernel.)
[[nodiscard]] bool conflicts(const Endpoint& a, const Endpoint& b) noexcept;

// What a socket does on the address.
enum class State : std::uint8_t {
    listening,
    bound,     // and not connected: a UDP server, or a TCP socket before listen()
    connected, // an accepted or an outgoing connection
    lingering, // what is left when the process is gone: of a connection (TIME_WAIT, FIN_WAIT), or a socket's file
};

// A process that holds sockets on the address, one entry for each process. Text is as the system has it, unescaped.
struct Holder {
    std::uint32_t pid = 0;        // 0: the system shows a socket but no process
    std::uint64_t start_time = 0; // opaque, 0: unknown. With the pid it names one process for ever
    std::string name;             // with pid 0: who it may be, or empty
    std::string executable;       // path; empty if it may not be read
    std::string command_line;     // arguments joined by spaces, at most 4 KiB
    std::string user;             // POSIX: the effective user's number; empty: unknown
    Endpoint socket;              // the first conflicting one
    State state = State::listening;
    std::string socket_user; // POSIX: the user on record for the socket, which may have been passed on; empty: unknown
};

// What became of a holder.
enum class Fate : std::uint8_t {
    exited,        // left when asked
    released,      // let the address go and lives on, finishing its work
    killed,        // had to be forced
    already_gone,  // was no longer there, or another process has its pid now
    refused,       // a rule forbids to end it
    not_permitted, // the system forbids it
    survived,      // is still there
};

// What was done about one holder.
struct Eviction {
    Holder holder;
    Fate fate = Fate::survived;
    std::chrono::microseconds took{}; // from the first look at it until this was known
    std::error_code error;            // why it was not permitted, or could not be looked at
    std::string reason;               // why it was refused, or what was missing; else empty
};

// Why the address is still taken, when it is.
enum class Obstacle : std::uint8_t {
    none,
    refused_holder,        // a rule forbids to end who holds it
    surviving_holder,      // who holds it did not leave, or may not be signalled by us
    invisible_holder,      // no process is to be seen: another user's, a container's, the kernel's
    lingering_connections, // TIME_WAIT and FIN_WAIT of a process that is gone
    live_connection,       // nobody listens: it is the local port of a connection
    taken_again,           // somebody was faster than our second start: a supervisor, as a rule
    this_process,          // we hold it ourselves
    reserved_port,         // the system keeps the port for itself (Windows, macOS)
    file_in_the_way,       // what is at the path has no process: a file that is no socket, or one that was not removed
};

// What one start had to do.
struct Recovery {
    Endpoint endpoint;
    std::vector<Eviction> evictions;
    Obstacle obstacle = Obstacle::none;
    bool retried = false;  // the server was started a second time
    std::error_code error; // why the probe could not see, if so
};

// The paragraph a person wants to read: who held the address, what became of them, what to do now.
[[nodiscard]] std::string describe(const Recovery& recovery);

[[nodiscard]] std::string to_string(const Endpoint& endpoint); // "127.0.0.1:80", "[::1]:53/udp", "port 80"
[[nodiscard]] std::string to_string(Transport transport);
[[nodiscard]] std::string to_string(State state);
[[nodiscard]] std::string to_string(Fate fate);
[[nodiscard]] std::string to_string(Obstacle obstacle);

// 4  what a policy must offer /////////////////////////////////////////////////////////////////////////////////////////
//
// All policies are plain callables: a lambda will do. What they throw is caught: a probe or a rule that throws "cannot
// see", a log that throws is ignored, and after a killer threw the holders are looked at again.
//
//   Server   expression, the first that compiles       notes
//            ServerTraits<Server>::start(server, ep)   where it is specialised
//            server.start(ep)  .start(port)  .start()  a port is an integer of at least 16 bits
//            server(ep)  server(port)  server()        what it returns is returned
//            It fails by an exception or by what it returns: an error code, false, null, an empty optional, a negative
//            number. A `start(int threads)` looks like a port: wrap it in a lambda. A generic lambda sees an Endpoint.
//
//   Probe    probe(ep, error) or probe(ep)             std::vector<Holder>: who holds the address. Sets the
//                                                      std::error_code when it cannot see; it never says "nobody" then.
//            probe.held(ep)  (optional)                bool: is it listened on, or bound by UDP? Cheap, names nobody.
//
//   Killer   killer(holders)                           std::vector<Eviction>: for const std::vector<Holder>&; ends all
//                                                      or none, and returns when they are gone or it gives up.
//            killer(holder)                            Fate or void: for one const Holder&, called in turn until one is
//                                                      not gone. After void the holder is looked at for up to 2 s.
//   Log      log(line)                                 void: for a std::string_view, without a line break.

// Specialise it for a server whose start is called something else, or that must be rebuilt before a second start:
//
//   static R start(Server&, const Endpoint&)             instead of what the table above says
//   static R restart(Server&, const Endpoint&)           instead of `start` for the second attempt
//   static bool is_address_in_use(const std::exception&) recognises the library's own exception ...
//   static bool is_address_in_use(const R&)              ... or returned value; false: the usual rules decide
//   static constexpr bool preflight = true               see Preflight
//   static constexpr bool ask_probe = true               see AskProbe
//
// All but `restart` may be members of the server instead.
template <class Server> struct ServerTraits {};

// For a library that never reports the failure (it exits, hangs, or shares the port by SO_REUSEPORT): looks whether the
// address is held *before* the start, evicts, and starts in any case.
template <class Server> struct Preflight { Server server; };
template <class Server> Preflight(Server&&) -> Preflight<Server>;

// For a library that fails without a reason (null, false, an opaque exception): the failure counts when the probe finds
// somebody else on the address, whatever errno says. Use it where a bind is all that can fail.
template <class Server> struct AskProbe { Server server; };
template <class Server> AskProbe(Server&&) -> AskProbe<Server>;

// 5  the policies /////////////////////////////////////////////////////////////////////////////////////////////////////

// Asks the system itself: no program is run. Linux: NETLINK_SOCK_DIAG and /proc (man 7 sock_diag, man 5 proc). macOS:
// libproc (libproc.h), own processes only without root. Windows: GetExtendedTcpTable and GetExtendedUdpTable.
// Elsewhere: lsof. A path is looked up on Linux (unix_diag) by the number of its file; on macOS who has it is only
// named, and elsewhere it is function_not_supported. Errors are those of the system.
struct SystemProbe {
    [[nodiscard]] std::vector<Holder> operator()(const Endpoint& endpoint, std::error_code& error) const;
    // Listening TCP and unconnected UDP sockets only; about 60 us on Linux however many connections there are, a walk
    // over all processes on macOS. With a path: whether a socket that is open is behind it, not whether a file is
    // there. False if it cannot be seen.
    [[nodiscard]] bool held(const Endpoint& endpoint) const;
};

// Runs lsof (POSIX), for a system where the native way is shut. It does not see sockets that are bound without
// listening, nor whether a "::" leaves IPv4 alone; where that matters it reports an invisible holder. Errors:
// no_such_file_or_directory without lsof, timed_out after `timeout`.
struct LsofProbe {
    std::chrono::milliseconds timeout{5000};
    [[nodiscard]] std::vector<Holder> operator()(const Endpoint& endpoint, std::error_code& error) const;
    [[nodiscard]] bool held(const Endpoint& endpoint) const { return SystemProbe().held(endpoint); }
};

// Asks all holders to leave, waits for up to `grace`, forces those that still hold the address, and waits for up to
// `kill_wait`. Whoever has let the address go is left to finish its work. A grace of 0 forces at once. Refuses
// forwarders, service managers, other services and containers, and programs that hold a person's work.
// POSIX: SIGTERM and SIGCONT, then SIGKILL. Windows: TerminateProcess at once, since there is no way to ask. A killed
// process frees its memory before its sockets (kernel/exit.c, do_exit): 4 GiB took 0.3 to 0.8 s in our measurements,
// hence the long wait.
struct TerminateThenKill {
    std::chrono::milliseconds grace{2000};
    std::chrono::milliseconds kill_wait{10000};
    [[nodiscard]] std::vector<Eviction> operator()(const std::vector<Holder>& holders) const;
};

// Kills nobody; waits for the holders to leave by themselves.
struct WaitForExit {
    std::chrono::milliseconds timeout{10000};
    [[nodiscard]] std::vector<Eviction> operator()(const std::vector<Holder>& holders) const;
};

// Kills nobody; the report says who holds the address.
struct ReportOnly {
    [[nodiscard]] std::vector<Eviction> operator()(const std::vector<Holder>& holders) const;
};

// Lets `killer` at the holders only if every one satisfies `predicate`, any bool callable on a const Holder&. It is not
// asked about what no process has any more: that ends nobody. OnlyIf<SameExecutable> is the safe choice for production.
template <class Predicate, class Killer = TerminateThenKill> class OnlyIf {
public:
    explicit OnlyIf(Predicate predicate = Predicate(), Killer killer = Killer())
        : predicate_(std::move(predicate)), killer_(std::move(killer)) {}
    [[nodiscard]] std::vector<Eviction> operator()(const std::vector<Holder>& holders);

private:
    Predicate predicate_;
    Killer killer_;
};

// The holder runs the same file as we do (device and inode), or it ran the same path as the same user before the file
// was replaced: the usual rebuild. What cannot be read is not the same.
struct SameExecutable {
    static constexpr std::string_view refusal = "it does not run our executable";
    [[nodiscard]] bool operator()(const Holder& holder) const;
};

// SameExecutable, and the same arguments: for code inside an interpreter or another host program, where every script is
// the same executable.
struct SameCommandLine {
    static constexpr std::string_view refusal = "it does not run our command line";
    [[nodiscard]] bool operator()(const Holder& holder) const;
};

// The holder's real, effective and saved user are all our effective user.
struct SameUser {
    static constexpr std::string_view refusal = "it is not wholly our user's";
    [[nodiscard]] bool operator()(const Holder& holder) const;
};

// Asks the person at the terminal, who has `timeout` to answer y or yes. What was typed before the question does not
// count. False without a terminal or in the background.
struct AskOnTerminal {
    static constexpr std::string_view refusal = "nobody at the terminal said yes";
    std::chrono::milliseconds timeout{60000};
    [[nodiscard]] bool operator()(const Holder& holder) const;
};

// Writes each line to the standard error stream, after "retry_on_addr_in_use: ". A closed pipe raises no SIGPIPE.
struct StderrLog {
    void operator()(std::string_view line) const;
};

// No text is even built.
struct NoLog {
    void operator()(std::string_view) const {}
};

// 6  RetryOnAddrInUse and free_address ////////////////////////////////////////////////////////////////////////////////

namespace detail {
enum class Verdict : std::uint8_t;
template <class Server> struct Launch;
} // namespace detail

// Starts a server; when that fails because the address is in use, makes the holders leave and starts it once more.
// An lvalue server is referred to (Server is then a reference), an rvalue is owned. One thread at a time may use one
// object; different objects know nothing of each other.
template <class Server, class Probe = SystemProbe, class Killer = TerminateThenKill, class Log = StderrLog>
class RetryOnAddrInUse {
public:
    using Result = typename detail::Launch<Server>::Result;

    RetryOnAddrInUse() : server_() {}
    template <class... Args>
    explicit RetryOnAddrInUse(std::in_place_t, Args&&... args) : server_(std::forward<Args>(args)...) {}
    explicit RetryOnAddrInUse(Server server) : server_(std::forward<Server>(server)) {}
    RetryOnAddrInUse(Server server, Killer killer)
        : server_(std::forward<Server>(server)), killer_(std::move(killer)) {}
    RetryOnAddrInUse(Server server, Probe probe, Killer killer, Log log = Log())
        : server_(std::forward<Server>(server)),
          probe_(std::move(probe)),
          killer_(std::move(killer)),
          log_(std::move(log)) {}

    [[nodiscard]] std::remove_reference_t<Server>& server() noexcept { return server_; }
    [[nodiscard]] const std::remove_reference_t<Server>& server() const noexcept { return server_; }
    std::remove_reference_t<Server>* operator->() noexcept { return &server_; }
    const std::remove_reference_t<Server>* operator->() const noexcept { return &server_; }

    // Returns what the server's start returns, and throws what it throws: the very value or object. When the second
    // start fails, that is its failure, not the first's. After a success errno is as the server left it.
    Result start(const Endpoint& endpoint);
    template <class Port> Result start(std::string_view host, Port port) { return start(Endpoint(host, port)); }

    // What the last start had to do.
    [[nodiscard]] const Recovery& recovery() const& noexcept { return recovery_; }
    const Recovery& recovery() const&& = delete; // it would dangle

private:
    Result launch(bool again, const Endpoint& endpoint);
    bool look_first(std::uint64_t begin) noexcept;
    bool recover(detail::Verdict verdict, bool last, std::uint64_t begin) noexcept;

    Server server_;
    Probe probe_{};
    Killer killer_{};
    Log log_{};
    Recovery recovery_{};
};

template <class Server> RetryOnAddrInUse(Server&&) -> RetryOnAddrInUse<Server>;
template <class Server, class Killer>
RetryOnAddrInUse(Server&&, Killer) -> RetryOnAddrInUse<Server, SystemProbe, Killer>;
template <class Server, class Probe, class Killer>
RetryOnAddrInUse(Server&&, Probe, Killer) -> RetryOnAddrInUse<Server, Probe, Killer>;
template <class Server, class Probe, class Killer, class Log>
RetryOnAddrInUse(Server&&, Probe, Killer, Log) -> RetryOnAddrInUse<Server, Probe, Killer, Log>;

// The same without a server: makes whoever holds the address leave. Recovery::obstacle tells whether it is free now.
template <class Probe, class Killer, class Log>
Recovery free_address(const Endpoint& endpoint, Probe probe, Killer killer, Log log);
template <class Probe, class Killer> Recovery free_address(const Endpoint& endpoint, Probe probe, Killer killer) {
    return addr_in_use::free_address(endpoint, std::move(probe), std::move(killer), StderrLog());
}
template <class Killer = TerminateThenKill> Recovery free_address(const Endpoint& endpoint, Killer killer = Killer()) {
    return addr_in_use::free_address(endpoint, SystemProbe(), std::move(killer), StderrLog());
}

// =====================================================================================================================
//                                implementation: users can stop reading here
// =====================================================================================================================

// 7  what the logic asks of an operating system ///////////////////////////////////////////////////////////////////////

namespace detail {

// A row of a socket table.
struct Socket {
    Endpoint local;
    State state = State::bound;
    std::uint64_t inode = 0; // 0: no process has it
    std::uint32_t pid = 0;
    std::string user;             // on record for the socket; empty: unknown
    bool v6_only_unknown = false; // the table does not show it
    std::uint32_t device = 0;     // of the file behind a path, with its number in it
    std::uint32_t file = 0;
};

} // namespace detail

namespace detail::os {

using Milliseconds = std::chrono::milliseconds;
enum class Ask : std::uint8_t { permission, leave, die };

// errno, or the thread's last error on Windows.
int last_error() noexcept;
void last_error(int value) noexcept;
// How a failed bind is numbered: for certain, as libuv negates it, and where it may have another reason (0: nowhere).
struct BindErrors {
    int in_use;
    int negated;
    int denied;
};
BindErrors bind_errors() noexcept;
// What a person can do here about an obstacle, with PORT for the number; empty if it says enough by itself.
std::string_view advice(Obstacle obstacle) noexcept;
// Whether a socket on one address and one on all may live side by side, so that who holds the very address is meant.
bool exact_first() noexcept;
bool can_ask() noexcept; // to leave; where not, a process can only be forced

std::uint32_t self() noexcept;
bool privileged() noexcept;   // sees every user's sockets and processes as they are
std::uint64_t now() noexcept; // one clock read, in a unit of its own; for `started_after`
bool started_after(const Holder& holder, std::uint64_t moment) noexcept;
void pause(Milliseconds time) noexcept;

// Who holds the address. A socket without a visible owner yields a Holder with pid 0.
std::vector<Holder> list_holders(const Endpoint& endpoint, std::error_code& error);
std::vector<Holder> lsof(const Endpoint& endpoint, Milliseconds timeout, std::error_code& error);
bool held(const Endpoint& endpoint);
// Removes the socket file of a path that no process has open any more. already_gone: there is none.
Eviction release(const Endpoint& endpoint, bool may_remove);
// Whether the process has a socket on that very address that is listening or bound.
bool holds(std::uint32_t pid, const Endpoint& socket, std::error_code& error);
struct PortRange { // both included; unknown: it may be any
    std::uint16_t first = 1024;
    std::uint16_t last = 65535;
};
PortRange ephemeral_ports();

// Facts about a process. 0, empty or false where they cannot be read.
Holder identify(std::uint32_t pid);
// Why no program may be allowed to end it, if it is the system's own; else empty.
std::string_view of_the_system(std::uint32_t pid) noexcept;
// What protects a process. An error only where we ourselves cannot read any more: that it is gone or hidden is none.
std::uint32_t parent(std::uint32_t pid, std::error_code& error);
std::uint32_t tracer(std::error_code& error); // who debugs us
bool on_terminal(std::uint32_t pid, std::error_code& error);
bool isolated(std::uint32_t pid, std::error_code& error);       // in a container or sandbox that is not ours
std::string service(std::uint32_t pid, std::error_code& error); // its system service or container, if any
bool same_executable(std::uint32_t pid);
bool same_command_line(std::uint32_t pid);
bool same_user(std::uint32_t pid);

// A descriptor, or a HANDLE on Windows, that is closed with its owner.
class Handle {
public:
    explicit Handle(std::intptr_t value = -1) noexcept : value_(value) {}
    Handle(Handle&& other) noexcept : value_(other.value_) { other.value_ = -1; }
    Handle& operator=(Handle&& other) noexcept {
        std::swap(value_, other.value_);
        return *this;
    }
    ~Handle();
    explicit operator bool() const noexcept { return value_ != -1; }
    [[nodiscard]] std::intptr_t value() const noexcept { return value_; }
    [[nodiscard]] int descriptor() const noexcept { return static_cast<int>(value_); }

private:
    std::intptr_t value_;
};

// A process that is held on to, so that no signal can reach another one that gets its pid.
class Process {
public:
    explicit Process(std::uint32_t pid);
    explicit Process(const Holder& holder) : Process(holder.pid) {}
    // Why it could not be held on to. A process that is gone is no error, but `exited`.
    [[nodiscard]] std::error_code error() const noexcept { return error_; }
    // Whether it is dead; a zombie is, its sockets are closed.
    [[nodiscard]] bool exited() const;
    // Refuses by itself this process, every pid of 1 or less, and whatever is no pid on this system.
    [[nodiscard]] std::error_code signal(Ask ask) const;
    // Returns when one of `processes` that lives now has exited, or `time` has passed.
    static void wait(const std::vector<Process>& processes, Milliseconds time);

private:
    std::uint32_t pid_;
    Handle handle_;
    [[maybe_unused]] std::uint64_t start_time_ = 0; // where there is no handle to hold on to
    std::error_code error_;
};

bool ask_on_terminal(const std::string& question, Milliseconds timeout);
void write_line(std::string_view line);

} // namespace detail::os

// The caller's last error survives whatever is done while this lives.
namespace detail {
class KeepLastError {
public:
    KeepLastError() noexcept : value_(os::last_error()) {}
    ~KeepLastError() { os::last_error(value_); }
    KeepLastError(const KeepLastError&) = delete;
    KeepLastError& operator=(const KeepLastError&) = delete;

private:
    int value_;
};

using Clock = std::chrono::steady_clock;

// As in <algorithm>, which costs a user four times as many lines to read as this header.
template <class Range, class Test> bool any_of(const Range& range, Test test) {
    for (const auto& element : range) {
        if (test(element)) { return true; }
    }
    return false;
}
template <class T, class Test> void keep_if(std::vector<T>& elements, Test test) {
    std::vector<T> kept;
    for (T& element : elements) {
        if (test(element)) { kept.push_back(std::move(element)); }
    }
    elements = std::move(kept);
}

// A deadline that no duration can overflow.
inline Clock::time_point deadline_after(os::Milliseconds time) {
    constexpr os::Milliseconds year(365LL * 24 * 60 * 60 * 1000);
    return Clock::now() + (std::max)(os::Milliseconds(0), (std::min)(time, year));
}

inline os::Milliseconds left_until(Clock::time_point deadline) {
    return std::chrono::ceil<os::Milliseconds>(deadline - Clock::now()); // rounded up: no busy last millisecond
}

// How long a closed socket may still be in the way, and a holder be looked at after a killer that only asked.
inline constexpr os::Milliseconds settle_time{2000};
} // namespace detail

// 8  endpoints: text and conflicts ////////////////////////////////////////////////////////////////////////////////////

namespace detail {

inline bool means_yes(std::string_view answer) noexcept {
    return answer == "y" || answer == "Y" || answer == "yes" || answer == "Yes" || answer == "YES";
}

inline std::error_code system_error(int number) noexcept { return {number, std::system_category()}; }

template <class Number> Number read_bytes(const void* bytes) noexcept {
    Number number;
    copy_bytes(&number, bytes, sizeof number);
    return number;
}

// The file name at the end of a path.
inline std::string_view base_name(std::string_view path) noexcept {
    return path.substr(path.find_last_of("/\\") + 1); // npos + 1 is 0
}

inline bool ends_with(std::string_view text, std::string_view end) noexcept {
    return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

[[noreturn]] inline void reject(const std::string& text) {
#if ADDR_IN_USE_HAS_EXCEPTIONS()
    throw std::invalid_argument("retry_on_addr_in_use: " + text);
#else
    std::fprintf(stderr, "retry_on_addr_in_use: %s\n", text.c_str());
    std::abort();
#endif
}

[[noreturn]] inline void reject_path(std::string_view path) {
    reject("a path has 1 to 107 bytes and no zero, unlike \"" + std::string(path) + '"');
}

[[noreturn]] inline void reject_host(std::string_view host) {
    reject("a host is a numeric address, \"localhost\" or \"*\", not \"" + std::string(host) + '"');
}

template <class Port> std::uint16_t checked_port(Port port) {
    // An int of 70001 must not become port 4465, whose holder has nothing to do with us.
    if (static_cast<std::uintmax_t>(port) > 65535) { // a negative one wraps around to beyond it
        reject("a port is 0 to 65535, not " + std::to_string(+port));
    }
    return static_cast<std::uint16_t>(port);
}

inline bool take(std::string_view& text, std::string_view prefix) noexcept {
    if (text.substr(0, prefix.size()) != prefix) { return false; }
    text.remove_prefix(prefix.size());
    return true;
}

// The text up to a line break, and a word between spaces; empty at the end.
inline std::string_view take_line(std::string_view& text) noexcept {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix((std::min)(text.size(), line.size() + 1));
    return line;
}
inline std::string_view take_word(std::string_view& text) noexcept {
    text.remove_prefix((std::min)(text.size(), text.find_first_not_of(' ')));
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(word.size());
    return word;
}

// Takes the digits at the start of `text`. False without a digit, and for a number that does not fit.
template <class Number> bool take_number(std::string_view& text, Number& number, unsigned base = 10) noexcept {
    std::uint64_t value = 0;
    std::size_t length = 0;
    for (; length < text.size(); ++length) {
        const char c = text[length];
        const int digit = c >= '0' && c <= '9'   ? c - '0'
                          : c >= 'a' && c <= 'f' ? c - 'a' + 10
                          : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                 : 99;
        if (digit >= static_cast<int>(base)) { break; }
        if (value > (UINT64_MAX - 15) / base) { return false; }
        value = value * base + static_cast<std::uint64_t>(digit);
    }
    number = static_cast<Number>(value);
    text.remove_prefix(length);
    return length != 0 && static_cast<std::uint64_t>(number) == value;
}

// The whole of `text` as a number, without leading zeros.
template <class Number> bool to_number(std::string_view text, Number& number) noexcept {
    return (text.size() < 2 || text[0] != '0') && take_number(text, number) && text.empty();
}

inline std::string to_hex(unsigned value, std::size_t least_digits = 1) {
    std::string text;
    for (; value != 0 || text.size() < least_digits; value /= 16) {
        text.insert(text.begin(), "0123456789abcdef"[value % 16]);
    }
    return text;
}

// Text of another process for a person's eyes: what is not printable ASCII could move the cursor of a terminal.
inline std::string printable(std::string_view text, std::size_t most) {
    std::string result;
    for (const char c : text) {
        if (result.size() >= most) { return result + "..."; }
        if (c >= ' ' && c <= '~' && c != '\\') {
            result += c;
        } else {
            result += "\\x" + to_hex(static_cast<unsigned char>(c), 2);
        }
    }
    return result;
}

inline constexpr Address v4_any{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255}};
inline constexpr Address v4_loopback{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 127, 0, 0, 1}};
inline constexpr Address v6_loopback{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};

inline bool is_v4(const Address& address) noexcept { return same_bytes(address.bytes, v4_any.bytes, 12); }

// Four decimal numbers into the last four bytes.
inline bool read_v4(std::string_view text, Address& address) noexcept {
    Address result = v4_any;
    for (std::size_t i = 12; i < 16; ++i) {
        const std::size_t end = i < 15 ? text.find('.') : text.size();
        if (end == std::string_view::npos || !to_number(text.substr(0, end), result.bytes[i])) { return false; }
        text.remove_prefix(i < 15 ? end + 1 : end);
    }
    address = result;
    return true;
}

// RFC 4291 section 2.2: up to eight groups, one run of zeros as "::", the last two groups perhaps as IPv4.
inline bool read_v6(std::string_view text, Address& address) noexcept {
    Address result{};
    std::size_t size = 0;
    constexpr std::size_t none = 17;
    std::size_t gap = none; // where the "::" is
    if (take(text, "::")) { gap = 0; }
    while (!text.empty() && size < 16) {
        Address v4;
        if (size <= 12 && text.find(':') == std::string_view::npos && read_v4(text, v4)) {
            copy_bytes(&result.bytes[size], &v4.bytes[12], 4);
            size += 4;
            text = {};
            break;
        }
        std::uint16_t group = 0;
        const std::size_t before = text.size();
        if (!take_number(text, group, 16) || before - text.size() > 4) { return false; }
        result.bytes[size] = static_cast<unsigned char>(group >> 8);
        result.bytes[size + 1] = static_cast<unsigned char>(group & 255);
        size += 2;
        if (gap == none && take(text, "::")) {
            gap = size;
        } else if (!text.empty() && (!take(text, ":") || text.empty())) {
            return false;
        }
    }
    if (!text.empty() || (gap == none) != (size == 16)) { return false; }
    address = Address{};
    const std::size_t head = gap == none ? 16 : gap;
    copy_bytes(address.bytes, result.bytes, head);
    copy_bytes(address.bytes + 16 - (size - head), result.bytes + head, size - head);
    return true;
}

// RFC 5952: lower case, no leading zeros, the longest run of zeros as "::".
inline std::string write_address(const Address& address, bool mapped_as_v6) {
    if (is_v4(address)) {
        std::string text = mapped_as_v6 ? "::ffff:" : "";
        for (std::size_t i = 12; i < 16; ++i) { text += (i > 12 ? "." : "") + std::to_string(address.bytes[i]); }
        return text;
    }
    std::size_t run = 0;
    std::size_t run_length = 2;
    for (std::size_t i = 0, length = 0; i < 16; i += 2) {
        length = address.bytes[i] == 0 && address.bytes[i + 1] == 0 ? length + 2 : 0;
        if (length > run_length) {
            run = i + 2 - length;
            run_length = length;
        }
    }
    std::string text;
    for (std::size_t i = 0; i < 16; i += 2) {
        if (run_length > 2 && i == run) {
            text += "::";
            i += run_length - 2;
            continue;
        }
        if (!text.empty() && text.back() != ':') { text += ':'; }
        text += to_hex(address.bytes[i] * 256U + address.bytes[i + 1]);
    }
    return text;
}

// The addresses an endpoint stands for, in one family.
struct Reach {
    enum Extent : std::uint8_t { nothing, one, all };
    Extent extent = nothing;
    Address address{};

    [[nodiscard]] bool meets(const Reach& other) const noexcept {
        return extent != nothing && other.extent != nothing &&
               (extent == all || other.extent == all || address == other.address);
    }
    [[nodiscard]] bool contains(const Reach& other) const noexcept {
        return other.extent == nothing || extent == all || (extent == other.extent && address == other.address);
    }
};

struct Reaches {
    Reach v4;
    Reach v6;
};

// What the tables of a system and the rules need of an Endpoint.
struct Access {
    static Endpoint endpoint(bool v6, const Address& address, std::uint16_t port, Transport transport,
                             std::uint32_t scope = 0, bool v6_only = false) noexcept {
        Endpoint result;
        result.address_ = address;
        result.scope_ = scope;
        result.port_ = port;
        result.host_ = v6 ? Endpoint::Host::v6 : Endpoint::Host::v4;
        result.transport_ = transport;
        result.v6_only_ = v6_only && address == Address{}; // Linux sets it for every other IPv6 address as well
        return result;
    }

    // The host is unknown where it is none.
    static Endpoint path(std::string_view path, Transport transport) noexcept {
        Endpoint result;
        result.transport_ = transport;
        result.set_path(path);
        return result;
    }

    static bool host_known(const Endpoint& endpoint) noexcept { return endpoint.host_ != Endpoint::Host::unknown; }
    static bool is_path(const Endpoint& endpoint) noexcept { return endpoint.host_ == Endpoint::Host::path; }
    static bool is_file(const Endpoint& endpoint) noexcept { return is_path(endpoint) && endpoint.path_[0] != '@'; }
    static const char* path(const Endpoint& endpoint) noexcept { return endpoint.path_; }
    static constexpr std::size_t path_size = sizeof Endpoint::path_;
    // A port of 0 is never in use: the system gives out a free one.
    static bool can_be_in_use(const Endpoint& endpoint) noexcept { return endpoint.port_ != 0 || is_path(endpoint); }

    static Reaches reaches(const Endpoint& endpoint) noexcept {
        constexpr Reach all{Reach::all, {}};
        switch (endpoint.host_) {
        case Endpoint::Host::unknown:
        case Endpoint::Host::every: return {all, all};
        case Endpoint::Host::localhost: return {{Reach::one, v4_loopback}, {Reach::one, v6_loopback}};
        case Endpoint::Host::path: return {};
        default: break;
        }
        const Reach one{Reach::one, endpoint.address_};
        if (is_v4(endpoint.address_)) { return {endpoint.address_ == v4_any ? all : one, {}}; }
        if (!(endpoint.address_ == Address{})) { return {{}, one}; }
        return {endpoint.v6_only_ ? Reach() : all, all};
    }

    // A socket on an interface (SO_BINDTODEVICE, or a link-local address) is in nobody's way on another one.
    static bool scopes_meet(const Endpoint& a, const Endpoint& b) noexcept {
        return a.scope_ == 0 || b.scope_ == 0 || a.scope_ == b.scope_;
    }

    // Whether both stand for the same addresses of a family.
    static bool equal(const Endpoint& a, const Endpoint& b) noexcept {
        const Reaches x = reaches(a);
        const Reaches y = reaches(b);
        return (x.v4.extent == y.v4.extent && x.v4.meets(y.v4)) || (x.v6.extent == y.v6.extent && x.v6.meets(y.v6));
    }

    // Whether whatever `wanted` turns out to be, if it conflicts with `b` then it conflicts with `a`.
    static bool covers(const Endpoint& a, const Endpoint& b, const Endpoint& wanted) noexcept {
        if (a.scope_ != 0 && a.scope_ != b.scope_) { return false; }
        const Reaches x = reaches(a);
        const Reaches y = reaches(b);
        return host_known(wanted) || (x.v4.contains(y.v4) && x.v6.contains(y.v6));
    }
};

inline bool same_address(Endpoint a, Endpoint b) noexcept { return a.v6_only(false) == b.v6_only(false); }

// The index of an interface, by number or name; 0 if there is none.
std::uint32_t interface_index(std::string_view scope) noexcept;

} // namespace detail

inline bool conflicts(const Endpoint& a, const Endpoint& b) noexcept {
    if (detail::Access::is_path(a)) { // a file is one socket's of either kind, an abstract name is one of each
        return detail::same_bytes(detail::Access::path(a), detail::Access::path(b), detail::Access::path_size) &&
               (detail::Access::is_file(a) || a.transport() == b.transport());
    }
    if (a.port() != b.port() || a.port() == 0 || a.transport() != b.transport() || !detail::Access::scopes_meet(a, b)) {
        return false;
    }
    const detail::Reaches x = detail::Access::reaches(a);
    const detail::Reaches y = detail::Access::reaches(b);
    return x.v4.meets(y.v4) || x.v6.meets(y.v6);
}

inline bool Endpoint::set_host(std::string_view host) noexcept {
    std::string_view address = host;
    std::string_view scope;
    if (const std::size_t percent = host.find('%'); percent != std::string_view::npos) {
        address = host.substr(0, percent);
        scope = host.substr(percent + 1);
        scope_ = detail::interface_index(scope);
    }
    if (host.empty() || host == "*") {
        host_ = Host::every;
    } else if (host == "localhost") {
        host_ = Host::localhost;
    } else if (scope.data() == nullptr && detail::read_v4(address, address_)) {
        host_ = Host::v4;
    } else if ((scope.data() == nullptr || scope_ != 0) && detail::read_v6(address, address_)) {
        host_ = Host::v6;
    } else {
        return false;
    }
    return true;
}

inline bool Endpoint::set_path(std::string_view path) noexcept {
    if (path.empty() || path.size() >= sizeof path_ || path.find('\0') != std::string_view::npos) { return false; }
    host_ = Host::path;
    detail::copy_bytes(path_, path.data(), path.size());
    return true;
}

inline Endpoint Endpoint::path(std::string_view path, Transport transport) {
    const Endpoint result = detail::Access::path(path, transport);
    if (!detail::Access::is_path(result)) { detail::reject_path(path); }
    return result;
}

inline std::string Endpoint::path() const { return path_; }

inline std::optional<Endpoint> Endpoint::parse(std::string_view text) {
    Endpoint result;
    if (detail::take(text, "unix:")) { return result.set_path(text) ? std::optional<Endpoint>(result) : std::nullopt; }
    if (const std::size_t colon = text.rfind(':'); colon != std::string_view::npos) {
        std::string_view host = text.substr(0, colon);
        const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
        if (bracketed) { host = host.substr(1, host.size() - 2); }
        if ((host.find(':') != std::string_view::npos) != bracketed || !result.set_host(host)) { return {}; }
        text.remove_prefix(colon + 1);
    }
    if (!detail::to_number(text, result.port_)) { return {}; }
    return result;
}

inline std::string Endpoint::host() const {
    switch (host_) {
    case Host::unknown:
    case Host::path: return "";
    case Host::every: return "*";
    case Host::localhost: return "localhost";
    case Host::v4:
    case Host::v6: break;
    }
    return detail::write_address(address_, host_ == Host::v6) + (scope_ == 0 ? "" : '%' + std::to_string(scope_));
}

inline std::string to_string(const Endpoint& endpoint) {
    if (detail::Access::is_path(endpoint)) { return "unix:" + endpoint.path(); }
    std::string host = endpoint.host();
    if (host.find(':') != std::string::npos) { host = '[' + host + ']'; }
    return (host.empty() ? "port " : host + ':') + std::to_string(endpoint.port()) +
           (endpoint.transport() == Transport::udp ? "/udp" : "");
}

namespace detail {
template <class Enum, std::size_t Count> std::string word(Enum value, const char* const (&words)[Count]) {
    const auto index = static_cast<std::size_t>(value);
    return index < Count ? words[index] : "unknown";
}
} // namespace detail

inline std::string to_string(Transport transport) { return detail::word(transport, {"tcp", "udp"}); }
inline std::string to_string(State state) {
    return detail::word(state, {"listening", "bound", "connected", "lingering"});
}
inline std::string to_string(Fate fate) {
    return detail::word(fate, {"exited", "released", "killed", "already_gone", "refused", "not_permitted", "survived"});
}
inline std::string to_string(Obstacle obstacle) {
    return detail::word(obstacle,
                        {"none", "refused_holder", "surviving_holder", "invisible_holder", "lingering_connections",
                         "live_connection", "taken_again", "this_process", "reserved_port", "file_in_the_way"});
}

// 9  failures: starting a server, classifying what went wrong /////////////////////////////////////////////////////////

namespace detail {

template <class Void, template <class...> class Operation, class... Args> struct Detector : std::false_type {};
template <template <class...> class Operation, class... Args>
struct Detector<std::void_t<Operation<Args...>>, Operation, Args...> : std::true_type {};
template <template <class...> class Operation, class... Args>
inline constexpr bool detected = Detector<void, Operation, Args...>::value;

template <class T> using Bare = std::remove_cv_t<std::remove_reference_t<T>>;
template <class Server> using Traits = ServerTraits<Bare<Server>>;

// Converts to an integer that can hold a port, and to nothing else: start(bool), start(char), start(double) are no
// match for it.
struct PortArgument {
    std::uint16_t port;
    template <class T, std::enable_if_t<is_port<T> && sizeof(T) >= 2 && !std::is_same_v<T, wchar_t> &&
                                            !std::is_same_v<T, char16_t> && !std::is_same_v<T, char32_t>,
                                        int> = 0>
    constexpr operator T() const noexcept {
        return static_cast<T>(port);
    }
};

template <class S> using TraitsStart = decltype(Traits<S>::start(std::declval<S&>(), std::declval<const Endpoint&>()));
template <class S>
using TraitsRestart = decltype(Traits<S>::restart(std::declval<S&>(), std::declval<const Endpoint&>()));
template <class S, class... Args> using MemberStart = decltype(std::declval<S&>().start(std::declval<Args>()...));
template <class S, class... Args> using Call = decltype(std::declval<S&>()(std::declval<Args>()...));
template <class S, class X>
using TraitsRecognises = decltype(static_cast<bool>(Traits<S>::is_address_in_use(std::declval<const X&>())));
template <class S, class X>
using MemberRecognises = decltype(static_cast<bool>(Bare<S>::is_address_in_use(std::declval<const X&>())));
template <class S> using TraitsPreflight = std::enable_if_t<Traits<S>::preflight>;
template <class S> using MemberPreflight = std::enable_if_t<Bare<S>::preflight>;
template <class S> using TraitsAskProbe = std::enable_if_t<Traits<S>::ask_probe>;
template <class S> using MemberAskProbe = std::enable_if_t<Bare<S>::ask_probe>;

template <class S> inline constexpr bool preflight = detected<TraitsPreflight, S> || detected<MemberPreflight, S>;
template <class S> inline constexpr bool ask_probe = detected<TraitsAskProbe, S> || detected<MemberAskProbe, S>;

// The first form that compiles, and no form after it is even looked at: a generic lambda must not meet a PortArgument.
template <class S>
struct Startable : std::disjunction<Detector<void, TraitsStart, S>, Detector<void, MemberStart, S, const Endpoint&>,
                                    Detector<void, MemberStart, S, PortArgument>, Detector<void, MemberStart, S>,
                                    Detector<void, Call, S, const Endpoint&>, Detector<void, Call, S, PortArgument>,
                                    Detector<void, Call, S>> {};
template <class S> struct Startable<Preflight<S>> : Startable<S> {};
template <class S> struct Startable<AskProbe<S>> : Startable<S> {};

inline PortArgument port_of(const Endpoint& endpoint) {
    if (Access::is_path(endpoint)) { reject("this server takes a port and no path: give it start(const Endpoint&)"); }
    return {endpoint.port()};
}

template <class S> decltype(auto) launch(std::remove_reference_t<S>& server, const Endpoint& endpoint) {
    static_cast<void>(server);
    static_cast<void>(endpoint);
    if constexpr (!Startable<std::remove_reference_t<S>>::value) {
        return; // said by the static_assert of RetryOnAddrInUse
    } else if constexpr (detected<TraitsStart, S>) {
        return Traits<S>::start(server, endpoint);
    } else if constexpr (detected<MemberStart, S, const Endpoint&>) {
        return server.start(endpoint);
    } else if constexpr (detected<MemberStart, S, PortArgument>) {
        return server.start(detail::port_of(endpoint));
    } else if constexpr (detected<MemberStart, S>) {
        return server.start();
    } else if constexpr (detected<Call, S, const Endpoint&>) {
        return server(endpoint);
    } else if constexpr (detected<Call, S, PortArgument>) {
        return server(detail::port_of(endpoint));
    } else {
        return server();
    }
}

template <class S> decltype(auto) relaunch(std::remove_reference_t<S>& server, const Endpoint& endpoint) {
    if constexpr (detected<TraitsRestart, S>) {
        return Traits<S>::restart(server, endpoint);
    } else {
        return detail::launch<S>(server, endpoint);
    }
}

template <class S> struct Launch {
    using Result =
        decltype(detail::launch<S>(std::declval<std::remove_reference_t<S>&>(), std::declval<const Endpoint&>()));
};

template <class S, class X>
inline constexpr bool recognises = detected<TraitsRecognises, S, X> || detected<MemberRecognises, S, X>;

// Whether the user's own rule knows `x` for "address in use".
template <class S, class X> bool recognised([[maybe_unused]] const X& x) {
    if constexpr (detected<TraitsRecognises, S, X>) {
        return static_cast<bool>(Traits<S>::is_address_in_use(x));
    } else if constexpr (detected<MemberRecognises, S, X>) {
        return static_cast<bool>(Bare<S>::is_address_in_use(x));
    } else {
        return false;
    }
}

// Preflight and AskProbe pass everything on to the server inside.
template <class Wrapper, class S> struct WrapperTraits {
    static constexpr bool preflight = detail::preflight<S>;
    static constexpr bool ask_probe = detail::ask_probe<S>;
    static decltype(auto) start(Wrapper& wrapper, const Endpoint& endpoint) {
        return detail::launch<S>(wrapper.server, endpoint);
    }
    static decltype(auto) restart(Wrapper& wrapper, const Endpoint& endpoint) {
        return detail::relaunch<S>(wrapper.server, endpoint);
    }
    template <class X, std::enable_if_t<recognises<S, X>, int> = 0> static bool is_address_in_use(const X& x) {
        return detail::recognised<S>(x);
    }
};

} // namespace detail

template <class Server> struct ServerTraits<Preflight<Server>> : detail::WrapperTraits<Preflight<Server>, Server> {
    static constexpr bool preflight = true;
};
template <class Server> struct ServerTraits<AskProbe<Server>> : detail::WrapperTraits<AskProbe<Server>, Server> {
    static constexpr bool ask_probe = true;
};

namespace detail {

// What a start came to. `ask`: it counts as "address in use" exactly when the probe finds somebody else there; `denied`
// is the same, and if there is nobody, the system keeps the port for itself.
enum class Verdict : std::uint8_t { success, no, ask, denied, yes };

template <class T> using ToErrorCode = std::enable_if_t<std::is_convertible_v<const T&, std::error_code>>;
template <class T>
using CodeMembers = decltype(static_cast<int>(std::declval<const T&>().value()),
                             std::string_view(std::declval<const T&>().category().name()));
template <class T> using HasValue = decltype(static_cast<bool>(std::declval<const T&>().has_value()));
template <class T> using ErrorOf = decltype(std::declval<const T&>().error());
// A pointer of any kind. That it is a bool too tells it from a std::string, whose == would read the null pointer.
template <class T>
using ComparesWithNull =
    decltype(static_cast<bool>(std::declval<const T&>()), static_cast<bool>(std::declval<const T&>() == nullptr));

template <class T>
inline constexpr bool is_code = std::is_same_v<T, std::errc> || detected<ToErrorCode, T> || detected<CodeMembers, T>;
template <class T> inline constexpr bool is_signed_number = std::is_integral_v<T>&& std::is_signed_v<T>;

// Whether a failure can be read off a returned value of this type.
template <class S, class T>
inline constexpr bool tells = recognises<S, T> || is_code<T> || std::is_same_v<T, bool> || is_signed_number<T> ||
                              detected<HasValue, T> || detected<ComparesWithNull, T>;

// By number where the category is the system's: standalone Asio before 1.38 ("asio.system") and libstdc++ on Windows do
// not map their codes to std::errc (asio/impl/error_code.ipp).
inline Verdict judge(int value, std::string_view category) noexcept {
    const os::BindErrors errors = os::bind_errors();
    const bool native = category == "system" || category == "asio.system";
    return value == 0                                     ? Verdict::success
           : category == "generic" && value == EADDRINUSE ? Verdict::yes
           : native && value == errors.in_use             ? Verdict::yes
           : native && value == errors.denied             ? Verdict::denied
                                                          : Verdict::no;
}

template <class T> Verdict judge_code(const T& code) {
    if constexpr (std::is_same_v<T, std::errc>) {
        return detail::judge_code(std::make_error_code(code));
    } else if constexpr (std::is_same_v<T, std::error_code> || !detected<ToErrorCode, T>) {
        if constexpr (std::is_same_v<T, std::error_code>) {
            if (code == std::errc::address_in_use) { return Verdict::yes; }
        }
        return detail::judge(static_cast<int>(code.value()), code.category().name());
    } else {
        return detail::judge_code(static_cast<std::error_code>(code));
    }
}

// A failure that gives no reason: `error` is what the call left in errno.
template <class S> Verdict judge_silent(int error) noexcept {
    const Verdict verdict = error == 0 ? Verdict::no : detail::judge(error, "system");
    return verdict == Verdict::no && ask_probe<S> ? Verdict::ask : verdict;
}

template <class S, class T> Verdict judge_value(const T& value, int error) {
    if (detail::recognised<S>(value)) { return Verdict::yes; }
    bool failed = false;
    if constexpr (is_code<T>) {
        return detail::judge_code(value);
    } else if constexpr (std::is_same_v<T, bool>) {
        failed = !value;
    } else if constexpr (is_signed_number<T>) {
        const os::BindErrors errors = os::bind_errors();
        if (value == -errors.in_use || value == errors.negated) { return Verdict::yes; }
        failed = value < 0;
        if (failed && value != -1) { // a number of its own is a reason: only errno can say more
            return detail::judge_silent<void>(error);
        }
    } else if constexpr (detected<HasValue, T>) {
        failed = !value.has_value();
        if constexpr (detected<ErrorOf, T>) {
            using Error = Bare<ErrorOf<T>>;
            if (failed && detail::recognised<S>(value.error())) { return Verdict::yes; }
            if constexpr (is_code<Error>) {
                if (failed) {
                    const Verdict verdict = detail::judge_code(value.error());
                    return verdict == Verdict::success ? Verdict::no : verdict;
                }
            }
        }
    } else if constexpr (detected<ComparesWithNull, T>) {
        failed = value == nullptr;
    }
    return failed ? detail::judge_silent<S>(error) : Verdict::success;
}

#if ADDR_IN_USE_HAS_EXCEPTIONS()
inline bool says_in_use(std::string_view text) {
    return text.find("ddress already in use") != std::string_view::npos ||
           text.find(std::generic_category().message(EADDRINUSE)) != std::string_view::npos ||
           text.find(std::system_category().message(os::bind_errors().in_use)) != std::string_view::npos;
}

// Judges the exception that is being handled, with all that it nests. A code outweighs a text, on every level.
template <class S> Verdict judge_exception() {
    bool denies = false;
    bool denied = false;
    bool text = false;
    for (std::exception_ptr level = std::current_exception(); level != nullptr;) {
        try {
            std::rethrow_exception(level);
        } catch (const std::exception& exception) {
            if (detail::recognised<S>(exception)) { return Verdict::yes; }
            text = text || says_in_use(exception.what());
        } catch (...) {}
        try {
            std::rethrow_exception(level);
        } catch (const std::system_error& error) {
            const Verdict verdict = detail::judge_code(error.code());
            if (verdict == Verdict::yes) { return verdict; }
            denied = denied || verdict == Verdict::denied;
            denies = denies || verdict != Verdict::denied;
        } catch (...) {}
        std::exception_ptr inner;
        try {
            std::rethrow_exception(level);
        } catch (const std::nested_exception& nested) { inner = nested.nested_ptr(); } catch (...) {
        }
        level = inner;
    }
    return denies ? Verdict::no : denied ? Verdict::denied : text || ask_probe<S> ? Verdict::ask : Verdict::no;
}
#else
template <class S> Verdict judge_exception() { return Verdict::no; }
#endif

} // namespace detail

// 10  sockets to holders //////////////////////////////////////////////////////////////////////////////////////////////

namespace detail {

inline std::string label(const Holder& holder) {
    if (holder.state == State::lingering && !holder.name.empty()) { return printable(holder.name, 256); }
    if (holder.pid == 0) {
        return "a process that cannot be seen" + (!holder.name.empty() ? " (" + printable(holder.name, 256) + ')'
                                                  : holder.socket_user.empty()
                                                      ? ""
                                                      : " (user " + printable(holder.socket_user, 32) + ')');
    }
    return (holder.name.empty() ? "process" : printable(holder.name, 64)) + " (pid " + std::to_string(holder.pid) + ')';
}

inline bool holds_address(const Holder& holder) noexcept {
    return holder.state == State::listening || holder.state == State::bound;
}

inline bool holds_address(const Socket& socket) noexcept {
    return socket.state == State::listening || socket.state == State::bound;
}

inline void add_unseen(const Endpoint& wanted, std::vector<Socket>& sockets) {
    Socket unseen;
    unseen.local = wanted;
    sockets.push_back(std::move(unseen));
}

// Leaves what is in the way of `wanted`, and of connections only those that could be: where somebody listens, a
// connection explains nothing, unless the host is unknown and the connection lies where the listener does not.
inline void keep_conflicting(const Endpoint& wanted, std::vector<Socket>& sockets) {
    std::vector<Socket> kept;
    for (const bool connections : {false, true}) {
        for (Socket& socket : sockets) {
            if (holds_address(socket) == connections || !conflicts(wanted, socket.local)) { continue; }
            bool needless = false;
            for (const Socket& other : kept) {
                needless = needless || (connections && Access::covers(other.local, socket.local, wanted) &&
                                        (holds_address(other) || other.state == socket.state));
            }
            if (!needless) { kept.push_back(std::move(socket)); }
        }
    }
    sockets = std::move(kept);
    const auto is_exact = [&](const Socket& socket) {
        return holds_address(socket) && Access::equal(socket.local, wanted);
    };
    if (os::exact_first() && Access::host_known(wanted) && any_of(sockets, is_exact)) { keep_if(sockets, is_exact); }
}

// Where the source does not show sockets that are bound and do not listen, and the host is unknown, a holder on one
// address may lie beside the culprit: then there is one more holder, whom nobody sees.
inline void doubt_one_address(const Endpoint& wanted, std::vector<Socket>& sockets) {
    const auto is_on_one = [](const Socket& socket) {
        const Reaches reach = Access::reaches(socket.local);
        return holds_address(socket) && reach.v4.extent != Reach::all && reach.v6.extent != Reach::all;
    };
    if (!Access::host_known(wanted) && wanted.transport() == Transport::tcp && any_of(sockets, is_on_one)) {
        add_unseen(wanted, sockets);
    }
}

// One Holder for each process, from rows that carry their owner's pid, and one for each row without a visible owner.
inline std::vector<Holder> gather(const Endpoint& wanted, const std::vector<Socket>& sockets,
                                  const std::vector<Holder>& processes) {
    // With the host unknown, a process is surely in the way only if its sockets cover all others. So the row to show of
    // a process is one that another process does not cover; the rule that compares what is shown then sees it.
    const auto covered_by = [&](std::uint32_t pid, const Socket& socket) {
        for (const Socket& own : sockets) {
            if (own.pid == pid && holds_address(own) && Access::covers(own.local, socket.local, wanted)) {
                return true;
            }
        }
        return false;
    };
    std::vector<Holder> holders;
    for (const bool disputed : {true, false}) {
        for (const Socket& socket : sockets) {
            bool is_disputed = false;
            for (const Holder& process : processes) {
                is_disputed = is_disputed || (process.pid != socket.pid && !covered_by(process.pid, socket));
            }
            bool known = false;
            for (const Holder& holder : holders) { known = known || (holder.pid != 0 && holder.pid == socket.pid); }
            if (is_disputed != disputed || known) { continue; }
            Holder holder;
            for (const Holder& process : processes) {
                if (process.pid == socket.pid && socket.pid != 0) { holder = process; }
            }
            Endpoint narrow = socket.local;
            if (socket.v6_only_unknown && !conflicts(wanted, narrow.v6_only(true))) {
                holder = Holder(); // it may lie beside the address: who it is must not matter
            }
            holder.socket = socket.local;
            holder.state = socket.state;
            holder.socket_user = socket.user;
            holder.user = holder.pid == 0 ? socket.user : holder.user;
            if (holder.pid == 0 && holds_address(socket) && !Access::host_known(wanted)) {
                holder.name = "on another address perhaps: name the host";
            }
            holders.push_back(std::move(holder));
        }
    }
    return holders;
}

// The holders among all the rows of a source. Where it is `blind` to some, what it does not show may be in the way.
inline std::vector<Holder> name_holders(const Endpoint& wanted, std::vector<Socket>& sockets,
                                        const std::vector<Holder>& processes, bool blind) {
    keep_conflicting(wanted, sockets);
    const auto holds = [](const Socket& socket) { return holds_address(socket); };
    if (blind && (!any_of(sockets, holds) || !Access::host_known(wanted))) { add_unseen(wanted, sockets); }
    return gather(wanted, sockets, processes);
}

} // namespace detail

inline std::vector<Holder> SystemProbe::operator()(const Endpoint& endpoint, std::error_code& error) const {
    return detail::os::list_holders(endpoint, error);
}

inline bool SystemProbe::held(const Endpoint& endpoint) const { return detail::os::held(endpoint); }

inline std::vector<Holder> LsofProbe::operator()(const Endpoint& endpoint, std::error_code& error) const {
    return detail::os::lsof(endpoint, timeout, error);
}

// 11  protection: every reason to leave a process alone ///////////////////////////////////////////////////////////////

namespace detail {

// Programs whose death frees nothing or does harm, with what to do instead. A trailing '*' stands for any ending.
struct Harm {
    std::string_view advice;
    std::string_view names; // separated by commas
    bool only_on_terminal = false;
};
inline constexpr Harm harms[] = {
    {"it forwards the port of a container or a virtual machine: stop that one (docker ps --filter publish=PORT)",
     "docker-proxy,dockerd,containerd-shim*,conmon,com.docker.backend*,OrbStack Helper,rootlessport*,"
     "rootlesskit,vmmem*,wslservice,wslhost,vmcompute,vpnkit*,slirp4netns,pasta,passt,pasta.avx2,"
     "passt.avx2,gvproxy,wslrelay*,qemu-system-*,VirtualBoxVM,VBoxHeadless,vmware-vmx,firecracker,"
     "cloud-hypervisor"},
    {"it hosts services of Windows: end the service (tasklist /svc /fi \"pid eq PID\", net stop NAME)",
     "svchost.exe,services.exe"},
    {"it is AirPlay: switch off \"AirPlay Receiver\" in the system settings", "ControlCenter"},
    {"it starts services by request: stop the socket unit (systemctl stop NAME.socket)",
     "launchd,systemd,systemd-socket-proxyd,systemd-socket-activate,inetd,xinetd"},
    {"it forwards the port for a remote session: end that session", "sshd,sshd-session,ssh,adb"},
    {"a person works in it and it inherited the socket: close it by hand",
     "firefox*,chrome,google-chrome*,chromium*,brave*,opera,vivaldi*,msedge*,microsoft-edge*,"
     "Google Chrome*,Safari,librewolf,konqueror,epiphany,code,code-insiders,codium,cursor,Electron,"
     "devenv.exe,idea*,clion*,pycharm*,qtcreator,vi,vim*,nvim,gvim,emacs*,nano,gedit,kate,sublime_text,"
     "gnome-terminal*,konsole,xterm,alacritty,kitty,wezterm*,foot,tilix,xfce4-terminal,Terminal,iTerm2,"
     "WindowsTerminal.exe,conhost.exe,OpenConsole.exe,explorer.exe,tmux*,screen,SCREEN,zellij,Xorg,X,"
     "Xwayland,Xvfb,gnome-shell,kwin_*,sway,weston,Hyprland,plasmashell,dbus-daemon,dbus-broker*"},
    {"it is a shell with a terminal and inherited the socket: leave it by hand",
     "sh,bash,dash,zsh,fish,ksh*,mksh,tcsh,csh,pwsh,ash,cmd.exe,powershell.exe", true},
};

inline std::string stop_advice(std::string_view service) {
    const std::string name = printable(base_name(service), 128);
    if (service.substr(0, 13) == "services.exe/") {
        return "it is a service of Windows (" + name + "): end it with net stop";
    }
    if (ends_with(service, ".service")) { return "it belongs to the service " + name + ": systemctl stop " + name; }
    const bool pod =
        service.find("kubepods") != std::string_view::npos || service.find("crio-") != std::string_view::npos;
    return "it runs in a container (" + name + "): " +
           (pod                                                 ? "delete the pod"
            : service.find("libpod-") != std::string_view::npos ? "podman stop"
                                                                : "docker stop");
}

inline constexpr std::string_view deleted_mark = " (deleted)"; // Linux, man 5 proc_pid_exe

inline bool named(std::string_view program, std::string_view name) noexcept {
    if (!name.empty() && name.back() == '*') {
        name.remove_suffix(1);
        program = program.substr(0, name.size());
    }
    return program == name;
}

// The text with a number for a placeholder.
inline std::string filled_in(std::string text, std::string_view name, std::uint32_t number) {
    if (const std::size_t at = text.find(name); at != std::string::npos) {
        text.replace(at, name.size(), std::to_string(number));
    }
    return text;
}

inline std::string unreadable(const std::error_code& error) { return "what it is cannot be read: " + error.message(); }

// Why ending this process would free nothing or do harm; empty if it would not.
inline std::string harm(const Holder& holder) {
    constexpr std::size_t kernel_cut = 15; // TASK_COMM_LEN - 1, man 5 proc
    std::error_code error;
    std::string_view program = base_name(holder.executable.empty() ? holder.name : holder.executable);
    if (ends_with(program, deleted_mark)) { program.remove_suffix(deleted_mark.size()); }
    const std::string_view stem = program.substr(0, program.size() - (ends_with(program, ".exe") ? 4 : 0));
    for (const Harm& entry : harms) {
        for (std::string_view rest = entry.names; !rest.empty();) {
            const std::string_view name = rest.substr(0, rest.find(','));
            rest.remove_prefix((std::min)(rest.size(), name.size() + 1));
            if (!named(program, name) && !named(stem, name) && !named(holder.name, name.substr(0, kernel_cut))) {
                continue;
            }
            if (!entry.only_on_terminal || os::on_terminal(holder.pid, error)) {
                return filled_in(filled_in(std::string(entry.advice), "PORT", holder.socket.port()), "PID", holder.pid);
            }
        }
    }
    if (os::isolated(holder.pid, error)) { return "it runs in a container or sandbox of its own: stop that"; }
    const std::string service = os::service(holder.pid, error);
    if (!service.empty() && service != os::service(os::self(), error)) { return stop_advice(service); }
    return error ? unreadable(error) : "";
}

// Why no killer may be offered this holder of a set; empty if one may.
inline std::string protection(const Holder& holder, const Endpoint& wanted, const std::vector<Holder>& all,
                              std::uint64_t begin) {
    if (!holds_address(holder)) {
        return holder.state == State::connected ? "it only has a connection there" : "its process is gone";
    }
    if (holder.pid == 0) { return "it is another user's, a container's or the kernel's"; }
    if (holder.pid == os::self()) { return "it is this process itself"; }
    if (const std::string_view reason = os::of_the_system(holder.pid); !reason.empty()) { return std::string(reason); }
    std::error_code error;
    if (holder.pid == os::tracer(error)) { return "it is debugging this process"; }
    const std::uint32_t parent = os::parent(os::self(), error);
    constexpr int deepest = 1000; // a chain that changes while it is walked must not hold us up for ever
    std::uint32_t pid = parent;
    for (int depth = 0; pid > 1 && depth < deepest; pid = os::parent(pid, error), ++depth) {
        if (pid == holder.pid) { return "it is an ancestor of this process"; }
    }
    if (parent > 1 && os::parent(holder.pid, error) == parent && os::same_executable(parent)) {
        return "it is a worker beside this process";
    }
    if (os::started_after(holder, begin)) {
        pid = holder.pid;
        for (int depth = 0; pid > 1 && pid != os::self() && depth < deepest; ++depth) { pid = os::parent(pid, error); }
        if (pid != os::self()) { return "it started after this start began: it may be a successor"; }
    }
    if (error) { return unreadable(error); }
    if (!holder.socket_user.empty() && holder.socket_user != holder.user) {
        if (holder.socket_user != "0") {
            return "its socket was made by user " + printable(holder.socket_user, 32) + ", and handed to it";
        }
        if (!os::privileged()) { return "its socket was made by root, whose processes cannot be seen"; }
    }
    for (const Holder& other : all) {
        if (!Access::covers(holder.socket, other.socket, wanted)) {
            return "the start did not say which address it wants, and " + to_string(other.socket) +
                   " is in use too: name the host (\"*\" means all)";
        }
    }
    if (wanted.transport() == Transport::udp && !Access::is_path(wanted)) {
        for (const Holder& other : all) {
            if (other.pid != holder.pid && (other.executable.empty() || other.executable != holder.executable)) {
                return "several programs share the address on purpose";
            }
        }
        const auto [first, last] = os::ephemeral_ports();
        if (wanted.port() >= first && wanted.port() <= last && !os::same_executable(holder.pid)) {
            return "it may be a client: the port is one that the system gives out";
        }
    }
    return "";
}

inline std::string stays(const Holder& holder) { return "ending it frees nothing while " + label(holder) + " stays"; }

// All or none: ending one of several holders frees nothing. When one must stay, those that could go stay too.
inline bool spare_all(std::vector<Eviction>& evictions) {
    std::string reason;
    for (const Eviction& eviction : evictions) {
        if (reason.empty() && (eviction.fate == Fate::refused || eviction.fate == Fate::not_permitted)) {
            reason = stays(eviction.holder);
        }
    }
    for (Eviction& eviction : evictions) {
        if (eviction.fate == Fate::survived && !reason.empty()) {
            eviction.fate = Fate::refused;
            eviction.reason = reason;
        }
    }
    return !reason.empty();
}

// `survived`: still to be decided.
inline std::vector<Eviction> undecided(const std::vector<Holder>& holders) {
    std::vector<Eviction> evictions(holders.size());
    for (std::size_t i = 0; i < holders.size(); ++i) { evictions[i].holder = holders[i]; }
    return evictions;
}

// Lets a rule (text for a Holder, empty if it may be ended) decide about each that is undecided.
template <class Rule> void refuse(std::vector<Eviction>& evictions, Rule rule) {
    for (Eviction& eviction : evictions) {
        if (eviction.fate != Fate::survived) { continue; }
        eviction.reason = rule(eviction.holder);
        if (!eviction.reason.empty()) { eviction.fate = Fate::refused; }
    }
}

} // namespace detail

// 12  termination: pinned processes, the killers and predicates ///////////////////////////////////////////////////////

namespace detail {

// Holders and the processes behind them, held on to from before the look at them until after the last signal.
class Pinned {
public:
    explicit Pinned(const std::vector<Holder>& holders)
        : begin_(Clock::now()), evictions_(undecided(holders)), processes_(holders.begin(), holders.end()) {
        look(Fate::already_gone, Fate::released);
    }

    [[nodiscard]] std::vector<Eviction>& evictions() noexcept { return evictions_; }

    void signal(os::Ask ask) {
        each([&](Eviction& eviction, const os::Process& process) {
            eviction.error = process.signal(ask);
            if (eviction.error == std::errc::no_such_process) {
                eviction.error.clear();
                eviction.fate = Fate::already_gone;
            } else if (eviction.error) {
                eviction.fate = Fate::not_permitted;
            }
        });
    }

    // Waits until all have left the address, for up to `time`. Those that died meanwhile are `dead`, those that live on
    // without the address are `free`.
    void wait(os::Milliseconds time, Fate dead, Fate free) {
        const Clock::time_point deadline = deadline_after(time);
        // That a listener is closed while its process lives on is no event anywhere: asked for, less and less often,
        // and only where `held` can answer (it does not see a TCP socket that is bound without listening).
        os::Milliseconds step(1);
        for (bool ask_held = true;; step = (std::min)(step * 2, os::Milliseconds(32))) {
            bool held = false;
            bool waiting = false;
            each([&](Eviction& eviction, const os::Process& process) {
                if (process.exited()) { return decide(eviction, dead); }
                const Endpoint& socket = eviction.holder.socket;
                waiting = true;
                ask_held =
                    ask_held && (eviction.holder.state == State::listening || socket.transport() == Transport::udp);
                held = held || (ask_held && os::held(socket));
            });
            const os::Milliseconds left = left_until(deadline);
            if (!waiting) { return; }
            if (ask_held && !held) {
                // A process that dies closes its sockets a moment before it can be seen to be dead.
                os::Process::wait(processes_, os::Milliseconds(50));
                look(dead, free);
                ask_held = false; // whoever is still undecided holds on to something that `held` does not see
            } else if (left <= os::Milliseconds(0)) {
                return;
            } else {
                os::Process::wait(processes_, ask_held ? (std::min)(step, left) : left);
            }
        }
    }

    // Looks at whoever is undecided: is it still that process, and does it still hold the address?
    void look(Fate dead, Fate free) {
        each([&](Eviction& eviction, const os::Process& process) {
            const Holder& before = eviction.holder;
            std::error_code error = process.error();
            const Holder now = os::identify(before.pid);
            const bool holds = !error && os::holds(before.pid, before.socket, error);
            if (process.exited()) { // asked last: what was read above is then known to be of this process
                decide(eviction, dead);
            } else if (!error && before.start_time != 0 && now.start_time != 0 && now.start_time != before.start_time) {
                decide(eviction, Fate::already_gone); // another process has the pid
            } else if (error || (before.start_time != 0 && now.start_time == 0)) {
                eviction.error = error;
                eviction.reason = "it cannot be looked at" + (error ? ": " + error.message() : "");
                decide(eviction, Fate::refused);
            } else if (!holds) {
                decide(eviction, free);
            } else if (!before.executable.empty() && !now.executable.empty() && before.executable != now.executable) {
                eviction.reason = "it runs another program by now: " + printable(now.executable, 128);
                decide(eviction, Fate::refused);
            }
        });
    }

private:
    template <class Visit> void each(Visit visit) { // that is undecided
        for (std::size_t i = 0; i < evictions_.size(); ++i) {
            if (evictions_[i].fate == Fate::survived) { visit(evictions_[i], processes_[i]); }
        }
    }

    void decide(Eviction& eviction, Fate fate) const {
        eviction.fate = fate;
        eviction.took = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begin_);
    }

    Clock::time_point begin_;
    std::vector<Eviction> evictions_;
    std::vector<os::Process> processes_;
};

template <class Killer>
using BatchResult = decltype(std::declval<Killer&>()(std::declval<const std::vector<Holder>&>()));
template <class Killer> using SingleResult = decltype(std::declval<Killer&>()(std::declval<const Holder&>()));
template <class Callable, class... Args>
using CallResult = decltype(std::declval<Callable&>()(std::declval<Args>()...));

// Lets a killer of either kind at the holders.
template <class Killer> std::vector<Eviction> evict(Killer& killer, const std::vector<Holder>& holders) {
    if constexpr (!detected<SingleResult, Killer>) {
        return killer(holders);
    } else {
        std::vector<Eviction> evictions = undecided(holders);
        std::string reason;
        for (Eviction& eviction : evictions) {
            const Clock::time_point begin = Clock::now();
            if (!reason.empty()) {
                eviction.fate = Fate::refused;
                eviction.reason = reason;
            } else if constexpr (std::is_void_v<SingleResult<Killer>>) {
                Pinned pinned({eviction.holder});
                killer(eviction.holder);
                pinned.wait(settle_time, Fate::exited, Fate::released);
                eviction = std::move(pinned.evictions().front());
            } else {
                eviction.fate = killer(eviction.holder);
                eviction.took = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begin);
            }
            if (reason.empty() && eviction.fate >= Fate::refused) { reason = stays(eviction.holder); }
        }
        return evictions;
    }
}

template <class Predicate> using Refusal = decltype(std::string_view(Predicate::refusal));

// ReportOnly changes nothing, so it removes no file either.
template <class Killer> inline constexpr bool removes_files = !std::is_same_v<Killer, ReportOnly>;
template <class Predicate, class Killer>
inline constexpr bool removes_files<OnlyIf<Predicate, Killer>> = removes_files<Killer>;

} // namespace detail

inline std::vector<Eviction> TerminateThenKill::operator()(const std::vector<Holder>& holders) const {
    detail::Pinned pinned(holders);
    detail::refuse(pinned.evictions(), detail::harm);
    pinned.signal(detail::os::Ask::permission);
    if (!detail::spare_all(pinned.evictions())) {
        if (grace > grace.zero() && detail::os::can_ask()) {
            pinned.signal(detail::os::Ask::leave);
            pinned.wait(grace, Fate::exited, Fate::released);
            pinned.look(Fate::exited, Fate::released);
        }
        if (!detail::spare_all(pinned.evictions())) {
            pinned.signal(detail::os::Ask::die);
            pinned.wait(kill_wait, Fate::killed, Fate::killed);
        }
    }
    return std::move(pinned.evictions());
}

inline std::vector<Eviction> WaitForExit::operator()(const std::vector<Holder>& holders) const {
    detail::Pinned pinned(holders);
    pinned.wait(timeout, Fate::exited, Fate::released);
    return std::move(pinned.evictions());
}

inline std::vector<Eviction> ReportOnly::operator()(const std::vector<Holder>& holders) const {
    std::vector<Eviction> evictions = detail::undecided(holders);
    detail::refuse(evictions, [](const Holder&) { return std::string("ReportOnly ends nobody"); });
    return evictions;
}

template <class Predicate, class Killer>
std::vector<Eviction> OnlyIf<Predicate, Killer>::operator()(const std::vector<Holder>& holders) {
    static_assert(std::is_invocable_r_v<bool, Predicate&, const Holder&>,
                  "retry_on_addr_in_use: OnlyIf needs a predicate: bool operator()(const Holder&).");
    if constexpr (std::is_invocable_r_v<bool, Predicate&, const Holder&>) {
        std::vector<Eviction> evictions = detail::undecided(holders);
        detail::refuse(evictions, [&](const Holder& holder) -> std::string {
            ADDR_IN_USE_TRY {
                if (predicate_(holder)) { return ""; }
            }
            ADDR_IN_USE_CATCH_ALL { return "a rule of this program could not tell (it threw)"; }
            if constexpr (detail::detected<detail::Refusal, Predicate>) { return std::string(Predicate::refusal); }
            return "a rule of this program forbids it";
        });
        return detail::spare_all(evictions) ? evictions : detail::evict(killer_, holders);
    } else {
        return {};
    }
}

inline bool SameExecutable::operator()(const Holder& holder) const { return detail::os::same_executable(holder.pid); }

inline bool SameCommandLine::operator()(const Holder& holder) const {
    return detail::os::same_executable(holder.pid) && detail::os::same_command_line(holder.pid);
}

inline bool SameUser::operator()(const Holder& holder) const { return detail::os::same_user(holder.pid); }

inline bool AskOnTerminal::operator()(const Holder& holder) const {
    return detail::os::ask_on_terminal(to_string(holder.socket) + " is held by " + detail::label(holder) + ": " +
                                           detail::printable(holder.command_line, 128) + "\nEnd it? [y/N] ",
                                       timeout);
}

// 13  recovery: probe, protect, evict, wait until free, clean up; the report //////////////////////////////////////////

inline void StderrLog::operator()(std::string_view line) const {
    detail::os::write_line("retry_on_addr_in_use: " + std::string(line));
}

namespace detail {

inline std::string fate_sentence(const Eviction& eviction) {
    const std::int64_t milliseconds = eviction.took.count() / 1000;
    const std::string took = " after " + (milliseconds < 1 ? "less than 1" : std::to_string(milliseconds)) + " ms";
    std::string text = label(eviction.holder);
    switch (eviction.fate) {
    case Fate::exited: return text + " exited" + took;
    case Fate::released:
        return text + (eviction.holder.state == State::lingering ? " was removed" + took
                                                                 : " let the address go" + took + " and lives on");
    case Fate::killed: return text + " was killed and gone" + took;
    case Fate::already_gone: return text + " was gone already";
    case Fate::refused: return text + " was left alone: " + eviction.reason;
    case Fate::not_permitted:
        return text + " may not be " + (eviction.holder.state == State::lingering ? "removed" : "ended") +
               " by us: " + eviction.error.message() + (eviction.reason.empty() ? "" : " (" + eviction.reason + ')');
    case Fate::survived: break;
    }
    return text + " is still there" + took;
}

inline std::string obstacle_sentence(const Recovery& recovery) {
    std::string text;
    switch (recovery.obstacle) {
    case Obstacle::none: break;
    case Obstacle::refused_holder: text = " The address is still in use, and nobody was ended."; break;
    case Obstacle::surviving_holder: text = " The address is still in use."; break;
    case Obstacle::invisible_holder:
        text = " No process is to be seen that holds it: another user's, a container's or the kernel's may.";
        break;
    case Obstacle::lingering_connections:
        text = " Connections of a process that is gone keep it for up to a minute (TIME_WAIT, FIN_WAIT).";
        break;
    case Obstacle::live_connection:
        text = " Nobody listens there: it is the local port of a live connection. Wait until that is closed, or take a "
               "port outside the range that the system gives out.";
        break;
    case Obstacle::taken_again:
        text = " It was taken again at once, by a supervisor perhaps: stop the service there, not its process.";
        break;
    case Obstacle::this_process:
        text = " This process itself holds it: stop the server that it started before, or close the socket.";
        break;
    case Obstacle::reserved_port: text = " The system keeps the port for itself."; break;
    case Obstacle::file_in_the_way: text = " A file without a process is at that path: look what it is."; break;
    }
    if (Access::is_path(recovery.endpoint)) {
        return text + (recovery.obstacle == Obstacle::invisible_holder ? " Look as root: lsof -U." : "");
    }
    return text + filled_in(std::string(os::advice(recovery.obstacle)), "PORT", recovery.endpoint.port());
}

template <class Probe>
using Held = decltype(static_cast<bool>(std::declval<Probe&>().held(std::declval<const Endpoint&>())));
template <class Probe> using ProbeResult = CallResult<Probe, const Endpoint&, std::error_code&>;
template <class Probe> using PlainProbeResult = CallResult<Probe, const Endpoint&>;

enum class KillerKind : std::uint8_t { good, unusable, probe, predicate, wrong_result };

// The form for one holder is tried first: a generic lambda for one must not meet a vector.
template <class Killer> constexpr KillerKind killer_kind() {
    if constexpr (detected<SingleResult, Killer>) {
        using R = Bare<SingleResult<Killer>>;
        return std::is_void_v<R> || std::is_same_v<R, Fate> ? KillerKind::good
               : std::is_same_v<R, bool>                    ? KillerKind::predicate
                                                            : KillerKind::wrong_result;
    } else if constexpr (detected<BatchResult, Killer>) {
        return std::is_convertible_v<BatchResult<Killer>, std::vector<Eviction>> ? KillerKind::good
                                                                                 : KillerKind::wrong_result;
    } else {
        return detected<ProbeResult, Killer> || detected<PlainProbeResult, Killer> ? KillerKind::probe
                                                                                   : KillerKind::unusable;
    }
}

// Says in one sentence each what is wrong with a policy; true if nothing is.
template <class Probe, class Killer, class Log> constexpr bool check_policies() {
    constexpr bool callable = detected<ProbeResult, Probe> || detected<PlainProbeResult, Probe>;
    constexpr bool probe = std::is_invocable_r_v<std::vector<Holder>, Probe&, const Endpoint&, std::error_code&> ||
                           std::is_invocable_r_v<std::vector<Holder>, Probe&, const Endpoint&>;
    constexpr KillerKind killer = killer_kind<Killer>();
    constexpr bool log = std::is_invocable_v<Log&, std::string_view>;
    static_assert(callable, "retry_on_addr_in_use: a Probe needs std::vector<Holder> operator()(const Endpoint&, "
                            "std::error_code&) or operator()(const Endpoint&).");
    static_assert(!callable || probe, "retry_on_addr_in_use: a Probe must return std::vector<Holder>.");
    static_assert(killer != KillerKind::probe, "retry_on_addr_in_use: this Killer is a Probe. The order is (server, "
                                               "probe, killer, log); a single policy is the killer.");
    static_assert(killer != KillerKind::predicate,
                  "retry_on_addr_in_use: a Killer does not return bool. Did you mean OnlyIf{predicate}?");
    static_assert(killer != KillerKind::wrong_result,
                  "retry_on_addr_in_use: a Killer must return std::vector<Eviction> "
                  "for all holders, or Fate or void for one.");
    static_assert(killer != KillerKind::unusable,
                  "retry_on_addr_in_use: a Killer needs operator()(const std::vector<Holder>&) or operator()(const "
                  "Holder&).");
    static_assert(log, "retry_on_addr_in_use: a Log needs void operator()(std::string_view).");
    return probe && killer == KillerKind::good && log;
}

// One round against whoever holds the address; refers to what belongs to its caller.
template <class Probe, class Killer, class Log> class Round {
public:
    Round(Probe& probe, Killer& killer, Log& log, Recovery& recovery, std::uint64_t begin) noexcept
        : probe_(probe), killer_(killer), log_(log), recovery_(recovery), begin_(begin) {}

    [[nodiscard]] bool held() {
        ADDR_IN_USE_TRY {
            if constexpr (detected<Held, Probe>) {
                return static_cast<bool>(probe_.held(recovery_.endpoint));
            } else {
                std::error_code error;
                for (const Holder& holder : ask(error)) {
                    if (holds_address(holder)) { return true; }
                }
            }
        }
        ADDR_IN_USE_CATCH_ALL {} // cannot see: there is nothing to wait for
        return false;
    }

    // True if a (second) start is worth trying.
    bool run(Verdict verdict) {
        const std::vector<Holder> holders = look();
        const bool is_path = Access::is_path(recovery_.endpoint); // where a file is in the way as well
        bool held_by_others = false;
        bool somebody = false;
        for (const Holder& holder : holders) {
            const bool in_the_way = holds_address(holder) || (is_path && holder.state == State::lingering);
            held_by_others = held_by_others || (in_the_way && holder.pid != os::self());
            somebody = somebody || holder.state != State::lingering;
        }
        if (recovery_.error) {
            report();
            return false;
        }
        if ((verdict == Verdict::ask || verdict == Verdict::denied) && !held_by_others) {
            if (verdict == Verdict::denied) {
                recovery_.obstacle = Obstacle::reserved_port;
                report();
            }
            return false; // the failure was another one
        }
        if (somebody) {
            say_holders(holders);
            if (!protect(holders)) { end(holders); }
        }
        bool gone = true;
        for (const Eviction& eviction : recovery_.evictions) {
            gone = gone && eviction.fate < Fate::refused;
            say([&] { return fate_sentence(eviction); });
        }
        if (!gone) {
            recovery_.obstacle = obstacle_of(holders);
            report();
            return false;
        }
        if (somebody || holders.empty()) { settle(); } // what only lingers will not go while we wait
        if (remove_stale_socket_file()) { return true; }
        recovery_.obstacle = Obstacle::file_in_the_way;
        report();
        return false;
    }

    // After the last start has failed.
    void conclude(Verdict verdict) {
        if (recovery_.obstacle != Obstacle::none) {
            return; // found, and said, before that start
        }
        const std::vector<Holder> holders = verdict == Verdict::no ? std::vector<Holder>() : look();
        if (verdict == Verdict::yes || !holders.empty() || (verdict == Verdict::ask && recovery_.error)) {
            explain(holders);
        } else if (!recovery_.evictions.empty()) {
            report();
        }
    }

    // Where no start follows that would tell whether the address is free by now.
    void verify() {
        if (const std::vector<Holder> holders = look(); !holders.empty()) { explain(holders); }
    }

private:
    std::vector<Holder> ask(std::error_code& error) {
        if constexpr (detected<ProbeResult, Probe>) {
            return probe_(recovery_.endpoint, error);
        } else {
            static_cast<void>(error);
            return probe_(recovery_.endpoint);
        }
    }

    std::vector<Holder> look() {
        std::vector<Holder> holders;
        recovery_.error.clear();
        ADDR_IN_USE_TRY { holders = ask(recovery_.error); }
        ADDR_IN_USE_CATCH_ALL { recovery_.error = std::make_error_code(std::errc::io_error); }
        if (recovery_.error) {
            holders.clear(); // what it did see may not be all
        }
        return holders;
    }

    // True if anybody may not be offered to the killer; then nobody is.
    bool protect(const std::vector<Holder>& holders) {
        std::vector<Eviction> evictions = undecided(holders);
        refuse(evictions,
               [&](const Holder& holder) { return protection(holder, recovery_.endpoint, holders, begin_); });
        const bool spared = spare_all(evictions);
        if (spared) { recovery_.evictions = std::move(evictions); }
        return spared;
    }

    void end(const std::vector<Holder>& holders) {
        std::vector<Eviction>& evictions = recovery_.evictions;
        ADDR_IN_USE_TRY { evictions = evict(killer_, holders); }
        ADDR_IN_USE_CATCH_ALL { evictions.clear(); }
        // Whom the killer says nothing about, or calls a survivor, is looked at once more.
        for (const Holder& holder : holders) {
            const auto is_it = [&](const auto& eviction) { return eviction.holder.pid == holder.pid; };
            if (!any_of(evictions, is_it)) { evictions.push_back({holder, Fate::survived, {}, {}, ""}); }
        }
        if (!any_of(evictions, [](const Eviction& eviction) { return eviction.fate == Fate::survived; })) { return; }
        const std::vector<Holder> left = look();
        for (Eviction& eviction : evictions) {
            const std::uint32_t pid = eviction.holder.pid;
            const auto is_it = [&](const Holder& holder) { return holder.pid == pid && holds_address(holder); };
            if (eviction.fate == Fate::survived && !recovery_.error && !any_of(left, is_it)) {
                eviction.fate = os::Process(pid).exited() ? Fate::exited : Fate::released;
            }
        }
    }

    // Of the holders that a round could not end, or that were found after it.
    Obstacle obstacle_of(const std::vector<Holder>& holders) const {
        bool seen = false;
        bool unseen = false;
        bool connected = false;
        bool lingering = false;
        for (const Holder& holder : holders) {
            if (holds_address(holder) && holder.pid == os::self()) { return Obstacle::this_process; }
            seen = seen || (holds_address(holder) && holder.pid != 0);
            unseen = unseen || (holds_address(holder) && holder.pid == 0);
            connected = connected || holder.state == State::connected;
            lingering = lingering || holder.state == State::lingering;
        }
        if (unseen || !seen) {
            return unseen      ? Obstacle::invisible_holder
                   : connected ? Obstacle::live_connection
                   : lingering ? (Access::is_path(recovery_.endpoint) ? Obstacle::file_in_the_way
                                                                      : Obstacle::lingering_connections)
                               : Obstacle::invisible_holder; // nobody is to be seen, yet the bind failed
        }
        Obstacle obstacle = Obstacle::taken_again;
        for (const Eviction& eviction : recovery_.evictions) {
            if (eviction.fate > Fate::refused) { return Obstacle::surviving_holder; }
            obstacle = eviction.fate == Fate::refused ? Obstacle::refused_holder : obstacle;
        }
        return obstacle;
    }

    void explain(const std::vector<Holder>& holders) {
        if (!recovery_.error) { recovery_.obstacle = obstacle_of(holders); }
        if (recovery_.obstacle == Obstacle::taken_again) { say_holders(holders); }
        report();
    }

    // Removes the socket file that no process has open any more. False if a file is left at the path.
    bool remove_stale_socket_file() {
        if (!Access::is_file(recovery_.endpoint)) { return true; }
        const Clock::time_point begin = Clock::now();
        Eviction eviction = os::release(recovery_.endpoint, removes_files<Killer>);
        eviction.took = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begin);
        if (eviction.fate == Fate::already_gone || eviction.fate == Fate::survived) { return true; }
        say([&] { return fate_sentence(eviction); });
        recovery_.evictions.push_back(std::move(eviction));
        return recovery_.evictions.back().fate == Fate::released;
    }

    // A dying process keeps its sockets for a while, and cannot be named then.
    void settle() {
        const Clock::time_point deadline = deadline_after(settle_time);
        for (os::Milliseconds step(1); held() && left_until(deadline) > step;
             step = (std::min)(step * 2, os::Milliseconds(50))) {
            os::pause(step);
        }
    }

    template <class Text> void say(Text text) {
        if constexpr (!std::is_same_v<Log, NoLog>) {
            ADDR_IN_USE_TRY {
                const std::string line = text();
                log_(std::string_view(line));
            }
            ADDR_IN_USE_CATCH_ALL {}
        }
    }

    void say_holders(const std::vector<Holder>& holders) {
        say([&] {
            std::string line = to_string(recovery_.endpoint) + " is held by ";
            for (const Holder& holder : holders) { line += (&holder == &holders.front() ? "" : ", ") + label(holder); }
            return line;
        });
    }

    void report() {
        say([&] { return describe(recovery_); });
    }

    Probe& probe_;
    Killer& killer_;
    Log& log_;
    Recovery& recovery_;
    std::uint64_t begin_;
};

} // namespace detail

inline std::string describe(const Recovery& recovery) {
    std::string text = to_string(recovery.endpoint);
    const std::string blind = " could not be seen (" + recovery.error.message() + ')';
    if (recovery.error && recovery.evictions.empty()) { return "who holds " + text + blind + ": nobody was ended."; }
    if (recovery.evictions.empty() && recovery.obstacle == Obstacle::none) {
        return text + (recovery.retried ? " was in use for a moment, and free at the second start."
                                        : ": nobody was in the way.");
    }
    text += recovery.evictions.empty() ? " is in use." : ": ";
    for (const Eviction& eviction : recovery.evictions) {
        text += detail::fate_sentence(eviction) + (&eviction == &recovery.evictions.back() ? "." : "; ");
    }
    return text + detail::obstacle_sentence(recovery) + (recovery.error ? " Who holds it now" + blind + '.' : "");
}

template <class Server, class Probe, class Killer, class Log>
auto RetryOnAddrInUse<Server, Probe, Killer, Log>::launch(bool again, const Endpoint& endpoint) -> Result {
    if constexpr (detail::detected<detail::TraitsRestart, Server>) {
        if (again) { return detail::relaunch<Server>(server_, endpoint); }
    } else {
        static_cast<void>(again);
    }
    return detail::launch<Server>(server_, endpoint);
}

template <class Server, class Probe, class Killer, class Log>
auto RetryOnAddrInUse<Server, Probe, Killer, Log>::start(const Endpoint& endpoint) -> Result {
    constexpr bool startable = detail::Startable<std::remove_reference_t<Server>>::value;
    static_assert(startable,
                  "retry_on_addr_in_use: a Server needs start(const Endpoint&), start(port) or start(), or to be "
                  "callable like that, where a port is an integer of at least 16 bits; or specialise ServerTraits.");
    constexpr bool reports = ADDR_IN_USE_HAS_EXCEPTIONS() || !std::is_void_v<Result> || detail::preflight<Server>;
    static_assert(!startable || reports, "retry_on_addr_in_use: without exceptions a start that returns void cannot "
                                         "report a failure. Return an error, or wrap the server in Preflight.");
    if constexpr (detail::check_policies<Probe, Killer, Log>() && startable && reports) {
        const std::uint64_t begin = detail::os::now();
        recovery_ = Recovery();
        recovery_.endpoint = endpoint;
        bool spent = false;
        if constexpr (detail::preflight<Server>) { spent = look_first(begin); }
        for (bool again = false;; again = true) {
            ADDR_IN_USE_TRY {
                if constexpr (detail::tells<Server, detail::Bare<Result>>) {
                    const int before = detail::os::last_error();
                    detail::os::last_error(0);
                    Result result = launch(again, endpoint);
                    const int error = detail::os::last_error();
                    if (error == 0) { detail::os::last_error(before); }
                    const detail::Verdict verdict = detail::judge_value<Server, detail::Bare<Result>>(result, error);
                    if (verdict == detail::Verdict::success || !recover(verdict, again || spent, begin)) {
                        return static_cast<Result&&>(result);
                    }
                } else {
                    return launch(again, endpoint);
                }
            }
            ADDR_IN_USE_CATCH_ALL {
                if (!recover(detail::judge_exception<Server>(), again || spent, begin)) { ADDR_IN_USE_RETHROW; }
            }
        }
    }
}

// True if the one round that a start may make was spent before it.
template <class Server, class Probe, class Killer, class Log>
bool RetryOnAddrInUse<Server, Probe, Killer, Log>::look_first(std::uint64_t begin) noexcept {
    const detail::KeepLastError keep;
    ADDR_IN_USE_TRY {
        detail::Round<Probe, Killer, Log> round(probe_, killer_, log_, recovery_, begin);
        // At a path there may be a file that no process has any more.
        using detail::Access;
        if (Access::can_be_in_use(recovery_.endpoint) && (Access::is_path(recovery_.endpoint) || round.held())) {
            round.run(detail::Verdict::yes);
        }
    }
    ADDR_IN_USE_CATCH_ALL { recovery_.error = std::make_error_code(std::errc::not_enough_memory); }
    return !recovery_.evictions.empty();
}

// Called when a start has failed. True if another one is to be made.
template <class Server, class Probe, class Killer, class Log>
bool RetryOnAddrInUse<Server, Probe, Killer, Log>::recover(detail::Verdict verdict, bool last,
                                                           std::uint64_t begin) noexcept {
    const detail::KeepLastError keep;
    if (!detail::Access::can_be_in_use(recovery_.endpoint) || (verdict == detail::Verdict::no && !last)) {
        return false;
    }
    ADDR_IN_USE_TRY {
        detail::Round<Probe, Killer, Log> round(probe_, killer_, log_, recovery_, begin);
        if (last) {
            round.conclude(verdict);
        } else if (round.run(verdict)) {
            recovery_.retried = true;
            return true;
        }
    }
    ADDR_IN_USE_CATCH_ALL { recovery_.error = std::make_error_code(std::errc::not_enough_memory); }
    return false;
}

template <class Probe, class Killer, class Log>
Recovery free_address(const Endpoint& endpoint, Probe probe, Killer killer, Log log) {
    Recovery recovery;
    recovery.endpoint = endpoint;
    if constexpr (detail::check_policies<Probe, Killer, Log>()) {
        const detail::KeepLastError keep;
        detail::Round<Probe, Killer, Log> round(probe, killer, log, recovery, detail::os::now());
        if (detail::Access::can_be_in_use(endpoint) && round.run(detail::Verdict::yes)) { round.verify(); }
    }
    return recovery;
}

// 14  POSIX: what its systems share ///////////////////////////////////////////////////////////////////////////////////

namespace detail {

// A row of a program's table, none of which shows whether a "::" leaves IPv4 alone.
inline Socket text_socket(const Endpoint& local, Transport transport, State state, std::uint32_t pid) {
    Socket socket;
    socket.local = Endpoint(local.host(), local.port(), transport);
    socket.state = state;
    socket.pid = pid;
    socket.v6_only_unknown = socket.local.host() == "::";
    return socket;
}

// The output of lsof -F pcuftPTn for internet sockets (man 8 lsof, OUTPUT FOR OTHER PROGRAMS). False if it is not.
inline bool read_lsof(std::string_view text, Transport transport, std::vector<Socket>& sockets,
                      std::vector<Holder>& processes) {
    std::string_view type;
    std::string_view protocol;
    bool listening = false;
    std::string_view name;
    const auto finish_file = [&] {
        const bool v6 = type == "IPv6";
        std::string local(name.substr(0, name.find("->")));
        if (take(name, "*:")) { local = (v6 ? "[::]:" : "0.0.0.0:") + std::string(name); }
        const std::optional<Endpoint> endpoint = Endpoint::parse(local);
        const bool wanted = protocol == (transport == Transport::tcp ? "TCP" : "UDP") && (v6 || type == "IPv4");
        if (wanted && endpoint && Access::host_known(*endpoint)) {
            const State state = listening                                   ? State::listening
                                : name.find("->") != std::string_view::npos ? State::connected
                                                                            : State::bound;
            sockets.push_back(text_socket(*endpoint, transport, state, processes.back().pid));
        }
        type = protocol = name = {};
        listening = false;
    };
    while (!text.empty()) {
        const std::string_view line = take_line(text);
        const char field = line.empty() ? '\0' : line[0];
        const std::string_view value = line.substr(line.empty() ? 0 : 1);
        if (field == 'p') {
            if (!processes.empty()) { finish_file(); }
            processes.push_back(Holder());
            if (!to_number(value, processes.back().pid)) { return false; }
        } else if (processes.empty()) {
            return false;
        } else if (field == 'f') {
            finish_file();
        } else if (field == 'c') {
            processes.back().name = value;
        } else if (field == 'u') {
            processes.back().user = value;
        } else if (field == 't') {
            type = value;
        } else if (field == 'P') {
            protocol = value;
        } else if (field == 'n') {
            name = value;
        } else if (field == 'T') {
            listening = listening || value == "ST=LISTEN";
        }
    }
    if (!processes.empty()) { finish_file(); }
    return true;
}

} // namespace detail

#if ADDR_IN_USE_OS_POSIX()
namespace detail::os {

inline int last_error() noexcept { return errno; }
inline void last_error(int value) noexcept { errno = value; }

#    if defined(__linux__) // without <net/if.h>, 80 lines for this one function
extern "C" unsigned interface_by_name(const char* name) noexcept __asm__("if_nametoindex");
#    else
inline unsigned interface_by_name(const char* name) noexcept { return ::if_nametoindex(name); }
#    endif

inline Handle::~Handle() {
    if (value_ != -1) {
        const KeepLastError keep;
        ::close(descriptor());
    }
}

inline std::uint32_t self() noexcept { return static_cast<std::uint32_t>(::getpid()); }
inline bool privileged() noexcept { return ::geteuid() == 0; }

inline void pause(Milliseconds time) noexcept { ::poll(nullptr, 0, static_cast<int>(time.count())); }

// For poll(), which takes an int and -1 for ever.
inline int poll_time(Milliseconds time) noexcept {
    return time <= Milliseconds(0) ? 0 : time < Milliseconds(INT32_MAX) ? static_cast<int>(time.count()) : INT32_MAX;
}

// Whether `pid` can be signalled at all: kill() takes 0 and negative numbers for whole groups of processes.
inline bool is_target(std::uint32_t pid) noexcept { return pid > 1 && pid <= INT32_MAX && pid != self(); }

inline bool out_of_resources(int error) noexcept { return error == EMFILE || error == ENFILE || error == ENOMEM; }

inline bool is_gone(std::uint32_t pid) noexcept { return ::kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH; }

// What the regions differ in: how a process without a handle is known to be dead, and how one is signalled.
bool is_dead(std::uint32_t pid, std::uint64_t start_time);
bool is_stopped(std::uint32_t pid);
int send_signal(const Handle& handle, std::uint32_t pid, int number) noexcept;
// Gives a file its name back, where that replaces nothing.
bool move_back(const char* from, const char* to) noexcept;

inline bool Process::exited() const {
    if (error_) { return false; }
    if (handle_) {
        pollfd death{handle_.descriptor(), POLLIN, 0};
        return ::poll(&death, 1, 0) == 1;
    }
    return start_time_ == 0 || is_dead(pid_, start_time_);
}

inline std::error_code Process::signal(Ask ask) const {
    const int signal = ask == Ask::leave ? SIGTERM : ask == Ask::die ? SIGKILL : 0;
    if (error_ || !is_target(pid_)) {
        return error_ ? error_ : std::make_error_code(std::errc::operation_not_permitted);
    }
    if (exited()) { return std::make_error_code(std::errc::no_such_process); }
    if (send_signal(handle_, pid_, signal) != 0) { return system_error(errno); }
    if (ask == Ask::leave && is_stopped(pid_)) {
        send_signal(handle_, pid_, SIGCONT); // what is stopped gets SIGTERM only when it goes on
    }
    return {};
}

inline void Process::wait(const std::vector<Process>& processes, Milliseconds time) {
    pollfd deaths[64];
    nfds_t count = 0;
    for (const Process& process : processes) {
        if (process.error_ || process.exited()) { continue; }
        if (process.handle_ && count < std::size(deaths)) {
            deaths[count++] = {process.handle_.descriptor(), POLLIN, 0};
        } else {
            time = (std::min)(time, Milliseconds(10)); // its death is no event
        }
    }
    ::poll(deaths, count, poll_time(time));
}

// Appends what can be read until the end of the file, `most` bytes or the deadline.
inline std::error_code read_all(const Handle& file, std::string& text, std::size_t most, Clock::time_point deadline) {
    char buffer[4096];
    while (text.size() < most) {
        pollfd ready{file.descriptor(), POLLIN, 0};
        const int polled = ::poll(&ready, 1, poll_time(left_until(deadline)));
        if (polled == 0) { return std::make_error_code(std::errc::timed_out); }
        const ssize_t size = polled < 0 ? -1 : ::read(file.descriptor(), buffer, sizeof buffer);
        if (size == 0) { return {}; }
        if (size < 0 && errno != EINTR) { return system_error(errno); }
        text.append(buffer, size < 0 ? 0 : static_cast<std::size_t>(size));
    }
    return std::make_error_code(std::errc::file_too_large);
}

inline void write_line(std::string_view line) {
    std::string text(line);
    text += '\n';
    // A write to a closed pipe raises SIGPIPE for this thread. It is held back here, and taken away if it came from us.
    sigset_t pipe_only;
    sigset_t before;
    sigset_t pending;
    // (Macros on macOS: not to be qualified.)
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    ::sigpending(&pending);
    const bool was_pending = sigismember(&pending, SIGPIPE) == 1;
    ::pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
    for (std::string_view rest = text; !rest.empty();) {
        const ssize_t size = ::write(STDERR_FILENO, rest.data(), rest.size());
        if (size < 0 && errno != EINTR) {
            break; // there is nobody to tell
        }
        rest.remove_prefix(size < 0 ? 0 : static_cast<std::size_t>(size));
    }
    ::sigpending(&pending);
    if (!was_pending && sigismember(&pending, SIGPIPE) == 1) {
        int signal = 0;
        ::sigwait(&pipe_only, &signal);
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

inline bool ask_on_terminal(const std::string& question, Milliseconds timeout) {
    const Clock::time_point deadline = deadline_after(timeout);
    const Handle terminal(::open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC));
    // A background process would be stopped by the terminal as soon as it touched it.
    if (!terminal || ::tcgetpgrp(terminal.descriptor()) != ::getpgrp() ||
        ::tcflush(terminal.descriptor(), TCIFLUSH) != 0 ||
        ::write(terminal.descriptor(), question.data(), question.size()) != static_cast<ssize_t>(question.size())) {
        return false;
    }
    std::string answer;
    while (answer.empty() || (answer.back() != '\n' && answer.back() != '\r')) {
        pollfd ready{terminal.descriptor(), POLLIN, 0};
        const int polled = ::poll(&ready, 1, poll_time(left_until(deadline)));
        char c = 0;
        if (polled < 0 && errno == EINTR) { continue; }
        if (polled <= 0 || ::read(terminal.descriptor(), &c, 1) != 1) { return false; }
        answer += c;
    }
    answer.pop_back();
    return means_yes(answer);
}

// What a program writes, the first of `paths` that exists, with `arguments` that end in a null: without a shell, in a
// clean environment, and whatever SIGCHLD is set to. A status above 1 is an error; 1 is how lsof and ps say that they
// found nothing.
inline std::string run_tool(std::initializer_list<const char*> paths, std::initializer_list<const char*> arguments,
                            Milliseconds timeout, std::error_code& error) {
    const Clock::time_point deadline = deadline_after(timeout);
    const char* program = nullptr;
    for (const char* path : paths) { program = program == nullptr && ::access(path, X_OK) == 0 ? path : program; }
    int ends[2];
    if (program == nullptr || ::pipe(ends) != 0) {
        error = program == nullptr ? std::make_error_code(std::errc::no_such_file_or_directory) : system_error(errno);
        return "";
    }
    const Handle output(ends[0]);
    Handle input(ends[1]);
    ::fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    ::fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    std::string locale = "LC_ALL=C";
    std::string zone = "TZ=UTC0";
    char* const environment[] = {locale.data(), zone.data(), nullptr};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
    ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    sigset_t none;
    sigset_t usual;
    sigemptyset(&none);
    sigemptyset(&usual);
    sigaddset(&usual, SIGCHLD);
    sigaddset(&usual, SIGPIPE);
    sigaddset(&usual, SIGTERM);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &usual);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    pid_t child = 0;
    auto* const words = const_cast<char* const*>(arguments.begin()); // posix_spawn changes none of them
    error = system_error(::posix_spawn(&child, program, &actions, &attributes, words, environment));
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&actions);
    input = Handle();
    if (error) { return ""; }
    std::string text;
    constexpr std::size_t most = 16 << 20;
    error = read_all(output, text, most, deadline);
    if (error) {
        ::kill(child, SIGKILL); // ours, and not waited for yet: the pid is its own
    }
    // Where SIGCHLD is ignored, or the program's handler was faster, there is no status: the output must do.
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    if (!error && (!WIFEXITED(status) || WEXITSTATUS(status) > 1)) {
        error = std::make_error_code(std::errc::bad_message);
    }
    return error ? "" : text;
}

// What a connect to a Unix domain socket says, 0 for yes. It never waits: a full backlog is EAGAIN.
inline int try_connect(const Endpoint& endpoint) noexcept {
    // struct sockaddr_un, whose own header brings 200 lines: two bytes, and the path with a zero behind it.
    ::sockaddr_storage address{};
    address.ss_family = AF_UNIX;
    copy_bytes(reinterpret_cast<char*>(&address) + 2, Access::path(endpoint), Access::path_size);
    constexpr auto size = static_cast<socklen_t>(2 + Access::path_size);
    const int type = endpoint.transport() == Transport::udp ? SOCK_DGRAM : SOCK_STREAM;
    const Handle socket(::socket(AF_UNIX, type, 0));
    const bool good = socket && ::fcntl(socket.descriptor(), F_SETFD, FD_CLOEXEC) == 0 &&
                      ::fcntl(socket.descriptor(), F_SETFL, O_NONBLOCK) == 0 &&
                      ::connect(socket.descriptor(), reinterpret_cast<const ::sockaddr*>(&address), size) == 0;
    return good ? 0 : errno;
}

// The file at the path of a Unix domain socket that no process seems to have: it is in the way of a bind, whatever it
// is. A socket that is bound and does not listen yet refuses as a dead one does, so that a refusal alone is no proof.
inline std::vector<Holder> file_in_the_way(const Endpoint& endpoint, std::error_code& error) {
    struct ::stat file {};
    Holder holder;
    if (::lstat(Access::path(endpoint), &file) != 0) {
        if (errno != ENOENT && errno != ENOTDIR) { error = system_error(errno); }
        return {};
    }
    const bool is_socket = S_ISSOCK(file.st_mode);
    const int answer = is_socket ? try_connect(endpoint) : ECONNREFUSED;
    if (answer == ENOENT) { return {}; }
    holder.socket = endpoint;
    if (answer == ECONNREFUSED) {
        holder.state = State::lingering;
        holder.name = (is_socket               ? "the socket file "
                       : S_ISDIR(file.st_mode) ? "the directory "
                       : S_ISLNK(file.st_mode) ? "the link "
                                               : "the file ") +
                      endpoint.path() + (is_socket ? ", which nobody has open," : ", which is no socket,");
        holder.user = std::to_string(file.st_uid);
    } else if (answer == EACCES || answer == EPERM) {
        holder.name = "its socket file may not be opened by us";
    }
    std::vector<Holder> holders;
    holders.push_back(std::move(holder));
    return holders;
}

#    if defined(__APPLE__)
inline const ::timespec& made(const struct ::stat& file) noexcept { return file.st_mtimespec; }
#    else
inline const ::timespec& made(const struct ::stat& file) noexcept { return file.st_mtim; }
#    endif

// A file that is made after another one's death may get its number, but not its time.
inline bool same_file(const struct ::stat& a, const struct ::stat& b) noexcept {
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_mode == b.st_mode && a.st_uid == b.st_uid &&
           made(a).tv_sec == made(b).tv_sec && made(a).tv_nsec == made(b).tv_nsec;
}

// A name cannot be removed on condition that it still leads to a certain file. So the file is moved into a directory
// of our own, looked at there, and moved back if it is another one, which took the place meanwhile.
inline void remove_exactly(const char* path, const struct ::stat& file, Eviction& eviction) {
    std::string directory = std::string(path) + ".XXXXXX";
    struct ::stat moved {};
    if (::mkdtemp(directory.data()) == nullptr) {
        eviction.error = system_error(errno);
        return;
    }
    const std::string aside = directory + "/socket";
    if (::rename(path, aside.c_str()) != 0 || ::lstat(aside.c_str(), &moved) != 0) {
        eviction.error = system_error(errno);
    } else if (const bool same = same_file(file, moved); !same || ::unlink(aside.c_str()) != 0) {
        if (same) { eviction.error = system_error(errno); }
        eviction.fate = Fate::survived;
        if (!move_back(aside.c_str(), path)) {
            eviction.error = system_error(errno);
            eviction.reason = "another file took its place, and it is " + aside + " now";
        }
    }
    ::rmdir(directory.c_str());
}

inline Eviction release(const Endpoint& endpoint, bool may_remove) {
    Eviction eviction;
    eviction.fate = Fate::already_gone;
    struct ::stat file {};
    if (!Access::is_file(endpoint) || ::lstat(Access::path(endpoint), &file) != 0) { return eviction; }
    for (const bool again : {false, true}) {
        // A server of another network namespace is not to be seen between its bind() and its listen().
        if (again) { pause(Milliseconds(50)); }
        std::error_code error;
        const std::vector<Holder> holders = list_holders(endpoint, error);
        if (!error && holders.empty()) { return eviction; }
        eviction.fate = Fate::survived;
        if (error || holders[0].state != State::lingering) { return eviction; }
        eviction.holder = holders[0];
    }
    if (!may_remove) {
        eviction.fate = Fate::refused;
        eviction.reason = "ReportOnly removes no file";
    } else if (S_ISSOCK(file.st_mode)) {
        eviction.fate = Fate::released;
        remove_exactly(Access::path(endpoint), file, eviction);
        if (eviction.error) { eviction.fate = Fate::not_permitted; }
    } else {
        eviction.fate = Fate::refused;
        eviction.reason = "nothing but a socket is ever removed";
    }
    return eviction;
}

#    if !defined(__linux__)
inline bool move_back(const char* from, const char* to) noexcept {
    return ::link(from, to) == 0 && ::unlink(from) == 0;
}

#    endif

inline std::vector<Holder> lsof(const Endpoint& endpoint, Milliseconds timeout, std::error_code& error) {
    if (Access::is_path(endpoint)) { // whether a path still leads to the socket that had its name, lsof does not tell
        error = std::make_error_code(std::errc::function_not_supported);
        return {};
    }
    const std::string select =
        (endpoint.transport() == Transport::tcp ? "-iTCP:" : "-iUDP:") + std::to_string(endpoint.port());
    const std::string text = run_tool(
        {"/usr/bin/lsof", "/usr/sbin/lsof", "/usr/local/bin/lsof", "/usr/local/sbin/lsof", "/bin/lsof", "/sbin/lsof"},
        {"lsof", "-nPlw", select.c_str(), "-FpcuftPTn", nullptr}, timeout, error);
    std::vector<Socket> sockets;
    std::vector<Holder> processes;
    if (!error && !read_lsof(text, endpoint.transport(), sockets, processes)) {
        error = std::make_error_code(std::errc::bad_message);
    }
    if (error) { return {}; }
    for (Holder& process : processes) {
        if (Holder known = identify(process.pid); known.start_time != 0) { process = std::move(known); }
    }
    return name_holders(endpoint, sockets, processes, true);
}

inline BindErrors bind_errors() noexcept { return {EADDRINUSE, -EADDRINUSE, 0}; }
inline bool can_ask() noexcept { return true; }

inline std::string_view of_the_system(std::uint32_t pid) noexcept {
    return pid == 1 ? "it is the first process of the system: stop the socket unit or the container instead" : "";
}

} // namespace detail::os

inline std::uint32_t detail::interface_index(std::string_view scope) noexcept {
    std::uint32_t index = 0;
    char name[16] = {}; // IF_NAMESIZE
    if (to_number(scope, index) || scope.empty() || scope.size() >= sizeof name) { return index; }
    const KeepLastError keep;
    copy_bytes(name, scope.data(), scope.size());
    return os::interface_by_name(name);
}
#endif // POSIX

// 15  Linux ///////////////////////////////////////////////////////////////////////////////////////////////////////////

namespace detail {

// A row by the numbers that the Linux kernel has for states (include/net/tcp_states.h).
inline Socket diag_socket(bool v6, const Address& address, std::uint32_t state, std::uint64_t inode, std::uint32_t user,
                          const Endpoint& wanted, std::uint32_t scope = 0, bool v6_only = false) {
    constexpr std::uint32_t state_closed = 7; // bound, of TCP (since Linux 6.8) and UDP
    constexpr std::uint32_t state_listen = 10;
    Socket socket;
    socket.local = Access::endpoint(v6, address, wanted.port(), wanted.transport(), scope, v6_only);
    socket.state = state == state_listen   ? State::listening
                   : state == state_closed ? State::bound
                   : inode != 0            ? State::connected
                                           : State::lingering;
    socket.inode = inode;
    if (inode != 0) { socket.user = std::to_string(user); } // else the kernel says 0, of nobody
    return socket;
}

// The value of an attribute in a row of a dump; empty without one.
inline std::string_view diag_attribute(std::string_view attributes, std::uint16_t wanted) noexcept {
    while (attributes.size() >= 4) {
        const auto size = read_bytes<std::uint16_t>(attributes.data());
        if (size < 4 || size > attributes.size()) { break; }
        if (read_bytes<std::uint16_t>(attributes.data() + 2) == wanted) { return attributes.substr(4, size - 4U); }
        attributes.remove_prefix((std::min)(attributes.size(), (size + 3U) & ~std::size_t{3}));
    }
    return {};
}

// A row of a dump of internet sockets (struct inet_diag_msg), 72 bytes and attributes.
inline Socket inet_row(const unsigned char* row, std::string_view attributes, const Endpoint& wanted) {
    constexpr unsigned char family_v6 = 10;
    constexpr std::uint16_t attribute_v6_only = 11;
    const bool v6 = row[0] == family_v6;
    const std::string_view v6_only = diag_attribute(attributes, attribute_v6_only);
    Address address = v4_any;
    copy_bytes(address.bytes + (v6 ? 0 : 12), row + 8, v6 ? 16 : 4);
    return diag_socket(v6, address, row[1], read_bytes<std::uint32_t>(row + 68), read_bytes<std::uint32_t>(row + 64),
                       wanted, read_bytes<std::uint32_t>(row + 40), !v6_only.empty() && v6_only[0] != '\0');
}

// A row of a dump of Unix domain sockets (struct unix_diag_msg), 16 bytes and attributes: its name as it was bound, an
// abstract one with a zero before it, a path with one behind it.
inline Socket unix_row(const unsigned char* row, std::string_view attributes) {
    constexpr unsigned char type_datagram = 2;
    constexpr unsigned char state_established = 1;
    constexpr unsigned char state_listen = 10;
    const std::string_view file = diag_attribute(attributes, 1);
    const std::string_view user = diag_attribute(attributes, 7);
    std::string name(diag_attribute(attributes, 0));
    if (!name.empty() && name[0] == '\0') {
        name[0] = '@';
    } else if (!name.empty() && name.back() == '\0') {
        name.pop_back();
    }
    Socket socket;
    const bool datagram = row[1] == type_datagram;
    socket.local = Access::path(name, datagram ? Transport::udp : Transport::tcp);
    socket.state = row[2] == state_listen                     ? State::listening
                   : row[2] == state_established && !datagram ? State::connected
                                                              : State::bound;
    socket.inode = read_bytes<std::uint32_t>(row + 4);
    if (file.size() == 8) {
        socket.file = read_bytes<std::uint32_t>(file.data());
        socket.device = read_bytes<std::uint32_t>(file.data() + 4);
    }
    if (user.size() == 4) { socket.user = std::to_string(read_bytes<std::uint32_t>(user.data())); }
    return socket;
}

// Of the sockets with a name, those behind a file. It is known by its number, never by its name, which may be another
// file's by now. Where a file system shows another device than it has inside (btrfs, overlayfs), or where the number
// has more than the 32 bits that are shown, a socket may be the one or not: it is nobody's to end, its file nobody's to
// remove.
inline void keep_with_file(const Endpoint& wanted, std::uint32_t device, std::uint64_t number,
                           std::vector<Socket>& sockets) {
    keep_if(sockets, [&](Socket& socket) {
        const bool named = conflicts(wanted, socket.local);
        const bool same_device = socket.device == device;
        if (same_device ? socket.file != static_cast<std::uint32_t>(number) : !named) { return false; }
        if (!same_device || (number > UINT32_MAX && !named)) {
            socket.inode = 0;
            socket.state = State::bound;
        }
        socket.local = Access::path(Access::path(wanted), socket.local.transport());
        return true;
    });
}

// A reply to a NETLINK_SOCK_DIAG dump: rows are appended for the port and transport of `wanted`, or all that have a
// name where it is a path. True if more is to come. The layout is that of <linux/netlink.h>, <linux/inet_diag.h> and
// <linux/unix_diag.h> (a test compares every offset). A dump that fails says so inside NLMSG_DONE, not by NLMSG_ERROR
// (netlink_dump_done in net/netlink/af_netlink.c).
inline bool read_diag(const unsigned char* bytes, std::size_t size, const Endpoint& wanted,
                      std::vector<Socket>& sockets, std::error_code& error) {
    constexpr std::size_t header = 16;
    constexpr std::uint16_t message_error = 2;
    constexpr std::uint16_t message_done = 3;
    constexpr std::uint16_t message_row = 20;
    const std::size_t fixed = Access::is_path(wanted) ? 16 : 72;
    while (size != 0) {
        const std::size_t length = size < header ? 0 : read_bytes<std::uint32_t>(bytes);
        const std::uint16_t type = length < header ? std::uint16_t{0} : read_bytes<std::uint16_t>(bytes + 4);
        if (length < header || length > size || (type == message_row && length < header + fixed)) {
            error = std::make_error_code(std::errc::bad_message);
            return false;
        }
        const unsigned char* const body = bytes + header;
        if (type == message_error || type == message_done) {
            const int code = length < header + 4 ? 0 : read_bytes<std::int32_t>(body);
            if (code < 0) { error.assign(code < -4095 ? EPROTO : -code, std::system_category()); } // MAX_ERRNO
            return false;
        }
        if (type == message_row) {
            const std::string_view attributes(reinterpret_cast<const char*>(body + fixed), length - header - fixed);
            if (Access::is_path(wanted)) {
                sockets.push_back(unix_row(body, attributes));
                if (!Access::is_path(sockets.back().local)) { sockets.pop_back(); } // without a name
            } else if (body[4] * 256U + body[5] == wanted.port()) {
                sockets.push_back(inet_row(body, attributes, wanted));
            }
        }
        const std::size_t step = (std::min)(size, (length + 3U) & ~std::size_t{3});
        bytes += step;
        size -= step;
    }
    return true;
}

// The number in a link of /proc/PID/fd, "socket:[4242]"; 0 if it is another kind of descriptor.
inline std::uint64_t socket_inode(std::string_view link) noexcept {
    std::uint64_t inode = 0;
    return take(link, "socket:[") && take_number(link, inode) && link == "]" ? inode : 0;
}

// A table of /proc/net (tcp, tcp6, udp, udp6; man 5 proc_pid_net), the second source where there is no
// NETLINK_SOCK_DIAG: a seccomp filter, WSL 1, gVisor. It shows no TCP socket that is bound without listening, and not
// whether a "::" leaves IPv4 alone. Appends the rows of the port whose state is in `states`, bits as in a dump. False
// if it is no such table.
inline bool read_proc_net(std::string_view text, const Endpoint& wanted, std::uint32_t states,
                          std::vector<Socket>& sockets) {
    if (text.find("local_address") == std::string_view::npos) { return false; }
    while (!text.empty()) {
        std::string_view line = take_line(text);
        std::string_view columns[10];
        for (std::string_view& column : columns) { column = take_word(line); }
        const bool v6 = columns[1].size() == 37;
        Address address = v4_any;
        std::uint16_t port = 0;
        std::uint32_t state = 0;
        std::uint32_t user = 0;
        std::uint64_t inode = 0;
        bool good = v6 || columns[1].size() == 13;
        for (std::size_t at = v6 ? 0 : 12; good && at < 16; at += 4) { // each word in the byte order of the machine
            std::uint32_t word = 0;
            std::string_view digits = columns[1].substr(0, 8);
            columns[1].remove_prefix(8);
            good = take_number(digits, word, 16) && digits.empty();
            copy_bytes(address.bytes + at, &word, sizeof word);
        }
        good = good && take(columns[1], ":") && take_number(columns[1], port, 16) &&
               take_number(columns[3], state, 16) && to_number(columns[7], user) && to_number(columns[9], inode) &&
               state < 32;
        if (good && port == wanted.port() && (states >> state & 1) != 0) {
            Socket socket = diag_socket(v6, address, state, inode, user, wanted);
            socket.v6_only_unknown = v6 && address == Address{};
            sockets.push_back(std::move(socket));
        }
    }
    return true;
}

// What /proc/PID/stat says (man 5 proc_pid_stat).
struct ProcessStat {
    char state = '?';
    std::uint32_t parent = 0;
    bool terminal = false;
    std::uint32_t threads = 0;
    std::uint64_t start_time = 0; // clock ticks since boot; 0 if the text is not understood
};

inline ProcessStat read_stat(std::string_view text) {
    ProcessStat stat;
    // The name may hold anything, a ')' too: the last one ends it.
    std::size_t at = text.rfind(") ");
    for (int field = 3; at != std::string_view::npos && field <= 22; ++field) {
        text.remove_prefix(at + (field == 3 ? 2 : 1));
        at = text.find(' ');
        std::string_view value = text.substr(0, at);
        if (field == 3) {
            stat.state = value.empty() ? '?' : value[0];
        } else if (field == 4) {
            take_number(value, stat.parent);
        } else if (field == 7) {
            stat.terminal = value != "0";
        } else if (field == 20) {
            take_number(value, stat.threads);
        } else if (field == 22) {
            take_number(value, stat.start_time);
        }
    }
    return stat;
}

// The numbers after "KEY:" in a file like /proc/PID/status: how many, and the first four.
struct Numbers {
    std::size_t count = 0;
    std::uint32_t first[4] = {};
};

inline Numbers status_numbers(std::string_view text, std::string_view key) {
    Numbers numbers;
    while (!text.empty()) {
        std::string_view line = take_line(text);
        if (!take(line, key) || !take(line, ":")) { continue; }
        std::uint32_t number = 0;
        while (take(line, "\t") || take(line, " ") || take_number(line, number)) {
            if (line.empty() || line[0] == '\t' || line[0] == ' ') {
                if (numbers.count < std::size(numbers.first)) { numbers.first[numbers.count] = number; }
                ++numbers.count;
            }
        }
    }
    return numbers;
}

// The system service or the container in /proc/PID/cgroup (man 7 cgroups), as the path down to it; empty for a process
// of a person's session.
inline std::string read_cgroup(std::string_view text) {
    while (!text.empty()) {
        std::string_view line = take_line(text);
        const std::string_view path = line.substr((std::min)(line.size(), line.find('/')));
        std::string_view found;
        std::string_view parent;
        for (std::size_t at = 0; at < path.size();) {
            const std::size_t end = (std::min)(path.size(), path.find('/', at + 1));
            const std::string_view name = path.substr(at + 1, end - at - 1);
            const bool container = parent == "docker" || name.substr(0, 8) == "kubepods" ||
                                   (ends_with(name, ".scope") &&
                                    (name.substr(0, 7) == "docker-" || name.substr(0, 7) == "libpod-" ||
                                     name.substr(0, 5) == "crio-" || name.substr(0, 15) == "cri-containerd-"));
            if (container || parent.substr(0, 8) == "kubepods" ||
                (ends_with(name, ".service") && path.substr(0, at).find("/system.slice") != std::string_view::npos)) {
                found = path.substr(0, end);
            }
            parent = name;
            at = end;
        }
        if (!found.empty()) { return std::string(found); }
    }
    return "";
}

} // namespace detail

#if defined(__linux__)
namespace detail::os {

// Nanoseconds since boot, the clock of /proc/PID/stat: time that the machine slept counts.
inline std::uint64_t now() noexcept {
    timespec time{};
    ::clock_gettime(CLOCK_BOOTTIME, &time);
    return static_cast<std::uint64_t>(time.tv_sec) * 1000000000 + static_cast<std::uint64_t>(time.tv_nsec);
}

inline bool exact_first() noexcept { return false; }

inline std::string_view advice(Obstacle obstacle) noexcept {
    return obstacle == Obstacle::invisible_holder ? " Look as root: ss -tulnp 'sport = :PORT'."
           : obstacle == Obstacle::lingering_connections
               ? " Wait, or set SO_REUSEADDR before bind, in the old and in the new server."
               : "";
}

inline bool started_after(const Holder& holder, std::uint64_t moment) noexcept {
    // A start time is cut to whole ticks, 10 ms as a rule: within the tick nobody can tell.
    const auto tick = 1000000000 / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
    return holder.start_time > moment / tick;
}

// Calls visit(name) for each number in a directory of /proc; false from it ends the walk.
template <class Visit> int each_number(const Handle& directory, Visit visit) {
    constexpr std::size_t name_offset = 19; // struct linux_dirent64, man 2 getdents
    alignas(8) unsigned char buffer[16384];
    for (;;) {
        const long size = ::syscall(SYS_getdents64, directory.descriptor(), buffer, sizeof buffer);
        if (size <= 0) { return size < 0 ? errno : 0; }
        for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
            const char* const name = reinterpret_cast<const char*>(&buffer[at + name_offset]);
            if (*name >= '0' && *name <= '9' && !visit(name)) { return 0; }
            at += read_bytes<std::uint16_t>(&buffer[at + 16]);
        }
    }
}

inline Handle open_directory(int at, const char* path) noexcept {
    return Handle(::openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

inline std::string read_link(int at, const char* path) {
    char target[4096]; // PATH_MAX
    const ssize_t size = ::readlinkat(at, path, target, sizeof target);
    return std::string(target, size < 0 ? 0 : static_cast<std::size_t>(size));
}

inline std::string read_file(int at, const char* path, std::size_t most = 1 << 20) {
    std::string text;
    const Handle file(::openat(at, path, O_RDONLY | O_CLOEXEC));
    char buffer[4096];
    while (file && text.size() < most) {
        const ssize_t size = ::read(file.descriptor(), buffer, (std::min)(sizeof buffer, most - text.size()));
        if (size <= 0) { break; }
        text.append(buffer, static_cast<std::size_t>(size));
    }
    return text;
}

inline std::string proc_path(std::uint32_t pid, const char* rest) {
    return "/proc/" + std::to_string(pid) + '/' + rest;
}

inline ProcessStat stat_of(std::uint32_t pid) { return read_stat(read_file(AT_FDCWD, proc_path(pid, "stat").c_str())); }

// For facts that must not be missed: sets the error where it is ours that the text is empty.
inline std::string read_proc(std::uint32_t pid, const char* name, std::error_code& error) {
    errno = 0;
    std::string text = read_file(AT_FDCWD, proc_path(pid, name).c_str());
    if (text.empty() && out_of_resources(errno)) { error = system_error(errno); }
    return text;
}

inline std::uint32_t parent(std::uint32_t pid, std::error_code& error) {
    return read_stat(read_proc(pid, "stat", error)).parent;
}
inline bool on_terminal(std::uint32_t pid, std::error_code& error) {
    return read_stat(read_proc(pid, "stat", error)).terminal;
}
inline std::string service(std::uint32_t pid, std::error_code& error) {
    return read_cgroup(read_proc(pid, "cgroup", error));
}

// Its own number in a namespace below ours is shown after the one that we know (man 7 pid_namespaces).
inline bool isolated(std::uint32_t pid, std::error_code& error) {
    return status_numbers(read_proc(pid, "status", error), "NSpid").count > 1;
}

inline std::uint32_t tracer(std::error_code& error) {
    const auto numbers = status_numbers(read_proc(self(), "status", error), "TracerPid");
    return numbers.first[0];
}

// All through one descriptor of /proc/PID, so all of one process: after its death every read fails.
inline Holder identify(std::uint32_t pid, const Handle& directory) {
    Holder holder;
    const int at = directory.descriptor();
    if (directory) {
        const std::string stat = read_file(at, "stat");
        holder.pid = pid;
        holder.start_time = read_stat(stat).start_time;
        const std::size_t open = stat.find('(');
        const std::size_t close = stat.rfind(')');
        if (open < close && close != std::string::npos) { holder.name = stat.substr(open + 1, close - open - 1); }
        holder.executable = read_link(at, "exe");
        constexpr std::size_t most = 4096;
        holder.command_line = read_file(at, "cmdline", most);
        while (!holder.command_line.empty() && holder.command_line.back() == '\0') { holder.command_line.pop_back(); }
        for (char& c : holder.command_line) { c = c == '\0' ? ' ' : c; }
        const auto users = status_numbers(read_file(at, "status"), "Uid");
        holder.user = users.count < 2 ? "" : std::to_string(users.first[1]);
    }
    return holder;
}

inline Holder identify(std::uint32_t pid) {
    return identify(pid, open_directory(AT_FDCWD, proc_path(pid, "").c_str()));
}

inline bool same_user(std::uint32_t pid) {
    const auto users = status_numbers(read_file(AT_FDCWD, proc_path(pid, "status").c_str()), "Uid");
    bool same = users.count == 4;
    for (std::size_t i = 0; i < 3 && same; ++i) { same = users.first[i] == ::geteuid(); }
    // A user that this namespace does not know is shown as the overflow user, and so may be anybody (man 7
    // user_namespaces). Only the first namespace maps all.
    constexpr std::uint32_t overflow = 65534;
    const auto map = status_numbers(':' + read_file(AT_FDCWD, "/proc/self/uid_map"), "");
    return same && (users.first[0] != overflow || (map.count == 3 && map.first[2] == UINT32_MAX));
}

inline bool same_executable(std::uint32_t pid) {
    const std::string path = proc_path(pid, "exe");
    struct ::stat ours {};
    struct ::stat theirs {};
    if (::stat("/proc/self/exe", &ours) != 0 || ::stat(path.c_str(), &theirs) != 0) { return false; }
    if (ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino) { return true; }
    const std::string our_path = read_link(AT_FDCWD, "/proc/self/exe");
    const std::string their_path = read_link(AT_FDCWD, path.c_str());
    return their_path == our_path + std::string(deleted_mark) && same_user(pid);
}

inline bool same_command_line(std::uint32_t pid) {
    constexpr std::size_t most = 4 << 20; // beyond the kernel's limit for arguments (man 2 execve)
    const std::string ours = read_file(AT_FDCWD, "/proc/self/cmdline", most);
    return !ours.empty() && ours.size() < most && ours == read_file(AT_FDCWD, proc_path(pid, "cmdline").c_str(), most);
}

inline PortRange ephemeral_ports() {
    PortRange range;
    const auto numbers = status_numbers(':' + read_file(AT_FDCWD, "/proc/sys/net/ipv4/ip_local_port_range"), "");
    if (numbers.count == 2 && numbers.first[0] <= numbers.first[1] && numbers.first[1] <= 65535) {
        range = {static_cast<std::uint16_t>(numbers.first[0]), static_cast<std::uint16_t>(numbers.first[1])};
    }
    return range;
}

// The states of a dump are bits. Asked for anything but listening sockets, the kernel walks its whole table of
// connections (inet_diag_dump_icsk in net/ipv4/inet_diag.c): 0.06 ms against 0.6 ms idle, and 20 ms with 50,000 of
// them.
inline constexpr std::uint32_t diag_listening = 1U << 10;
inline constexpr std::uint32_t diag_unconnected_udp = 1U << 7;
inline constexpr std::uint32_t diag_bound = 1U << 13; // since Linux 6.8, ignored before
inline constexpr std::uint32_t diag_all = 0xffff;

inline bool shows_bound_sockets() noexcept {
    char system[6][65] = {}; // struct new_utsname (linux/utsname.h): its release is the third
    std::string_view release = ::syscall(SYS_uname, system) == 0 ? system[2] : "";
    unsigned major = 0;
    unsigned minor = 0;
    return take_number(release, major) && take(release, ".") && take_number(release, minor) &&
           (major > 6 || (major == 6 && minor >= 8));
}

// Asks NETLINK_SOCK_DIAG for sockets of a family: struct nlmsghdr, and struct inet_diag_req_v2 or struct unix_diag_req.
inline std::error_code ask_diag(const Handle& netlink, const Endpoint& wanted, unsigned char family,
                                std::uint32_t states, std::vector<Socket>& sockets) {
    const bool is_path = Access::is_path(wanted);
    alignas(4) unsigned char request[72] = {};
    const auto put = [&](std::size_t at, std::uint32_t value) { copy_bytes(&request[at], &value, sizeof value); };
    const std::uint32_t size = is_path ? 40 : sizeof request;
    put(0, size);
    constexpr std::uint16_t type[2] = {20, 0x301}; // SOCK_DIAG_BY_FAMILY with NLM_F_REQUEST and NLM_F_DUMP
    copy_bytes(&request[4], type, sizeof type);
    request[16] = family;
    request[17] = is_path ? 0 : wanted.transport() == Transport::tcp ? 6 : 17; // IPPROTO_TCP, IPPROTO_UDP
    put(20, states);
    request[24] = static_cast<unsigned char>(wanted.port() >> 8);
    request[25] = static_cast<unsigned char>(wanted.port() & 255);
    if (is_path) { put(28, 0x43); } // UDIAG_SHOW_NAME, UDIAG_SHOW_VFS, UDIAG_SHOW_UID
    if (!netlink || ::send(netlink.descriptor(), request, size, 0) < 0) { return system_error(errno); }
    std::error_code error;
    alignas(8) unsigned char reply[32768]; // no dump message is larger
    for (bool more = true; more;) {
        const ssize_t length = ::recv(netlink.descriptor(), reply, sizeof reply, MSG_TRUNC);
        if (length < 0 && errno == EINTR) { continue; }
        if (length <= 0 || static_cast<std::size_t>(length) > sizeof reply) {
            return length < 0 ? system_error(errno == EAGAIN ? ETIMEDOUT : errno)
                              : std::make_error_code(std::errc::bad_message);
        }
        more = read_diag(reply, static_cast<std::size_t>(length), wanted, sockets, error);
    }
    return error;
}

inline Handle open_netlink() noexcept {
    constexpr int netlink_sock_diag = 4;
    constexpr timeval patience{2, 0}; // some emulations of Linux never answer
    Handle netlink(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, netlink_sock_diag));
    const bool good =
        netlink && ::setsockopt(netlink.descriptor(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0;
    return good ? std::move(netlink) : Handle();
}

inline std::error_code dump_by_netlink(const Endpoint& wanted, std::uint32_t states, std::vector<Socket>& sockets) {
    const Handle netlink = open_netlink();
    if (Access::is_path(wanted)) { return ask_diag(netlink, wanted, 1, states, sockets); } // AF_UNIX
    const std::error_code error = ask_diag(netlink, wanted, 2, states, sockets);           // AF_INET, AF_INET6
    return error ? error : ask_diag(netlink, wanted, 10, states, sockets);
}

// Of the sockets with a name, those that `wanted` leads to.
inline std::error_code keep_at_path(const Endpoint& wanted, std::vector<Socket>& sockets) {
    struct ::stat at {};
    if (!Access::is_file(wanted)) { return {}; }
    if (::lstat(Access::path(wanted), &at) != 0) {
        sockets.clear();
        return errno == ENOENT || errno == ENOTDIR ? std::error_code() : system_error(errno);
    }
    // As the kernel numbers devices inside (MKDEV in linux/kdev_t.h), from what it shows (new_encode_dev).
    const auto shown = static_cast<std::uint32_t>(at.st_dev);
    keep_with_file(wanted, (shown & 0xfff00U) << 12 | (shown & 0xffU) | (shown >> 12 & 0xfff00U), at.st_ino, sockets);
    return {};
}

// Appends the sockets on the port of `wanted`, of both families: a dual-stack one is in the way of IPv4 too. `complete`
// becomes false where sockets that are bound and do not listen would not be shown.
inline std::error_code dump_sockets(const Endpoint& wanted, std::uint32_t states, std::vector<Socket>& sockets,
                                    bool& complete) {
    std::vector<Socket> rows;
    complete = shows_bound_sockets();
    std::error_code error = dump_by_netlink(wanted, states, rows);
    if (Access::is_path(wanted)) {
        if (!error) { error = keep_at_path(wanted, rows); }
        if (error) { return error; }
    } else if (error) {
        complete = false;
        rows.clear();
        const bool tcp = wanted.transport() == Transport::tcp;
        constexpr std::size_t most = std::size_t{256} << 20;
        if (!read_proc_net(read_file(AT_FDCWD, tcp ? "/proc/net/tcp" : "/proc/net/udp", most), wanted, states, rows)) {
            return error;
        }
        // Without IPv6 there is no such table.
        read_proc_net(read_file(AT_FDCWD, tcp ? "/proc/net/tcp6" : "/proc/net/udp6", most), wanted, states, rows);
    }
    for (Socket& row : rows) { sockets.push_back(std::move(row)); }
    return {};
}

// Calls visit(inode) if a link in a directory of descriptors leads to a socket. Returns the error of the link, if it
// cannot be read.
template <class Visit> int each_inode(int at, const std::string& name, Visit visit) {
    char link[64];
    // Not stat(): that would follow the link, to a network file system that hangs perhaps.
    const ssize_t size = ::readlinkat(at, name.c_str(), link, sizeof link);
    if (size < 0) { return errno; }
    const std::uint64_t inode = socket_inode(std::string_view(link, static_cast<std::size_t>(size)));
    if (inode != 0) { visit(inode); }
    return 0;
}

// The same for a whole directory, with visit(inode, path, name). Returns why it could not be read, if so.
template <class Visit> int each_socket(int at, const std::string& path, Visit visit) {
    const Handle directory = open_directory(at, path.c_str());
    if (!directory) { return errno; }
    int refusal = 0;
    const int failure = each_number(directory, [&](const char* name) {
        const int error =
            each_inode(directory.descriptor(), name, [&](std::uint64_t inode) { visit(inode, path, name); });
        refusal = error == EACCES || error == EPERM ? error : 0;
        return refusal == 0; // without the right to one there is none to the next
    });
    return refusal != 0 ? refusal : failure;
}

// The same for a process, by its descriptors or by those of all its threads. A thread
// may have a descriptor table of its own, and then its sockets are in no other place (CLONE_FILES, man 2 clone); so are
// those of the threads left when the first one has ended.
template <class Visit> int each_socket_of(int proc, const std::string& pid, bool threads, Visit visit) {
    if (!threads) { return each_socket(proc, pid + "/fd", visit); }
    const Handle directory = open_directory(proc, (pid + "/task").c_str());
    if (!directory) { return errno; }
    int failure = 0;
    const int error = each_number(directory, [&](const char* thread) {
        const int refusal = each_socket(proc, pid + "/task/" + thread + "/fd", visit);
        failure = refusal != 0 ? refusal : failure;
        return !out_of_resources(failure);
    });
    return failure != 0 ? failure : error;
}

// Why /proc may not be believed: it is missing, or another namespace's, where our numbers name strangers.
inline std::error_code check_proc(const Handle& proc) {
    if (!proc) { return system_error(errno); }
    constexpr auto proc_magic = 0x9fa0;       // PROC_SUPER_MAGIC, man 2 statfs
    alignas(8) unsigned char facts[256] = {}; // struct statfs, which begins with the type: a long, or 32 bits on s390
    if (::syscall(SYS_fstatfs, proc.descriptor(), facts) != 0 ||
        (read_bytes<long>(facts) != proc_magic && read_bytes<std::int32_t>(facts) != proc_magic)) {
        return std::make_error_code(std::errc::no_such_device);
    }
    const std::string status = read_file(proc.descriptor(), "self/status");
    if (status.empty()) { return system_error(errno); }
    const auto pid = status_numbers(status, "Pid");
    const auto in_namespaces = status_numbers(status, "NSpid"); // one number for each namespace down to ours
    return pid.count == 1 && pid.first[0] == self() && in_namespaces.count <= 1
               ? std::error_code()
               : std::make_error_code(std::errc::no_such_process);
}

// Gives the rows their owners: one copy for each process that has the socket. Of a process without the right to look
// at it, nothing is known.
inline std::error_code find_owners(std::vector<Socket>& sockets, std::vector<Holder>& processes) {
    const Handle proc = open_directory(AT_FDCWD, "/proc");
    if (const std::error_code error = check_proc(proc)) { return error; }
    std::vector<Socket> owned;
    int failure = 0;
    const auto look_at = [&](const char* process, bool threads) {
        const auto visit = [&](std::uint64_t inode, const std::string& path, const char* name) {
            for (Socket& row : sockets) {
                if (row.inode != inode) { continue; }
                Socket socket = row;
                std::string_view pid = process;
                take_number(pid, socket.pid);
                if (any_of(owned, [&](const Socket& known) {
                        return known.pid == socket.pid && known.local == socket.local && known.state == socket.state;
                    })) {
                    row.pid = socket.pid;
                    continue;
                }
                const Handle directory = open_directory(proc.descriptor(), process);
                if (!directory && out_of_resources(errno)) { failure = errno; }
                Holder holder = identify(socket.pid, directory);
                if (directory && holder.start_time == 0 && out_of_resources(errno)) { failure = errno; }
                // Read once more, after the facts and through the same directory: only then are they the holder's.
                bool confirmed = false;
                each_inode(directory.descriptor(), path.substr(path.find('/') + 1) + '/' + name,
                           [&](std::uint64_t now) { confirmed = confirmed || now == inode; });
                if (!confirmed) { continue; }
                row.pid = socket.pid;
                if (!any_of(processes, [&](const Holder& known) { return known.pid == holder.pid; })) {
                    processes.push_back(std::move(holder));
                }
                owned.push_back(std::move(socket));
            }
        };
        const int error = each_socket_of(proc.descriptor(), process, threads, visit);
        failure = out_of_resources(error) ? error : failure;
        return failure == 0;
    };
    for (const bool threads : {false, true}) { // those of threads, where a socket is in no process
        if (!any_of(sockets, [](const Socket& socket) { return socket.pid == 0 && socket.inode != 0; })) { break; }
        ::lseek(proc.descriptor(), 0, SEEK_SET);
        const int error = each_number(proc, [&](const char* pid) { return look_at(pid, threads); });
        if (failure != 0 || error != 0) { return system_error(failure != 0 ? failure : error); }
    }
    for (Socket& socket : sockets) {
        if (socket.pid == 0) { owned.push_back(std::move(socket)); }
    }
    sockets = std::move(owned);
    return {};
}

inline bool has_inode(const std::vector<Socket>& sockets, std::uint64_t inode) {
    return any_of(sockets, [&](const Socket& socket) { return socket.inode == inode; });
}

// The rows in the way of `wanted`, of the state that holds the address most firmly.
inline std::error_code list_sockets(const Endpoint& wanted, std::vector<Socket>& sockets) {
    const bool tcp = wanted.transport() == Transport::tcp;
    bool complete = true;
    if (tcp && Access::host_known(wanted)) {
        const std::error_code error = dump_sockets(wanted, diag_listening, sockets, complete);
        keep_conflicting(wanted, sockets);
        if (error || !sockets.empty()) { return error; }
    }
    const auto is_bound_only = [&](const Socket& socket) { return tcp && socket.state == State::bound; };
    for (const bool again : {false, true}) {
        std::vector<Socket> now;
        if (const std::error_code error = dump_sockets(wanted, diag_all, now, complete)) { return error; }
        keep_if(now, [&](const Socket& socket) {
            return !again || !is_bound_only(socket) || has_inode(sockets, socket.inode);
        });
        keep_conflicting(wanted, now);
        sockets = std::move(now);
        if (again || !any_of(sockets, is_bound_only)) { break; }
        pause(Milliseconds(50)); // a client between bind() and connect() is in nobody's way for long
    }
    if (!complete) { doubt_one_address(wanted, sockets); }
    return {};
}

inline std::vector<Holder> list_holders(const Endpoint& endpoint, std::error_code& error) {
    std::vector<Socket> sockets;
    std::vector<Holder> processes;
    error = list_sockets(endpoint, sockets);
    if (!error && sockets.empty() && Access::is_file(endpoint)) { return file_in_the_way(endpoint, error); }
    if (error || sockets.empty()) { return {}; }
    error = find_owners(sockets, processes);
    if (error) { return {}; }
    bool ownerless = false;
    for (const Socket& socket : sockets) { ownerless = ownerless || (socket.pid == 0 && socket.inode != 0); }
    if (ownerless) { // closed while we looked, perhaps
        std::vector<Socket> still;
        bool complete = false;
        error = dump_sockets(endpoint, diag_all, still, complete);
        keep_if(sockets, [&](const Socket& socket) {
            return socket.pid != 0 || socket.inode == 0 || has_inode(still, socket.inode);
        });
    }
    return error ? std::vector<Holder>() : gather(endpoint, sockets, processes);
}

// The states in which a socket holds an address, without those that are costly to ask for.
inline std::uint32_t holding_states(const Endpoint& endpoint) noexcept {
    return Access::is_path(endpoint)                ? diag_all
           : endpoint.transport() == Transport::tcp ? diag_listening
                                                    : diag_unconnected_udp;
}

inline bool held(const Endpoint& endpoint) {
    std::vector<Socket> sockets;
    bool complete = false;
    const std::error_code error = dump_sockets(endpoint, holding_states(endpoint), sockets, complete);
    keep_conflicting(endpoint, sockets);
    return !error && any_of(sockets, [](const Socket& socket) { return holds_address(socket); });
}

// Not by link() first: another user's socket may not be linked (fs.protected_hardlinks, man 5 proc_sys_fs).
inline bool move_back(const char* from, const char* to) noexcept {
#    if defined(SYS_renameat2)                // since Linux 3.15
    constexpr unsigned without_replacing = 1; // RENAME_NOREPLACE
    if (::syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, without_replacing) == 0) { return true; }
#    endif
    return ::link(from, to) == 0 && ::unlink(from) == 0;
}

// Whether the process, or a thread of it, has one of the sockets.
inline bool has_one(std::uint32_t pid, const std::vector<Socket>& sockets, std::error_code& error) {
    bool found = false;
    int failure = 0;
    const Handle proc = open_directory(AT_FDCWD, "/proc");
    const auto visit = [&](std::uint64_t inode, const std::string&, const char*) {
        found = found || has_inode(sockets, inode);
    };
    for (const bool threads : {false, true}) { // without its first thread a process lets look at the others only
        const int refusal = found ? 0 : each_socket_of(proc.descriptor(), std::to_string(pid), threads, visit);
        failure = failure == 0 || failure == ENOENT ? refusal : failure;
    }
    if (!found && failure != 0 && failure != ENOENT && failure != ESRCH) { error = system_error(failure); }
    return found;
}

inline bool holds(std::uint32_t pid, const Endpoint& socket, std::error_code& error) {
    const bool tcp = socket.transport() == Transport::tcp && !Access::is_path(socket);
    // For what listens the kernel need not walk its whole table, as it must for what is only bound.
    for (const std::uint32_t states : {holding_states(socket), diag_bound}) {
        std::vector<Socket> sockets;
        bool complete = false;
        error = dump_sockets(socket, states, sockets, complete);
        keep_if(sockets, [&](const Socket& row) {
            return row.inode != 0 && holds_address(row) && same_address(row.local, socket);
        });
        if (error) { return false; }
        if (!sockets.empty() && has_one(pid, sockets, error)) { return true; }
        if (error || !tcp) { break; }
    }
    return false;
}

#    if defined(SYS_pidfd_open) && defined(SYS_pidfd_send_signal)
inline constexpr long call_pidfd_open = SYS_pidfd_open;
inline constexpr long call_pidfd_send_signal = SYS_pidfd_send_signal;
#    else // headers before Linux 5.3: no such call, ENOSYS
inline constexpr long call_pidfd_open = -1;
inline constexpr long call_pidfd_send_signal = -1;
#    endif

inline Process::Process(std::uint32_t pid) : pid_(pid) {
    if (!is_target(pid)) {
        error_ = std::make_error_code(std::errc::operation_not_permitted);
        return;
    }
    handle_ = Handle(::syscall(call_pidfd_open, static_cast<pid_t>(pid), 0));
    if (!handle_ && (errno == ENOSYS || errno == EPERM)) { // before Linux 5.3, or forbidden by a filter
        start_time_ = stat_of(pid).start_time;
        if (start_time_ == 0 && !is_gone(pid)) { error_ = std::make_error_code(std::errc::permission_denied); }
    } else if (!handle_ && errno != ESRCH) {
        error_ = system_error(errno);
    }
}

inline bool is_dead(std::uint32_t pid, std::uint64_t start_time) {
    const ProcessStat stat = stat_of(pid);
    if (stat.start_time == 0) { return is_gone(pid); }
    return stat.start_time != start_time || ((stat.state == 'Z' || stat.state == 'X') && stat.threads <= 1);
}

inline bool is_stopped(std::uint32_t pid) { return stat_of(pid).state == 'T'; }

inline int send_signal(const Handle& handle, std::uint32_t pid, int number) noexcept {
    return handle ? static_cast<int>(::syscall(call_pidfd_send_signal, handle.descriptor(), number, nullptr, 0))
                  : ::kill(static_cast<pid_t>(pid), number);
}

} // namespace detail::os
#endif // Linux

// 16  macOS ///////////////////////////////////////////////////////////////////////////////////////////////////////////

#if defined(__APPLE__)
namespace detail::os {

// Microseconds since 1970, the clock of pbi_start_tvsec and pbi_start_tvusec.
inline std::uint64_t now() noexcept {
    const auto time = std::chrono::system_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(time).count());
}
inline bool started_after(const Holder& holder, std::uint64_t moment) noexcept { return holder.start_time > moment; }

// in_pcbbind in bsd/netinet/in_pcb.c: with SO_REUSEADDR only a socket on the very address is in the way.
inline bool exact_first() noexcept { return true; }

inline std::string_view advice(Obstacle obstacle) noexcept {
    return obstacle == Obstacle::invisible_holder        ? " Look as root: sudo lsof -nP -i :PORT."
           : obstacle == Obstacle::lingering_connections ? " Wait, or set SO_REUSEADDR before bind in the new server."
                                                         : "";
}

// A list that `call(buffer, bytes)` fills with whole entries, cutting it without a word where it does not fit. False
// with errno if it cannot be had; the functions of libproc return 0 then (libsyscall/wrappers/libproc/libproc.c).
template <class T, class Call> bool whole_list(std::vector<T>& entries, Call call) {
    for (entries.resize(128);; entries.resize(entries.size() * 2)) {
        errno = 0;
        const std::size_t room = entries.size() * sizeof(T);
        const int size = call(entries.data(), static_cast<int>(room));
        if (size > 0 && static_cast<std::size_t>(size) >= room) { continue; }
        entries.resize(static_cast<std::size_t>(size > 0 ? size : 0) / sizeof(T));
        return size > 0 || errno == 0;
    }
}

template <class Info> bool process_info(std::uint32_t pid, int flavor, Info& info) noexcept {
    return ::proc_pidinfo(static_cast<int>(pid), flavor, 0, &info, sizeof info) == static_cast<int>(sizeof info);
}

// A socket as the kernel describes it, if it is one of this transport with a local port.
inline bool read_socket(const socket_info& info, Transport transport, Socket& socket) {
    const bool tcp = transport == Transport::tcp;
    if (info.soi_protocol != (tcp ? 6 : 17) || info.soi_kind != (tcp ? SOCKINFO_TCP : SOCKINFO_IN)) { return false; }
    const in_sockinfo& in = tcp ? info.soi_proto.pri_tcp.tcpsi_ini : info.soi_proto.pri_in;
    const auto in_host_order = [](int port) { // in network order, in the low half of an int
        const auto low = static_cast<std::uint16_t>(port);
        unsigned char bytes[2];
        copy_bytes(bytes, &low, sizeof bytes);
        return static_cast<std::uint16_t>(bytes[0] * 256U + bytes[1]);
    };
    const bool v6 = (in.insi_vflag & INI_IPV6) != 0;
    Address address = v4_any;
    if (v6) {
        copy_bytes(address.bytes, &in.insi_laddr.ina_6, sizeof address.bytes);
    } else {
        copy_bytes(address.bytes + 12, &in.insi_laddr.ina_46.i46a_addr4, 4);
    }
    const bool alone = in.insi_fport == 0;
    const int state = tcp ? info.soi_proto.pri_tcp.tcpsi_state : TSI_S_CLOSED;
    socket.local =
        Access::endpoint(v6, address, in_host_order(in.insi_lport), transport, 0, (in.insi_vflag & INI_IPV4) == 0);
    socket.state = state == TSI_S_LISTEN            ? State::listening
                   : state == TSI_S_CLOSED && alone ? State::bound
                                                    : State::connected;
    socket.inode = info.soi_so;
    return socket.local.port() != 0;
}

// The path that a Unix domain socket was bound to, as far as the kernel tells: the text, not the file.
inline std::string_view unix_path(const socket_info& info) noexcept {
    const sockaddr_un& address = info.soi_proto.pri_un.unsi_addr.ua_sun;
    std::string_view path(address.sun_path, sizeof address.sun_path);
    return info.soi_kind == SOCKINFO_UN ? path.substr(0, path.find('\0')) : std::string_view();
}

// Appends the sockets of a process, those parked in a Mach port as well. False if it does not let us look.
inline bool list_sockets(std::uint32_t pid, const Endpoint& wanted, std::vector<Socket>& sockets) {
    const int process = static_cast<int>(pid);
    const auto take_in = [&](const socket_fdinfo& info, int size) {
        Socket socket;
        socket.pid = pid;
        if (size != static_cast<int>(sizeof info)) { return; }
        if (Access::is_path(wanted)) { // by the name alone: from which directory it was meant is unknown
            if (base_name(unix_path(info.psi)) != base_name(Access::path(wanted))) { return; }
            socket.local = wanted;
        } else if (!read_socket(info.psi, wanted.transport(), socket) || socket.local.port() != wanted.port()) {
            return;
        }
        sockets.push_back(std::move(socket));
    };
    std::vector<proc_fdinfo> files;
    if (!whole_list(
            files, [&](void* buffer, int size) { return ::proc_pidinfo(process, PROC_PIDLISTFDS, 0, buffer, size); })) {
        return errno == ESRCH;
    }
    socket_fdinfo info{};
    for (const proc_fdinfo& file : files) {
        if (file.proc_fdtype != PROX_FDTYPE_SOCKET) { continue; }
        take_in(info, ::proc_pidfdinfo(process, file.proc_fd, PROC_PIDFDSOCKETINFO, &info, sizeof info));
    }
    std::vector<proc_fileportinfo> ports;
    whole_list(ports,
               [&](void* buffer, int size) { return ::proc_pidinfo(process, PROC_PIDLISTFILEPORTS, 0, buffer, size); });
    for (const proc_fileportinfo& port : ports) {
        if (port.proc_fdtype != PROX_FDTYPE_SOCKET) { continue; }
        take_in(info,
                ::proc_pidfileportinfo(process, port.proc_fileport, PROC_PIDFILEPORTSOCKETINFO, &info, sizeof info));
    }
    return true;
}

// The sockets of all processes. `blind`: some did not let us look.
inline std::error_code list_sockets(const Endpoint& wanted, std::vector<Socket>& sockets, bool& blind) {
    std::vector<int> pids;
    if (!whole_list(pids, [](void* buffer, int size) { return ::proc_listpids(PROC_ALL_PIDS, 0, buffer, size); })) {
        return system_error(errno);
    }
    for (const int pid : pids) {
        if (pid > 0 && !list_sockets(static_cast<std::uint32_t>(pid), wanted, sockets)) {
            if (out_of_resources(errno)) { return system_error(errno); }
            blind = true;
        }
    }
    return {};
}

inline std::string command_line(std::uint32_t pid) {
    int name[] = {CTL_KERN, KERN_PROCARGS2, static_cast<int>(pid)};
    std::string text(std::size_t{1} << 20, '\0'); // ARG_MAX
    std::size_t size = text.size();
    std::int32_t count = 0;
    if (::sysctl(name, 3, text.data(), &size, nullptr, 0) != 0 || size < sizeof count) { return ""; }
    copy_bytes(&count, text.data(), sizeof count);
    text.resize(size);
    // The number of arguments, the program's path, zeros, and the arguments, each with a zero at its end.
    std::size_t begin = text.find_first_not_of('\0', text.find('\0', sizeof count));
    std::string line;
    for (; count > 0 && begin < text.size(); --count) {
        const std::string_view argument = std::string_view(text).substr(begin, text.find('\0', begin) - begin);
        line += (line.empty() ? "" : " ") + std::string(argument);
        begin += argument.size() + 1;
    }
    return line;
}

inline Holder identify(std::uint32_t pid) {
    Holder holder;
    proc_bsdinfo info{};
    proc_bsdshortinfo brief{}; // of anybody's process, without its start time
    if (process_info(pid, PROC_PIDTBSDINFO, info)) {
        holder.start_time = info.pbi_start_tvsec * 1000000 + info.pbi_start_tvusec;
        holder.name = info.pbi_name[0] != '\0' ? info.pbi_name : info.pbi_comm;
        holder.user = std::to_string(info.pbi_uid);
    } else if (process_info(pid, PROC_PIDT_SHORTBSDINFO, brief)) {
        holder.name = brief.pbsi_comm;
        holder.user = std::to_string(brief.pbsi_uid);
    } else {
        return holder;
    }
    holder.pid = pid;
    char path[PROC_PIDPATHINFO_MAXSIZE];
    const int size = ::proc_pidpath(static_cast<int>(pid), path, sizeof path);
    holder.executable.assign(path, static_cast<std::size_t>(size > 0 ? size : 0));
    holder.command_line = command_line(pid).substr(0, 4096);
    return holder;
}

// Whether a path still leads to the socket that had its name the system does not tell. So who has a socket of that name
// is named, but never ended, and a file is believed to be nobody's only where no socket of its user's could be hidden.
inline std::vector<Holder> list_path(const Endpoint& endpoint, std::vector<Socket>& sockets, bool blind,
                                     std::error_code& error) {
    std::vector<Holder> holders = file_in_the_way(endpoint, error);
    struct ::stat file {};
    const bool is_socket = ::lstat(Access::path(endpoint), &file) == 0 && S_ISSOCK(file.st_mode);
    for (Holder& holder : holders) {
        if (!is_socket || (sockets.empty() && (!blind || file.st_uid == ::geteuid()))) { continue; }
        holder.state = State::listening;
        holder.name.clear();
    }
    return holders;
}

inline std::vector<Holder> list_holders(const Endpoint& endpoint, std::error_code& error) {
    std::vector<Socket> sockets;
    bool blind = false;
    error = list_sockets(endpoint, sockets, blind);
    if (!error && Access::is_path(endpoint)) { return list_path(endpoint, sockets, blind, error); }
    keep_conflicting(endpoint, sockets);
    const auto bound_only = [&](const Socket& socket) {
        return endpoint.transport() == Transport::tcp && socket.state == State::bound;
    };
    if (!error && any_of(sockets, bound_only)) {
        pause(Milliseconds(50)); // a client between bind() and connect() is in nobody's way for long
        const std::vector<Socket> before = std::move(sockets);
        sockets.clear();
        error = list_sockets(endpoint, sockets, blind);
        keep_if(sockets, [&](const Socket& socket) {
            return !bound_only(socket) || any_of(before, [&](const Socket& old) {
                return bound_only(old) && old.pid == socket.pid && old.inode == socket.inode;
            });
        });
    }
    if (error) { return {}; }
    std::vector<Holder> processes;
    for (const Socket& socket : sockets) {
        const auto is_it = [&](const Holder& known) { return known.pid == socket.pid; };
        if (any_of(processes, is_it)) { continue; }
        processes.push_back(identify(socket.pid));
        processes.back().pid = socket.pid;
    }
    return name_holders(endpoint, sockets, processes, blind);
}

inline bool held(const Endpoint& endpoint) {
    if (Access::is_path(endpoint)) { return try_connect(endpoint) == 0; }
    std::vector<Socket> sockets;
    bool blind = false;
    const std::error_code error = list_sockets(endpoint, sockets, blind);
    keep_conflicting(endpoint, sockets);
    return !error && any_of(sockets, [&](const Socket& socket) {
        return socket.state == (endpoint.transport() == Transport::tcp ? State::listening : State::bound);
    });
}

inline bool holds(std::uint32_t pid, const Endpoint& socket, std::error_code& error) {
    std::vector<Socket> sockets;
    if (!list_sockets(pid, socket, sockets)) { error = system_error(errno); }
    return any_of(sockets, [&](const Socket& row) { return holds_address(row) && same_address(row.local, socket); });
}

inline PortRange ephemeral_ports() {
    PortRange range;
    int first = 0;
    int last = 0;
    std::size_t size = sizeof first;
    if (::sysctlbyname("net.inet.ip.portrange.first", &first, &size, nullptr, 0) == 0 &&
        ::sysctlbyname("net.inet.ip.portrange.last", &last, &size, nullptr, 0) == 0 && first > 0 && first <= last &&
        last <= 65535) {
        range = {static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(last)};
    }
    return range;
}

// A process under a debugger is the debugger's child here: it is found among the ancestors.
inline std::uint32_t tracer(std::error_code&) { return 0; }
inline bool isolated(std::uint32_t, std::error_code&) { return false; }
inline std::string service(std::uint32_t, std::error_code&) { return ""; }

inline std::uint32_t parent(std::uint32_t pid, std::error_code& error) {
    proc_bsdshortinfo info{};
    errno = 0;
    const bool known = process_info(pid, PROC_PIDT_SHORTBSDINFO, info);
    if (!known && errno != ESRCH) { error = system_error(errno); }
    return known ? info.pbsi_ppid : 0;
}

inline bool on_terminal(std::uint32_t pid, std::error_code&) {
    proc_bsdinfo info{};
    return !process_info(pid, PROC_PIDTBSDINFO, info) || info.e_tdev != UINT32_MAX; // NODEV
}

inline bool same_user(std::uint32_t pid) {
    proc_bsdinfo info{};
    const uid_t user = ::geteuid();
    return process_info(pid, PROC_PIDTBSDINFO, info) && info.pbi_uid == user && info.pbi_ruid == user &&
           info.pbi_svuid == user;
}

// The path alone: what file a process runs after its path was given to another one, the system does not tell.
inline bool same_executable(std::uint32_t pid) {
    const std::string ours = identify(self()).executable;
    return !ours.empty() && ours == identify(pid).executable && same_user(pid);
}

inline bool same_command_line(std::uint32_t pid) {
    const std::string ours = command_line(self());
    return !ours.empty() && ours == command_line(pid);
}

// A kqueue that is told of the death of exactly this process; the event waits there, so that poll() sees it for ever.
inline Process::Process(std::uint32_t pid) : pid_(pid) {
    if (!is_target(pid)) {
        error_ = std::make_error_code(std::errc::operation_not_permitted);
        return;
    }
    handle_ = Handle(::kqueue());
    struct kevent death {};
    EV_SET(&death, pid, EVFILT_PROC, EV_ADD | EV_ONESHOT, NOTE_EXIT, 0, nullptr);
    if (!handle_ || ::kevent(handle_.descriptor(), &death, 1, nullptr, 0, nullptr) != 0) {
        if (errno != ESRCH) { error_ = system_error(errno); } // of a zombie too: it holds nothing any more
        handle_ = Handle();
    }
}

inline bool is_dead(std::uint32_t, std::uint64_t) { return true; } // without a handle it was dead at once

inline bool is_stopped(std::uint32_t pid) {
    constexpr std::uint32_t stopped = 4; // SSTOP, sys/proc.h
    proc_bsdshortinfo info{};
    return process_info(pid, PROC_PIDT_SHORTBSDINFO, info) && info.pbsi_status == stopped;
}

inline int send_signal(const Handle&, std::uint32_t pid, int number) noexcept {
    return ::kill(static_cast<pid_t>(pid), number);
}

} // namespace detail::os
#endif // macOS

// 17  other POSIX systems: finds by lsof and reports //////////////////////////////////////////////////////////////////

#if ADDR_IN_USE_OS_POSIX() && !defined(__linux__) && !defined(__APPLE__)
namespace detail::os {

inline std::uint64_t now() noexcept { return 0; }
inline bool started_after(const Holder&, std::uint64_t) noexcept { return false; }
inline bool exact_first() noexcept { return true; }

inline std::string_view advice(Obstacle obstacle) noexcept {
    return obstacle == Obstacle::invisible_holder        ? " Look as root: lsof -nP -i :PORT."
           : obstacle == Obstacle::lingering_connections ? " Wait, or set SO_REUSEADDR before bind in the new server."
                                                         : "";
}

// lsof tells no start time, so a process cannot be known again: nothing is terminated here.
inline Holder identify(std::uint32_t) { return {}; }

inline std::vector<Holder> list_holders(const Endpoint& endpoint, std::error_code& error) {
    return lsof(endpoint, Milliseconds(5000), error);
}
inline bool held(const Endpoint& endpoint) {
    std::error_code error;
    return any_of(list_holders(endpoint, error), [](const Holder& holder) { return holds_address(holder); });
}
inline bool holds(std::uint32_t, const Endpoint&, std::error_code& error) {
    error = std::make_error_code(std::errc::function_not_supported);
    return false;
}
inline PortRange ephemeral_ports() { return {}; }

inline std::uint32_t tracer(std::error_code&) { return 0; }
inline bool isolated(std::uint32_t, std::error_code&) { return false; }
inline std::string service(std::uint32_t, std::error_code&) { return ""; }
inline std::uint32_t parent(std::uint32_t, std::error_code&) { return 0; }
inline bool on_terminal(std::uint32_t, std::error_code&) { return true; }
inline bool same_user(std::uint32_t) { return false; }
inline bool same_executable(std::uint32_t) { return false; }
inline bool same_command_line(std::uint32_t) { return false; }

inline Process::Process(std::uint32_t pid)
    : pid_(pid), error_(std::make_error_code(std::errc::function_not_supported)) {}
inline bool is_dead(std::uint32_t, std::uint64_t) { return false; }
inline bool is_stopped(std::uint32_t) { return false; }
inline int send_signal(const Handle&, std::uint32_t, int) noexcept { return -1; }

} // namespace detail::os
#endif // other POSIX systems

// 18  Windows /////////////////////////////////////////////////////////////////////////////////////////////////////////

namespace detail {

// A table of GetExtendedTcpTable or GetExtendedUdpTable (Windows): a count, then rows of 32-bit fields, with addresses
// and ports in network order, a port in the low half of its field. A dual-stack socket has a row in each family, so the
// row of a "::" stands for IPv6 alone.
inline void read_ip_table(const unsigned char* bytes, std::size_t size, const Endpoint& wanted, bool v6,
                          std::vector<Socket>& sockets) {
    struct Layout { // the offsets within a row
        std::size_t size, address, scope, port, state;
    };
    const bool tcp = wanted.transport() == Transport::tcp;
    const Layout at = tcp ? (v6 ? Layout{56, 0, 16, 20, 48} : Layout{24, 4, 0, 8, 0})
                          : (v6 ? Layout{28, 0, 16, 20, 0} : Layout{12, 0, 0, 4, 0});
    constexpr std::size_t count_size = 4;
    if (size < count_size) { return; }
    std::size_t count = (std::min<std::size_t>)(read_bytes<std::uint32_t>(bytes), (size - count_size) / at.size);
    for (const unsigned char* row = bytes + count_size; count > 0; --count, row += at.size) {
        if (row[at.port] * 256U + row[at.port + 1] != wanted.port()) { continue; }
        Address address = v4_any;
        copy_bytes(address.bytes + (v6 ? 0 : 12), row + at.address, v6 ? 16 : 4);
        const auto state = read_bytes<std::uint32_t>(row + at.state);
        const auto scope = v6 ? read_bytes<std::uint32_t>(row + at.scope) : 0;
        Socket socket;
        socket.local = Access::endpoint(v6, address, wanted.port(), wanted.transport(), scope, true);
        socket.pid = read_bytes<std::uint32_t>(row + at.size - 4);
        socket.state = !tcp              ? State::bound
                       : state == 2      ? State::listening // MIB_TCP_STATE_LISTEN
                       : socket.pid == 0 ? State::lingering
                                         : State::connected;
        sockets.push_back(std::move(socket));
    }
}

} // namespace detail

} // namespace ADDR_IN_USE_NAMESPACE
} // namespace addr_in_use

#if defined(_WIN32)

// As in the SDK (windows.h), which brings 29,000 macros and 100,000 lines. It may be included too, before or after;
// only NO_STRICT, which gives HMODULE another type, does not go with it.
struct HINSTANCE__;
struct _FILETIME;
struct _SECURITY_ATTRIBUTES;
struct _INPUT_RECORD;
struct tagPROCESSENTRY32W;
extern "C" {
#    if defined(_WIN64)
typedef long long(__stdcall* addr_in_use_function)();
#    else
typedef int(__stdcall* addr_in_use_function)();
#    endif
__declspec(dllimport) HINSTANCE__* __stdcall LoadLibraryExA(const char*, void*, unsigned long);
__declspec(dllimport) addr_in_use_function __stdcall GetProcAddress(HINSTANCE__*, const char*);
__declspec(dllimport) unsigned long __stdcall GetLastError();
__declspec(dllimport) void __stdcall SetLastError(unsigned long);
__declspec(dllimport) void __stdcall Sleep(unsigned long);
__declspec(dllimport) unsigned long __stdcall GetCurrentProcessId();
__declspec(dllimport) void* __stdcall OpenProcess(unsigned long, int, unsigned long);
__declspec(dllimport) int __stdcall CloseHandle(void*);
__declspec(dllimport) int __stdcall TerminateProcess(void*, unsigned);
__declspec(dllimport) unsigned long __stdcall WaitForSingleObject(void*, unsigned long);
__declspec(dllimport) unsigned long __stdcall WaitForMultipleObjects(unsigned long, void* const*, int, unsigned long);
__declspec(dllimport) int __stdcall GetProcessTimes(void*, _FILETIME*, _FILETIME*, _FILETIME*, _FILETIME*);
__declspec(dllimport) int __stdcall QueryFullProcessImageNameW(void*, unsigned long, wchar_t*, unsigned long*);
__declspec(dllimport) void* __stdcall CreateToolhelp32Snapshot(unsigned long, unsigned long);
__declspec(dllimport) int __stdcall Process32FirstW(void*, tagPROCESSENTRY32W*);
__declspec(dllimport) int __stdcall Process32NextW(void*, tagPROCESSENTRY32W*);
__declspec(dllimport) int __stdcall WideCharToMultiByte(unsigned, unsigned long, const wchar_t*, int, char*, int,
                                                        const char*, int*);
__declspec(dllimport) void* __stdcall CreateFileW(const wchar_t*, unsigned long, unsigned long, _SECURITY_ATTRIBUTES*,
                                                  unsigned long, unsigned long, void*);
__declspec(dllimport) int __stdcall WriteFile(void*, const void*, unsigned long, unsigned long*, struct _OVERLAPPED*);
__declspec(dllimport) int __stdcall FlushConsoleInputBuffer(void*);
__declspec(dllimport) int __stdcall ReadConsoleInputW(void*, _INPUT_RECORD*, unsigned long, unsigned long*);
}

namespace addr_in_use {
inline namespace ADDR_IN_USE_NAMESPACE {
namespace detail::os {

// A handle that is null or -1 is none.
inline Handle owned(void* handle) noexcept {
    return Handle(handle == nullptr ? -1 : reinterpret_cast<std::intptr_t>(handle));
}
inline void* raw(const Handle& handle) noexcept { return reinterpret_cast<void*>(handle.value()); }

inline int last_error() noexcept { return static_cast<int>(::GetLastError()); }
inline void last_error(int value) noexcept { ::SetLastError(static_cast<unsigned long>(value)); }
inline std::error_code last_system_error() noexcept { return system_error(last_error()); }

inline Handle::~Handle() {
    if (value_ != -1) {
        const KeepLastError keep;
        ::CloseHandle(reinterpret_cast<void*>(value_));
    }
}

inline constexpr unsigned long no_such_process = 87; // ERROR_INVALID_PARAMETER, what OpenProcess says of a free pid

// WSAEADDRINUSE; libuv's UV_EADDRINUSE, which is not the negated number here; WSAEACCES: taken with
// SO_EXCLUSIVEADDRUSE, or kept by the system ("Using SO_REUSEADDR and SO_EXCLUSIVEADDRUSE").
inline BindErrors bind_errors() noexcept { return {10048, -4091, 10013}; }
inline bool exact_first() noexcept { return true; }
inline bool can_ask() noexcept { return false; } // there is no SIGTERM for another console's program

inline std::string_view advice(Obstacle obstacle) noexcept {
    return obstacle == Obstacle::invisible_holder ? " Look as administrator: netstat -ano | findstr :PORT."
           : obstacle == Obstacle::reserved_port
               ? " See netsh int ipv4 show excludedportrange tcp, and netsh http show servicestate."
               : "";
}

inline std::uint32_t self() noexcept { return static_cast<std::uint32_t>(::GetCurrentProcessId()); }
inline bool privileged() noexcept { return false; } // asked only where a socket shows its user
inline void pause(Milliseconds time) noexcept { ::Sleep(static_cast<unsigned long>(time.count())); }

// Steps of 100 ns since 1601, as GetProcessTimes tells when a process started.
inline std::uint64_t now() noexcept {
    using Steps = std::chrono::duration<std::int64_t, std::ratio<1, 10000000>>;
    const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(std::chrono::duration_cast<Steps>(since_1970).count()) + 116444736000000000U;
}
inline bool started_after(const Holder& holder, std::uint64_t moment) noexcept { return holder.start_time > moment; }

// A function of a library of the system's own, by name: nothing to link, and no library of that name from elsewhere.
template <class Function> Function load(const char* library, const char* name) noexcept {
    constexpr unsigned long search_system32 = 0x800;
    HINSTANCE__* const module = ::LoadLibraryExA(library, nullptr, search_system32);
    return module == nullptr ? nullptr
                             : reinterpret_cast<Function>(reinterpret_cast<void (*)()>(::GetProcAddress(module, name)));
}

inline std::string utf8(const wchar_t* text, std::size_t size) {
    constexpr unsigned code_page = 65001; // CP_UTF8
    std::string result(size * 3, '\0');
    const int length = ::WideCharToMultiByte(code_page, 0, text, static_cast<int>(size), result.data(),
                                             static_cast<int>(result.size()), nullptr, nullptr);
    result.resize(static_cast<std::size_t>(length > 0 ? length : 0));
    return result;
}

struct ProcessEntry { // PROCESSENTRY32W
    unsigned long size;
    unsigned long usage;
    unsigned long pid;
    std::uintptr_t heap;
    unsigned long module;
    unsigned long threads;
    unsigned long parent;
    long priority;
    unsigned long flags;
    wchar_t name[260];
};
static_assert(sizeof(ProcessEntry) == (sizeof(void*) == 8 ? 568 : 556));

// All processes. The parent of one may be dead, and its pid another's by now.
inline std::vector<ProcessEntry> all_processes(std::error_code& error) {
    constexpr unsigned long of_processes = 2; // TH32CS_SNAPPROCESS
    std::vector<ProcessEntry> entries;
    const Handle snapshot = owned(::CreateToolhelp32Snapshot(of_processes, 0));
    ProcessEntry entry{};
    entry.size = sizeof entry;
    auto* const pointer = reinterpret_cast<tagPROCESSENTRY32W*>(&entry);
    if (!snapshot || ::Process32FirstW(raw(snapshot), pointer) == 0) {
        error = last_system_error();
        return entries;
    }
    do { entries.push_back(entry); } while (::Process32NextW(raw(snapshot), pointer) != 0);
    return entries;
}

inline std::string name_of(const ProcessEntry& entry) {
    return utf8(entry.name, std::char_traits<wchar_t>::length(entry.name));
}

inline Handle open_process(std::uint32_t pid, unsigned long more_rights = 0) noexcept {
    constexpr unsigned long query = 0x1000; // PROCESS_QUERY_LIMITED_INFORMATION
    return owned(::OpenProcess(query | more_rights, 0, pid));
}

inline std::uint64_t start_time(const Handle& process) noexcept {
    std::uint64_t times[4] = {}; // of its creation, its exit, in the kernel and outside
    const auto time = [&](int i) { return reinterpret_cast<_FILETIME*>(&times[i]); };
    return process && ::GetProcessTimes(raw(process), time(0), time(1), time(2), time(3)) != 0 ? times[0] : 0;
}

inline std::string executable(const Handle& process) {
    std::wstring path(32768, L'\0');
    auto size = static_cast<unsigned long>(path.size());
    return process && ::QueryFullProcessImageNameW(raw(process), 0, path.data(), &size) != 0 ? utf8(path.data(), size)
                                                                                             : "";
}

// Since Windows 8.1; empty before.
inline std::string command_line(const Handle& process) {
    using Query = long(__stdcall*)(void*, int, void*, unsigned long, unsigned long*);
    struct Text { // UNICODE_STRING, with its characters behind it
        unsigned short size;
        unsigned short room;
        const wchar_t* characters;
    };
    const auto query = load<Query>("ntdll.dll", "NtQueryInformationProcess");
    constexpr int of_command_line = 60;           // ProcessCommandLineInformation
    std::vector<unsigned char> buffer(66 * 1024); // the size is 16 bits
    Text text{};
    if (!process || query == nullptr ||
        query(raw(process), of_command_line, buffer.data(), static_cast<unsigned long>(buffer.size()), nullptr) < 0) {
        return "";
    }
    copy_bytes(&text, buffer.data(), sizeof text);
    return utf8(text.characters, text.size / sizeof(wchar_t));
}

// The user's security identifier, "S-1-5-21-...", as its parts are laid out (SID, winnt.h).
inline std::string user(const Handle& process) {
    using OpenToken = int(__stdcall*)(void*, unsigned long, void**);
    using TokenFacts = int(__stdcall*)(void*, int, void*, unsigned long, unsigned long*);
    const auto open_token = load<OpenToken>("advapi32.dll", "OpenProcessToken");
    const auto token_facts = load<TokenFacts>("advapi32.dll", "GetTokenInformation");
    constexpr unsigned long query = 8; // TOKEN_QUERY
    constexpr int of_user = 1;         // TokenUser
    void* handle = nullptr;
    alignas(8) unsigned char facts[256];
    unsigned long size = 0;
    if (!process || open_token == nullptr || token_facts == nullptr || open_token(raw(process), query, &handle) == 0) {
        return "";
    }
    const Handle token = owned(handle);
    if (token_facts(raw(token), of_user, facts, sizeof facts, &size) == 0) { return ""; }
    const auto* const sid = read_bytes<const unsigned char*>(facts);
    std::uint64_t authority = 0;
    for (int i = 2; i < 8; ++i) { authority = authority * 256 + sid[i]; }
    std::string text = "S-" + std::to_string(sid[0]) + '-' + std::to_string(authority);
    for (std::size_t i = 0; i < sid[1]; ++i) {
        text += '-' + std::to_string(read_bytes<std::uint32_t>(sid + 8 + 4 * i));
    }
    return text;
}

inline Holder identify(std::uint32_t pid) {
    Holder holder;
    std::error_code error;
    for (const ProcessEntry& entry : all_processes(error)) {
        if (entry.pid != pid) { continue; }
        const Handle process = open_process(pid);
        holder.pid = pid;
        holder.start_time = start_time(process);
        holder.name = name_of(entry);
        holder.executable = executable(process);
        holder.command_line = command_line(process).substr(0, 4096);
        holder.user = user(process);
    }
    return holder;
}

inline std::error_code read_table(const Endpoint& wanted, bool v6, bool only_listening, std::vector<Socket>& sockets) {
    using Function = unsigned long(__stdcall*)(void*, unsigned long*, int, unsigned long, int, unsigned long);
    const bool tcp = wanted.transport() == Transport::tcp;
    const auto function = load<Function>("iphlpapi.dll", tcp ? "GetExtendedTcpTable" : "GetExtendedUdpTable");
    if (function == nullptr) { return last_system_error(); }
    constexpr unsigned long too_small = 122; // ERROR_INSUFFICIENT_BUFFER
    constexpr unsigned long no_such_family = 50;
    std::vector<unsigned char> table;
    unsigned long size = 4096;
    unsigned long error = too_small;
    for (int tries = 0; tries < 10 && error == too_small; ++tries, size += size / 4) { // it grows while we look
        table.resize(size);
        // TCP_TABLE_OWNER_PID_LISTENER, TCP_TABLE_OWNER_PID_ALL, UDP_TABLE_OWNER_PID
        error = function(table.data(), &size, 0, v6 ? 23 : 2, !tcp ? 1 : only_listening ? 3 : 5, 0);
    }
    if (error == 0) { read_ip_table(table.data(), table.size(), wanted, v6, sockets); }
    return error == 0 || (v6 && error == no_such_family) ? std::error_code() : system_error(static_cast<int>(error));
}

inline std::error_code read_tables(const Endpoint& wanted, bool only_listening, std::vector<Socket>& sockets) {
    if (Access::is_path(wanted)) { // no table has Unix domain sockets
        return std::make_error_code(std::errc::function_not_supported);
    }
    const std::error_code error = read_table(wanted, false, only_listening, sockets);
    return error ? error : read_table(wanted, true, only_listening, sockets);
}

// The table names who made a socket. When that process is dead, a child that inherited the socket holds it, and no
// function tells which.
inline std::string heirs(std::uint32_t dead, const std::vector<ProcessEntry>& processes) {
    std::string text = "the process " + std::to_string(dead) + " that made it is dead";
    for (const ProcessEntry& entry : processes) {
        if (entry.parent == dead) {
            text += ", its child " + name_of(entry) + " (pid " + std::to_string(entry.pid) + ") may";
        }
    }
    return text;
}

inline std::vector<Holder> name_owners(const Endpoint& endpoint, std::vector<Socket>& sockets, std::error_code& error) {
    keep_conflicting(endpoint, sockets);
    doubt_one_address(endpoint, sockets);
    std::vector<Holder> processes;
    for (const Socket& socket : sockets) {
        if (any_of(processes, [&](const Holder& known) { return known.pid == socket.pid; })) { continue; }
        processes.push_back(identify(socket.pid));
        processes.back().pid = socket.pid;
    }
    std::vector<Holder> holders = gather(endpoint, sockets, processes);
    for (Holder& holder : holders) {
        if (holder.pid != 0 && holder.name.empty()) { // in no list of processes
            holder.name = heirs(holder.pid, all_processes(error));
            holder.pid = 0;
        }
    }
    return error ? std::vector<Holder>() : holders;
}

inline std::vector<Holder> list_holders(const Endpoint& endpoint, std::error_code& error) {
    std::vector<Socket> sockets;
    error = read_tables(endpoint, false, sockets);
    return error ? std::vector<Holder>() : name_owners(endpoint, sockets, error);
}

inline bool held(const Endpoint& endpoint) {
    std::vector<Socket> sockets;
    const std::error_code error = read_tables(endpoint, true, sockets);
    keep_conflicting(endpoint, sockets);
    return !error && any_of(sockets, [](const Socket& socket) { return holds_address(socket); });
}

inline bool holds(std::uint32_t pid, const Endpoint& socket, std::error_code& error) {
    std::vector<Socket> sockets;
    error = read_tables(socket, true, sockets);
    return !error && any_of(sockets, [&](const Socket& row) {
        return row.pid == pid && holds_address(row) && same_address(row.local, socket);
    });
}

inline PortRange ephemeral_ports() { return {}; } // no function tells

// No socket file is removed here, since no table tells whose it is.
inline Eviction release(const Endpoint&, bool) {
    Eviction nothing;
    nothing.fate = Fate::already_gone;
    return nothing;
}

inline std::string_view of_the_system(std::uint32_t pid) noexcept {
    using Critical = int(__stdcall*)(void*, int*);
    if (pid <= 4) { return "it is Windows itself (http.sys, file sharing): see netsh http show servicestate"; }
    const auto is_critical = load<Critical>("kernel32.dll", "IsProcessCritical"); // since Windows 8.1
    const Handle process = open_process(pid);
    int critical = 0;
    return process && is_critical != nullptr && is_critical(raw(process), &critical) != 0 && critical != 0
               ? "Windows stops without it"
               : "";
}

inline std::uint32_t parent(std::uint32_t pid, std::error_code& error) {
    for (const ProcessEntry& entry : all_processes(error)) {
        const std::uint64_t older = entry.pid == pid ? start_time(open_process(entry.parent)) : 0;
        if (older != 0 && older <= start_time(open_process(pid))) { return entry.parent; }
    }
    return 0;
}

inline std::string service(std::uint32_t pid, std::error_code& error) {
    const Holder above = identify(parent(pid, error));
    return above.name == "services.exe" ? "services.exe/" + executable(open_process(pid)) : "";
}

inline std::uint32_t tracer(std::error_code&) { return 0; } // no function tells who it is; as a rule an ancestor
inline bool on_terminal(std::uint32_t, std::error_code&) { return true; }
inline bool isolated(std::uint32_t, std::error_code&) { return false; }

inline bool same_user(std::uint32_t pid) {
    const std::string ours = user(open_process(self()));
    return !ours.empty() && ours == user(open_process(pid));
}
// A running program's file cannot be replaced here: one path is one file.
inline bool same_executable(std::uint32_t pid) {
    const std::string ours = executable(open_process(self()));
    return !ours.empty() && ours == executable(open_process(pid));
}
inline bool same_command_line(std::uint32_t pid) {
    const std::string ours = command_line(open_process(self()));
    return !ours.empty() && ours == command_line(open_process(pid));
}

// An open process keeps its pid, so that the second handle below is of the same one ("Process Handles and
// Identifiers").
inline Process::Process(std::uint32_t pid) : pid_(pid) {
    constexpr unsigned long synchronize = 0x100000;
    if (pid <= 4 || pid == self()) {
        error_ = std::make_error_code(std::errc::operation_not_permitted);
        return;
    }
    handle_ = open_process(pid, synchronize);
    if (!handle_ && ::GetLastError() != no_such_process) { error_ = last_system_error(); }
}

inline bool Process::exited() const { return !error_ && (!handle_ || ::WaitForSingleObject(raw(handle_), 0) == 0); }

inline std::error_code Process::signal(Ask ask) const {
    constexpr unsigned long terminate = 1;
    if (error_) { return error_; }
    const Handle process = exited() ? Handle() : open_process(pid_, terminate);
    if (process && (ask == Ask::permission || ::TerminateProcess(raw(process), 1) != 0)) { return {}; }
    const std::error_code error = last_system_error(); // ERROR_ACCESS_DENIED for a dying process as well
    return exited() ? std::make_error_code(std::errc::no_such_process) : error;
}

inline void Process::wait(const std::vector<Process>& processes, Milliseconds time) {
    void* handles[64]; // MAXIMUM_WAIT_OBJECTS
    unsigned long count = 0;
    for (const Process& process : processes) {
        if (process.error_ || process.exited()) { continue; }
        if (count < std::size(handles)) {
            handles[count++] = raw(process.handle_);
        } else {
            time = (std::min)(time, Milliseconds(10)); // its death is no event
        }
    }
    const auto milliseconds = static_cast<unsigned long>((std::min<std::int64_t>)(time.count(), INT32_MAX));
    if (count == 0) {
        ::Sleep(milliseconds);
    } else {
        ::WaitForMultipleObjects(count, handles, 0, milliseconds);
    }
}

inline std::vector<Holder> lsof(const Endpoint&, Milliseconds, std::error_code& error) {
    error = std::make_error_code(std::errc::function_not_supported);
    return {};
}

struct ConsoleEvent { // INPUT_RECORD with a KEY_EVENT_RECORD
    unsigned short type;
    int pressed;
    unsigned short repeated;
    unsigned short key;
    unsigned short scan;
    wchar_t character;
    unsigned long modifiers;
};
static_assert(sizeof(ConsoleEvent) == 20);

// In the console that the program has, if it has one; what was typed before is thrown away.
inline bool ask_on_terminal(const std::string& question, Milliseconds timeout) {
    const Clock::time_point deadline = deadline_after(timeout);
    constexpr unsigned long read_and_write = 0xC0000000;
    const auto open = [](const wchar_t* name) {
        return owned(::CreateFileW(name, read_and_write, 3, nullptr, 3, 0, nullptr));
    };
    const Handle input = open(L"CONIN$");
    const Handle output = open(L"CONOUT$");
    unsigned long size = 0;
    if (!input || !output || ::FlushConsoleInputBuffer(raw(input)) == 0 ||
        ::WriteFile(raw(output), question.data(), static_cast<unsigned long>(question.size()), &size, nullptr) == 0) {
        return false;
    }
    std::string answer;
    for (;;) {
        const os::Milliseconds left = left_until(deadline);
        ConsoleEvent event{};
        if (left <= Milliseconds(0) ||
            ::WaitForSingleObject(raw(input),
                                  static_cast<unsigned long>((std::min<std::int64_t>)(left.count(), INT32_MAX))) != 0 ||
            ::ReadConsoleInputW(raw(input), reinterpret_cast<_INPUT_RECORD*>(&event), 1, &size) == 0) {
            return false;
        }
        if (event.type != 1 || event.pressed == 0 || event.character == 0) { continue; } // KEY_EVENT
        const char c = event.character < 128 ? static_cast<char>(event.character) : '?';
        ::WriteFile(raw(output), c == '\r' ? "\r\n" : &c, c == '\r' ? 2 : 1, &size, nullptr);
        if (c == '\r') { return means_yes(answer); }
        answer += c;
    }
}

inline void write_line(std::string_view line) {
    std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data());
}

} // namespace detail::os

inline std::uint32_t detail::interface_index(std::string_view scope) noexcept {
    std::uint32_t index = 0;
    return to_number(scope, index) ? index : 0;
}
} // namespace ADDR_IN_USE_NAMESPACE
} // namespace addr_in_use
#endif // Windows

#undef ADDR_IN_USE_CATCH_ALL
#undef ADDR_IN_USE_HAS_EXCEPTIONS
#undef ADDR_IN_USE_NAMESPACE
#undef ADDR_IN_USE_OS_POSIX
#undef ADDR_IN_USE_RETHROW
#undef ADDR_IN_USE_TRY

#endif // RETRY_ON_ADDR_IN_USE_HPP_0_1_0
