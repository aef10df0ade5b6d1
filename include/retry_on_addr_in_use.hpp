// retry_on_addr_in_use.hpp 0.2.0 (MIT licence): starts a server even if its address is already in use.
//
// If the start fails with "address in use", RetryOnAddrInUse finds the processes that hold the address, terminates
// them and starts the server exactly once more. A second failure is returned unchanged.
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
//    5  policies
//    6  RetryOnAddrInUse and free_address
//   ============================================ implementation: users can stop reading here
//    7  Os: what the logic asks of an operating system
//    8  endpoints: text and conflicts
//    9  failures: starting a server, classifying what went wrong
//   10  sockets to holders
//   11  protection: every reason not to terminate a process
//   12  termination: pinned processes, the killers and predicates
//   13  recovery: probe, protect, evict, wait until free, clean up; the report
//   14  POSIX: what its systems share
//   15  Linux
//   16  macOS
//   17  other POSIX systems: find by lsof and report
//   18  Windows

#ifndef RETRY_ON_ADDR_IN_USE_HPP_0_2_0
#define RETRY_ON_ADDR_IN_USE_HPP_0_2_0

// 1  configuration and version ////////////////////////////////////////////////////////////////////////////////////////

#ifdef ADDR_IN_USE_VERSION_MAJOR
#    error "retry_on_addr_in_use.hpp: another version of this header was included before. Use one everywhere."
#endif
#define ADDR_IN_USE_VERSION_MAJOR 0 // incompatible changes, once it is 1
#define ADDR_IN_USE_VERSION_MINOR 2 // new features; incompatible changes while the major version is 0
#define ADDR_IN_USE_VERSION_PATCH 0 // corrections

#if __cplusplus < 201703L && (!defined(_MSVC_LANG) || _MSVC_LANG < 201703L)
#    error "retry_on_addr_in_use.hpp needs C++17: compile with -std=c++17 (or /std:c++17) or newer."
#    include "C++17" // no such file: the compiler stops here, and does not report each later line
#endif

// Builds with and without exceptions use different inline namespaces, so that both can be linked into one program.
#if defined(__cpp_exceptions) || defined(__EXCEPTIONS) || defined(_CPPUNWIND)
#    define ADDR_IN_USE_HAS_EXCEPTIONS() 1
#    define ADDR_IN_USE_NAMESPACE v0_2_0
#    define ADDR_IN_USE_TRY try
#    define ADDR_IN_USE_CATCH_ALL catch (...)
#    define ADDR_IN_USE_RETHROW throw
#else
#    define ADDR_IN_USE_HAS_EXCEPTIONS() 0
#    define ADDR_IN_USE_NAMESPACE v0_2_0_noexcept
#    define ADDR_IN_USE_TRY if (true)
#    define ADDR_IN_USE_CATCH_ALL else
#    define ADDR_IN_USE_RETHROW static_cast<void>(0)
#endif

#if defined(_MSC_VER) // the linker rejects a program whose parts were compiled with different versions
#    pragma detect_mismatch("retry_on_addr_in_use.hpp", "0.2.0")
#endif

#if defined(__unix__) || defined(__APPLE__)
#    define ADDR_IN_USE_OS_POSIX() 1
#else
#    define ADDR_IN_USE_OS_POSIX() 0
#endif

// 2  includes /////////////////////////////////////////////////////////////////////////////////////////////////////////

#include <algorithm>        // for std::sort, std::lower_bound, std::min, std::max
#include <cerrno>           // for errno, EADDRINUSE
#include <chrono>           // for grace periods and deadlines
#include <cstddef>          // for std::size_t, offsetof
#include <cstdint>          // for fixed widths
#include <cstdio>           // for the message before std::abort
#include <cstdlib>          // for std::abort
#include <cstring>          // for std::memcpy, std::memcmp
#include <exception>        // for std::nested_exception
#include <initializer_list> // for loops over a few values
#include <iterator>         // for std::size
#include <optional>         // for Endpoint::parse
#include <ratio>            // for the unit of Windows' clock
#include <stdexcept>        // for std::invalid_argument
#include <string>           // for the facts of a holder
#include <string_view>      // for text that is only read
#include <system_error>     // for std::error_code
#include <type_traits>      // for what a server and a policy can do
#include <utility>          // for std::move, std::in_place
#include <vector>           // for the holders

#if ADDR_IN_USE_OS_POSIX()
#    include <fcntl.h>
#    include <netinet/in.h>
#    include <poll.h>
#    include <pthread.h>
#    include <signal.h>
#    include <spawn.h>
#    include <sys/socket.h>
#    include <sys/stat.h>
#    include <sys/un.h>
#    include <sys/wait.h>
#    include <time.h>
#    include <unistd.h>
#endif
#if defined(__linux__)
#    include <linux/inet_diag.h>
#    include <linux/netlink.h>
#    include <linux/sock_diag.h>
#    include <linux/unix_diag.h>
#    include <sys/syscall.h>
#    include <sys/vfs.h>
#elif ADDR_IN_USE_OS_POSIX()
#    include <net/if.h>
#    include <termios.h>
#endif
#if defined(__APPLE__)
#    include <libproc.h>
#    include <sys/event.h>
#    include <sys/mount.h>
#    include <sys/param.h>
#    include <sys/sysctl.h>
#endif

namespace addr_in_use {
inline namespace ADDR_IN_USE_NAMESPACE {

// 3  values ///////////////////////////////////////////////////////////////////////////////////////////////////////////

enum class Transport : std::uint8_t { tcp, udp };

class Endpoint;

namespace detail {
// In network byte order; IPv4 in its mapped form ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2).
struct Address {
    unsigned char bytes[16] = {};
};
enum class HostKind : std::uint8_t { every, localhost, v4, v6, path };
struct EndpointParts { // without padding: compared by its bytes
    HostKind kind = HostKind::every;
    Transport transport = Transport::tcp;
    std::uint16_t port = 0;
    std::uint32_t scope = 0; // interface index, 0: any
    Address address{};
    bool v6_only = false;
    char path[111] = {}; // sun_path, with '@' for the zero in front of an abstract name, and three zeros
};
static_assert(std::has_unique_object_representations_v<EndpointParts>);
const EndpointParts& parts_of(const Endpoint& endpoint) noexcept;
Endpoint make_endpoint(const EndpointParts& parts) noexcept;
bool read_host(std::string_view host, EndpointParts& parts) noexcept;
[[noreturn]] void reject_host(std::string_view host);
template <class T> inline constexpr bool is_port = std::is_integral_v<T> && !std::is_same_v<std::remove_cv_t<T>, bool>;
template <class Port> std::uint16_t checked_port(Port port);
} // namespace detail

// An address that a server binds. Comparable; owns no memory.
class Endpoint {
public:
    Endpoint() = default;

    // The port alone: every local address. Whichever process listens alone on that port is its holder; with several
    // processes on different addresses the library terminates none. A host makes it exact. Throws
    // std::invalid_argument for a port outside 0 to 65535 (without exceptions: message and std::abort).
    template <class Port, std::enable_if_t<detail::is_port<Port>, int> = 0> Endpoint(Port port) {
        parts_.port = detail::checked_port(port);
    }

    // `host`: a numeric IPv4 or IPv6 address, with a scope ("fe80::1%eth0") and brackets allowed. "localhost": both
    // loopback addresses. "" and "*": the same as the port alone. Names are not resolved. Throws std::invalid_argument
    // for anything else (without exceptions: message and std::abort).
    template <class Port, std::enable_if_t<detail::is_port<Port>, int> = 0>
    Endpoint(std::string_view host, Port port, Transport transport = Transport::tcp) {
        parts_.port = detail::checked_port(port);
        parts_.transport = transport;
        if (!detail::read_host(host, parts_)) { detail::reject_host(host); }
    }

    template <class Port> Endpoint(decltype(nullptr), Port, Transport = Transport::tcp) = delete;

    // A Unix domain socket (man 7 unix). A leading '@' makes the path an abstract name (Linux). Throws
    // std::invalid_argument for a path that is empty, contains a zero or has more than 107 bytes (without exceptions:
    // message and std::abort).
    [[nodiscard]] static Endpoint unix_stream(std::string_view path);
    [[nodiscard]] static Endpoint unix_datagram(std::string_view path);

    // "127.0.0.1:80", "[::1]:80", "localhost:80", "80" or ":80" (every address), "unix:/run/my.sock" (a stream).
    // Returns an empty optional for any other text. Not the inverse of to_string(): that has "port 80" and "/udp".
    [[nodiscard]] static std::optional<Endpoint> parse(std::string_view text);

    [[nodiscard]] std::string host() const; // "127.0.0.1", "::1", "localhost"; empty for every address and for a path
    [[nodiscard]] std::uint16_t port() const noexcept { return parts_.port; }
    [[nodiscard]] std::string path() const { return parts_.path; } // empty unless it is a Unix domain socket
    [[nodiscard]] Transport transport() const noexcept { return parts_.transport; }
    // True if "::" means IPv6 alone (IPV6_V6ONLY). Without it "::" means both families, as by default on Linux.
    [[nodiscard]] bool v6_only() const noexcept { return parts_.v6_only; }
    Endpoint& v6_only(bool on) noexcept {
        parts_.v6_only = on;
        return *this;
    }

    friend bool operator==(const Endpoint& a, const Endpoint& b) noexcept;
    friend bool operator!=(const Endpoint& a, const Endpoint& b) noexcept { return !(a == b); }

private:
    friend const detail::EndpointParts& detail::parts_of(const Endpoint&) noexcept;
    friend Endpoint detail::make_endpoint(const detail::EndpointParts&) noexcept;
    detail::EndpointParts parts_;
};

// What a socket does on the address, the firmest hold first. A holder has the firmest state of its sockets.
enum class State : std::uint8_t {
    listening,
    bound,     // and not connected: a UDP server, or a TCP socket before listen()
    connected, // an accepted or an outgoing connection
    lingering, // left by an exited process: a TIME_WAIT or FIN_WAIT connection, or a socket file
};

// A process that holds the address, one entry for each process. Its text is as the system has it, unescaped.
struct Holder {
    std::uint32_t pid = 0;         // 0: the system shows a socket but no process
    std::uint64_t start_time = 0;  // opaque; 0: unknown. (pid, start_time) identifies a process after its pid is reused
    std::string name;              // of the program, as the kernel or the file system has it
    std::string executable;        // path; empty: not readable. Linux adds " (deleted)" (man 5 proc_pid_exe)
    std::string command_line;      // arguments joined by spaces, at most 4 KiB
    std::string user;              // effective user: its number on POSIX, its SID on Windows; empty: unknown
    std::vector<Endpoint> sockets; // all of its conflicting addresses, sorted; at least one
    State state = State::listening;
    std::string socket_user; // POSIX: owner in the kernel's socket table; differs from `user` if it was passed on
};

// What happened to a holder.
enum class Fate : std::uint8_t {
    exited,        // after it was asked, or by itself; it may have been exiting already
    released,      // closed its socket and is still running
    killed,        // forced
    already_gone,  // had exited before, or its pid belongs to another process now
    refused,       // a rule forbids to terminate it
    not_permitted, // the system forbids it
    survived,      // still holds the address
};

// What was done about one holder.
struct Eviction {
    Holder holder;
    Fate fate = Fate::survived;
    std::chrono::microseconds took{}; // from the first inspection to this result
    std::error_code error;            // why it was not permitted or not readable
    std::string reason;               // never empty for `refused`
};

// Why the address is still in use, or why the server did not start.
enum class Obstacle : std::uint8_t {
    none,                  // the server runs, or (free_address) the address is free
    refused_holder,        // a rule forbids to terminate the holder
    surviving_holder,      // the holder did not exit, or may not be signalled by us
    invisible_holder,      // the address is in use, but its process is not visible to us
    lingering_connections, // TIME_WAIT and FIN_WAIT connections of an exited process
    live_connection,       // only a connection uses it
    taken_again,           // another process bound the address after the eviction
    this_process,          // this process holds it itself
    reserved_port,         // the system keeps the port for itself (Windows)
    file_in_the_way,       // the path is not a socket, or a stale socket that was not removed
    probe_failed,          // the probe could not see the holders: Recovery::error
    other_address,         // the address is free: the start failed on another one
    other_failure,         // a start failed for another reason: Recovery::failure
};

// What one start did.
struct Recovery {
    Endpoint endpoint;
    std::vector<Eviction> evictions;
    Obstacle obstacle = Obstacle::none;
    bool retried = false;  // the server was started a second time
    std::error_code error; // why the probe could not see, or a test bind could not be made
    std::string failure;   // of the start that failed last: what(), or the message of its code
};

// Returns the paragraph for a person: the holders, what happened to them, what to do now.
[[nodiscard]] std::string describe(const Recovery& recovery);

[[nodiscard]] std::string to_string(const Endpoint& endpoint); // "127.0.0.1:80", "[::1]:53/udp", "port 80", "unix:/a"
[[nodiscard]] std::string to_string(Transport transport);
[[nodiscard]] std::string to_string(State state);
[[nodiscard]] std::string to_string(Fate fate);
[[nodiscard]] std::string to_string(Obstacle obstacle);

// 4  what a policy must offer /////////////////////////////////////////////////////////////////////////////////////////
//
// Each policy is a callable; a lambda will do. Exceptions from policies are caught. From a probe: it could not see.
// From a predicate: it refuses. From a log: ignored. From a killer: the holders are probed again.
//
//   Server   expression, the first that compiles         notes
//            ServerTraits<Server>::start(server, ep)     where it is specialised
//            server.start(ep)  .start(host, port)        ep is a const Endpoint&. host: const char*, std::string_view
//                  .start(port)  .start()                or what a std::string converts to; "": every address.
//            server(ep)  server(host, port)              port: an integer of at least 16 bits.
//                  server(port)  server()                What it returns is returned.
//            It fails by an exception or by its result: an error code, false, null, an empty optional, a negative
//            number. A start(int threads) looks like a port: wrap it in a lambda. A generic lambda gets an Endpoint.
//            A second start is a second call on the same object: a start that fails must leave it able to start again.
//            Where that cannot be, ServerTraits<Server>::restart is called instead.
//
//   Probe    probe(ep, error) or probe(ep)               std::vector<Holder>: the holders of the address. Sets the
//                                                        std::error_code if it could not see them all.
//            probe.held(ep)  (optional)                  bool: true if a listening TCP or an unconnected UDP socket
//                                                        holds the address. Cheap: called in a loop.
//
//   Killer   killer(holders)                             std::vector<Eviction>, for const std::vector<Holder>&:
//                                                        terminates all or none and waits for them. Called again for
//                                                        those that only a holder kept which has exited since.
//            killer(holder)                              Fate or void, for const Holder&: called for each holder. The
//                                                        library stops when one is not gone. After void it waits for
//                                                        the holder for up to 2 s.
//            static constexpr bool ends_nobody = true    (optional) the killer only waits or reports. It gets protected
//                                                        holders too, if they are visible and hold the address; never
//                                                        this process.
//
//   Log      log(line)                                   void, for std::string_view: one line without a line break.

// Specialise it for a server whose start has another name, or that must be rebuilt before a second start:
//
//   static R start(Server&, const Endpoint&)             instead of the forms above
//   static R restart(Server&, const Endpoint&)           instead of `start` for the second start
//   static bool is_address_in_use(const std::exception&) recognises the library's own exception ...
//   static bool is_address_in_use(const R&)              ... or result; after false or an exception the usual rules
//                                                        decide
//   static constexpr bool preflight = true               see Preflight
//   static constexpr bool ask_probe = true               see AskProbe
template <class Server> struct ServerTraits {};

// For a library that does not report the failure (it exits, hangs, or shares the port by SO_REUSEPORT). Asks whether
// the address is held *before* the start, evicts its holders, and starts in any case.
template <class Server> struct Preflight { Server server; };
template <class Server> Preflight(Server&&) -> Preflight<Server>;

// For a library that fails without a reason (null, false, an opaque exception). The failure counts as "address in use"
// if the probe finds another process on the address. Use it only where nothing but the bind can fail.
template <class Server> struct AskProbe { Server server; };
template <class Server> AskProbe(Server&&) -> AskProbe<Server>;

// 5  policies /////////////////////////////////////////////////////////////////////////////////////////////////////////

// Asks the operating system; runs no program on Linux, macOS and Windows. Linux: NETLINK_SOCK_DIAG and /proc (man 7
// sock_diag, man 5 proc). macOS: libproc, without root for processes of our own user only. Windows: GetExtendedTcpTable
// and GetExtendedUdpTable. Other systems: lsof. Unix domain sockets: Linux (unix_diag). macOS reports their holder as
// invisible; other systems answer function_not_supported. Other errors are those of the system.
struct SystemProbe {
    [[nodiscard]] std::vector<Holder> operator()(const Endpoint& endpoint, std::error_code& error) const;
    // True if a listening TCP or an unconnected UDP socket holds the address. For a path: if a live socket is bound to
    // it. False if that cannot be seen. Linux: 60 us, however many connections exist. macOS: a walk over all processes.
    [[nodiscard]] bool held(const Endpoint& endpoint) const;
};

// Runs lsof (POSIX), for systems where the native way is blocked. It shows no bound TCP socket that does not listen.
// Errors: no_such_file_or_directory without lsof, timed_out after `timeout`, function_not_supported on Windows and for
// paths.
struct LsofProbe {
    std::chrono::milliseconds timeout{5000};
    [[nodiscard]] std::vector<Holder> operator()(const Endpoint& endpoint, std::error_code& error) const;
    [[nodiscard]] bool held(const Endpoint& endpoint) const { return SystemProbe().held(endpoint); }
};

// Terminates all holders and waits up to `grace` until the address is free. Kills the processes that still hold it and
// waits up to `kill_wait`. A process that has closed the socket is not killed; at a path it may remove its file last,
// so it is waited for up to `kill_wait` and killed then. A process that writes a core dump is not killed. Neither is
// one with a child of another user that cannot be inspected. A grace of 0 kills at once. Refuses forwarders, service
// managers, other services and containers, and programs that hold a person's work. POSIX: SIGTERM
// and SIGCONT, then SIGKILL. Windows: TerminateProcess at once: no dependable way to ask exists there. A killed process
// frees its memory before its sockets (Linux, do_exit in kernel/exit.c): 4 GiB took 0.3 to 0.8 s.
struct TerminateThenKill {
    std::chrono::milliseconds grace{2000};
    std::chrono::milliseconds kill_wait{10000};
    [[nodiscard]] std::vector<Eviction> operator()(const std::vector<Holder>& holders) const;
};

// Terminates no process; waits up to `timeout` for the holders to exit or to close the socket.
struct WaitForExit {
    static constexpr bool ends_nobody = true;
    std::chrono::milliseconds timeout{10000};
    [[nodiscard]] std::vector<Eviction> operator()(const std::vector<Holder>& holders) const;
};

// Terminates no process and removes no file; the report names the holders.
struct ReportOnly {
    static constexpr bool ends_nobody = true;
    [[nodiscard]] std::vector<Eviction> operator()(const std::vector<Holder>& holders) const;
};

namespace detail {
template <class Killer, class = void> inline constexpr bool ends_nobody = false;
template <class Killer> inline constexpr bool ends_nobody<Killer, std::enable_if_t<Killer::ends_nobody>> = true;
} // namespace detail

// Runs `killer` only if all holders satisfy `predicate`, a bool callable on a const Holder&. OnlyIf<SameExecutable> is
// the safe choice for production. Stale socket files have no process: no predicate is asked about them.
template <class Predicate, class Killer = TerminateThenKill> class OnlyIf {
public:
    static constexpr bool ends_nobody = detail::ends_nobody<Killer>;
    explicit OnlyIf(Predicate predicate = Predicate(), Killer killer = Killer())
        : predicate_(std::move(predicate)), killer_(std::move(killer)) {}
    [[nodiscard]] const Killer& killer() const noexcept { return killer_; }
    [[nodiscard]] std::vector<Eviction> operator()(const std::vector<Holder>& holders);

private:
    Predicate predicate_;
    Killer killer_;
};

// True if the holder runs the same file as this process. Linux: the same device and inode, or the same path and user
// if one of the files was replaced (the usual rebuild). macOS, Windows: the same path and user. False if that cannot be
// read: under an emulator (qemu-user, valgrind), and for a program that a dynamic loader was started with.
struct SameExecutable {
    static constexpr std::string_view refusal = "it does not run our executable";
    [[nodiscard]] bool operator()(const Holder& holder) const;
};

// True for SameExecutable with the same arguments. For code in an interpreter or another host program, where every
// script has the same executable.
struct SameCommandLine {
    static constexpr std::string_view refusal = "it does not run our command line";
    [[nodiscard]] bool operator()(const Holder& holder) const;
};

// True if the holder's real, effective and saved user are our effective user.
struct SameUser {
    static constexpr std::string_view refusal = "it does not belong wholly to our user";
    [[nodiscard]] bool operator()(const Holder& holder) const;
};

// Asks the person at the terminal; true for y or yes within `timeout`. Discards what was typed before the question.
// False without a terminal and in the background. After the first refusal OnlyIf asks no further.
struct AskOnTerminal {
    static constexpr std::string_view refusal = "it was not confirmed at the terminal";
    std::chrono::milliseconds timeout{60000};
    [[nodiscard]] bool operator()(const Holder& holder) const;
};

// Writes each line to standard error after "retry_on_addr_in_use: ". A closed pipe raises no SIGPIPE.
struct StderrLog {
    void operator()(std::string_view line) const;
};

// Discards the lines without formatting them.
struct NoLog {
    void operator()(std::string_view) const {}
};

// 6  RetryOnAddrInUse and free_address ////////////////////////////////////////////////////////////////////////////////

namespace detail {
template <class Server> struct Launch;
} // namespace detail

// Starts a server; if that fails because the address is in use, terminates its holders and starts it once more. An
// lvalue server is stored by reference (Server is then a reference), an rvalue by value. One object may be used by one
// thread at a time; separate objects may be used by separate threads.
template <class Server, class Probe = SystemProbe, class Killer = TerminateThenKill, class Log = StderrLog>
class RetryOnAddrInUse {
public:
    using Result = typename detail::Launch<Server>::Result;

    RetryOnAddrInUse() : server_() {}
    template <class... Args>
    explicit RetryOnAddrInUse(std::in_place_t, Args&&... args) : server_(std::forward<Args>(args)...) {}
    explicit RetryOnAddrInUse(Server server, Killer killer = Killer())
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

    // Returns what the server's start returns, and throws what it throws: the same value or object, never a copy. If
    // the second start fails, its failure is returned, not the first one's. After a success errno is as the server left
    // it.
    Result start(const Endpoint& endpoint);
    template <class Port> Result start(std::string_view host, Port port, Transport transport = Transport::tcp) {
        return start(Endpoint(host, port, transport));
    }

    // What the last start did.
    [[nodiscard]] const Recovery& recovery() const& noexcept { return recovery_; }
    const Recovery& recovery() const&& = delete; // it would dangle

private:
    Server server_;
    Probe probe_{};
    Killer killer_{};
    Log log_{};
    Recovery recovery_{};
};

template <class Server, class Killer = TerminateThenKill>
RetryOnAddrInUse(Server&&, Killer = Killer()) -> RetryOnAddrInUse<Server, SystemProbe, Killer>;
template <class Server, class Probe, class Killer, class Log = StderrLog>
RetryOnAddrInUse(Server&&, Probe, Killer, Log = Log()) -> RetryOnAddrInUse<Server, Probe, Killer, Log>;

// The same without a server: terminates the holders of the address. Recovery::obstacle is none if the address is free.
template <class Probe, class Killer, class Log = StderrLog>
Recovery free_address(const Endpoint& endpoint, Probe probe, Killer killer, Log log = Log());
template <class Killer = TerminateThenKill> Recovery free_address(const Endpoint& endpoint, Killer killer = Killer()) {
    return addr_in_use::free_address(endpoint, SystemProbe(), std::move(killer));
}

// =====================================================================================================================
//                           IMPLEMENTATION: users can stop reading here
// =====================================================================================================================

// 7  Os: what the logic asks of an operating system ///////////////////////////////////////////////////////////////////

namespace detail {

using Milliseconds = std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// A row of a table of sockets.
struct Socket {
    Endpoint local;
    State state = State::bound;
    std::uint64_t inode = 0;      // number of the socket; 0: no process has it open, or the system has none
    std::uint32_t pid = 0;        // of its owner; 0: unknown
    std::uint64_t start_time = 0; // of its owner, read together with its descriptors; 0: unknown
    std::uint64_t created = 0;    // Windows: when the owner made it, in the unit of start_time; 0: unknown
    std::string user;             // in the kernel's table; empty: unknown
    std::string owner_name;       // lsof: name and user of the process
    std::string owner_user;
    bool v6_only_unknown = false;  // the table does not show IPV6_V6ONLY
    std::uint32_t file_device = 0; // Linux: of the file behind a path
    std::uint32_t file_number = 0;
    bool is_padded = false; // an abstract name with zeros at its end, which `local` omits: another name
};

// A file, as long as it exists.
struct FileId {
    std::uint64_t device = 0;
    std::uint64_t number = 0; // 0: unknown
    friend bool operator==(const FileId& a, const FileId& b) noexcept {
        return a.number != 0 && a.device == b.device && a.number == b.number;
    }
};

// What is known of one process. A fact that a system does not have keeps its default.
struct ProcessInfo {
    Holder holder; // pid, start_time, name, executable, command_line, user
    std::uint32_t parent = 0;
    std::uint32_t session = 0;
    std::string users[3];              // real, effective, saved; empty: unknown
    bool has_unmapped_user = false;    // Linux: a user that this namespace does not map (man 7 user_namespaces)
    FileId executable_file;            // Linux; unknown of this process under an emulator
    std::string service;               // Linux: path of control groups; Windows: "services.exe/" and the program
    bool has_terminal = false;         // a controlling terminal; Windows does not tell: true
    bool in_foreign_namespace = false; // Linux: a pid namespace that is not ours
    bool is_critical = false;          // Windows: the system stops without it
    bool is_exiting = false;           // all of its threads; Windows does not tell
    bool is_dumping_core = false;      // Linux
    bool is_stopped = false;
    bool is_dead = false;  // it does not exist, or is a zombie without threads
    std::error_code error; // a fact that could not be read
};

// A descriptor (POSIX) or a HANDLE (Windows), closed by its owner.
class Handle {
public:
    explicit Handle(std::intptr_t value = -1) noexcept : value_(value) {}
    Handle(Handle&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
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

struct FileInfo {
    bool exists = false;
    bool is_socket = false;
    bool is_remote = false; // on a network file system: the socket may be another machine's
    std::string user;
    std::uint64_t identity[6] = {}; // device, number, mode, owner, time of the last modification
    friend bool operator==(const FileInfo& a, const FileInfo& b) noexcept {
        return a.exists && std::memcmp(a.identity, b.identity, sizeof a.identity) == 0;
    }
};

struct PortRange { // both included
    std::uint16_t first = 1024;
    std::uint16_t last = 65535;
};

// The sockets to list. `listening`: TCP sockets that listen, UDP sockets without a peer. `bound`: TCP sockets that are
// bound and do not listen; a system may add others. `all`: every state, connections too. `padded`: abstract names with
// zeros at the end; for a path the other three are the same.
enum class Which : std::uint8_t { listening, bound, all, padded };
enum class Signal : std::uint8_t { probe, terminate, kill };

// Declared once; each system defines the members in its section. std::error_code tells why a fact could not be read.
struct Os {
    // Where systems differ. "PORT" in a command stands for the number.
    struct Traits {
        const char* look_command; // shows the holder that is not visible to us
        bool exact_bind_wins;     // a wildcard and a specific bind may coexist: the holder of the very address is meant
        bool can_terminate;       // false: the library only reports
        bool maps_paths = false;  // tells the sockets of a Unix domain socket's file
        bool has_file_ids = false;         // tells which file a process runs, not its path alone
        bool can_ask = true;               // SIGTERM exists; Windows: TerminateProcess only
        int in_use = EADDRINUSE;           // a failed bind, as a native number ...
        int in_use_negated = -EADDRINUSE;  // ... as libuv returns it ...
        int denied = 0;                    // ... and one that may have another reason; 0: none
        const char* reserved_command = ""; // shows the ports that the system reserves
    };
    static const Traits traits;

    // Find. `list_sockets` returns the rows of the endpoint's port, or of its path. Linux: without owners, which
    // `attach_owners` adds: one row for each process that has the socket. Other systems: with owners; on macOS without
    // root those of our own user only. `attach_owners` with `only_pid` inspects that process alone.
    static std::vector<Socket> list_sockets(const Endpoint& endpoint, Which which, std::error_code& error);
    static std::error_code attach_owners(std::vector<Socket>& rows, std::uint32_t only_pid = 0);
    // POSIX: the rows of lsof, with owners. Windows: function_not_supported.
    static std::vector<Socket> list_by_lsof(const Endpoint& endpoint, Milliseconds timeout, std::error_code& error);
    // Makes a test bind and closes it at once. TCP: with SO_REUSEADDR on POSIX, with SO_EXCLUSIVEADDRUSE on Windows.
    // UDP: with neither, so that no datagram of a holder is taken. The address must be a numeric one.
    static std::error_code test_bind(const Endpoint& endpoint);
    static PortRange ephemeral_ports(); // Windows: not told, all from 1024

    // Inspect.
    static ProcessInfo inspect(std::uint32_t pid);
    static std::uint32_t parent(std::uint32_t pid, std::error_code& error); // 0: none, or of a hidden process
    // Each argument with a zero behind it; Windows: one text.
    static std::string arguments(std::uint32_t pid, std::error_code& error);
    static std::vector<std::uint32_t> children(std::uint32_t pid, std::error_code& error);
    static std::vector<std::uint32_t> list_processes(std::error_code& error);
    static std::uint32_t debugger(std::error_code& error); // of this process; 0: none, or among its ancestors
    static std::uint32_t current_pid() noexcept;
    static bool is_privileged(); // sees the descriptors of every user. Linux: CAP_SYS_PTRACE, and all users are mapped
    static std::uint64_t now() noexcept; // one clock read, in a unit of its own; for `started_after`
    static bool started_after(const Holder& holder, std::uint64_t moment) noexcept;

    // Terminate. A Process is pinned: no signal reaches another process that reuses its pid. Linux: pidfd, before 5.3
    // the start time. macOS: kqueue. Windows: a handle.
    class Process {
    public:
        explicit Process(std::uint32_t pid);
        [[nodiscard]] std::error_code error() const noexcept { return error_; } // why it is not pinned. Gone: no error
        [[nodiscard]] bool exited() const; // a zombie without threads too: its sockets are closed
        // Refuses this process, each pid of 1 or less (Windows: 4), and what is no pid on this system.
        [[nodiscard]] std::error_code signal(Signal signal) const;
        // Returns when one of `processes` exits, or after `time`.
        static void wait(const std::vector<Process>& processes, Milliseconds time);

    private:
        void pin();

        struct Identity {
            std::uint32_t pid;
            std::uint64_t start_time = 0; // where no handle pins the process
        };
        Identity id_;
        Handle handle_;
        std::error_code error_;
    };

    // Clean up. The path of a Unix domain socket; Windows: function_not_supported.
    static FileInfo inspect_file(const Endpoint& path, std::error_code& error);
    static std::error_code connect_to(const Endpoint& path); // does not wait: a full backlog is EAGAIN
    // Removes the file unless another one took its place. `left_at`: where that one is, if it could not be moved back.
    static std::error_code remove_file(const Endpoint& path, const FileInfo& file, std::string& left_at);

    // Environment.
    static int last_error() noexcept; // errno, or the thread's last error on Windows
    static void set_last_error(int value) noexcept;
    static bool allow_cancellation(bool on) noexcept;                     // of this thread; returns the value before
    static void pause(Milliseconds time) noexcept;                        // a signal does not shorten it
    static std::uint32_t interface_index(std::string_view name) noexcept; // 0: none. Windows: numbers only
    static bool ask_on_terminal(const std::string& question, Milliseconds timeout);
    static void write_line(std::string_view line);
};

// Keeps the caller's last error.
class KeepLastError {
public:
    KeepLastError() noexcept : value_(Os::last_error()) {}
    ~KeepLastError() { Os::set_last_error(value_); }
    KeepLastError(const KeepLastError&) = delete;
    KeepLastError& operator=(const KeepLastError&) = delete;

private:
    int value_;
};

// Holds back the cancellation of this thread: it would unwind through a noexcept function (man 7 pthreads).
class WithoutCancellation {
public:
    WithoutCancellation() noexcept : before_(Os::allow_cancellation(false)) {}
    ~WithoutCancellation() { Os::allow_cancellation(before_); }

private:
    KeepLastError keep_;
    bool before_;
};

inline std::error_code system_error(int number) noexcept { return {number, std::system_category()}; }

// Returns the end of a wait. It is at most 24 days away, so that the rest fits every waiting call.
inline Clock::time_point deadline_after(Milliseconds time) {
    return Clock::now() + (std::max)(Milliseconds(0), (std::min)(time, Milliseconds(INT32_MAX)));
}

// Returns the time left, rounded up: the last millisecond must be no busy loop.
inline Milliseconds left_until(Clock::time_point deadline) {
    return (std::max)(Milliseconds(0), std::chrono::ceil<Milliseconds>(deadline - Clock::now()));
}

inline std::chrono::microseconds time_since(Clock::time_point begin) {
    return std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begin);
}

// How long the kernel may take to free an address, and a holder after a killer that returns void.
inline constexpr Milliseconds release_timeout{2000};
// How long a client may stay between bind() and connect(), and a server between bind() and listen().
inline constexpr Milliseconds settling_time{50};
// How long a process may take that is exiting already or writes a core dump.
inline constexpr Milliseconds departing_timeout{10000};
// How often a process is looked at whose exit is no event.
inline constexpr Milliseconds polling_interval{10};
// The bytes of a holder's command line that are kept.
inline constexpr std::size_t max_command_line = 4096;

// 8  endpoints: text and conflicts ////////////////////////////////////////////////////////////////////////////////////

[[noreturn]] inline void reject(const std::string& text) {
#if ADDR_IN_USE_HAS_EXCEPTIONS()
    throw std::invalid_argument("retry_on_addr_in_use: " + text);
#else
    std::fprintf(stderr, "retry_on_addr_in_use: %s\n", text.c_str());
    std::abort();
#endif
}

[[noreturn]] inline void reject_host(std::string_view host) {
    reject("a host is a numeric address, \"localhost\" or \"*\", not \"" + std::string(host) + '"');
}

template <class Port> std::uint16_t checked_port(Port port) {
    // An int of 70001 must not become port 4465, which belongs to another server.
    if (static_cast<std::uintmax_t>(port) > 65535) { // a negative number wraps around
        reject("a port is 0 to 65535, not " + std::to_string(+port));
    }
    return static_cast<std::uint16_t>(port);
}

// Removes `prefix` from the front of `text`. False if it is not there.
inline bool take(std::string_view& text, std::string_view prefix) noexcept {
    if (text.substr(0, prefix.size()) != prefix) { return false; }
    text.remove_prefix(prefix.size());
    return true;
}

inline bool ends_with(std::string_view text, std::string_view end) noexcept {
    return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

// Takes the digits at the start of `text`. False without a digit, and for a number that does not fit. Our own:
// <charconv> and its instantiations took 17 ms of every user's build.
template <class Number> bool take_number(std::string_view& text, Number& number, unsigned base = 10) noexcept {
    std::uint64_t value = 0;
    std::size_t length = 0;
    for (; length < text.size(); ++length) {
        const std::size_t digit = std::string_view("0123456789abcdefABCDEF").find(text[length]);
        const std::size_t number_of = digit < 16 ? digit : digit - 6;
        if (digit == std::string_view::npos || number_of >= base) { break; }
        if (value > (UINT64_MAX - 15) / base) { return false; }
        value = value * base + number_of;
    }
    number = static_cast<Number>(value);
    text.remove_prefix(length);
    return length != 0 && number == value;
}

// Reads all of `text` as a number without leading zeros.
template <class Number> bool to_number(std::string_view text, Number& number) noexcept {
    return (text.size() < 2 || text[0] != '0') && take_number(text, number) && text.empty();
}

inline std::string to_hex(unsigned value, std::size_t min_digits = 1) {
    std::string text;
    for (; value != 0 || text.size() < min_digits; value /= 16) {
        text.insert(text.begin(), "0123456789abcdef"[value % 16]);
    }
    return text;
}

// Returns text of another process for a person: all but printable ASCII could move the cursor of a terminal.
inline std::string printable(std::string_view text, std::size_t max_size) {
    std::string result;
    for (const char c : text) {
        if (result.size() >= max_size) { return result + "..."; }
        if (c >= ' ' && c <= '~' && c != '\\') {
            result += c;
        } else {
            result += "\\x" + to_hex(static_cast<unsigned char>(c), 2);
        }
    }
    return result;
}

// Replaces a placeholder by a number.
inline std::string replace_placeholder(std::string text, std::string_view name, std::uint32_t number) {
    if (const std::size_t at = text.find(name); at != std::string::npos) {
        text.replace(at, name.size(), std::to_string(number));
    }
    return text;
}

// True for the same text in any case of its ASCII letters.
inline bool same_letters(std::string_view a, std::string_view b) noexcept {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c; };
    bool is_same = a.size() == b.size();
    for (std::size_t i = 0; is_same && i < a.size(); ++i) { is_same = lower(a[i]) == lower(b[i]); }
    return is_same;
}

inline bool starts_with(std::string_view text, std::string_view start) noexcept {
    return text.substr(0, start.size()) == start;
}

inline std::string_view base_name(std::string_view path) noexcept {
    return path.substr(path.find_last_of("/\\") + 1); // npos + 1 is 0
}

inline bool operator==(const Address& a, const Address& b) noexcept {
    return std::memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0;
}

inline constexpr Address v6_any{};
inline constexpr Address v6_loopback{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
inline constexpr Address v4_any{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255}};
inline constexpr Address v4_loopback{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 127, 0, 0, 1}};

inline bool is_v4(const Address& address) noexcept { return std::memcmp(address.bytes, v4_any.bytes, 12) == 0; }

// Our own parser and writer of addresses: those of the C libraries differ from system to system.
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

// RFC 4291 section 2.2: up to eight groups and one run of zeros as "::". The last two groups may be IPv4.
inline bool read_v6(std::string_view text, Address& address) noexcept {
    Address result{};
    std::size_t size = 0;
    constexpr std::size_t none = 17;
    std::size_t gap = none; // position of the "::"
    if (take(text, "::")) { gap = 0; }
    while (!text.empty() && size < 16) {
        Address v4;
        if (size <= 12 && text.find(':') == std::string_view::npos && read_v4(text, v4)) {
            std::memcpy(&result.bytes[size], &v4.bytes[12], 4);
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
    std::memcpy(address.bytes, result.bytes, head);
    std::memcpy(address.bytes + 16 - (size - head), result.bytes + head, size - head);
    return true;
}

// Returns the text of an IPv6 address (RFC 5952): lower case, no leading zeros, the longest run of zeros as "::".
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

inline bool read_host(std::string_view host, EndpointParts& parts) noexcept {
    const bool has_brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (has_brackets) { host = host.substr(1, host.size() - 2); }
    const std::size_t percent = host.find('%');
    const bool has_scope = percent != std::string_view::npos;
    const std::string_view address = host.substr(0, percent);
    if (has_scope) { parts.scope = Os::interface_index(host.substr(percent + 1)); }
    if (!has_brackets && (host.empty() || host == "*")) {
        parts.kind = HostKind::every;
    } else if (!has_brackets && same_letters(host, "localhost")) {
        parts.kind = HostKind::localhost;
    } else if (!has_brackets && !has_scope && read_v4(address, parts.address)) {
        parts.kind = HostKind::v4;
    } else if ((!has_scope || parts.scope != 0) && read_v6(address, parts.address)) {
        parts.kind = HostKind::v6;
    } else {
        return false;
    }
    return true;
}

inline constexpr std::size_t max_path_size = 108; // sizeof sun_path (man 7 unix)

inline bool read_path(std::string_view path, EndpointParts& parts) noexcept {
    const bool fits = !path.empty() && path.size() < max_path_size && path.find('\0') == std::string_view::npos;
    if (fits) {
        parts.kind = HostKind::path;
        std::memcpy(parts.path, path.data(), path.size());
    }
    return fits;
}

inline const EndpointParts& parts_of(const Endpoint& endpoint) noexcept { return endpoint.parts_; }

inline Endpoint make_endpoint(const EndpointParts& parts) noexcept {
    Endpoint endpoint;
    endpoint.parts_ = parts;
    return endpoint;
}

// Returns the endpoint of a row of a table.
inline Endpoint make_endpoint(bool v6, const Address& address, std::uint16_t port, Transport transport,
                              std::uint32_t scope = 0, bool v6_only = false) noexcept {
    EndpointParts parts;
    parts.address = address;
    parts.scope = scope;
    parts.port = port;
    parts.kind = v6 ? HostKind::v6 : HostKind::v4;
    parts.transport = transport;
    parts.v6_only = v6_only && address == v6_any; // Linux sets it for every other IPv6 address as well
    return make_endpoint(parts);
}

// Returns the path of a Unix domain socket; an endpoint without a path if it is none.
inline Endpoint make_path(std::string_view path, Transport transport) noexcept {
    EndpointParts parts;
    parts.transport = transport;
    read_path(path, parts);
    return make_endpoint(parts);
}

inline bool is_path(const Endpoint& endpoint) noexcept { return parts_of(endpoint).kind == HostKind::path; }
inline bool is_file(const Endpoint& endpoint) noexcept {
    return is_path(endpoint) && parts_of(endpoint).path[0] != '@';
}

inline bool is_tcp_port(const Endpoint& endpoint) noexcept {
    return endpoint.transport() == Transport::tcp && !is_path(endpoint);
}
inline bool is_udp_port(const Endpoint& endpoint) noexcept {
    return endpoint.transport() == Transport::udp && !is_path(endpoint);
}

// A port of 0 is never in use: the system chooses a free one.
inline bool can_be_in_use(const Endpoint& endpoint) noexcept { return endpoint.port() != 0 || is_path(endpoint); }

inline bool is_link_local(const Address& address) noexcept {
    return address.bytes[0] == 0xfe && (address.bytes[1] & 0xc0) == 0x80;
}

// True if the endpoint does not tell which address the server binds.
inline bool stands_for_several(const Endpoint& endpoint) noexcept {
    const EndpointParts& parts = parts_of(endpoint);
    return parts.kind == HostKind::every || parts.kind == HostKind::localhost ||
           (parts.kind == HostKind::v6 && parts.scope == 0 && is_link_local(parts.address));
}

// Returns the address of one family that an endpoint stands for: the wildcard for all of them, null for none.
inline const Address* address_in(const EndpointParts& parts, bool v6) noexcept {
    const Address& any = v6 ? v6_any : v4_any;
    if (parts.kind == HostKind::path) { return nullptr; }
    if (parts.kind == HostKind::every) { return &any; }
    if (parts.kind == HostKind::localhost) { return v6 ? &v6_loopback : &v4_loopback; }
    const bool is_dual_stack = parts.address == v6_any && !parts.v6_only;
    return is_v4(parts.address) != v6 ? &parts.address : is_dual_stack ? &any : nullptr;
}

inline bool overlap(const EndpointParts& x, const EndpointParts& y, bool v6) noexcept {
    const Address& any = v6 ? v6_any : v4_any;
    const Address* const a = address_in(x, v6);
    const Address* const b = address_in(y, v6);
    return a != nullptr && b != nullptr && (*a == any || *b == any || *a == *b);
}

// True if binding one fails while a socket without SO_REUSEPORT is bound to the other. They have the same port and
// transport, overlapping addresses, and no different interface. The matrix in tests/system/conflicts.cpp compares it
// with the kernel.
inline bool conflicts(const Endpoint& a, const Endpoint& b) noexcept {
    const EndpointParts& x = parts_of(a);
    const EndpointParts& y = parts_of(b);
    if (is_path(a)) { // stream and datagram sockets share a file; abstract names are separate for each
        return std::memcmp(x.path, y.path, sizeof x.path) == 0 && (is_file(a) || x.transport == y.transport);
    }
    if (x.port != y.port || x.port == 0 || x.transport != y.transport ||
        (x.scope != 0 && y.scope != 0 && x.scope != y.scope)) {
        return false;
    }
    return overlap(x, y, false) || overlap(x, y, true);
}

// True for the same address in the same family, whether or not a "::" includes IPv4.
inline bool same_address(Endpoint a, Endpoint b) noexcept { return a.v6_only(false) == b.v6_only(false); }

template <class Enum, std::size_t Count> std::string enum_name(Enum value, const char* const (&names)[Count]) {
    const auto index = static_cast<std::size_t>(value);
    return index < Count ? names[index] : "unknown";
}

} // namespace detail

inline bool operator==(const Endpoint& a, const Endpoint& b) noexcept {
    return std::memcmp(&a.parts_, &b.parts_, sizeof a.parts_) == 0;
}

inline Endpoint Endpoint::unix_stream(std::string_view path) {
    const Endpoint result = detail::make_path(path, Transport::tcp);
    if (!detail::is_path(result)) {
        detail::reject("a path has 1 to 107 bytes and no zero, unlike \"" + std::string(path) + '"');
    }
    return result;
}

inline Endpoint Endpoint::unix_datagram(std::string_view path) {
    Endpoint result = unix_stream(path);
    result.parts_.transport = Transport::udp;
    return result;
}

inline std::optional<Endpoint> Endpoint::parse(std::string_view text) {
    Endpoint result;
    if (detail::take(text, "unix:")) {
        return detail::read_path(text, result.parts_) ? std::optional<Endpoint>(result) : std::nullopt;
    }
    if (const std::size_t colon = text.rfind(':'); colon != std::string_view::npos) {
        const std::string_view host = text.substr(0, colon);
        const bool has_brackets = !host.empty() && host.front() == '[';
        const bool is_v6 = host.find(':') != std::string_view::npos;
        if (is_v6 != has_brackets || !detail::read_host(host, result.parts_)) { return {}; }
        text.remove_prefix(colon + 1);
    }
    if (!detail::to_number(text, result.parts_.port)) { return {}; }
    return result;
}

inline std::string Endpoint::host() const {
    if (parts_.kind == detail::HostKind::every || parts_.kind == detail::HostKind::path) { return ""; }
    if (parts_.kind == detail::HostKind::localhost) { return "localhost"; }
    return detail::write_address(parts_.address, parts_.kind == detail::HostKind::v6) +
           (parts_.scope == 0 ? "" : '%' + std::to_string(parts_.scope));
}

inline std::string to_string(const Endpoint& endpoint) {
    if (detail::is_path(endpoint)) { return "unix:" + endpoint.path(); }
    std::string host = endpoint.host();
    if (host.find(':') != std::string::npos) { host = '[' + host + ']'; }
    return (host.empty() ? "port " : host + ':') + std::to_string(endpoint.port()) +
           (endpoint.transport() == Transport::udp ? "/udp" : "");
}

inline std::string to_string(Transport transport) { return detail::enum_name(transport, {"tcp", "udp"}); }
inline std::string to_string(State state) {
    return detail::enum_name(state, {"listening", "bound", "connected", "lingering"});
}
inline std::string to_string(Fate fate) {
    return detail::enum_name(fate,
                             {"exited", "released", "killed", "already_gone", "refused", "not_permitted", "survived"});
}
inline std::string to_string(Obstacle obstacle) {
    return detail::enum_name(obstacle,
                             {"none", "refused_holder", "surviving_holder", "invisible_holder", "lingering_connections",
                              "live_connection", "taken_again", "this_process", "reserved_port", "file_in_the_way",
                              "probe_failed", "other_address", "other_failure"});
}

// 9  failures: starting a server, classifying what went wrong /////////////////////////////////////////////////////////

namespace detail {

template <class Void, template <class...> class Operation, class... Args> struct Detector : std::false_type {};
template <template <class...> class Operation, class... Args>
struct Detector<std::void_t<Operation<Args...>>, Operation, Args...> : std::true_type {};
template <template <class...> class Operation, class... Args>
inline constexpr bool detected = Detector<void, Operation, Args...>::value;

template <class T> using Bare = std::remove_cv_t<std::remove_reference_t<T>>;
template <class Server> using TraitsOf = ServerTraits<Bare<Server>>;

// Converts to an integer that can hold a port and to nothing else: start(bool), start(char), start(double) do not
// match.
struct PortArgument {
    std::uint16_t port;
    template <class T, std::enable_if_t<is_port<T> && sizeof(T) >= 2 && !std::is_same_v<T, wchar_t> &&
                                            !std::is_same_v<T, char16_t> && !std::is_same_v<T, char32_t>,
                                        int> = 0>
    constexpr operator T() const noexcept {
        return static_cast<T>(port);
    }
};

// Converts to const char* and what a std::string converts to. A template for each, so that none converts further: a
// const char* would become a bool.
struct HostArgument {
    std::string host;
    template <class T,
              std::enable_if_t<std::is_same_v<T, const char*> || std::is_convertible_v<const std::string&, T>, int> = 0>
    operator T() const {
        if constexpr (std::is_same_v<T, const char*>) {
            return host.c_str();
        } else {
            return static_cast<const std::string&>(host);
        }
    }
};

template <class S>
using TraitsStart = decltype(TraitsOf<S>::start(std::declval<S&>(), std::declval<const Endpoint&>()));
template <class S>
using TraitsRestart = decltype(TraitsOf<S>::restart(std::declval<S&>(), std::declval<const Endpoint&>()));
template <class S, class... Args> using MemberStart = decltype(std::declval<S&>().start(std::declval<Args>()...));
template <class S, class... Args> using Call = decltype(std::declval<S&>()(std::declval<Args>()...));
template <class S, class X>
using TraitsRecognises = decltype(static_cast<bool>(TraitsOf<S>::is_address_in_use(std::declval<const X&>())));
template <class S> using TraitsPreflight = std::enable_if_t<TraitsOf<S>::preflight>;
template <class S> using TraitsAskProbe = std::enable_if_t<TraitsOf<S>::ask_probe>;

template <class S> inline constexpr bool preflight = detected<TraitsPreflight, S>;
template <class S> inline constexpr bool ask_probe = detected<TraitsAskProbe, S>;

inline PortArgument port_argument(const Endpoint& endpoint) {
    if (is_path(endpoint)) { reject("this server takes a port, not a path: give it start(const Endpoint&)"); }
    return {endpoint.port()};
}

struct NotStartable {};

// Starts the server by the first valid form; a generic lambda would accept a PortArgument too. The second time by
// `restart`, where its traits have one.
template <class S>
decltype(auto) launch([[maybe_unused]] std::remove_reference_t<S>& server, [[maybe_unused]] const Endpoint& endpoint,
                      [[maybe_unused]] bool is_retry = false) {
    if constexpr (detected<TraitsRestart, S>) {
        if (is_retry) { return TraitsOf<S>::restart(server, endpoint); }
    }
    if constexpr (detected<TraitsStart, S>) {
        return TraitsOf<S>::start(server, endpoint);
    } else if constexpr (detected<MemberStart, S, const Endpoint&>) {
        return server.start(endpoint);
    } else if constexpr (detected<MemberStart, S, HostArgument, PortArgument>) {
        return server.start(HostArgument{endpoint.host()}, detail::port_argument(endpoint));
    } else if constexpr (detected<MemberStart, S, PortArgument>) {
        return server.start(detail::port_argument(endpoint));
    } else if constexpr (detected<MemberStart, S>) {
        return server.start();
    } else if constexpr (detected<Call, S, const Endpoint&>) {
        return server(endpoint);
    } else if constexpr (detected<Call, S, HostArgument, PortArgument>) {
        return server(HostArgument{endpoint.host()}, detail::port_argument(endpoint));
    } else if constexpr (detected<Call, S, PortArgument>) {
        return server(detail::port_argument(endpoint));
    } else if constexpr (detected<Call, S>) {
        return server();
    } else {
        return NotStartable(); // the static_assert of RetryOnAddrInUse says why
    }
}

template <class S> struct Launch {
    using Result =
        decltype(detail::launch<S>(std::declval<std::remove_reference_t<S>&>(), std::declval<const Endpoint&>()));
};

template <class S, class X> inline constexpr bool has_own_rule = detected<TraitsRecognises, S, X>;

// True if the user's own rule recognises `x`. A rule that throws says no.
template <class S, class X> bool matches_own_rule([[maybe_unused]] const X& x) {
    bool matches = false;
    if constexpr (has_own_rule<S, X>) {
        ADDR_IN_USE_TRY { matches = static_cast<bool>(TraitsOf<S>::is_address_in_use(x)); }
        ADDR_IN_USE_CATCH_ALL {}
    }
    return matches;
}

// Preflight and AskProbe pass everything on to the server inside.
template <class Wrapper, class S> struct WrapperTraits {
    static constexpr bool preflight = detail::preflight<S>;
    static constexpr bool ask_probe = detail::ask_probe<S>;
    static decltype(auto) start(Wrapper& wrapper, const Endpoint& endpoint) {
        return detail::launch<S>(wrapper.server, endpoint);
    }
    static decltype(auto) restart(Wrapper& wrapper, const Endpoint& endpoint) {
        return detail::launch<S>(wrapper.server, endpoint, true);
    }
    template <class X, std::enable_if_t<has_own_rule<S, X>, int> = 0> static bool is_address_in_use(const X& x) {
        return detail::matches_own_rule<S>(x);
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

// What a start came to.
enum class Failure : std::uint8_t {
    none,
    other,     // not the address
    unknown,   // no reason is given
    ask_probe, // "address in use" if the probe finds another process on the address
    denied,    // the same; if the probe finds no process, the system reserves the port
    in_use,
};

template <class T> using ToErrorCode = std::enable_if_t<std::is_convertible_v<const T&, std::error_code>>;
template <class T>
using CodeMembers = decltype(static_cast<int>(std::declval<const T&>().value()),
                             std::string_view(std::declval<const T&>().category().name()));
template <class T> using Message = decltype(std::string(std::declval<const T&>().message()));
template <class T> using HasValue = decltype(static_cast<bool>(std::declval<const T&>().has_value()));
template <class T> using ErrorOf = decltype(std::declval<const T&>().error());
// Pointer-like: comparable with nullptr and convertible to bool. The second test excludes std::string. (An object of
// nullptr_t, not nullptr itself: gcc 10 warns that a std::string_view is never null.)
template <class T>
using ComparesWithNull = decltype(static_cast<bool>(std::declval<const T&>()),
                                  static_cast<bool>(std::declval<const T&>() == std::declval<std::nullptr_t>()));

template <class T>
inline constexpr bool is_code = std::is_same_v<T, std::errc> || detected<ToErrorCode, T> || detected<CodeMembers, T>;
template <class T> inline constexpr bool is_signed_number = std::is_integral_v<T>&& std::is_signed_v<T>;

// True if a result of this type can report a failure.
template <class S, class T>
inline constexpr bool reports_failure = has_own_rule<S, T> || is_code<T> || std::is_same_v<T, bool> ||
                                        is_signed_number<T> || detected<HasValue, T> || detected<ComparesWithNull, T>;

// Classifies a native number, or one of a category without std::errc. Standalone Asio before 1.38 ("asio.system",
// asio/impl/error_code.ipp) and libstdc++ on Windows do not map their codes.
inline Failure classify(int value, std::string_view category) noexcept {
    const bool is_native = category == "system" || category == "asio.system";
    if (value == 0) { return Failure::none; }
    if ((category == "generic" && value == EADDRINUSE) || (is_native && value == Os::traits.in_use)) {
        return Failure::in_use;
    }
    return is_native && value == Os::traits.denied ? Failure::denied : Failure::other;
}

// Returns the text of a code, or an empty one if that throws. The user's own result or exception must survive.
template <class T> std::string message_of(const T& code) noexcept {
    std::string text;
    ADDR_IN_USE_TRY { text = code.message(); }
    ADDR_IN_USE_CATCH_ALL {}
    return text;
}

template <class T> Failure classify_code(const T& code, std::string& text) {
    if constexpr (std::is_same_v<T, std::errc>) {
        return detail::classify_code(std::make_error_code(code), text);
    } else if constexpr (std::is_same_v<T, std::error_code> || !detected<ToErrorCode, T>) {
        Failure failure = detail::classify(static_cast<int>(code.value()), code.category().name());
        if constexpr (std::is_same_v<T, std::error_code>) {
            if (code == std::errc::address_in_use) { failure = Failure::in_use; }
        }
        if constexpr (detected<Message, T>) {
            if (failure != Failure::none) { text = message_of(code); }
        }
        return failure;
    } else {
        return detail::classify_code(static_cast<std::error_code>(code), text);
    }
}

// Classifies a failure without a reason; `error`: what the call left in errno.
template <class S> Failure classify_silent(int error, std::string& text) {
    const Failure failure = error == 0 ? Failure::unknown : detail::classify(error, "system");
    const bool is_decided = failure == Failure::in_use || failure == Failure::denied;
    if (error != 0) { text = message_of(system_error(error)); }
    return !is_decided && ask_probe<S> ? Failure::ask_probe : failure;
}

template <class S, class T> Failure classify_value(const T& value, int error, std::string& text) {
    const KeepLastError keep; // the text of a message is looked up by a call that sets it (FormatMessage)
    if (detail::matches_own_rule<S>(value)) { return Failure::in_use; }
    bool failed = false;
    if constexpr (is_code<T>) {
        const Failure failure = detail::classify_code(value, text);
        if (failure != Failure::none) { return failure; }
    } else if constexpr (std::is_same_v<T, bool>) {
        failed = !value;
    } else if constexpr (is_signed_number<T>) {
        if (value == -Os::traits.in_use || value == Os::traits.in_use_negated) { return Failure::in_use; }
        failed = value < 0;
        if (failed && value != -1) { // a number of its own is a reason: only errno can say more
            return detail::classify_silent<void>(error, text);
        }
    } else if constexpr (detected<HasValue, T>) {
        failed = !value.has_value();
        if constexpr (detected<ErrorOf, T>) {
            using Error = Bare<ErrorOf<T>>;
            if (failed && detail::matches_own_rule<S>(value.error())) { return Failure::in_use; }
            if constexpr (is_code<Error>) {
                if (failed) {
                    const Failure failure = detail::classify_code(value.error(), text);
                    return failure == Failure::none ? Failure::other : failure;
                }
            }
        }
    } else if constexpr (detected<ComparesWithNull, T>) {
        failed = value == nullptr;
    }
    return failed ? detail::classify_silent<S>(error, text) : Failure::none;
}

#if ADDR_IN_USE_HAS_EXCEPTIONS()
// True if Boost's text ends with this number ("[system:98]", "[system:10048 at ...", since 1.79), in any language.
inline bool has_system_number(std::string_view text, int number) {
    const std::string mark = "[system:" + std::to_string(number);
    const std::size_t at = text.find(mark);
    const std::string_view rest = at == std::string_view::npos ? "x" : text.substr(at + mark.size());
    return rest.empty() || rest[0] == ']' || rest[0] == ' ';
}

// True if the text has the system's own words for an error. MinGW's are "Unknown error" for many.
inline bool has_message(std::string_view text, std::string message) {
    while (!message.empty() && (message.back() == '.' || message.back() == '\r' || message.back() == '\n')) {
        message.pop_back(); // Boost strips them
    }
    return !message.empty() && !starts_with(message, "Unknown error") && text.find(message) != std::string_view::npos;
}

inline bool says_in_use(std::string_view text) {
    return text.find("ddress already in use") != std::string_view::npos ||
           has_message(text, std::generic_category().message(EADDRINUSE)) ||
           has_message(text, system_error(Os::traits.in_use).message()) || has_system_number(text, Os::traits.in_use) ||
           (Os::traits.denied != 0 && has_system_number(text, Os::traits.denied));
}

// Classifies the current exception and all that it nests. Codes take precedence over texts, on every level.
// Out of memory it returns other: the user's exception must not be replaced.
template <class S> Failure classify_exception(std::string& text) noexcept try {
    const KeepLastError keep;
    bool has_other_code = false;
    bool is_denied = false;
    bool has_text = false;
    if (std::current_exception() == nullptr) { return Failure::other; } // the thread is being cancelled
    for (std::exception_ptr level = std::current_exception(); level != nullptr;) {
        try {
            std::rethrow_exception(level);
        } catch (const std::exception& exception) {
            text += (text.empty() ? "" : ": ") + std::string(exception.what());
            if (detail::matches_own_rule<S>(exception)) { return Failure::in_use; }
            has_text = has_text || says_in_use(exception.what());
        } catch (...) {}
        try {
            std::rethrow_exception(level);
        } catch (const std::system_error& error) {
            std::string message;
            const Failure failure = detail::classify_code(error.code(), message);
            if (failure == Failure::in_use) { return failure; }
            is_denied = is_denied || failure == Failure::denied;
            has_other_code = has_other_code || failure != Failure::denied;
        } catch (...) {}
        std::exception_ptr inner;
        try {
            std::rethrow_exception(level);
        } catch (const std::nested_exception& nested) { inner = nested.nested_ptr(); } catch (...) {
        }
        level = inner;
    }
    if (has_other_code) { return Failure::other; }
    if (is_denied) { return Failure::denied; }
    return has_text || ask_probe<S> ? Failure::ask_probe : Failure::unknown;
} catch (...) { return Failure::other; }
#else
template <class S> Failure classify_exception(std::string&) { return Failure::unknown; }
#endif

// 10  sockets to holders //////////////////////////////////////////////////////////////////////////////////////////////

inline bool holds_address(State state) noexcept { return state == State::listening || state == State::bound; }
inline bool holds_address(const Socket& row) noexcept { return holds_address(row.state); }
inline bool holds_address(const Holder& holder) noexcept { return holds_address(holder.state); }

// Plain loops: a call of the standard algorithm with a lambda costs every user's build five instantiations.
template <class Range, class Test> bool any_of(const Range& range, Test test) {
    for (const auto& element : range) {
        if (test(element)) { return true; }
    }
    return false;
}
template <class T, class Test> void remove_if(std::vector<T>& elements, Test test) {
    std::vector<T> kept;
    for (T& element : elements) {
        if (!test(element)) { kept.push_back(std::move(element)); }
    }
    elements = std::move(kept);
}

inline bool is_socket_of(const Holder& holder, const Endpoint& socket) {
    return any_of(holder.sockets, [&](const Endpoint& own) { return same_address(own, socket); });
}

// True for two rows of the same socket, of one look or of two.
inline bool same_socket(const Socket& a, const Socket& b) noexcept {
    return a.inode != 0 || b.inode != 0 ? a.inode == b.inode : a.local == b.local && a.state == b.state;
}
inline bool contains(const std::vector<Socket>& rows, const Socket& row) {
    return any_of(rows, [&](const Socket& other) { return same_socket(other, row); });
}

// True if `a` sorts before `b`: by process, then by address, then by state.
inline bool row_comes_before(const Socket& a, const Socket& b) noexcept {
    if (a.pid != b.pid) { return a.pid < b.pid; }
    const int order = std::memcmp(&parts_of(a.local), &parts_of(b.local), sizeof(EndpointParts));
    return order != 0 ? order < 0 : a.state < b.state;
}

// Keeps one of several rows of the same address and state.
inline void remove_duplicates(std::vector<Socket>& rows) {
    std::sort(rows.begin(), rows.end(), row_comes_before);
    std::vector<Socket> kept;
    for (Socket& row : rows) {
        const bool is_new = kept.empty() || kept.back().state != row.state || kept.back().local != row.local;
        if (is_new) { kept.push_back(std::move(row)); }
    }
    rows = std::move(kept);
}

// Makes test binds of the numeric addresses that the endpoint stands for. Returns no error if all are free. Passes over
// an address family that this system does not have. Makes none for a path: that would create its file.
inline std::error_code test_bind(const Endpoint& endpoint) {
    EndpointParts parts = parts_of(endpoint);
    if (parts.kind == HostKind::path) { return {}; }
    if (parts.kind == HostKind::v4 || parts.kind == HostKind::v6) { return Os::test_bind(endpoint); }
    std::error_code error = std::make_error_code(std::errc::address_not_available);
    for (const bool v6 : {true, false}) {
        parts.kind = v6 ? HostKind::v6 : HostKind::v4;
        parts.address = *address_in(parts_of(endpoint), v6);
        parts.v6_only = v6;
        const std::error_code answer = Os::test_bind(make_endpoint(parts));
        const bool is_missing =
            answer == std::errc::address_family_not_supported || answer == std::errc::address_not_available;
        if (!is_missing) { error = answer; }
        if (!is_missing && answer) { break; }
    }
    return error;
}

// Decides about rows of "::" whose table does not show IPV6_V6ONLY, where an IPv4 address is wanted. They do not
// conflict while a surer row does. Where none does, test binds decide: a dual-stack socket takes every IPv4 address, an
// unrelated loopback address too. Otherwise an unknown process holds the address.
inline void decide_unknown_v6_only(const Endpoint& wanted, std::vector<Socket>& rows) {
    const auto is_unsure = [&](const Socket& row) {
        Endpoint narrow = row.local;
        return row.v6_only_unknown && !conflicts(wanted, narrow.v6_only(true));
    };
    const auto is_sure = [&](const Socket& row) { return holds_address(row) && !is_unsure(row); };
    if (!any_of(rows, is_unsure)) { return; }
    const std::error_code answer = any_of(rows, is_sure) ? std::error_code() : test_bind(wanted);
    constexpr Address unrelated{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 127, 83, 117, 1}};
    if (!answer) {
        remove_if(rows, is_unsure);
    } else if (answer != std::errc::address_in_use ||
               Os::test_bind(make_endpoint(false, unrelated, wanted.port(), wanted.transport())) != answer) {
        for (Socket& row : rows) {
            if (!is_unsure(row)) { continue; }
            row.inode = 0;
            row.pid = 0;
        }
    }
}

// Keeps the rows that explain why `wanted` cannot be bound. Where a socket holds the address, connections explain
// nothing. If `wanted` stands for several addresses, connections on an address that no holder overlaps are kept.
inline void select_conflicting(const Endpoint& wanted, std::vector<Socket>& rows) {
    remove_if(rows, [&](const Socket& row) { return !conflicts(wanted, row.local); });
    decide_unknown_v6_only(wanted, rows);
    std::vector<Socket> holding;
    std::vector<Socket> connections;
    for (Socket& row : rows) { (holds_address(row) ? holding : connections).push_back(std::move(row)); }
    remove_duplicates(connections);
    rows = std::move(holding);
    remove_if(connections, [&](const Socket& row) {
        const bool is_explained = any_of(rows, [&](const Socket& held) { return conflicts(held.local, row.local); });
        return is_explained || (!rows.empty() && !stands_for_several(wanted));
    });
    for (Socket& row : connections) { rows.push_back(std::move(row)); }
    const auto is_exact = [&](const Socket& row) { return holds_address(row) && same_address(row.local, wanted); };
    if (Os::traits.exact_bind_wins && any_of(rows, is_exact)) {
        remove_if(rows, [&](const Socket& row) { return !is_exact(row); });
    }
}

// Returns the rows that explain why `wanted` cannot be bound, still without owners on Linux.
inline std::vector<Socket> list_conflicting(const Endpoint& wanted, std::error_code& error) {
    const bool is_tcp = is_tcp_port(wanted);
    std::vector<Socket> rows;
    const auto list = [&](Which which) {
        std::vector<Socket> found = Os::list_sockets(wanted, which, error);
        if (!error) { select_conflicting(wanted, found); }
        return found;
    };
    if (is_tcp && !stands_for_several(wanted)) { rows = list(Which::listening); }
    if (error || !rows.empty()) { return rows; }
    rows = list(Which::all);
    const auto is_only_bound = [&](const Socket& row) { return is_tcp && row.state == State::bound; };
    if (!error && any_of(rows, is_only_bound)) { // perhaps a client between bind() and connect()
        Os::pause(settling_time);
        const std::vector<Socket> before = std::move(rows);
        rows = Os::list_sockets(wanted, Which::all, error);
        remove_if(rows, [&](const Socket& row) { return is_only_bound(row) && !contains(before, row); });
        if (!error) { select_conflicting(wanted, rows); }
    }
    return rows;
}

// True if a listening TCP or an unconnected UDP socket holds the address, or a live socket is bound to the path.
// Returns `if_unseen` where the system does not tell.
inline bool is_held(const Endpoint& endpoint, bool if_unseen = false) {
    if (is_path(endpoint) && !Os::traits.maps_paths) { return !Os::connect_to(endpoint); }
    const bool is_tcp = is_tcp_port(endpoint);
    std::error_code error;
    std::vector<Socket> rows = Os::list_sockets(endpoint, Which::listening, error);
    if (error) { return if_unseen; }
    select_conflicting(endpoint, rows);
    return any_of(rows, [&](const Socket& row) { return is_tcp ? row.state == State::listening : holds_address(row); });
}

// True if the process has one of the holder's sockets open, listening or bound. Asks for bound sockets last: for them
// the kernel walks its whole table of connections.
inline bool owns_socket(const Holder& holder, std::error_code& error) {
    if (holder.sockets.empty()) { return false; }
    const Endpoint& endpoint = holder.sockets.front(); // the others have the same port or path
    for (const Which which : {Which::listening, Which::bound}) {
        std::vector<Socket> rows = Os::list_sockets(endpoint, which, error);
        if (error) { return false; }
        remove_if(rows, [&](const Socket& row) { return !holds_address(row) || !is_socket_of(holder, row.local); });
        if (!rows.empty()) { error = Os::attach_owners(rows, holder.pid); }
        if (error) { return false; }
        if (any_of(rows, [&](const Socket& row) { return row.pid == holder.pid; })) { return true; }
        if (!is_tcp_port(endpoint)) { break; }
    }
    return false;
}

// Adds the address of a row to its holder. The rows come in order.
inline void add_row(Holder& holder, const Socket& row) {
    if (holder.name.empty()) { holder.name = row.owner_name; }
    if (holder.user.empty()) { holder.user = holder.pid == 0 ? row.user : row.owner_user; }
    if (holder.sockets.empty() || row.state < holder.state) { holder.state = row.state; }
    // A socket that another user made is the one to show.
    const bool is_usual = holder.socket_user == holder.user || holder.socket_user == "0";
    if (holder.socket_user.empty() || (is_usual && row.user != holder.user)) { holder.socket_user = row.user; }
    if (holder.sockets.empty() || holder.sockets.back() != row.local) { holder.sockets.push_back(row.local); }
}

// Windows: 1 s in units of 100 ns. No page tells how exact the time of a socket is.
inline constexpr std::uint64_t clock_tolerance = 10000000;

// Returns one holder for each process, and one for each socket without a visible process. A process that exited since
// its row was read is none; its socket is kept if it is still there.
inline std::vector<Holder> to_holders(const Endpoint& wanted, std::vector<Socket> rows, std::error_code& error,
                                      Which which = Which::all) {
    std::vector<Holder> holders;
    std::vector<Socket> ownerless;
    std::sort(rows.begin(), rows.end(), row_comes_before);
    for (std::size_t i = 0; i < rows.size();) {
        const std::uint32_t pid = rows[i].pid;
        const ProcessInfo info = Os::inspect(pid);
        if (rows[i].start_time != 0 && info.holder.start_time == 0 && info.error) { // a holder, but which one?
            error = info.error;
            return {};
        }
        for (; i < rows.size() && rows[i].pid == pid; ++i) {
            Socket& row = rows[i];
            const bool is_other = row.start_time != 0 && row.start_time != info.holder.start_time;
            const bool is_younger =
                row.created != 0 && info.holder.start_time > row.created + clock_tolerance; // it has a dead owner's pid
            if (pid == 0 || info.is_dead || is_other || is_younger) {
                ownerless.push_back(Socket(row));
                row.inode = 0;
                continue;
            }
            if (holders.empty() || holders.back().pid != pid) {
                holders.push_back(Holder(info.holder));
                holders.back().pid = pid;
            }
            add_row(holders.back(), row);
        }
    }
    const auto may_be_closed = [](const Socket& row) { return row.inode != 0 || row.pid != 0; };
    if (any_of(ownerless, may_be_closed)) {
        const std::vector<Socket> still = Os::list_sockets(wanted, which, error);
        remove_if(ownerless, [&](const Socket& row) {
            const bool has_other_owner = row.inode != 0 && contains(rows, row);
            return may_be_closed(row) && (has_other_owner || !contains(still, row));
        });
    }
    remove_duplicates(ownerless);
    for (const Socket& row : ownerless) {
        holders.push_back(Holder());
        add_row(holders.back(), row);
    }
    return error ? std::vector<Holder>() : holders;
}

// Returns the file at the path of a Unix domain socket that no process seems to have open. It prevents a bind. A
// refused connect is no proof: a socket that is bound and does not listen yet refuses too.
inline std::vector<Holder> holder_of_file(const Endpoint& path, std::error_code& error) {
    const FileInfo file = Os::inspect_file(path, error);
    const std::error_code answer =
        file.is_socket ? Os::connect_to(path) : std::make_error_code(std::errc::connection_refused);
    if (error || !file.exists || answer == std::errc::no_such_file_or_directory) { return {}; }
    std::vector<Holder> holders(1);
    Holder& holder = holders.front();
    holder.sockets.push_back(path);
    const bool may_be_hidden = file.is_socket && !Os::traits.maps_paths && !Os::is_privileged() &&
                               file.user != Os::inspect(Os::current_pid()).holder.user;
    if (answer == std::errc::connection_refused && !may_be_hidden) {
        holder.state = State::lingering;
        holder.user = file.user;
    }
    return holders;
}

} // namespace detail

inline std::vector<Holder> SystemProbe::operator()(const Endpoint& endpoint, std::error_code& error) const {
    std::vector<Holder> holders;
    bool had_rows = true;
    // Looks twice if each holder closed its socket meanwhile: the connections of one may be left.
    for (int look = 0; look < 2 && holders.empty() && had_rows; ++look) {
        error.clear();
        std::vector<detail::Socket> rows = detail::list_conflicting(endpoint, error);
        had_rows = !rows.empty();
        if (!error && !had_rows && detail::is_file(endpoint)) { return detail::holder_of_file(endpoint, error); }
        if (!error && had_rows) { error = detail::Os::attach_owners(rows); }
        if (!error) { holders = detail::to_holders(endpoint, std::move(rows), error); }
        if (error) { return {}; }
    }
    return holders;
}

inline bool SystemProbe::held(const Endpoint& endpoint) const { return detail::is_held(endpoint); }

inline std::vector<Holder> LsofProbe::operator()(const Endpoint& endpoint, std::error_code& error) const {
    error.clear();
    std::vector<detail::Socket> rows = detail::Os::list_by_lsof(endpoint, timeout, error);
    if (!error) { detail::select_conflicting(endpoint, rows); }
    return error ? std::vector<Holder>() : detail::to_holders(endpoint, std::move(rows), error);
}

// 11  protection: every reason not to terminate a process /////////////////////////////////////////////////////////////

namespace detail {

// Returns the ancestors of a process, the nearest first. A chain that changes meanwhile has an end too.
inline std::vector<std::uint32_t> list_ancestors(std::uint32_t pid, std::error_code& error) {
    constexpr std::size_t max_depth = 1000;
    std::vector<std::uint32_t> ancestors;
    while ((pid = Os::parent(pid, error)) > 1 && ancestors.size() < max_depth) { ancestors.push_back(pid); }
    return ancestors;
}

inline bool contains(const std::vector<std::uint32_t>& pids, std::uint32_t pid) {
    return any_of(pids, [&](std::uint32_t other) { return other == pid; });
}

// True if `program` is one of `names`, which are separated by commas, in any case. A trailing '*' stands for any
// ending; a name that the kernel cut to 15 bytes (TASK_COMM_LEN, man 5 proc) is compared by those.
inline bool is_one_of(std::string_view program, std::string_view names, bool is_cut = false) noexcept {
    while (!names.empty() && !program.empty()) {
        std::string_view name = names.substr(0, names.find(','));
        names.remove_prefix((std::min)(names.size(), name.size() + 1));
        const bool is_prefix = name.back() == '*';
        if (is_prefix) { name.remove_suffix(1); }
        if (is_cut) { name = name.substr(0, 15); }
        if (same_letters(is_prefix ? program.substr(0, name.size()) : program, name)) { return true; }
    }
    return false;
}

inline constexpr std::string_view shells =
    "ash,bash,cmd.exe,csh,dash,fish,ksh*,mksh,powershell.exe,pwsh,pwsh.exe,sh,tcsh,zsh";
// They run tests or commands of a build side by side. Watchers and harnesses that restart a server are not among them.
inline constexpr std::string_view runners = "bazel,ctest,gmake,make,meson,ninja,samu";

// Returns the nearest ancestor that is no shell, if it is a runner; else a process without a pid.
inline Holder runner_above(const std::vector<std::uint32_t>& ancestors) {
    for (const std::uint32_t pid : ancestors) {
        Holder program = Os::inspect(pid).holder;
        if (is_one_of(program.name, runners)) { return program; }
        // The kernel names a shell after the script that it runs by "#!".
        if (!is_one_of(program.name, shells) && !is_one_of(base_name(program.executable), shells)) { break; }
    }
    return {};
}

// What concerns this process, asked once for a recovery.
struct Ourselves {
    ProcessInfo info = Os::inspect(Os::current_pid());
    std::error_code error = info.error;
    std::vector<std::uint32_t> ancestors = list_ancestors(Os::current_pid(), error); // the nearest first
    std::uint32_t debugger = Os::debugger(error);
    Holder runner = runner_above(ancestors);
};

inline bool same_user(const ProcessInfo& process, const ProcessInfo& ours) {
    const std::string& user = ours.holder.user;
    return !user.empty() && !process.has_unmapped_user &&
           !any_of(process.users, [&](const std::string& other) { return other != user; });
}

// Returns the path of an executable as it was before its file was replaced (Linux, man 5 proc_pid_exe).
inline std::string_view without_deleted_mark(std::string_view path) noexcept {
    constexpr std::string_view mark = " (deleted)";
    return ends_with(path, mark) ? path.substr(0, path.size() - mark.size()) : path;
}

// Where the files cannot be compared, or one of them was replaced, the path and the user decide. A dynamic loader that
// was started with a program as its argument tells nothing of the program.
inline bool same_executable(const ProcessInfo& process, const ProcessInfo& ours) {
    const std::string_view theirs = process.holder.executable;
    const std::string_view path = ours.holder.executable;
    const bool has_mark = theirs != without_deleted_mark(theirs) || path != without_deleted_mark(path);
    if (is_one_of(base_name(path), "ld-2.*,ld-linux*,ld-musl*")) { return false; }
    if (process.executable_file == ours.executable_file) { return true; }
    return (Os::traits.has_file_ids ? has_mark && ours.executable_file.number != 0 : !path.empty()) &&
           without_deleted_mark(theirs) == without_deleted_mark(path) && same_user(process, ours);
}

// Returns how a line names a holder.
inline std::string display_name(const Holder& holder) {
    if (holder.state == State::lingering && !holder.sockets.empty() && is_path(holder.sockets.front())) {
        return "the file at " + printable(holder.sockets.front().path(), 256);
    }
    if (holder.pid == 0) {
        return "an unidentified process" +
               (holder.socket_user.empty() ? "" : " (user " + printable(holder.socket_user, 64) + ')');
    }
    return (holder.name.empty() ? "process" : printable(holder.name, 64)) + " (pid " + std::to_string(holder.pid) + ')';
}

// One attempt to free an address: what the rules ask, beside the holder itself.
struct RuleFacts {
    const Endpoint& wanted;
    const std::vector<Holder>& holders;
    std::uint64_t begin; // of the start, as Os::now() tells it
    Ourselves us;
    const Holder* other_sockets = nullptr; // the first holder whose sockets differ from those of the front one
    bool has_other_program = false;        // a second process, not surely of the same executable
    bool is_shared = false;                // by several sockets

    RuleFacts(const Endpoint& the_wanted, const std::vector<Holder>& the_holders, std::uint64_t the_begin)
        : wanted(the_wanted), holders(the_holders), begin(the_begin) {
        for (const Holder& holder : holders) {
            const Holder& front = holders.front();
            if (other_sockets == nullptr && (!holds_address(holder) || holder.sockets != front.sockets)) {
                other_sockets = &holder;
            }
            has_other_program =
                has_other_program ||
                (holder.pid != front.pid && (holder.executable.empty() || holder.executable != front.executable));
        }
        if (!is_udp_port(wanted) || !has_other_program) { return; }
        std::error_code error;
        std::vector<Socket> rows = Os::list_sockets(wanted, Which::listening, error);
        select_conflicting(wanted, rows);
        is_shared = error || any_of(rows, [&](const Socket& row) { return !same_socket(row, rows.front()); });
    }
};

// Windows names the process that made the socket. After its exit a child that inherited the socket holds it: one that
// is younger than the socket.
inline std::string possible_heirs(const Endpoint& socket) {
    std::string text;
    std::error_code error;
    for (const Socket& row : Os::list_sockets(socket, Which::listening, error)) {
        const bool is_same = holds_address(row) && same_address(row.local, socket);
        if (!is_same || row.pid == 0 || !Os::inspect(row.pid).is_dead) { continue; }
        text += (text.empty() ? "its creator (pid " : "; its creator (pid ") + std::to_string(row.pid) + ") has exited";
        for (const std::uint32_t pid : Os::children(row.pid, error)) {
            const Holder child = Os::inspect(pid).holder;
            const bool is_older = child.start_time != 0 && child.start_time + clock_tolerance < row.created;
            if (!is_older) { text += ", its child " + display_name(child) + " may hold it"; }
        }
    }
    return text;
}

// True for a worker of our own parent. Pre-forked workers start one after the other and must not terminate each other.
inline bool is_sibling_worker(const ProcessInfo& process, const Ourselves& us) {
    const std::uint32_t parent = us.info.parent;
    return parent > 1 && process.parent == parent && same_executable(Os::inspect(parent), us.info);
}

// True if this process or another holder started the process, as a server does that forks a worker for each request.
inline bool is_child_of_known(std::uint32_t pid, const RuleFacts& facts) {
    std::error_code error;
    const std::vector<std::uint32_t> ancestors = list_ancestors(pid, error);
    return contains(ancestors, Os::current_pid()) ||
           any_of(facts.holders, [&](const Holder& holder) { return contains(ancestors, holder.pid); });
}

// True if both processes run under the same ctest, make, ninja, meson or bazel.
inline bool is_beside_us(std::uint32_t pid, const Ourselves& us) {
    std::error_code error;
    return us.runner.pid != 0 && runner_above(list_ancestors(pid, error)).pid == us.runner.pid;
}

// Returns why of several addresses none is freed: names the other holder.
inline std::string ambiguous_address(const Holder& holder, const RuleFacts& facts) {
    const bool is_first = holder.sockets == facts.holders.front().sockets;
    std::string text = "ambiguous: the start names no single address, and";
    for (const Endpoint& socket : (is_first ? *facts.other_sockets : facts.holders.front()).sockets) {
        text += ' ' + to_string(socket);
    }
    return text + " is in use too: name the host (0.0.0.0, ::, 127.0.0.1)";
}

inline bool is_ephemeral(std::uint16_t port) {
    const PortRange range = Os::ephemeral_ports();
    return port >= range.first && port <= range.last;
}

// Programs that must not be terminated, each group with the advice for a person. For the names see is_one_of().
struct ProtectedPrograms {
    const char* advice;
    const char* names;
};
inline constexpr ProtectedPrograms protected_programs[] = {
    {"it forwards the port of a container or a virtual machine: stop that one (docker ps --filter publish=PORT)",
     "cloud-hypervisor,com.docker.backend*,conmon,containerd-shim*,docker-proxy,dockerd,firecracker,gvproxy,limactl,"
     "OrbStack Helper,passt,passt.avx2,pasta,pasta.avx2,qemu-system-*,rootlesskit,rootlessport*,slirp4netns,"
     "VBoxHeadless,VirtualBoxVM,vmcompute,vmmem*,vmware-vmx,vpnkit*,wslhost,wslrelay*,wslservice"},
    {"it forwards the port for a remote session: close that session",
     "autossh,dropbear,kubectl,mosh-server,ssh,sshd,sshd-session"},
    {"it forwards the port to a device: adb forward --remove tcp:PORT", "adb"},
    {"it hosts services of Windows: stop the service (tasklist /svc /fi \"pid eq PID\", net stop NAME)",
     "services.exe,svchost.exe"},
    {"it is AirPlay: switch off \"AirPlay Receiver\" in the system settings", "ControlCenter"},
    {"it starts services by request: stop the socket unit (systemctl stop NAME.socket)",
     "inetd,launchd,systemd,systemd-socket-activate,systemd-socket-proxyd,xinetd"},
    {"it manages the processes of a service: stop that one (pm2 stop NAME, supervisorctl stop NAME)",
     "PM2 v*,supervisord"},
    {"a person works in it and it inherited the socket: close it by hand",
     // browsers
     "brave,brave-browser*,brave.exe,chrome,chromium*,epiphany,firefox*,Google Chrome*,google-chrome*,konqueror,"
     "librewolf,microsoft-edge*,msedge*,opera,Safari,vivaldi,vivaldi-bin,vivaldi-stable,"
     // editors and their helpers
     "clion*,code,Code Helper*,code-insiders,codium,cursor,Cursor "
     "Helper*,devenv.exe,eclipse,electron,emacs*,geany,gedit,"
     "goland*,gvim,helix,hx,idea,idea64,idea.sh,kate,kdevelop,nano,nvim,phpstorm*,pycharm*,qtcreator,rider,rider64,"
     "rubymine*,rustrover*,sublime_text,vi,vim,vim-*,vim.*,vimdiff,vimx,webstorm*,windsurf,Xcode,zed,zed-editor,"
     // terminals
     "alacritty,conhost.exe,foot,footclient,ghostty,gnome-terminal*,iTerm2,kgx,kitty,konsole,lxterminal,mate-terminal,"
     "OpenConsole.exe,ptyxis,screen,Terminal,terminator,tilix,tmux,tmux: client,tmux: server,urxvt*,wezterm*,"
     "WindowsTerminal.exe,xfce4-terminal,xterm,zellij,"
     // desktops and remote displays
     "dbus-broker*,dbus-daemon,explorer.exe,gnome-shell,Hyprland,kwin_*,plasmashell,sway,weston,X,Xephyr,Xorg,xrdp,"
     "xrdp-sesman,Xtigervnc,Xvfb,Xvnc,Xwayland,"
     // documents, pictures, data
     "evince,gimp,gimp-2.*,gimp-3.*,gwenview,jupyter,jupyter-lab,jupyter-notebook,mpv,R,rsession,rstudio,soffice,"
     "soffice.bin,vlc"},
};

// True for a shell that a person types into: it has a terminal and runs no script.
inline bool is_interactive_shell(const Holder& holder, const ProcessInfo& process) {
    if (!process.has_terminal) { return false; }
    std::error_code error;
    const std::string arguments = Os::arguments(holder.pid, error);
    const std::string_view first =
        std::string_view(arguments).substr((std::min)(arguments.size(), arguments.find('\0') + 1));
    const std::string_view option = first.substr(0, first.find('\0'));
    const bool is_script = !option.empty() && option[0] != '-' && option[0] != '+';
    const bool is_word = is_one_of(option, "-norc,-restricted,-rcfile,-executionpolicy"); // with one '-' too
    const bool is_command =
        option.size() > 1 && option[1] != '-' && !is_script && !is_word && option.find('c') != option.npos;
    return error || process.session == holder.pid || !(is_script || is_command);
}

// Returns the advice for a protected program, or an empty text. Of a server of our own with an unlucky name
// (`is_ours`) a name counts only if it is not the one of its file.
inline std::string protected_program(const Holder& holder, const ProcessInfo& process, bool is_ours = false) {
    const std::string_view program =
        without_deleted_mark(base_name(holder.executable.empty() ? holder.name : holder.executable));
    const std::size_t dot = (std::min)(program.size(), program.rfind('.'));
    const std::string_view stem = same_letters(program.substr(dot), ".exe") ? program.substr(0, dot) : program;
    const bool has_own_name = !is_ours || holder.name != program.substr(0, holder.name.size());
    const auto is_named = [&](std::string_view names) {
        return (!is_ours && (is_one_of(program, names) || is_one_of(stem, names))) ||
               (has_own_name && is_one_of(holder.name, names, true));
    };
    for (const ProtectedPrograms& group : protected_programs) {
        if (is_named(group.names)) {
            const std::uint16_t port = holder.sockets.empty() ? std::uint16_t{0} : holder.sockets.front().port();
            return replace_placeholder(replace_placeholder(group.advice, "PORT", port), "PID", holder.pid);
        }
    }
    if (is_named(shells) && is_interactive_shell(holder, process)) {
        return "it is a shell with a terminal and inherited the socket: exit it by hand";
    }
    return holder.command_line.find("ipykernel") == std::string::npos
               ? ""
               : "it is the kernel of a notebook: restart it there";
}

// Units that start processes for other people: to stop the unit would stop those too.
inline constexpr std::string_view hosting_units =
    "actions.runner.*,atd.service,buildkite-agent.service,cron.service,crond.service,gitlab-runner.service,"
    "jenkins.service,ssh.service,sshd.service";

// Returns how a person stops the service or container. `service` is that of ProcessInfo.
inline std::string stop_advice(std::string_view service, std::uint32_t pid) {
    const std::string name = printable(base_name(service), 128);
    const auto mentions = [&](std::string_view word) { return service.find(word) != std::string_view::npos; };
    if (starts_with(service, "services.exe/")) {
        return "it is a service of Windows (" + name + "): stop it with net stop";
    }
    if (is_one_of(name, hosting_units)) { return "the service " + name + " started it: kill " + std::to_string(pid); }
    if (ends_with(service, ".service")) { return "it belongs to the service " + name + ": systemctl stop " + name; }
    if (starts_with(service, "/openrc") || starts_with(service, "/rc/")) {
        const std::string unit = starts_with(name, "openrc.") ? name.substr(7) : name;
        return "it belongs to the service " + unit + ": rc-service " + unit + " stop";
    }
    return "it runs in a container (" + name + "): " +
           (mentions("kubepods") || mentions("crio-") || mentions("cri-containerd-") ? "delete the pod"
            : mentions("libpod-")                                                    ? "podman stop"
            : mentions("docker")                                                     ? "docker stop"
            : mentions("lxc")                                                        ? "lxc-stop"
                                                                                     : "stop that");
}

inline std::string cannot_be_inspected(const std::error_code& error) {
    return error ? "it cannot be inspected: " + error.message() : "";
}

// The reasons, each a sentence behind "NAME was not terminated: "; the first one counts, an empty text is none.

// Returns why a holder is not offered to any killer.
inline std::string reason_not_to_offer(const Holder& holder) {
    if (holder.state == State::connected) { return "it only has a connection on this port"; }
    if (holder.state == State::lingering) { return "its process has exited"; }
    if (holder.pid == 0) {
        std::string heirs = holder.sockets.empty() ? "" : possible_heirs(holder.sockets.front());
        const bool is_ours = !holder.socket_user.empty() && !Os::is_privileged() &&
                             holder.socket_user == Os::inspect(Os::current_pid()).holder.user;
        return !heirs.empty() ? heirs
               : is_ours      ? "it may not be inspected: a program with capabilities or a set-user-id bit"
                              : "it belongs to another user, a container or the kernel";
    }
    return holder.pid == Os::current_pid() ? "it is this process itself" : "";
}

// Returns why a holder is not offered to a killer that terminates.
inline std::string reason_not_to_terminate(const Holder& holder, const ProcessInfo& process, const RuleFacts& facts) {
    const Ourselves& us = facts.us;
    const Endpoint& wanted = facts.wanted;
    if (std::string reason = reason_not_to_offer(holder); !reason.empty()) { return reason; }
    if (!Os::traits.can_terminate) { return "on this system the library only reports"; }
    if (holder.pid == 1) {
        return "it is the first process of the system: stop the socket unit or the container instead";
    }
    if (process.is_critical) { return "Windows stops without it: look at netsh http show servicestate"; }
    if (holder.pid == us.debugger) { return "it is debugging this process"; }
    if (contains(us.ancestors, holder.pid)) { return "it is an ancestor of this process"; }
    if (us.info.has_terminal && holder.pid == us.info.session) {
        return "it leads the session of this terminal: its exit would hang up this process";
    }
    if (is_sibling_worker(process, us)) { return "it is a sibling worker of this process"; }
    if (is_beside_us(holder.pid, us)) { return "it runs beside this process under " + display_name(us.runner); }
    if (Os::started_after(holder, facts.begin) && !is_child_of_known(holder.pid, facts)) {
        return "it started after this start began and may be its replacement";
    }
    if (process.error || us.error) { return cannot_be_inspected(process.error ? process.error : us.error); }
    if (!holder.socket_user.empty() && holder.socket_user != holder.user) {
        if (holder.socket_user != "0") {
            return "its socket was created by user " + printable(holder.socket_user, 64) + " and passed to it";
        }
        if (!Os::is_privileged()) { return "its socket was created by root; its real owner is not visible"; }
    }
    // Which of several addresses the server binds is unknown. The holders are meant if all have the same sockets.
    if (facts.other_sockets != nullptr && stands_for_several(wanted)) { return ambiguous_address(holder, facts); }
    if (facts.is_shared) { return "several programs share the address on purpose"; } // SO_REUSEPORT, for mDNS
    if (is_udp_port(wanted) && is_ephemeral(wanted.port()) && !same_executable(process, us.info)) {
        return "it may be a client: the system may have chosen the port";
    }
    return "";
}

// For TerminateThenKill.
inline std::string reason_against_signals(const Holder& holder, const ProcessInfo& process, const Ourselves& us) {
    const bool is_ours = SameCommandLine()(holder);
    if (std::string advice = protected_program(holder, process, is_ours); !advice.empty()) { return advice; }
    if (process.in_foreign_namespace) { return "it runs in a container or sandbox of its own: stop that"; }
    if (!process.service.empty() && process.service != us.info.service) {
        return stop_advice(process.service, holder.pid);
    }
    return cannot_be_inspected(process.error ? process.error : us.error);
}

// Returns why a process that exits or writes a core dump is not terminated; an empty text if it does neither.
inline std::string departing_reason(const ProcessInfo& process) {
    return process.is_dumping_core ? "it is writing a core dump" : process.is_exiting ? "it is exiting" : "";
}

// Returns why TerminateThenKill does not kill a holder after `grace`. After the kill of its parent a child that cannot
// be inspected would hold the socket alone.
inline std::string reason_not_to_kill(const Holder& holder) {
    const ProcessInfo process = Os::inspect(holder.pid);
    if (process.is_dumping_core) { return departing_reason(process); }
    std::error_code error;
    for (const std::uint32_t pid : Os::children(holder.pid, error)) {
        const ProcessInfo info = Os::inspect(pid);
        const Holder& child = info.holder;
        if (info.is_dead) { continue; } // a zombie shows no user and, to other than root, no descriptors
        std::vector<Socket> rows(1);
        rows.front().inode = 1; // of no process: asked is whether the descriptors can be read
        if (child.user != process.holder.user && Os::attach_owners(rows, pid)) {
            return "its child " + display_name(child) + " may share the socket and cannot be inspected";
        }
    }
    return cannot_be_inspected(error);
}

// 12  termination: pinned processes, the killers and predicates ///////////////////////////////////////////////////////

inline bool is_gone(Fate fate) noexcept {
    return fate == Fate::exited || fate == Fate::released || fate == Fate::killed || fate == Fate::already_gone;
}

inline std::string blocked_by(const Holder& holder) { return display_name(holder) + " also holds the address"; }

// The evictions of one attempt, as long as some are not decided yet.
class Cases {
public:
    explicit Cases(const std::vector<Holder>& holders) : begin_(Clock::now()) {
        for (const Holder& holder : holders) {
            open_.push_back(static_cast<std::uint32_t>(evictions_.size()));
            evictions_.push_back({holder, Fate::survived, {}, {}, ""});
        }
    }

    // Calls visit(eviction, position) for each open case. The fate that it returns, if it does, closes the case.
    template <class Visit> void decide(Visit visit) {
        std::vector<std::uint32_t> still_open;
        for (const std::uint32_t position : open_) {
            Eviction& eviction = evictions_[position];
            const std::optional<Fate> fate = visit(eviction, position);
            eviction.took = time_since(begin_);
            eviction.fate = fate.value_or(Fate::survived);
            if (!fate) { still_open.push_back(position); }
            if (fate && !is_gone(*fate) && !kept_) { kept_ = position; }
        }
        open_ = std::move(still_open);
    }

    // Refuses each open case for which rule(holder) returns a reason.
    template <class Rule> void apply(Rule rule) {
        decide([&](Eviction& eviction, std::uint32_t) -> std::optional<Fate> {
            eviction.reason = rule(eviction.holder);
            if (eviction.reason.empty()) { return {}; }
            return Fate::refused;
        });
    }

    // Terminating only some holders does not free the address, so one that is kept refuses all. True if there is one.
    bool refuse_all_if_one_is_kept() {
        if (!kept_) { return false; }
        std::string reason = blocked_by(evictions_[*kept_].holder);
        apply([&](const Holder&) { return reason; });
        return true;
    }

    [[nodiscard]] bool has_open() const noexcept { return !open_.empty(); }
    [[nodiscard]] bool contains(std::uint32_t pid) const {
        return any_of(evictions_, [&](const Eviction& eviction) { return eviction.holder.pid == pid; });
    }
    // Those that are still open have survived.
    [[nodiscard]] std::vector<Eviction>& evictions() noexcept { return evictions_; }

private:
    Clock::time_point begin_;
    std::vector<Eviction> evictions_;
    std::vector<std::uint32_t> open_;
    std::optional<std::uint32_t> kept_; // the first one that is closed and not gone
};

inline bool is_departing(const ProcessInfo& process) { return process.is_exiting || process.is_dumping_core; }

// Pins the holders' processes before it inspects them, until after the last signal.
class PinnedProcesses {
public:
    explicit PinnedProcesses(const std::vector<Holder>& holders) : cases_(holders) {
        for (const Holder& holder : holders) { processes_.push_back(Os::Process(holder.pid)); }
        if (!holders.empty() && !holders.front().sockets.empty()) { path_ = holders.front().sockets.front(); }
        std::error_code error; // of a file that cannot be seen: it may still be there
        if (is_file(path_)) { file_ = Os::inspect_file(path_, error); }
        inspect(Fate::already_gone, Fate::released);
    }

    [[nodiscard]] Cases& cases() noexcept { return cases_; }

    void signal(Signal signal) {
        cases_.decide([&](Eviction& eviction, std::uint32_t position) -> std::optional<Fate> {
            eviction.error = processes_[position].signal(signal);
            if (!eviction.error) { return {}; }
            if (eviction.error != std::errc::no_such_process) { return Fate::not_permitted; }
            eviction.error.clear();
            return Fate::already_gone;
        });
    }

    // Waits up to `time` until no process holds the address. Processes that exited get the fate `exited`; those that
    // closed the socket get `released`. For processes that closed it and left its file, the wait lasts `more` time.
    void wait(Milliseconds time, Milliseconds more, Fate exited, Fate released) {
        const Clock::time_point deadline = deadline_after(time);
        const Clock::time_point end = deadline + (deadline_after(more) - Clock::now());
        // No system reports that a running process closed a socket. So it is asked for, less and less often. is_held()
        // does not see a bound TCP socket that does not listen: there the exit is waited for.
        Milliseconds step(1);
        for (bool ask_held = true;; step = (std::min)(step * 2, Milliseconds(32))) {
            const Holder* last = nullptr; // most holders have the same sockets: these are asked for once
            bool held = false;
            cases_.decide([&](Eviction& eviction, std::uint32_t position) -> std::optional<Fate> {
                const Holder& holder = eviction.holder;
                if (processes_[position].exited()) { return exited; }
                ask_held = ask_held &&
                           (holder.state == State::listening ||
                            any_of(holder.sockets, [](const Endpoint& e) { return e.transport() == Transport::udp; }));
                const bool is_asked = last != nullptr && last->sockets == holder.sockets;
                held = held || (ask_held && !is_asked &&
                                any_of(holder.sockets, [](const Endpoint& socket) { return is_held(socket, true); }));
                last = &holder;
                return {};
            });
            const bool is_draining = ask_held && !held && keeps_file();
            const Milliseconds left = left_until(is_draining ? end : deadline);
            if (!cases_.has_open()) { return; }
            if (ask_held && !held && !is_draining) {
                // An exiting process closes its sockets a moment before it is seen to have exited.
                Os::Process::wait(processes_, settling_time);
                inspect(exited, released);
                ask_held = false; // the processes that are left hold something that is_held() does not see
            } else if (left == Milliseconds(0)) {
                return;
            } else {
                Os::Process::wait(processes_, ask_held ? (std::min)(step, left) : left);
            }
        }
    }

    // Inspects the processes of all open cases: is each still that process, and does it still hold the address?
    void inspect(Fate exited, Fate released) {
        cases_.decide([&](Eviction& eviction, std::uint32_t position) -> std::optional<Fate> {
            const Os::Process& process = processes_[position];
            const Holder& before = eviction.holder;
            const ProcessInfo info = Os::inspect(before.pid);
            const Holder& now = info.holder;
            std::error_code error = process.error() ? process.error() : info.error;
            const bool owns = !error && owns_socket(before, error);
            const bool is_same_program =
                before.executable.empty() || now.executable.empty() ||
                without_deleted_mark(before.executable) == without_deleted_mark(now.executable);
            // Asked last: what was read above belongs to this process then.
            if (process.exited()) { return exited; }
            if (!error && before.start_time != 0 && now.start_time != 0 && now.start_time != before.start_time) {
                return Fate::already_gone; // another process has the pid
            }
            // An exiting process shows no descriptor while its sockets are still open.
            if (info.is_exiting && !info.error && !process.error()) { return {}; }
            eviction.error = error;
            if (error || (before.start_time != 0 && now.start_time == 0)) {
                eviction.reason = "it cannot be inspected" + (error ? ": " + error.message() : "");
                return Fate::refused;
            }
            if (!owns && !(is_same_program && keeps_file())) { return released; }
            if (is_same_program) { return {}; }
            eviction.reason = "it runs another program now: " + printable(now.executable, 128);
            return Fate::refused;
        });
    }

private:
    // True while a draining server may still remove its socket file: that would then be ours.
    [[nodiscard]] bool keeps_file() const {
        std::error_code error;
        return is_file(path_) && (Os::inspect_file(path_, error) == file_ || error) && !is_held_by_others();
    }

    // True if a process that is not one of the cases has a live socket at the path.
    [[nodiscard]] bool is_held_by_others() const {
        std::error_code error;
        std::vector<Socket> rows = Os::list_sockets(path_, Which::listening, error);
        remove_if(rows, [](const Socket& row) { return !holds_address(row); });
        if (rows.empty() || Os::attach_owners(rows)) { return false; }
        return any_of(rows, [&](const Socket& row) { return !cases_.contains(row.pid); });
    }

    Cases cases_;
    std::vector<Os::Process> processes_;
    Endpoint path_;
    FileInfo file_;
};

template <class Killer> using SingleResult = Call<Killer, const Holder&>;

// Calls a killer for one holder after the other, until one is not gone.
template <class Killer> std::vector<Eviction> call_for_each(Killer& killer, const std::vector<Holder>& holders) {
    std::vector<Eviction> evictions;
    std::string reason;
    for (const Holder& holder : holders) {
        const Clock::time_point begin = Clock::now();
        Eviction eviction{holder, Fate::refused, {}, {}, reason};
        if (reason.empty()) {
            if constexpr (std::is_void_v<SingleResult<Killer>>) {
                PinnedProcesses pinned({holder});
                if (pinned.cases().has_open()) { killer(holder); }
                pinned.wait(release_timeout, {}, Fate::exited, Fate::released);
                eviction = std::move(pinned.cases().evictions().front());
            } else {
                eviction.fate = killer(holder);
            }
            if (!is_gone(eviction.fate)) { reason = blocked_by(holder); }
        }
        eviction.took = time_since(begin);
        evictions.push_back(std::move(eviction));
    }
    return evictions;
}

template <class Killer> std::vector<Eviction> call_killer(Killer& killer, const std::vector<Holder>& holders) {
    if constexpr (detected<SingleResult, Killer>) {
        return detail::call_for_each(killer, holders);
    } else {
        return killer(holders);
    }
}

// Returns for how long a killer may wait for an exit; 0 if that is not known.
inline Milliseconds patience_of(const TerminateThenKill& killer) {
    return Os::traits.can_ask ? killer.grace : Milliseconds(0);
}
inline Milliseconds patience_of(const WaitForExit& killer) { return killer.timeout; }
template <class Killer> Milliseconds patience_of(const Killer&) { return {}; }
template <class Predicate, class Killer> Milliseconds patience_of(const OnlyIf<Predicate, Killer>& rule) {
    return patience_of(rule.killer());
}

template <class Predicate> using Refusal = decltype(std::string_view(Predicate::refusal));

// Returns the executables of the holder and of this process, for the predicates that compare them.
template <class Predicate> std::string both_executables([[maybe_unused]] const Holder& holder) {
    if constexpr (std::is_same_v<Predicate, SameExecutable> || std::is_same_v<Predicate, SameCommandLine>) {
        const auto shown = [](const std::string& path) { return path.empty() ? "?" : printable(path, 256); };
        return " (it runs " + shown(holder.executable) + ", this process runs " +
               shown(Os::inspect(Os::current_pid()).holder.executable) + ')';
    } else {
        return "";
    }
}

// ReportOnly changes nothing, so it removes no file either.
template <class Killer> inline constexpr bool removes_files = !std::is_same_v<Killer, ReportOnly>;
template <class Predicate, class Killer>
inline constexpr bool removes_files<OnlyIf<Predicate, Killer>> = removes_files<Killer>;

} // namespace detail

inline std::vector<Eviction> TerminateThenKill::operator()(const std::vector<Holder>& holders) const {
    using detail::Os;
    detail::PinnedProcesses pinned(holders);
    const detail::Ourselves us;
    pinned.cases().apply(
        [&](const Holder& holder) { return detail::reason_against_signals(holder, Os::inspect(holder.pid), us); });
    pinned.signal(detail::Signal::probe);
    if (!pinned.cases().refuse_all_if_one_is_kept()) {
        if (grace > grace.zero() && Os::traits.can_ask) {
            pinned.signal(detail::Signal::terminate);
            pinned.wait(grace, kill_wait, Fate::exited, Fate::released);
            pinned.inspect(Fate::exited, Fate::released);
        }
        pinned.cases().apply([&](const Holder& holder) { return detail::reason_not_to_kill(holder); });
        if (!pinned.cases().refuse_all_if_one_is_kept()) {
            pinned.signal(detail::Signal::kill);
            pinned.wait(kill_wait, {}, Fate::killed, Fate::killed);
        }
    }
    return std::move(pinned.cases().evictions());
}

inline std::vector<Eviction> WaitForExit::operator()(const std::vector<Holder>& holders) const {
    detail::PinnedProcesses pinned(holders);
    pinned.wait(timeout, {}, Fate::exited, Fate::released);
    return std::move(pinned.cases().evictions());
}

inline std::vector<Eviction> ReportOnly::operator()(const std::vector<Holder>& holders) const {
    detail::Cases cases(holders);
    cases.apply([](const Holder&) { return std::string("ReportOnly terminates no process"); });
    return std::move(cases.evictions());
}

template <class Predicate, class Killer>
std::vector<Eviction> OnlyIf<Predicate, Killer>::operator()(const std::vector<Holder>& holders) {
    static_assert(std::is_invocable_r_v<bool, Predicate&, const Holder&>,
                  "retry_on_addr_in_use: OnlyIf needs a predicate: bool operator()(const Holder&).");
    if constexpr (std::is_invocable_r_v<bool, Predicate&, const Holder&>) {
        detail::Cases cases(holders);
        std::string refusal; // of the holder before: a person is asked no further
        cases.apply([&](const Holder& holder) -> std::string {
            if (!refusal.empty()) { return refusal; }
            ADDR_IN_USE_TRY {
                if (predicate_(holder)) { return ""; }
            }
            ADDR_IN_USE_CATCH_ALL { return "the OnlyIf predicate threw an exception"; }
            refusal = detail::blocked_by(holder);
            if constexpr (detail::detected<detail::Refusal, Predicate>) {
                return std::string(Predicate::refusal) + detail::both_executables<Predicate>(holder);
            } else {
                return "the OnlyIf predicate rejected it";
            }
        });
        if (!cases.refuse_all_if_one_is_kept()) { return detail::call_killer(killer_, holders); }
        return std::move(cases.evictions());
    } else {
        return {};
    }
}

inline bool SameExecutable::operator()(const Holder& holder) const {
    using detail::Os;
    return detail::same_executable(Os::inspect(holder.pid), Os::inspect(Os::current_pid()));
}

inline bool SameCommandLine::operator()(const Holder& holder) const {
    using detail::Os;
    std::error_code error;
    const std::string ours = Os::arguments(Os::current_pid(), error);
    return SameExecutable()(holder) && !ours.empty() && ours == Os::arguments(holder.pid, error) && !error;
}

inline bool SameUser::operator()(const Holder& holder) const {
    using detail::Os;
    return detail::same_user(Os::inspect(holder.pid), Os::inspect(Os::current_pid()));
}

inline bool AskOnTerminal::operator()(const Holder& holder) const {
    const std::string address = holder.sockets.empty() ? "The address" : to_string(holder.sockets.front());
    return detail::Os::ask_on_terminal(address + " is held by " + detail::display_name(holder) + ": " +
                                           detail::printable(holder.command_line, 128) + "\nTerminate it? [y/N] ",
                                       timeout);
}

// 13  recovery: probe, protect, evict, wait until free, clean up; the report //////////////////////////////////////////

namespace detail {

// Returns a sentence for the log and the report: the holder, what happened to it, after which time, and why.
inline std::string fate_sentence(const Eviction& eviction) {
    const std::int64_t milliseconds = eviction.took.count() / 1000;
    const std::string took = " after " + (milliseconds < 1 ? "less than 1" : std::to_string(milliseconds)) + " ms";
    const bool is_file = eviction.holder.state == State::lingering;
    const std::string text = display_name(eviction.holder);
    const std::string why = (eviction.error ? ": " + eviction.error.message() : "") +
                            (eviction.reason.empty() ? "" : ": " + eviction.reason);
    switch (eviction.fate) {
    case Fate::exited: return text + " exited" + took;
    case Fate::released:
        return text + (is_file ? " was removed" + took : " released the address" + took + " and is still running");
    case Fate::killed: return text + " was killed" + took;
    case Fate::already_gone: return text + " had already exited";
    case Fate::refused: return text + " was not " + (is_file ? "removed: " : "terminated: ") + eviction.reason;
    case Fate::not_permitted: return text + " could not be " + (is_file ? "removed" : "signalled") + why;
    case Fate::survived: break;
    }
    return text + " still holds the address" + took + why;
}

// Returns how the holder can be seen that is not visible: with which right, and by which command.
inline std::string look_advice(const Endpoint& endpoint) {
    const bool is_root = Os::inspect(Os::current_pid()).holder.user == "0";
    const std::string command =
        is_path(endpoint) ? "sudo lsof -U" : replace_placeholder(Os::traits.look_command, "PORT", endpoint.port());
    std::string_view text = command;
    if (is_root) { take(text, "sudo "); }
    if (!is_root || Os::is_privileged()) { return " To see it: " + std::string(text); }
    return " This process is root without CAP_SYS_PTRACE. To see it: docker run --cap-add SYS_PTRACE";
}

// Returns what the report says after the fates: why the address is in use or the server is not up.
inline std::string conclusion(const Recovery& recovery) {
    const auto was_released = [](const Eviction& eviction) { return is_gone(eviction.fate); };
    const std::string last_failure =
        recovery.failure.empty() ? "" : " The last start failed with: " + printable(recovery.failure, 256);
    switch (recovery.obstacle) {
    case Obstacle::none: break;
    case Obstacle::refused_holder:
        return " The address is still in use. Stop the process by hand, or choose another port.";
    case Obstacle::surviving_holder: return " The address is still in use.";
    case Obstacle::invisible_holder:
        return std::string(" The holder is not visible.") +
               (recovery.evictions.empty() ? " It may belong to another user, a container or the kernel." : "") +
               look_advice(recovery.endpoint);
    case Obstacle::lingering_connections:
        return " Connections of an exited process hold the address for up to a minute (TIME_WAIT, FIN_WAIT). Wait, or "
               "set SO_REUSEADDR before bind, in the old and in the new server.";
    case Obstacle::live_connection:
        if (any_of(recovery.evictions, was_released)) {
            return " Connections that the old server accepted are still open. Wait until they are closed, or set "
                   "SO_REUSEADDR before bind, in the old and in the new server.";
        }
        return " No process listens: the address is the local end of a live connection. Wait until it is closed, or "
               "choose a port outside the ephemeral range.";
    case Obstacle::taken_again: return " Another process bound the address before the second start.";
    case Obstacle::this_process:
        return " This process itself holds the address: stop the server that it started before, or close the socket.";
    case Obstacle::reserved_port:
        return std::string(" The system reserves the port. To see it: ") + Os::traits.reserved_command;
    case Obstacle::file_in_the_way: return " A file that was not removed is at the path.";
    case Obstacle::probe_failed:
        return std::string(" The probe cannot determine which process holds the address") +
               (recovery.evictions.empty() ? "" : " now") +
               (recovery.error ? " (" + recovery.error.message() + ')' : "") +
               (recovery.evictions.empty() ? ": no process was terminated." : ".");
    case Obstacle::other_address:
        return std::string(" The address is free: the start failed on another one.") +
               (is_path(recovery.endpoint)
                    ? ""
                    : " The server may bind twice (0.0.0.0 and a dual-stack ::) or a second port.") +
               last_failure;
    case Obstacle::other_failure:
        return std::string(" The start failed for another reason.") +
               (recovery.retried ? " If the server cannot start twice, specialise ServerTraits with a restart." : "") +
               last_failure;
    }
    return "";
}

template <class Probe>
using Held = decltype(static_cast<bool>(std::declval<Probe&>().held(std::declval<const Endpoint&>())));
template <class T>
inline constexpr bool is_probe = std::is_invocable_r_v<std::vector<Holder>, T&, const Endpoint&, std::error_code&> ||
                                 std::is_invocable_r_v<std::vector<Holder>, T&, const Endpoint&>;

// True for a killer. Tries the form for one holder first: a generic lambda for one must not get a vector.
template <class T> constexpr bool is_killer() {
    if constexpr (detected<SingleResult, T>) {
        return std::is_void_v<SingleResult<T>> || std::is_same_v<Bare<SingleResult<T>>, Fate>;
    } else {
        return std::is_invocable_r_v<std::vector<Eviction>, T&, const std::vector<Holder>&>;
    }
}

template <class T> using ReturnsBool = std::enable_if_t<std::is_same_v<Bare<SingleResult<T>>, bool>>;

// A generic lambda for one holder must not get an Endpoint.
template <class T> constexpr bool is_probe_instead() {
    if constexpr (detected<SingleResult, T> || is_killer<T>()) {
        return false;
    } else {
        return is_probe<T>;
    }
}

// Says in one sentence what is wrong with a policy. True if nothing is.
template <class Probe, class Killer, class Log> constexpr bool check_policies() {
    constexpr bool is_rule = detected<ReturnsBool, Killer>;
    constexpr bool is_swapped = is_probe_instead<Killer>();
    constexpr bool is_log = std::is_invocable_v<Log&, std::string_view>;
    static_assert(is_probe<Probe>,
                  "retry_on_addr_in_use: a Probe needs std::vector<Holder> operator()(const Endpoint&, "
                  "std::error_code&) or operator()(const Endpoint&).");
    static_assert(!is_swapped, "retry_on_addr_in_use: this Killer is a Probe. The order is (server, probe, "
                               "killer, log); a single policy is the killer.");
    static_assert(!is_rule, "retry_on_addr_in_use: a Killer does not return bool. Did you mean OnlyIf{predicate}?");
    static_assert(is_killer<Killer>() || is_swapped || is_rule,
                  "retry_on_addr_in_use: a Killer needs std::vector<Eviction> operator()(const std::vector<Holder>&), "
                  "or Fate or void operator()(const Holder&).");
    static_assert(is_log, "retry_on_addr_in_use: a Log needs void operator()(std::string_view).");
    return is_probe<Probe> && is_killer<Killer>() && is_log;
}

// One attempt to free the address. Refers to the policies and the Recovery of its caller.
template <class Probe, class Killer, class Log> class RecoveryAttempt {
public:
    RecoveryAttempt(Probe& probe, Killer& killer, Log& log, Recovery& recovery, std::uint64_t begin) noexcept
        : probe_(probe), killer_(killer), log_(log), recovery_(recovery), begin_(begin) {}

    // For Preflight. Returns true if a holder was recorded, a refused one too: the next start is the last one then.
    bool evict_before_start() noexcept {
        const WithoutCancellation undisturbed;
        const Endpoint& endpoint = recovery_.endpoint;
        ADDR_IN_USE_TRY { // a path may have a file that no process has open
            if (can_be_in_use(endpoint) && (is_path(endpoint) || is_held())) { run(Failure::in_use); }
        }
        ADDR_IN_USE_CATCH_ALL { break_off(); }
        return !recovery_.evictions.empty();
    }

    // After a start has failed, with `text`. Returns true if the server must be started again.
    bool recover(Failure failure, std::string text, bool was_last) noexcept {
        const WithoutCancellation undisturbed;
        recovery_.failure = std::move(text);
        ADDR_IN_USE_TRY {
            if (!can_be_in_use(recovery_.endpoint)) {
                // The failure is another one.
            } else if (was_last) {
                diagnose(failure);
            } else if (failure == Failure::unknown) {
                give_hint();
            } else if (failure != Failure::other && run(failure)) {
                recovery_.retried = true;
                return true;
            }
        }
        ADDR_IN_USE_CATCH_ALL { break_off(); }
        if (recovery_.obstacle == Obstacle::none) { recovery_.obstacle = Obstacle::other_failure; }
        return false;
    }

    // Frees the address. Returns true if the server must be started again.
    bool run(Failure failure) {
        recovery_.obstacle = Obstacle::none;
        departing_end_ = deadline_after(departing_timeout);
        found_ = probe();
        looked_ = Clock::now();
        if (recovery_.error) { return give_up(Obstacle::probe_failed); }
        if (!is_address_in_use(failure, found_)) {
            return failure == Failure::denied && give_up(Obstacle::reserved_port);
        }
        const std::vector<Holder> holders = wait_for_departing(with_process(found_));
        for (std::vector<Holder> left = holders; !left.empty(); left = take_unblocked(left.size())) {
            if (!protect(left)) { evict(left); }
            inspect_survivors();
        }
        if (!all_gone()) { return give_up(obstacle_of(holders)); }
        wait_until_free();
        return remove_stale_socket_file() || give_up(Obstacle::file_in_the_way);
    }

    // After the last start has failed: finds out why, unless run() has.
    void diagnose(Failure failure) {
        if (recovery_.obstacle != Obstacle::none) { return; }
        if (failure == Failure::other || failure == Failure::unknown) {
            give_up(Obstacle::other_failure);
        } else if (const std::error_code answer = find_obstacle(); answer) {
            recovery_.error = answer;
            give_up(Obstacle::probe_failed);
        } else if (recovery_.obstacle == Obstacle::none) {
            if (failure == Failure::in_use) { name_holders_elsewhere(); }
            give_up(failure == Failure::in_use ? Obstacle::other_address : Obstacle::other_failure);
        }
    }

    // Reports what still holds the address: what the probe finds, or an invisible process if a test bind fails. Returns
    // why the test bind was not possible.
    std::error_code find_obstacle() {
        const std::vector<Holder> holders = probe();
        std::error_code answer;
        if (recovery_.error) {
            give_up(Obstacle::probe_failed);
        } else if (!holders.empty()) {
            const Obstacle obstacle = obstacle_of(holders);
            name_new_holders(holders);
            give_up(obstacle);
        } else if (answer = test_bind(recovery_.endpoint); answer == std::errc::address_in_use) {
            give_up(Obstacle::invisible_holder);
            answer.clear();
        }
        return answer;
    }

    [[nodiscard]] bool is_held() {
        bool held = false;
        ADDR_IN_USE_TRY {
            if constexpr (detected<Held, Probe>) {
                held = static_cast<bool>(probe_.held(recovery_.endpoint));
            } else {
                std::error_code error;
                held = any_of(call_probe(error), [](const Holder& holder) { return holds_address(holder); });
            }
        }
        ADDR_IN_USE_CATCH_ALL {} // it cannot see: there is nothing to wait for
        return held;
    }

private:
    void break_off() noexcept { // an exception of the library itself: usually std::bad_alloc
        recovery_.obstacle = Obstacle::probe_failed;
        recovery_.error = std::make_error_code(std::errc::not_enough_memory);
    }

    std::vector<Holder> call_probe([[maybe_unused]] std::error_code& error) {
        if constexpr (std::is_invocable_v<Probe&, const Endpoint&, std::error_code&>) {
            return probe_(recovery_.endpoint, error);
        } else {
            return probe_(recovery_.endpoint);
        }
    }

    // After a failure without a reason: names the process that may be the reason.
    void give_hint() {
        std::vector<Holder> holders = probe();
        recovery_.error.clear();
        remove_if(holders,
                  [](const Holder& holder) { return !holds_address(holder) || holder.pid == Os::current_pid(); });
        if (holders.empty()) { return; }
        const std::string how =
            recovery_.failure.empty() ? "without a reason" : "with: " + printable(recovery_.failure, 256);
        log_holders(holders,
                    ", and the start failed " + how + ". If the address is the reason, wrap the server in AskProbe");
    }

    // Returns nothing if the probe could not see: its holders may not be all.
    std::vector<Holder> probe() {
        std::vector<Holder> holders;
        recovery_.error.clear();
        ADDR_IN_USE_TRY { holders = call_probe(recovery_.error); }
        ADDR_IN_USE_CATCH_ALL { recovery_.error = std::make_error_code(std::errc::io_error); }
        if (recovery_.error) { holders.clear(); }
        return holders;
    }

    // True if the failure means "address in use", by itself or because another process holds the address.
    bool is_address_in_use(Failure failure, const std::vector<Holder>& found) const {
        return failure == Failure::in_use || any_of(found, [&](const Holder& holder) {
                   const bool is_file = is_path(recovery_.endpoint) && holder.state == State::lingering;
                   return (holds_address(holder) || is_file) && holder.pid != Os::current_pid();
               });
    }

    // Removes what exited processes left: connections and a socket file. Beside a holder such a connection stays: it
    // lies on another one of several addresses.
    static std::vector<Holder> with_process(std::vector<Holder> found) {
        const bool is_held = any_of(found, [](const Holder& holder) { return holds_address(holder); });
        if (!is_held) {
            remove_if(found, [](const Holder& holder) { return holder.state == State::lingering; });
        }
        return found;
    }

    [[nodiscard]] bool was_seen_first(const Holder& holder) const {
        return any_of(found_, [&](const Holder& found) {
            return found.pid == holder.pid && found.start_time == holder.start_time;
        });
    }

    // True if the process may have held the address at the first look. Beside a holder of the very address, one of a
    // wildcard was not looked for.
    [[nodiscard]] bool was_found(const Holder& holder) const {
        const bool is_beside = Os::traits.exact_bind_wins && !is_socket_of(holder, recovery_.endpoint);
        return was_seen_first(holder) || (is_beside && !found_.empty());
    }

    [[nodiscard]] bool is_recorded(const Holder& holder) const {
        return any_of(recovery_.evictions, [&](const Eviction& eviction) {
            return eviction.holder.pid == holder.pid && eviction.holder.start_time == holder.start_time;
        });
    }

    // Pins the processes that exit already or write a core dump. Such a process shows no descriptor while its sockets
    // are still open: for a socket without a visible process these are all that belong to its user. A process that has
    // only an accepted connection of a path is one too: it may drain, and remove the socket file last.
    std::vector<Os::Process> pin_departing(const std::vector<Holder>& holders) const {
        std::vector<Os::Process> departing;
        std::error_code error;
        for (const Holder& holder : holders) {
            const bool is_draining = holder.state == State::connected && is_path(recovery_.endpoint);
            if (holder.pid != 0 && holder.pid != Os::current_pid()) {
                const ProcessInfo process = Os::inspect(holder.pid);
                if (is_draining || is_departing(process)) { departing.push_back(Os::Process(holder.pid)); }
            }
            if (holder.pid != 0 || !holds_address(holder) || holder.socket_user.empty()) { continue; }
            for (const std::uint32_t pid : Os::list_processes(error)) {
                const ProcessInfo process = Os::inspect(pid);
                if (process.is_exiting && process.holder.user == holder.socket_user) {
                    departing.push_back(Os::Process(pid));
                }
            }
        }
        return departing;
    }

    // Waits for the processes that exit already or write a core dump. Returns the holders that are left, and records
    // those that are gone.
    std::vector<Holder> wait_for_departing(const std::vector<Holder>& holders) {
        const Clock::time_point begin = Clock::now();
        std::vector<Holder> left = wait_while_departing(holders);
        for (const Holder& holder : holders) {
            const bool is_left = any_of(left, [&](const Holder& other) { return other.pid == holder.pid; });
            if (is_left || holder.pid == 0 || !holds_address(holder)) { continue; }
            recovery_.evictions.push_back({holder, fate_of_gone(holder), time_since(begin), {}, ""});
        }
        // Of several addresses, or of a shared one: a holder beside those that are gone may be a bystander. The second
        // start tells.
        if ((stands_for_several(recovery_.endpoint) || is_udp_port(recovery_.endpoint)) &&
            !recovery_.evictions.empty()) {
            remove_if(left, [&](const Holder& holder) {
                return holder.pid != 0 && !any_of(recovery_.evictions, [&](const Eviction& gone) {
                           return gone.holder.sockets == holder.sockets && gone.holder.executable == holder.executable;
                       });
            });
        }
        return left;
    }

    // Returns `exited` for a process that still exits too: it shows no descriptor while its sockets are open.
    static Fate fate_of_gone(const Holder& holder) {
        const ProcessInfo now = Os::inspect(holder.pid);
        const bool is_other = holder.start_time != 0 && now.holder.start_time != holder.start_time;
        return is_other || Os::Process(holder.pid).exited() || is_departing(now) ? Fate::exited : Fate::released;
    }

    std::vector<Holder> wait_while_departing(std::vector<Holder> holders) {
        const std::vector<Holder> first = holders;
        const auto is_invisible = [](const Holder& holder) { return holder.pid == 0 && holds_address(holder); };
        bool was_idle = false; // nothing departed before the last look: what it did not see does not exit
        for (Milliseconds step(1); left_until(departing_end_) > step; step = (std::min)(step * 2, settling_time)) {
            std::vector<Os::Process> departing = pin_departing(holders);
            const bool has_invisible = any_of(holders, is_invisible);
            if (has_invisible) { // perhaps a socket of one that was visible at first
                for (Os::Process& process : pin_departing(first)) { departing.push_back(std::move(process)); }
            }
            if (departing.empty() && (was_idle || !has_invisible)) { break; }
            was_idle = departing.empty();
            if (!was_idle) {
                log_wait(holders);
                Os::Process::wait(departing, step);
            }
            std::vector<Holder> now = with_process(probe());
            if (recovery_.error) { break; } // the killer inspects each process once more
            remove_if(now, [&](const Holder& holder) { return holder.pid != 0 && !was_seen_first(holder); });
            holders = std::move(now);
        }
        recovery_.error.clear();
        if (any_of(holders, is_invisible)) { // of those that were visible at first and exit still
            std::vector<Holder> exiting = first;
            remove_if(exiting, [](const Holder& holder) {
                return holder.pid == 0 || !holds_address(holder) || !is_departing(Os::inspect(holder.pid));
            });
            if (!exiting.empty()) { remove_if(holders, is_invisible); }
            for (Holder& holder : exiting) {
                const bool is_left = any_of(holders, [&](const Holder& other) { return other.pid == holder.pid; });
                if (!is_left) { holders.push_back(std::move(holder)); }
            }
        }
        remove_if(holders, [&](const Holder& holder) {
            return holder.state == State::connected && is_path(recovery_.endpoint);
        });
        return holders;
    }

    void log_wait(const std::vector<Holder>& holders) {
        if (has_waited_) { return; }
        has_waited_ = true;
        log_holders(holders,
                    ": waiting for up to " + std::to_string(left_until(departing_end_).count()) + " ms for an exit");
    }

    // True if a rule protects one of the holders: then none is offered to the killer.
    bool protect(const std::vector<Holder>& holders) {
        const RuleFacts facts(recovery_.endpoint, holders, begin_);
        Cases cases(holders);
        cases.decide([](Eviction& eviction, std::uint32_t) -> std::optional<Fate> {
            eviction.reason = departing_reason(Os::inspect(eviction.holder.pid));
            if (eviction.reason.empty()) { return {}; }
            return Fate::survived;
        });
        cases.apply([&](const Holder& holder) {
            return ends_nobody<Killer> ? reason_not_to_offer(holder)
                                       : reason_not_to_terminate(holder, Os::inspect(holder.pid), facts);
        });
        const bool is_protected = cases.refuse_all_if_one_is_kept();
        log_holders(holders, is_protected ? "" : patience());
        if (is_protected) { add(std::move(cases.evictions())); }
        return is_protected;
    }

    void evict(const std::vector<Holder>& holders) {
        std::vector<Eviction> evictions;
        std::string reason;
        ADDR_IN_USE_TRY { evictions = detail::call_killer(killer_, holders); }
        ADDR_IN_USE_CATCH_ALL {
            evictions.clear();
            detail::classify_exception<void>(reason);
            reason = "the killer threw an exception: " + printable(reason, 256);
        }
        for (Eviction& eviction : evictions) {
            if (eviction.fate == Fate::refused && eviction.reason.empty()) {
                eviction.reason = "the killer refused it";
            }
        }
        for (const Holder& holder : holders) {
            const auto is_it = [&](const Eviction& eviction) { return eviction.holder.pid == holder.pid; };
            if (!any_of(evictions, is_it)) { evictions.push_back({holder, Fate::survived, {}, {}, reason}); }
        }
        add(std::move(evictions));
    }

    void add(std::vector<Eviction> evictions) {
        for (Eviction& eviction : evictions) { recovery_.evictions.push_back(std::move(eviction)); }
    }

    // Probes again for the holders that the killer did not report, that it reported as survivors, or that began to exit
    // since they were refused.
    void inspect_survivors() {
        const auto survived = [](const Eviction& eviction) { return eviction.fate == Fate::survived; };
        std::vector<Holder> kept;
        for (const Eviction& eviction : recovery_.evictions) {
            if (!is_gone(eviction.fate)) { kept.push_back(eviction.holder); }
        }
        const auto is_dead = [](const Holder& holder) { return holder.pid != 0 && Os::inspect(holder.pid).is_dead; };
        const bool departs = !pin_departing(kept).empty() || any_of(kept, is_dead);
        if (!departs && !any_of(recovery_.evictions, survived)) { return; }
        if (departs) { wait_while_departing(kept); }
        const std::vector<Holder> left = probe();
        for (Eviction& eviction : recovery_.evictions) {
            if (is_gone(eviction.fate) || (!departs && !survived(eviction))) { continue; }
            const std::uint32_t pid = eviction.holder.pid;
            const auto is_it = [&](const Holder& holder) { return holder.pid == pid && holds_address(holder); };
            if (!recovery_.error && !any_of(left, is_it)) {
                eviction.fate = pid == 0 ? Fate::exited : fate_of_gone(eviction.holder);
            }
            eviction.took = time_since(looked_);
        }
    }

    // Takes back the holders that were refused only because of another one that is gone now: it was about to exit.
    // Returns none if a holder is left for another reason.
    std::vector<Holder> take_unblocked(std::size_t before) {
        std::vector<Eviction> gone;
        std::vector<Holder> unblocked;
        for (const Eviction& eviction : recovery_.evictions) {
            const bool is_unblocked =
                eviction.fate == Fate::refused && any_of(recovery_.evictions, [&](const Eviction& other) {
                    return is_gone(other.fate) && eviction.reason == blocked_by(other.holder);
                });
            if (is_gone(eviction.fate)) {
                gone.push_back(eviction);
            } else if (is_unblocked) {
                unblocked.push_back(eviction.holder);
            } else {
                return {};
            }
        }
        if (unblocked.size() >= before) { return {}; } // a killer that repeats its answer
        if (!unblocked.empty()) { recovery_.evictions = std::move(gone); }
        return unblocked;
    }

    // True if every holder is gone; logs what happened to each.
    bool all_gone() {
        bool gone = true;
        for (const Eviction& eviction : recovery_.evictions) {
            gone = gone && is_gone(eviction.fate);
            log([&] { return fate_sentence(eviction); });
        }
        return gone;
    }

    // Returns why the address is in use: by holders that are left, or by those found after an eviction.
    Obstacle obstacle_of(const std::vector<Holder>& holders) const {
        const auto any_holder = [&](auto test) { return any_of(holders, test); };
        const auto any_eviction = [&](Fate fate) {
            return any_of(recovery_.evictions, [&](const Eviction& eviction) { return eviction.fate == fate; });
        };
        const auto is_visible = [](const Holder& holder) { return holds_address(holder) && holder.pid != 0; };
        const auto is_new = [&](const Holder& holder) { return is_visible(holder) && !was_found(holder); };
        if (any_holder([&](const Holder& holder) { return is_visible(holder) && holder.pid == Os::current_pid(); })) {
            return Obstacle::this_process;
        }
        if (any_holder([](const Holder& holder) { return holds_address(holder) && holder.pid == 0; })) {
            return Obstacle::invisible_holder;
        }
        if (any_holder(is_visible)) {
            const bool all_were_gone =
                !any_of(recovery_.evictions, [](const Eviction& eviction) { return !is_gone(eviction.fate); });
            if (all_were_gone) { return any_holder(is_new) ? Obstacle::taken_again : Obstacle::surviving_holder; }
            return any_eviction(Fate::refused) && !any_eviction(Fate::not_permitted) && !any_eviction(Fate::survived)
                       ? Obstacle::refused_holder
                       : Obstacle::surviving_holder;
        }
        if (any_holder([](const Holder& holder) { return holder.state == State::connected; })) {
            return Obstacle::live_connection;
        }
        return is_path(recovery_.endpoint) ? Obstacle::file_in_the_way : Obstacle::lingering_connections;
    }

    // True if the address cannot be bound yet. Windows removes the row of a socket early: a test bind tells.
    [[nodiscard]] bool is_taken() {
        return is_held() || (!Os::traits.can_ask && test_bind(recovery_.endpoint) == std::errc::address_in_use);
    }

    // An exiting process keeps its sockets for a while after it lost its descriptors. After the first 60 ms
    // it looks for a new holder: that one will not release the address.
    void wait_until_free() {
        const Clock::time_point deadline = deadline_after(release_timeout);
        bool is_lost = false;
        for (Milliseconds step(1); is_taken() && !is_lost && left_until(deadline) > step;
             step = (std::min)(step * 2, settling_time)) {
            Os::pause(step);
            is_lost = step >= Milliseconds(32) && any_of(probe(), [&](const Holder& holder) {
                          return holds_address(holder) && holder.pid != 0 && !is_recorded(holder);
                      });
        }
        recovery_.error.clear();
    }

    void name_holder(const Holder& holder, std::string reason) {
        recovery_.evictions.push_back({holder, Fate::refused, {}, {}, std::move(reason)});
        log([&] { return fate_sentence(recovery_.evictions.back()); });
    }

    void name_new_holders(const std::vector<Holder>& holders) {
        for (const Holder& holder : holders) {
            if (!holds_address(holder) || is_recorded(holder)) { continue; }
            std::string reason = reason_not_to_offer(holder);
            name_holder(holder, !reason.empty() ? reason
                                : Os::started_after(holder, begin_)
                                    ? "it started after this start began: stop the service manager that restarts it"
                                : was_found(holder) ? "it only shared the port with a process that was exiting"
                                                    : "it did not hold the address at first");
        }
    }

    // The server failed to bind another address than it was given: probably one with the same port, or the same
    // abstract name with zeros up to the size of sockaddr_un (man 7 unix).
    void name_holders_elsewhere() {
        std::error_code error;
        const Endpoint& endpoint = recovery_.endpoint;
        EndpointParts parts;
        parts.port = endpoint.port();
        parts.transport = endpoint.transport();
        std::vector<Holder> holders;
        if (parts.port != 0) {
            holders = SystemProbe()(make_endpoint(parts), error);
        } else if (Os::traits.maps_paths && is_path(endpoint) && !is_file(endpoint)) {
            std::vector<Socket> rows = Os::list_sockets(endpoint, Which::padded, error);
            remove_if(rows, [&](const Socket& row) { return !conflicts(endpoint, row.local); });
            if (!error) { error = Os::attach_owners(rows); }
            if (!error) { holders = to_holders(endpoint, std::move(rows), error, Which::padded); }
        }
        const std::string_view padding = is_path(endpoint) ? " with zeros at the end of the name" : "";
        for (const Holder& holder : holders) {
            if (holds_address(holder)) {
                name_holder(holder, "it holds " + to_string(holder.sockets.front()).append(padding));
            }
        }
    }

    // Finds a stale file that is still there after `settling_time`. A server of another network namespace is not
    // visible between bind() and listen(), and its socket refuses a connect meanwhile. Asks the system, not the user's
    // probe: a file is removed on its word.
    bool is_stale(std::error_code& error, Holder& file) {
        for (const bool again : {false, true}) {
            if (again) { Os::pause(settling_time); }
            std::vector<Holder> holders = SystemProbe()(recovery_.endpoint, error);
            if (!error && !any_of(holders, [](const Holder& holder) { return holder.state != State::connected; })) {
                holders = holder_of_file(recovery_.endpoint, error); // an accepted connection does not hold the path
            }
            if (error || holders.empty() || holders.front().state != State::lingering) { return false; }
            file = std::move(holders.front());
        }
        return true;
    }

    // Removes a socket file that no process has open. False if a file is left that the second start would fail on.
    bool remove_stale_socket_file() {
        if (!is_file(recovery_.endpoint)) { return true; }
        const Clock::time_point begin = Clock::now();
        Eviction eviction;
        const FileInfo file = Os::inspect_file(recovery_.endpoint, eviction.error);
        // No file, a live server, or a probe that cannot see: the second start tells.
        if (!is_stale(eviction.error, eviction.holder)) { return true; }
        eviction.reason = reason_to_keep(file);
        std::string left_at;
        if (!eviction.reason.empty()) {
            eviction.fate = Fate::refused;
        } else {
            eviction.error = Os::remove_file(recovery_.endpoint, file, left_at);
            if (eviction.error == std::errc::operation_canceled) { return true; } // another file took its place
            eviction.fate = eviction.error ? Fate::not_permitted : Fate::released;
            if (!left_at.empty()) { eviction.reason = "another file took its place and is now " + left_at; }
        }
        eviction.took = time_since(begin);
        log([&] { return fate_sentence(eviction); });
        recovery_.evictions.push_back(std::move(eviction));
        return recovery_.evictions.back().fate == Fate::released;
    }

    static std::string reason_to_keep(const FileInfo& file) {
        if (!removes_files<Killer>) { return "ReportOnly removes no file"; }
        if (file.is_remote) { return "it is on a network file system: another machine may use it"; }
        return file.is_socket ? "" : "it is no socket, and only sockets are removed";
    }

    // Records and logs the obstacle. Returns false: do not start again.
    bool give_up(Obstacle obstacle) {
        recovery_.obstacle = obstacle;
        log([&] { return to_string(recovery_.endpoint) + ':' + conclusion(recovery_); });
        return false;
    }

    template <class Text> void log(Text text) {
        if constexpr (!std::is_same_v<Log, NoLog>) {
            ADDR_IN_USE_TRY {
                const std::string line = text();
                log_(std::string_view(line));
            }
            ADDR_IN_USE_CATCH_ALL {}
        }
    }

    void log_holders(const std::vector<Holder>& holders, std::string_view more) {
        log([&] {
            std::string line = to_string(recovery_.endpoint) + " is held by ";
            for (const Holder& holder : holders) {
                line += (&holder == &holders.front() ? "" : ", ") + display_name(holder);
            }
            return line.append(more);
        });
    }

    [[nodiscard]] std::string patience() const {
        const Milliseconds time = patience_of(killer_);
        return time > Milliseconds(0) ? ": its exit may take up to " + std::to_string(time.count()) + " ms" : "";
    }

    Probe& probe_;
    Killer& killer_;
    Log& log_;
    Recovery& recovery_;
    std::uint64_t begin_;
    std::vector<Holder> found_;               // at the first look
    Clock::time_point looked_ = Clock::now(); // when that was
    bool has_waited_ = false;
    Clock::time_point departing_end_;
};

} // namespace detail

inline void StderrLog::operator()(std::string_view line) const {
    detail::Os::write_line("retry_on_addr_in_use: " + std::string(line));
}

inline std::string describe(const Recovery& recovery) {
    std::string text = to_string(recovery.endpoint);
    if (recovery.evictions.empty() && recovery.obstacle == Obstacle::none) {
        return text + (recovery.retried ? " was in use briefly; the second start succeeded."
                                        : ": no process had to be terminated.");
    }
    text += recovery.evictions.empty() ? ":" : ": ";
    for (const Eviction& eviction : recovery.evictions) {
        text += detail::fate_sentence(eviction) + (&eviction == &recovery.evictions.back() ? "." : "; ");
    }
    return text + detail::conclusion(recovery);
}

template <class Server, class Probe, class Killer, class Log>
auto RetryOnAddrInUse<Server, Probe, Killer, Log>::start(const Endpoint& endpoint) -> Result {
    constexpr bool startable = !std::is_same_v<Result, detail::NotStartable>;
    static_assert(startable, "retry_on_addr_in_use: a Server needs start(const Endpoint&), start(host, port), "
                             "start(port) or start(), or to be callable like that, where a port is an integer of at "
                             "least 16 bits; or specialise ServerTraits.");
    constexpr bool reports = ADDR_IN_USE_HAS_EXCEPTIONS() || !std::is_void_v<Result> || detail::preflight<Server>;
    static_assert(!startable || reports, "retry_on_addr_in_use: without exceptions a start that returns void cannot "
                                         "report a failure. Return an error, or wrap the server in Preflight.");
    if constexpr (detail::check_policies<Probe, Killer, Log>() && startable && reports) {
        using detail::Os;
        recovery_ = Recovery();
        recovery_.endpoint = endpoint;
        detail::RecoveryAttempt<Probe, Killer, Log> attempt(probe_, killer_, log_, recovery_, Os::now());
        bool evicted_before = false;
        if constexpr (detail::preflight<Server>) { evicted_before = attempt.evict_before_start(); }
        for (bool is_retry = false;; is_retry = true) {
            std::string text;
            ADDR_IN_USE_TRY {
                if constexpr (detail::reports_failure<Server, detail::Bare<Result>>) {
                    const int before = Os::last_error();
                    Os::set_last_error(0);
                    Result result = detail::launch<Server>(server_, endpoint, is_retry);
                    const int error = Os::last_error();
                    if (error == 0) { Os::set_last_error(before); }
                    const detail::Failure failure =
                        detail::classify_value<Server, detail::Bare<Result>>(result, error, text);
                    if (failure == detail::Failure::none ||
                        !attempt.recover(failure, std::move(text), is_retry || evicted_before)) {
                        return static_cast<Result&&>(result);
                    }
                } else {
                    return detail::launch<Server>(server_, endpoint, is_retry);
                }
            }
            ADDR_IN_USE_CATCH_ALL {
                const detail::Failure failure = detail::classify_exception<Server>(text);
                if (!attempt.recover(failure, std::move(text), is_retry || evicted_before)) { ADDR_IN_USE_RETHROW; }
            }
        }
    }
}

template <class Probe, class Killer, class Log>
Recovery free_address(const Endpoint& endpoint, Probe probe, Killer killer, Log log) {
    Recovery recovery;
    recovery.endpoint = endpoint;
    if constexpr (detail::check_policies<Probe, Killer, Log>()) {
        const detail::WithoutCancellation undisturbed;
        detail::RecoveryAttempt<Probe, Killer, Log> attempt(probe, killer, log, recovery, detail::Os::now());
        if (detail::can_be_in_use(endpoint) && attempt.run(detail::Failure::in_use)) {
            if (const std::error_code error = attempt.find_obstacle(); error) { recovery.error = error; }
        }
    }
    return recovery;
}

// 14  POSIX: what its systems share ///////////////////////////////////////////////////////////////////////////////////

namespace detail {

// For the parsers of every system.
template <class Number> Number read_bytes(const void* bytes) noexcept {
    Number number;
    std::memcpy(&number, bytes, sizeof number);
    return number;
}

// Takes the text up to a line break; empty at the end.
inline std::string_view take_line(std::string_view& text) noexcept {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix((std::min)(text.size(), line.size() + 1));
    return line;
}

// Takes a word between spaces; empty at the end.
inline std::string_view take_word(std::string_view& text) noexcept {
    text.remove_prefix((std::min)(text.size(), text.find_first_not_of(' ')));
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(word.size());
    return word;
}

inline bool means_yes(std::string_view answer) noexcept {
    return answer == "y" || answer == "Y" || answer == "yes" || answer == "Yes" || answer == "YES";
}

// The output of lsof -F pcuftPTn for internet sockets (man 8 lsof, OUTPUT FOR OTHER PROGRAMS). False if it is not.
inline bool read_lsof(std::string_view text, Transport transport, std::vector<Socket>& rows) {
    Socket process;
    bool has_process = false;
    std::string_view type;
    std::string_view protocol;
    bool is_listening = false;
    std::string_view name;
    const auto finish_file = [&] {
        const bool v6 = type == "IPv6";
        const bool is_connected = name.find("->") != std::string_view::npos;
        std::string local(name.substr(0, name.find("->")));
        if (take(name, "*:")) { local = (v6 ? "[::]:" : "0.0.0.0:") + std::string(name); }
        const std::optional<Endpoint> endpoint = Endpoint::parse(local);
        const bool is_wanted = protocol == (transport == Transport::tcp ? "TCP" : "UDP") && (v6 || type == "IPv4");
        if (is_wanted && endpoint && !endpoint->host().empty()) {
            Socket row = process;
            row.local = Endpoint(endpoint->host(), endpoint->port(), transport);
            row.state = is_listening ? State::listening : is_connected ? State::connected : State::bound;
            row.v6_only_unknown = row.local.host() == "::";
            rows.push_back(std::move(row));
        }
        type = protocol = name = {};
        is_listening = false;
    };
    while (!text.empty()) {
        const std::string_view line = take_line(text);
        const char field = line.empty() ? '\0' : line[0];
        const std::string_view value = line.substr(line.empty() ? 0 : 1);
        if (field == 'p') {
            if (has_process) { finish_file(); }
            has_process = true;
            process = Socket();
            if (!to_number(value, process.pid)) { return false; }
        } else if (!has_process) {
            return false;
        } else if (field == 'f') {
            finish_file();
        } else if (field == 'c') {
            process.owner_name = value;
        } else if (field == 'u') {
            process.owner_user = value;
        } else if (field == 't') {
            type = value;
        } else if (field == 'P') {
            protocol = value;
        } else if (field == 'n') {
            name = value;
        } else if (field == 'T') {
            is_listening = is_listening || value == "ST=LISTEN";
        }
    }
    if (has_process) { finish_file(); }
    return true;
}

#if ADDR_IN_USE_OS_POSIX()

inline int Os::last_error() noexcept { return errno; }
inline void Os::set_last_error(int value) noexcept { errno = value; }

inline Handle::~Handle() {
    if (value_ != -1) {
        const KeepLastError keep;
        ::close(descriptor());
    }
}

inline std::uint32_t Os::current_pid() noexcept { return static_cast<std::uint32_t>(::getpid()); }

inline bool Os::allow_cancellation(bool on) noexcept {
    int before = PTHREAD_CANCEL_ENABLE;
    ::pthread_setcancelstate(on ? PTHREAD_CANCEL_ENABLE : PTHREAD_CANCEL_DISABLE, &before);
    return before == PTHREAD_CANCEL_ENABLE;
}

inline std::vector<std::uint32_t> Os::children(std::uint32_t pid, std::error_code& error) {
    std::vector<std::uint32_t> found = list_processes(error);
    remove_if(found, [&](std::uint32_t other) { return parent(other, error) != pid; });
    return found;
}

// Waits until one of the descriptors is ready or the time is over; a signal does not shorten the wait. Returns what
// poll() returned last.
inline int poll_until(pollfd* descriptors, nfds_t count, Clock::time_point deadline) noexcept {
    for (;;) {
        const int ready = ::poll(descriptors, count, static_cast<int>(left_until(deadline).count()));
        if (ready >= 0 || errno != EINTR) { return ready; }
    }
}

inline void Os::pause(Milliseconds time) noexcept { poll_until(nullptr, 0, deadline_after(time)); }

// kill() takes 0 and negative numbers for whole groups of processes.
inline bool is_target(std::uint32_t pid) noexcept { return pid > 1 && pid <= INT32_MAX && pid != Os::current_pid(); }

inline bool is_out_of_resources(int error) noexcept { return error == EMFILE || error == ENFILE || error == ENOMEM; }
inline bool is_no_process(int error) noexcept { return error == ENOENT || error == ESRCH; }

// Each system defines these functions: `has_exited` for a process that no handle pins, `wait_for_input` of a terminal,
// `move_back` without replacing a file.
int send_signal(const Handle& handle, std::uint32_t pid, int number) noexcept;
bool has_exited(std::uint32_t pid, std::uint64_t start_time);
bool wait_for_input(const Handle& terminal, Clock::time_point deadline) noexcept;
bool is_on_network(const char* path) noexcept;
bool move_back(const char* from, const char* to) noexcept;

inline Os::Process::Process(std::uint32_t pid) : id_{pid} {
    if (is_target(pid)) {
        pin();
    } else {
        error_ = std::make_error_code(std::errc::operation_not_permitted);
    }
}

inline bool Os::Process::exited() const {
    if (error_) { return false; }
    if (handle_) {
        pollfd exit{handle_.descriptor(), POLLIN, 0};
        return ::poll(&exit, 1, 0) == 1;
    }
    return id_.start_time == 0 || has_exited(id_.pid, id_.start_time);
}

inline std::error_code Os::Process::signal(Signal signal) const {
    const int number = signal == Signal::terminate ? SIGTERM : signal == Signal::kill ? SIGKILL : 0;
    if (error_ || !is_target(id_.pid)) {
        return error_ ? error_ : std::make_error_code(std::errc::operation_not_permitted);
    }
    if (exited()) { return std::make_error_code(std::errc::no_such_process); }
    if (send_signal(handle_, id_.pid, number) != 0) { return system_error(errno); }
    if (signal == Signal::terminate && Os::inspect(id_.pid).is_stopped) {
        send_signal(handle_, id_.pid, SIGCONT); // a stopped process takes SIGTERM only when it continues
    }
    return {};
}

inline void Os::Process::wait(const std::vector<Process>& processes, Milliseconds time) {
    pollfd exits[64];
    nfds_t count = 0;
    for (const Process& process : processes) {
        if (process.error_ || process.exited()) { continue; }
        if (process.handle_ && count < std::size(exits)) {
            exits[count++] = {process.handle_.descriptor(), POLLIN, 0};
        } else {
            time = (std::min)(time, polling_interval);
        }
    }
    poll_until(exits, count, deadline_after(time));
}

// Two functions by labels: <net/if.h> clashes with <linux/if.h>, which a user may include, and <termios.h> defines
// ECHO and B0.
#    if defined(__linux__)
extern "C" unsigned interface_by_name(const char* name) noexcept __asm__("if_nametoindex");
extern "C" int flush_terminal(int terminal, int what) noexcept __asm__("tcflush");
inline constexpr int flush_input = 0; // TCIFLUSH
#    else
inline unsigned interface_by_name(const char* name) noexcept { return ::if_nametoindex(name); }
inline int flush_terminal(int terminal, int what) noexcept { return ::tcflush(terminal, what); }
inline constexpr int flush_input = TCIFLUSH;
#    endif

inline std::uint32_t Os::interface_index(std::string_view scope) noexcept {
    std::uint32_t index = 0;
    char name[16] = {}; // IF_NAMESIZE
    if (to_number(scope, index)) { return index; }
    if (scope.empty() || scope.size() >= sizeof name) { return 0; }
    const KeepLastError keep;
    std::memcpy(name, scope.data(), scope.size());
    return interface_by_name(name);
}

// SOCK_CLOEXEC and SOCK_NONBLOCK where they exist: a fork of another thread must not inherit the descriptor.
inline Handle open_socket(int family, int type) noexcept {
#    if defined(SOCK_CLOEXEC)
    return Handle(::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
#    else
    Handle socket(::socket(family, type, 0));
    const bool good = socket && ::fcntl(socket.descriptor(), F_SETFD, FD_CLOEXEC) == 0 &&
                      ::fcntl(socket.descriptor(), F_SETFL, O_NONBLOCK) == 0;
    return good ? std::move(socket) : Handle();
#    endif
}

inline std::error_code Os::test_bind(const Endpoint& endpoint) {
    const KeepLastError keep;
    const EndpointParts& parts = parts_of(endpoint);
    const bool v6 = parts.kind == HostKind::v6;
    const bool is_tcp = parts.transport == Transport::tcp;
    sockaddr_in to4{};
    sockaddr_in6 to6{};
    to4.sin_family = AF_INET;
    to4.sin_port = htons(parts.port);
    std::memcpy(&to4.sin_addr, parts.address.bytes + 12, 4);
    to6.sin6_family = AF_INET6;
    to6.sin6_port = htons(parts.port);
    std::memcpy(&to6.sin6_addr, parts.address.bytes, 16);
    to6.sin6_scope_id = parts.scope;
    const Handle socket = open_socket(v6 ? AF_INET6 : AF_INET, is_tcp ? SOCK_STREAM : SOCK_DGRAM);
    const int on = is_tcp ? 1 : 0;
    const int v6_only = parts.v6_only ? 1 : 0;
    const bool good =
        socket && ::setsockopt(socket.descriptor(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        (!v6 || ::setsockopt(socket.descriptor(), IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof v6_only) == 0) &&
        ::bind(socket.descriptor(), v6 ? reinterpret_cast<sockaddr*>(&to6) : reinterpret_cast<sockaddr*>(&to4),
               v6 ? sizeof to6 : sizeof to4) == 0;
    return good ? std::error_code() : system_error(errno);
}

// Reads until the end of the file. Error: `max_size` bytes or the deadline are reached.
inline std::error_code read_all(const Handle& file, std::string& text, std::size_t max_size,
                                Clock::time_point deadline) {
    char buffer[4096];
    while (text.size() < max_size) {
        pollfd input{file.descriptor(), POLLIN, 0};
        const int ready = poll_until(&input, 1, deadline);
        if (ready == 0) { return std::make_error_code(std::errc::timed_out); }
        const ssize_t size = ready < 0 ? -1 : ::read(file.descriptor(), buffer, sizeof buffer);
        if (size == 0) { return {}; }
        if (size < 0 && errno != EINTR) { return system_error(errno); }
        text.append(buffer, size < 0 ? 0 : static_cast<std::size_t>(size));
    }
    return std::make_error_code(std::errc::file_too_large);
}

// pthread_sigmask() is in libpthread before glibc 2.32. On Linux sigprocmask() changes this thread's mask only.
inline void set_signal_mask(int how, const sigset_t* set, sigset_t* before) noexcept {
#    if defined(__linux__)
    ::sigprocmask(how, set, before);
#    else
    ::pthread_sigmask(how, set, before);
#    endif
}

inline void Os::write_line(std::string_view line) {
    std::string text(line);
    text += '\n';
    // A write to a closed pipe raises SIGPIPE for this thread: blocked here, and taken if this write raised it.
    sigset_t pipe_only;
    sigset_t before;
    sigset_t pending;
    sigemptyset(&pipe_only); // macros on macOS: not to be qualified
    sigaddset(&pipe_only, SIGPIPE);
    ::sigpending(&pending);
    const bool was_pending = sigismember(&pending, SIGPIPE) == 1;
    set_signal_mask(SIG_BLOCK, &pipe_only, &before);
    for (std::string_view rest = text; !rest.empty();) {
        const ssize_t size = ::write(STDERR_FILENO, rest.data(), rest.size());
        if (size < 0 && errno != EINTR) { break; } // the error has no other place to go
        rest.remove_prefix(size < 0 ? 0 : static_cast<std::size_t>(size));
    }
    ::sigpending(&pending);
    if (!was_pending && sigismember(&pending, SIGPIPE) == 1) {
        int signal = 0;
        ::sigwait(&pipe_only, &signal);
    }
    set_signal_mask(SIG_SETMASK, &before, nullptr);
}

inline bool Os::ask_on_terminal(const std::string& question, Milliseconds timeout) {
    const Clock::time_point deadline = deadline_after(timeout);
    const Handle terminal(::open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC));
    // The terminal would stop a background process that touches it.
    if (!terminal || ::tcgetpgrp(terminal.descriptor()) != ::getpgrp() ||
        flush_terminal(terminal.descriptor(), flush_input) != 0 ||
        ::write(terminal.descriptor(), question.data(), question.size()) != static_cast<ssize_t>(question.size())) {
        return false;
    }
    std::string answer;
    while (answer.empty() || (answer.back() != '\n' && answer.back() != '\r')) {
        char c = 0;
        if (!wait_for_input(terminal, deadline) || ::read(terminal.descriptor(), &c, 1) != 1) { return false; }
        answer += c;
    }
    answer.pop_back();
    return means_yes(answer);
}

// Opens both ends close-on-exec: atomically where pipe2() exists.
inline bool open_pipe(Handle& output, Handle& input) noexcept {
    int ends[2];
#    if defined(__linux__)
    if (::syscall(SYS_pipe2, ends, O_CLOEXEC) != 0) { return false; }
#    else
    if (::pipe(ends) != 0) { return false; }
    ::fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    ::fcntl(ends[1], F_SETFD, FD_CLOEXEC);
#    endif
    output = Handle(ends[0]);
    input = Handle(ends[1]);
    return true;
}

// Starts a program with its output in a pipe: without a shell, in a clean environment, with default signals.
inline std::error_code spawn(const char* program, char* const* arguments, int output, pid_t& child) {
    std::string locale = "LC_ALL=C";
    char* const environment[] = {locale.data(), nullptr};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
    ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    sigset_t none;
    sigset_t defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    for (const int signal : {SIGCHLD, SIGPIPE, SIGTERM}) { sigaddset(&defaults, signal); }
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &defaults);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    const int error = ::posix_spawn(&child, program, &actions, &attributes, arguments, environment);
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&actions);
    return system_error(error);
}

// Returns the output of lsof for these arguments. A status of 1 means that it found nothing, above 1 an error.
inline std::string run_lsof(const char* select, Milliseconds timeout, std::error_code& error) {
    const Clock::time_point deadline = deadline_after(timeout);
    const char* program = nullptr;
    for (const char* path : {"/usr/bin/lsof", "/usr/sbin/lsof", "/usr/local/bin/lsof", "/usr/local/sbin/lsof",
                             "/usr/pkg/sbin/lsof", "/bin/lsof", "/sbin/lsof"}) {
        if (program == nullptr && ::access(path, X_OK) == 0) { program = path; }
    }
    Handle output;
    Handle input;
    if (program == nullptr || !open_pipe(output, input)) {
        error = program == nullptr ? std::make_error_code(std::errc::no_such_file_or_directory) : system_error(errno);
        return "";
    }
    const char* const arguments[] = {"lsof", "-nPlw", select, "-FpcuftPTn", nullptr};
    pid_t child = 0;
    error =
        spawn(program, const_cast<char* const*>(arguments), input.descriptor(), child); // which changes none of them
    input = Handle();
    if (error) { return ""; }
    std::string text;
    constexpr std::size_t max_size = 16 << 20;
    error = read_all(output, text, max_size, deadline);
    if (error) { ::kill(child, SIGKILL); } // our child, not reaped yet: no other process has its pid
    // Where SIGCHLD is ignored, or the program's handler was faster, there is no status.
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    if (!error && (!WIFEXITED(status) || WEXITSTATUS(status) > 1)) {
        error = std::make_error_code(std::errc::bad_message);
    }
    return error ? "" : text;
}

inline std::vector<Socket> Os::list_by_lsof(const Endpoint& endpoint, Milliseconds timeout, std::error_code& error) {
    if (is_path(endpoint)) { // lsof does not tell whether a path still leads to the socket that had its name
        error = std::make_error_code(std::errc::function_not_supported);
        return {};
    }
    const bool is_tcp = endpoint.transport() == Transport::tcp;
    const std::string select = (is_tcp ? "-iTCP:" : "-iUDP:") + std::to_string(endpoint.port());
    const std::string text = run_lsof(select.c_str(), timeout, error);
    std::vector<Socket> rows;
    if (!error && !read_lsof(text, endpoint.transport(), rows)) {
        error = std::make_error_code(std::errc::bad_message);
    }
    return error ? std::vector<Socket>() : rows;
}

inline FileInfo inspect_path(const char* path, std::error_code& error) {
    FileInfo info;
    struct ::stat file {};
    if (::lstat(path, &file) != 0) {
        if (errno != ENOENT && errno != ENOTDIR) { error = system_error(errno); }
        return info;
    }
#    if defined(__APPLE__)
    const ::timespec& modified = file.st_mtimespec;
#    else
    const ::timespec& modified = file.st_mtim;
#    endif
    info.exists = true;
    info.is_socket = S_ISSOCK(file.st_mode);
    info.is_remote = info.is_socket && is_on_network(path);
    info.user = std::to_string(file.st_uid);
    // A new file may reuse the number, but not the time.
    const std::uint64_t identity[] = {
        static_cast<std::uint64_t>(file.st_dev),     static_cast<std::uint64_t>(file.st_ino),
        static_cast<std::uint64_t>(file.st_mode),    static_cast<std::uint64_t>(file.st_uid),
        static_cast<std::uint64_t>(modified.tv_sec), static_cast<std::uint64_t>(modified.tv_nsec)};
    std::memcpy(info.identity, identity, sizeof identity);
    return info;
}

inline FileInfo Os::inspect_file(const Endpoint& path, std::error_code& error) {
    return inspect_path(parts_of(path).path, error);
}

inline std::error_code Os::connect_to(const Endpoint& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const char* const text = parts_of(path).path;
    if (std::strlen(text) >= sizeof address.sun_path) { return std::make_error_code(std::errc::filename_too_long); }
    std::memcpy(address.sun_path, text, std::strlen(text));
    const Handle socket = open_socket(AF_UNIX, path.transport() == Transport::udp ? SOCK_DGRAM : SOCK_STREAM);
    const bool good = socket && ::connect(socket.descriptor(), reinterpret_cast<const sockaddr*>(&address),
                                          static_cast<socklen_t>(sizeof address)) == 0;
    return good ? std::error_code() : system_error(errno);
}

// A name cannot be removed on the condition that it leads to a certain file. So the file is moved into a directory of
// our own and compared there. Another file, which took its place meanwhile, is moved back: operation_canceled.
inline std::error_code Os::remove_file(const Endpoint& path, const FileInfo& file, std::string& left_at) {
    const char* const name = parts_of(path).path;
    std::string directory = std::string(name) + ".XXXXXX";
    if (::mkdtemp(directory.data()) == nullptr) { return system_error(errno); }
    const std::string moved = directory + "/socket";
    std::error_code error;
    if (::rename(name, moved.c_str()) != 0) {
        error = system_error(errno);
    } else {
        const FileInfo now = inspect_path(moved.c_str(), error);
        const bool is_same = !error && now == file;
        if (is_same && ::unlink(moved.c_str()) != 0) { error = system_error(errno); }
        if (!is_same && !error) { error = std::make_error_code(std::errc::operation_canceled); }
        if (error && !move_back(moved.c_str(), name)) {
            error = system_error(errno);
            left_at = moved;
        }
    }
    ::rmdir(directory.c_str());
    return error;
}

#endif // POSIX

// 15  Linux ///////////////////////////////////////////////////////////////////////////////////////////////////////////

// The kernel's numbers for states (include/net/tcp_states.h). Closed: bound, of TCP (since Linux 6.8) and UDP.
inline constexpr std::uint32_t state_established = 1;
inline constexpr std::uint32_t state_closed = 7;
inline constexpr std::uint32_t state_listen = 10;

// Returns a row from what both sources show: sock_diag and /proc/net.
inline Socket make_linux_row(bool v6, const Address& address, std::uint32_t state, std::uint64_t inode,
                             std::uint32_t user, const Endpoint& wanted, std::uint32_t scope = 0,
                             bool v6_only = false) {
    Socket row;
    row.local = make_endpoint(v6, address, wanted.port(), wanted.transport(), scope, v6_only);
    row.state = state == state_listen   ? State::listening
                : state == state_closed ? State::bound
                : inode != 0            ? State::connected
                                        : State::lingering;
    row.inode = inode;
    if (inode != 0) { row.user = std::to_string(user); } // else the kernel says 0
    return row;
}

// A table of /proc/net (tcp, tcp6, udp, udp6; man 5 proc_pid_net). It is the second source where NETLINK_SOCK_DIAG is
// missing: a seccomp filter, WSL 1, gVisor. It shows neither bound TCP sockets that do not listen nor IPV6_V6ONLY.
// Appends the rows of the port whose state is in `states`, bits as in a dump. False if the text is no such table.
inline bool read_proc_net(std::string_view text, const Endpoint& wanted, std::uint32_t states,
                          std::vector<Socket>& rows) {
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
            std::memcpy(address.bytes + at, &word, sizeof word);
        }
        good = good && take(columns[1], ":") && take_number(columns[1], port, 16) &&
               take_number(columns[3], state, 16) && to_number(columns[7], user) && to_number(columns[9], inode) &&
               state < 32;
        if (good && port == wanted.port() && (states >> state & 1) != 0) {
            Socket row = make_linux_row(v6, address, state, inode, user, wanted);
            row.v6_only_unknown = v6 && address == v6_any;
            rows.push_back(std::move(row));
        }
    }
    return true;
}

// The number in a link of /proc/PID/fd, "socket:[4242]"; 0 for another kind of descriptor.
inline std::uint64_t socket_inode(std::string_view link) noexcept {
    std::uint64_t inode = 0;
    return take(link, "socket:[") && take_number(link, inode) && link == "]" ? inode : 0;
}

// /proc/PID/stat (man 5 proc_pid_stat).
struct ProcessStat {
    std::string name;
    char state = '?';
    std::uint32_t parent = 0;
    std::uint32_t session = 0;
    bool has_terminal = false;
    bool is_exiting = false; // this thread
    std::uint32_t threads = 0;
    std::uint64_t start_time = 0; // clock ticks since boot; 0: the text is not understood
};

inline ProcessStat read_stat(std::string_view text) {
    constexpr std::uint32_t exiting = 4; // PF_EXITING, include/linux/sched.h
    ProcessStat stat;
    const std::size_t open = text.find('(');
    std::size_t at = text.rfind(") "); // the name may contain anything, a ')' too: the last one ends it
    if (at != std::string_view::npos && open < at) { stat.name = std::string(text.substr(open + 1, at - open - 1)); }
    for (int field = 3; at != std::string_view::npos && field <= 22; ++field) {
        text.remove_prefix(at + (field == 3 ? 2 : 1));
        at = text.find(' ');
        std::string_view value = text.substr(0, at);
        std::uint32_t flags = 0;
        switch (field) {
        case 3: stat.state = value.empty() ? '?' : value[0]; break;
        case 4: take_number(value, stat.parent); break;
        case 6: take_number(value, stat.session); break;
        case 7: stat.has_terminal = value != "0"; break;
        case 9: stat.is_exiting = take_number(value, flags) && (flags & exiting) != 0; break;
        case 20: take_number(value, stat.threads); break;
        case 22: take_number(value, stat.start_time); break;
        default: break;
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
        const auto take_space = [&] { return take(line, "\t") || take(line, " "); };
        std::uint32_t number = 0;
        while (take_space()) {
            while (take_space()) {}
            if (!take_number(line, number) || (!line.empty() && line[0] != '\t' && line[0] != ' ')) { break; }
            if (numbers.count < std::size(numbers.first)) { numbers.first[numbers.count] = number; }
            ++numbers.count;
        }
    }
    return numbers;
}

// True if a control group with this name in this parent belongs to a container. ".." is the parent of a group outside
// of our cgroup namespace, as in a pod whose containers share their pids (man 7 cgroup_namespaces).
inline bool is_container_group(std::string_view name, std::string_view parent) noexcept {
    return starts_with(name, "kubepods") || starts_with(parent, "kubepods") || starts_with(name, "lxc.payload.") ||
           parent == "docker" || parent == "lxc" || (parent == ".." && name != "..") ||
           (ends_with(name, ".scope") && is_one_of(name, "cri-containerd-*,crio-*,docker-*,libpod-*,nerdctl-*"));
}

// Returns the service or the container in /proc/PID/cgroup (man 7 cgroups), as the path down to it. Returns an empty
// text for a process of a person's session. OpenRC names its groups "openrc.NAME", or NAME in a hierarchy of its own.
inline std::string read_cgroup(std::string_view text) {
    while (!text.empty()) {
        const std::string_view line = take_line(text);
        const std::string_view path = line.substr((std::min)(line.size(), line.find('/')));
        const bool is_of_person = starts_with(path, "/user.slice");
        std::string_view found;
        std::string_view parent;
        for (std::size_t at = 0; at < path.size();) {
            const std::size_t end = (std::min)(path.size(), path.find('/', at + 1));
            const std::string_view name = path.substr(at + 1, end - at - 1);
            if (is_container_group(name, parent) || starts_with(name, "openrc.") || parent == "rc" ||
                (ends_with(name, ".service") && !is_of_person)) {
                found = path.substr(0, end);
            }
            parent = name;
            at = end;
        }
        if (line.find(":name=openrc:/") != std::string_view::npos && path.size() > 1) {
            return "/openrc" + std::string(path);
        }
        if (!found.empty()) { return std::string(found); }
    }
    return "";
}

// Of the sockets with a name, keeps those bound to this file. It is known by its number: the name may be another file's
// now. A file system may show another device than it has inside (btrfs, overlayfs). The number may have more than the
// 32 bits that are shown. Then a socket may be the one or not, and is kept without its owner.
inline void select_same_file(const Endpoint& wanted, std::uint32_t device, std::uint64_t number,
                             std::vector<Socket>& rows) {
    remove_if(rows, [&](const Socket& row) {
        return row.file_device == device ? row.file_number != static_cast<std::uint32_t>(number)
                                         : !conflicts(wanted, row.local);
    });
    for (Socket& row : rows) {
        if (row.file_device != device || (number > UINT32_MAX && !conflicts(wanted, row.local))) {
            row.inode = 0;
            row.state = State::bound;
        }
        row.local = make_path(parts_of(wanted).path, row.local.transport());
    }
}

#if defined(__linux__)

inline constexpr Os::Traits Os::traits{"sudo ss -tulnp 'sport = :PORT'", false, true, true, true};

// Nanoseconds since boot, the clock of /proc/PID/stat: it includes the time that the machine slept.
inline std::uint64_t Os::now() noexcept {
    timespec time{};
    ::clock_gettime(CLOCK_BOOTTIME, &time);
    return static_cast<std::uint64_t>(time.tv_sec) * 1000000000 + static_cast<std::uint64_t>(time.tv_nsec);
}

// A start time is cut to whole ticks, usually 10 ms: within the tick the order is unknown.
inline bool Os::started_after(const Holder& holder, std::uint64_t moment) noexcept {
    const auto tick = 1000000000 / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
    return holder.start_time > moment / tick;
}

// struct linux_dirent64, which no header declares (man 2 getdents). readdir() costs 20 % of the walk.
struct DirectoryEntry {
    std::uint64_t number;
    std::int64_t offset;
    std::uint16_t size;
    unsigned char type;
    char name[1];
};

// Calls visit(name) for each number in a directory of /proc; false from it ends the walk. Returns an error number.
template <class Visit> int for_each_number(const Handle& directory, Visit visit) {
    std::string buffer(32768, '\0');
    for (;;) {
        const long size = ::syscall(SYS_getdents64, directory.descriptor(), buffer.data(), buffer.size());
        if (size <= 0) { return size < 0 ? errno : 0; }
        for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
            const char* const name = &buffer[at + offsetof(DirectoryEntry, name)];
            if (*name >= '0' && *name <= '9' && !visit(name)) { return 0; }
            at += read_bytes<std::uint16_t>(&buffer[at + offsetof(DirectoryEntry, size)]);
        }
    }
}

inline Handle open_directory(int at, const char* path) noexcept {
    return Handle(::openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

inline std::string read_link(int at, const char* path) {
    std::string target(4096, '\0'); // PATH_MAX
    const ssize_t size = ::readlinkat(at, path, target.data(), target.size());
    target.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
    return target;
}

// Returns the text of a file, up to `max_size`. After an error errno tells why.
inline std::string read_file(int at, const char* path, std::size_t max_size = 1 << 20) {
    std::string text;
    errno = 0;
    const Handle file(::openat(at, path, O_RDONLY | O_CLOEXEC));
    char buffer[4096];
    while (file && text.size() < max_size) {
        const ssize_t size = ::read(file.descriptor(), buffer, (std::min)(sizeof buffer, max_size - text.size()));
        if (size <= 0) { break; }
        text.append(buffer, static_cast<std::size_t>(size));
    }
    return text;
}

inline std::string proc_path(std::uint32_t pid, const char* rest) {
    return "/proc/" + std::to_string(pid) + '/' + rest;
}

// Returns the text of a file of a process. Sets `error` if it could not be read; no error if the process is gone.
inline std::string read_proc(int directory, const char* name, std::error_code& error, std::size_t max_size = 1 << 20) {
    std::string text = read_file(directory, name, max_size);
    if (text.empty() && errno != 0 && !is_no_process(errno)) { error = system_error(errno); }
    return text;
}

inline std::uint32_t Os::parent(std::uint32_t pid, std::error_code& error) {
    std::error_code answer;
    const std::uint32_t found = read_stat(read_proc(AT_FDCWD, proc_path(pid, "stat").c_str(), answer)).parent;
    const bool is_hidden = answer == std::errc::operation_not_permitted || answer == std::errc::permission_denied;
    if (answer && !is_hidden) { error = answer; }
    return found;
}

inline std::uint32_t Os::debugger(std::error_code& error) {
    return status_numbers(read_proc(AT_FDCWD, "/proc/self/status", error), "TracerPid").first[0];
}

inline std::vector<std::uint32_t> Os::list_processes(std::error_code& error) {
    std::vector<std::uint32_t> found;
    const Handle proc = open_directory(AT_FDCWD, "/proc");
    const int failure = for_each_number(proc, [&](const char* name) {
        std::string_view digits = name;
        found.push_back(0);
        take_number(digits, found.back());
        return true;
    });
    if (failure != 0) { error = system_error(failure); }
    return found;
}

// Calls visit(directory, stat) for each thread of a process until visit returns false.
template <class Visit> void for_each_thread(int process, std::error_code& error, Visit visit) {
    const Handle tasks = open_directory(process, "task");
    const auto note_error = [&] {
        if (!is_no_process(errno)) { error = system_error(errno); }
    };
    if (!tasks) { return note_error(); }
    for_each_number(tasks, [&](const char* name) {
        const Handle thread = open_directory(tasks.descriptor(), name);
        if (!thread) { note_error(); } // else it has exited meanwhile
        const std::string text = thread ? read_proc(thread.descriptor(), "stat", error) : "";
        return text.empty() || visit(thread.descriptor(), read_stat(text));
    });
}

inline std::string Os::arguments(std::uint32_t pid, std::error_code& error) {
    constexpr std::size_t max_size = 4 << 20; // beyond the kernel's limit for arguments (man 2 execve)
    const Handle directory = open_directory(AT_FDCWD, proc_path(pid, "").c_str());
    std::string text = directory ? read_proc(directory.descriptor(), "cmdline", error, max_size) : "";
    if (directory && text.empty() && !error) { // the first thread has exited
        for_each_thread(directory.descriptor(), error, [&](int thread, const ProcessStat&) {
            text = read_proc(thread, "cmdline", error, max_size);
            return text.empty();
        });
    }
    if (text.size() >= max_size) { error = std::make_error_code(std::errc::argument_list_too_long); }
    return text;
}

// True if our user map maps all users (man 7 user_namespaces): only then no user is unmapped.
inline bool maps_all_users(std::error_code& error) {
    const auto map = status_numbers(": " + read_proc(AT_FDCWD, "/proc/self/uid_map", error), "");
    return map.count == 3 && map.first[2] == UINT32_MAX;
}

inline bool Os::is_privileged() {
    constexpr std::uint64_t ptrace = 1U << 19; // CAP_SYS_PTRACE, man 7 capabilities
    std::error_code error;
    const std::string status = read_proc(AT_FDCWD, "/proc/self/status", error);
    constexpr std::string_view key = "CapEff:\t";
    std::string_view digits = std::string_view(status).substr((std::min)(status.size(), status.find(key)));
    std::uint64_t capabilities = 0;
    return take(digits, key) && take_number(digits, capabilities, 16) && (capabilities & ptrace) != 0 &&
           maps_all_users(error);
}

// True if an emulator (qemu-user, valgrind, Rosetta) runs this program. It answers for the link with the name of the
// program, and the kernel answers for the file with the emulator's.
inline bool is_emulated() {
    struct ::stat named {};
    struct ::stat running {};
    return ::stat(read_link(AT_FDCWD, "/proc/self/exe").c_str(), &named) == 0 &&
           ::stat("/proc/self/exe", &running) == 0 &&
           (named.st_dev != running.st_dev || named.st_ino != running.st_ino);
}

// Reads what a process runs, from its directory or from that of a thread.
inline void inspect_program(int directory, ProcessInfo& info) {
    Holder& holder = info.holder;
    struct ::stat file {};
    errno = 0;
    holder.executable = read_link(directory, "exe");
    if (holder.executable.empty() && !is_no_process(errno)) { info.error = system_error(errno); }
    if (::fstatat(directory, "exe", &file, 0) == 0) {
        info.executable_file = {static_cast<std::uint64_t>(file.st_dev), static_cast<std::uint64_t>(file.st_ino)};
    }
    holder.command_line = read_proc(directory, "cmdline", info.error, max_command_line);
    while (!holder.command_line.empty() && holder.command_line.back() == '\0') { holder.command_line.pop_back(); }
    for (char& c : holder.command_line) { c = c == '\0' ? ' ' : c; }
}

// Reads all facts through one descriptor of /proc/PID, so all of one process: after its exit every read fails.
inline ProcessInfo Os::inspect(std::uint32_t pid) {
    ProcessInfo info;
    const Handle directory = open_directory(AT_FDCWD, proc_path(pid, "").c_str());
    const int at = directory.descriptor();
    if (!directory) {
        const bool exists = is_no_process(errno) && pid != 0 && pid <= INT32_MAX &&
                            (::kill(static_cast<pid_t>(pid), 0) == 0 || errno == EPERM);
        if (exists) { errno = EACCES; } // hidden: hidepid, man 5 proc
        if (!is_no_process(errno)) { info.error = system_error(errno); }
    }
    const std::string text = directory ? read_proc(at, "stat", info.error) : "";
    const ProcessStat stat = read_stat(text);
    info.is_dead =
        !info.error && (stat.start_time == 0 || ((stat.state == 'Z' || stat.state == 'X') && stat.threads <= 1));
    if (info.is_dead || info.error) { return info; }
    info.holder.pid = pid;
    info.holder.start_time = stat.start_time;
    info.holder.name = stat.name;
    info.parent = stat.parent;
    info.session = stat.session;
    info.has_terminal = stat.has_terminal;
    info.is_stopped = stat.state == 'T';
    info.is_exiting = stat.is_exiting;
    const std::string status = read_proc(at, "status", info.error);
    const Numbers users = status_numbers(status, "Uid");
    if (!info.error && users.count < std::size(info.users)) { // it has exited since the first file was read
        ProcessInfo gone;
        gone.is_dead = true;
        return gone;
    }
    constexpr std::uint32_t overflow_user = 65534; // shown for each unmapped user
    for (std::size_t i = 0; i < std::size(info.users) && i < users.count; ++i) {
        info.users[i] = std::to_string(users.first[i]);
        info.has_unmapped_user =
            info.has_unmapped_user || (users.first[i] == overflow_user && !maps_all_users(info.error));
    }
    info.holder.user = info.users[1];
    info.in_foreign_namespace = status_numbers(status, "NSpid").count > 1;      // its number in a namespace below ours
    info.is_dumping_core = status_numbers(status, "CoreDumping").first[0] != 0; // since Linux 4.15
    info.service = read_cgroup(read_proc(at, "cgroup", info.error));
    if (!stat.is_exiting) { inspect_program(at, info); }
    if (stat.is_exiting || info.holder.executable.empty()) { // the first thread has exited: others may be running
        for_each_thread(at, info.error, [&](int thread, const ProcessStat& other) {
            info.is_exiting = other.is_exiting;
            if (!other.is_exiting) { inspect_program(thread, info); }
            return other.is_exiting;
        });
    }
    if (pid == current_pid() && is_emulated()) { info.executable_file = {}; }
    return info;
}

inline PortRange Os::ephemeral_ports() {
    PortRange range;
    std::error_code error;
    const auto numbers =
        status_numbers(": " + read_proc(AT_FDCWD, "/proc/sys/net/ipv4/ip_local_port_range", error), "");
    if (numbers.count == 2 && numbers.first[0] <= numbers.first[1] && numbers.first[1] <= 65535) {
        range = {static_cast<std::uint16_t>(numbers.first[0]), static_cast<std::uint16_t>(numbers.first[1])};
    }
    return range;
}

// The states of a dump are bits. Asked for other than listening sockets, the kernel walks its whole table of
// connections (inet_diag_dump_icsk in net/ipv4/inet_diag.c): 0.6 ms instead of 0.06 ms idle, 20 ms with 50,000
// connections.
inline constexpr std::uint32_t dump_listening = 1U << state_listen;
inline constexpr std::uint32_t dump_unconnected_udp = 1U << state_closed;
inline constexpr std::uint32_t dump_bound = 1U << 13; // since Linux 6.8, ignored before
inline constexpr std::uint32_t dump_all = 0xffff;

inline std::uint32_t states_of(const Endpoint& endpoint, Which which) noexcept {
    if (which == Which::all || is_path(endpoint)) { return dump_all; }
    if (endpoint.transport() == Transport::udp) { return dump_unconnected_udp; }
    return which == Which::listening ? dump_listening : dump_bound;
}

// Returns the value of an attribute in a row of a dump; an empty text without one.
inline std::string_view find_attribute(std::string_view attributes, int type) noexcept {
    while (attributes.size() >= sizeof(nlattr)) {
        const auto head = read_bytes<nlattr>(attributes.data());
        if (head.nla_len < sizeof head || head.nla_len > attributes.size()) { break; }
        if (head.nla_type == type) { return attributes.substr(sizeof head, head.nla_len - sizeof head); }
        attributes.remove_prefix((std::min)(attributes.size(), (head.nla_len + 3U) & ~std::size_t{3}));
    }
    return {};
}

// A row of a dump of internet sockets: the message, then attributes.
inline Socket read_inet_row(const inet_diag_msg& message, std::string_view attributes, const Endpoint& wanted) {
    const bool v6 = message.idiag_family == AF_INET6;
    const std::string_view v6_only = find_attribute(attributes, INET_DIAG_SKV6ONLY);
    Address address = v4_any;
    std::memcpy(address.bytes + (v6 ? 0 : 12), message.id.idiag_src, v6 ? 16 : 4);
    return make_linux_row(v6, address, message.idiag_state, message.idiag_inode, message.idiag_uid, wanted,
                          message.id.idiag_if, !v6_only.empty() && v6_only[0] != '\0');
}

// A row of a dump of Unix domain sockets. The name is as it was bound. An abstract one has a zero in front, a path one
// behind it.
inline Socket read_unix_row(const unix_diag_msg& message, std::string_view attributes) {
    constexpr int attribute_user = 7; // UNIX_DIAG_UID, since Linux 5.3
    const std::string_view file = find_attribute(attributes, UNIX_DIAG_VFS);
    const std::string_view user = find_attribute(attributes, attribute_user);
    std::string name(find_attribute(attributes, UNIX_DIAG_NAME));
    Socket row;
    if (!name.empty() && name[0] == '\0') {
        row.is_padded = name.size() == sizeof(sockaddr_un::sun_path) && name.back() == '\0';
        name[0] = '@';
        if (row.is_padded) { name.resize(name.find_last_not_of('\0') + 1); }
    } else if (!name.empty() && name.back() == '\0') {
        name.pop_back();
    }
    const bool is_datagram = message.udiag_type == SOCK_DGRAM;
    row.local = make_path(name, is_datagram ? Transport::udp : Transport::tcp);
    row.state = message.udiag_state == state_listen                        ? State::listening
                : message.udiag_state == state_established && !is_datagram ? State::connected
                                                                           : State::bound;
    row.inode = message.udiag_ino;
    if (file.size() == sizeof(unix_diag_vfs)) {
        const auto vfs = read_bytes<unix_diag_vfs>(file.data());
        row.file_number = vfs.udiag_vfs_ino;
        row.file_device = vfs.udiag_vfs_dev;
    }
    if (user.size() == sizeof(std::uint32_t)) { row.user = std::to_string(read_bytes<std::uint32_t>(user.data())); }
    return row;
}

// Reads a reply to a dump (man 7 netlink, man 7 sock_diag). Appends the rows of the port and transport of `wanted`; if
// that is a path, all rows with a name. True if more is to come. A dump that fails says so inside NLMSG_DONE, not by
// NLMSG_ERROR (netlink_dump_done in net/netlink/af_netlink.c).
inline bool read_dump(std::string_view bytes, const Endpoint& wanted, std::vector<Socket>& rows,
                      std::error_code& error) {
    const std::size_t row_size = is_path(wanted) ? sizeof(unix_diag_msg) : sizeof(inet_diag_msg);
    while (!bytes.empty()) {
        const auto head = bytes.size() < sizeof(nlmsghdr) ? nlmsghdr() : read_bytes<nlmsghdr>(bytes.data());
        const bool is_row = head.nlmsg_type == SOCK_DIAG_BY_FAMILY;
        if (head.nlmsg_len < sizeof head || head.nlmsg_len > bytes.size() ||
            (is_row && head.nlmsg_len < sizeof head + row_size)) {
            error = std::make_error_code(std::errc::bad_message);
            return false;
        }
        const std::string_view body = bytes.substr(sizeof head, head.nlmsg_len - sizeof head);
        if (head.nlmsg_type == NLMSG_ERROR || head.nlmsg_type == NLMSG_DONE) {
            constexpr int max_error = 4095; // MAX_ERRNO, include/linux/err.h
            const int code = body.size() < sizeof(int) ? 0 : read_bytes<int>(body.data());
            if (code < 0) { error = system_error(code < -max_error ? EPROTO : -code); }
            return false;
        }
        if (is_row) {
            const std::string_view attributes = body.substr(row_size);
            if (is_path(wanted)) {
                rows.push_back(read_unix_row(read_bytes<unix_diag_msg>(body.data()), attributes));
                if (!is_path(rows.back().local)) { rows.pop_back(); } // without a name
            } else if (const auto message = read_bytes<inet_diag_msg>(body.data());
                       ntohs(message.id.idiag_sport) == wanted.port()) {
                rows.push_back(read_inet_row(message, attributes, wanted));
            }
        }
        bytes.remove_prefix((std::min)(bytes.size(), (head.nlmsg_len + 3U) & ~std::size_t{3}));
    }
    return true;
}

template <class Request> std::error_code send_request(const Handle& netlink, const Request& request) {
    struct {
        nlmsghdr head;
        Request request;
    } message{};
    message.head.nlmsg_len = sizeof message;
    message.head.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    message.head.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    message.request = request;
    return ::send(netlink.descriptor(), &message, sizeof message, 0) < 0 ? system_error(errno) : std::error_code();
}

// Appends the sockets of one family. Returns ETIMEDOUT if the kernel does not answer within 2 s.
inline std::error_code dump_family(const Handle& netlink, const Endpoint& wanted, unsigned char family,
                                   std::uint32_t states, std::vector<Socket>& rows) {
    std::error_code error;
    if (is_path(wanted)) {
        constexpr std::uint32_t show_user = 0x40; // UDIAG_SHOW_UID, since Linux 5.3
        unix_diag_req request{};
        request.sdiag_family = family;
        request.udiag_states = states;
        request.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_VFS | show_user;
        error = send_request(netlink, request);
    } else {
        inet_diag_req_v2 request{};
        request.sdiag_family = family;
        request.sdiag_protocol = wanted.transport() == Transport::tcp ? IPPROTO_TCP : IPPROTO_UDP;
        request.idiag_states = states;
        request.id.idiag_sport = htons(wanted.port());
        error = send_request(netlink, request);
    }
    std::string reply(32768, '\0'); // no message of a dump is larger
    for (bool more = !error; more;) {
        const ssize_t size = ::recv(netlink.descriptor(), reply.data(), reply.size(), MSG_TRUNC);
        if (size < 0 && errno == EINTR) { continue; }
        if (size < 0) { return system_error(errno == EAGAIN ? ETIMEDOUT : errno); }
        if (size == 0 || static_cast<std::size_t>(size) > reply.size()) {
            return std::make_error_code(std::errc::bad_message);
        }
        more = read_dump(std::string_view(reply.data(), static_cast<std::size_t>(size)), wanted, rows, error);
    }
    const bool is_missing = error == std::errc::no_such_file_or_directory; // no module for this family: unix_diag
    return is_missing ? std::make_error_code(std::errc::protocol_not_supported) : error;
}

inline std::error_code dump_by_netlink(const Endpoint& wanted, std::uint32_t states, std::vector<Socket>& rows) {
    constexpr timeval timeout{2, 0}; // some emulations of Linux never answer
    const Handle netlink(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
    if (!netlink || ::setsockopt(netlink.descriptor(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) != 0) {
        return system_error(errno);
    }
    if (is_path(wanted)) { return dump_family(netlink, wanted, AF_UNIX, states, rows); }
    const std::error_code error = dump_family(netlink, wanted, AF_INET, states, rows);
    return error ? error : dump_family(netlink, wanted, AF_INET6, states, rows); // a dual-stack one holds IPv4 too
}

// Of the sockets with a name, keeps those that `wanted` leads to.
inline std::error_code select_at_path(const Endpoint& wanted, std::vector<Socket>& rows) {
    struct ::stat file {};
    if (!is_file(wanted)) { return {}; }
    if (::lstat(parts_of(wanted).path, &file) != 0) {
        rows.clear();
        return errno == ENOENT || errno == ENOTDIR ? std::error_code() : system_error(errno);
    }
    // The kernel's own number of the device (MKDEV in linux/kdev_t.h), from what it shows (new_encode_dev).
    const auto shown = static_cast<std::uint32_t>(file.st_dev);
    const std::uint32_t device = (shown & 0xfff00U) << 12 | (shown & 0xffU) | (shown >> 12 & 0xfff00U);
    select_same_file(wanted, device, file.st_ino, rows);
    return {};
}

inline std::vector<Socket> Os::list_sockets(const Endpoint& wanted, Which which, std::error_code& error) {
    std::vector<Socket> rows;
    error = dump_by_netlink(wanted, states_of(wanted, which), rows);
    if (is_path(wanted)) {
        remove_if(rows, [&](const Socket& row) { return row.is_padded != (which == Which::padded); });
        if (!error) { error = select_at_path(wanted, rows); }
    } else if (error) {
        rows.clear();
        const bool is_tcp = wanted.transport() == Transport::tcp;
        constexpr std::size_t max_size = std::size_t{256} << 20;
        const auto read_table = [&](const char* path) {
            return read_proc_net(read_file(AT_FDCWD, path, max_size), wanted, states_of(wanted, which), rows);
        };
        if (read_table(is_tcp ? "/proc/net/tcp" : "/proc/net/udp")) {
            read_table(is_tcp ? "/proc/net/tcp6" : "/proc/net/udp6"); // missing without IPv6
            error.clear();
        }
    }
    return error ? std::vector<Socket>() : rows;
}

// Calls visit(inode) for each socket in a directory of descriptors. Passes over a descriptor that was closed meanwhile.
// Returns EACCES or EPERM if a link may not be read.
template <class Visit> int for_each_socket(const Handle& directory, Visit visit) {
    int refusal = 0;
    const int failure = for_each_number(directory, [&](const char* name) {
        char link[64];
        // Not stat(): that follows the link, perhaps to a network file system that hangs.
        const ssize_t size = ::readlinkat(directory.descriptor(), name, link, sizeof link);
        if (size < 0) {
            refusal = errno == EACCES || errno == EPERM ? errno : 0;
            return refusal == 0; // without the right to one there is none to the next
        }
        const std::uint64_t inode = socket_inode(std::string_view(link, static_cast<std::size_t>(size)));
        if (inode != 0) { visit(inode); }
        return true;
    });
    return refusal != 0 ? refusal : failure;
}

// Calls visit(inode) for the sockets of a process, or of all its threads: `directory` is its "fd" or its "task". A
// thread may have a descriptor table of its own (CLONE_FILES, man 2 clone). After the exit of the first thread only the
// others show theirs.
template <class Visit> int for_each_socket_of(const Handle& directory, bool threads, Visit visit) {
    if (!threads) { return for_each_socket(directory, visit); }
    int failure = 0;
    const int error = for_each_number(directory, [&](const char* thread) {
        const Handle files = open_directory(directory.descriptor(), (std::string(thread) + "/fd").c_str());
        const int refusal = files ? for_each_socket(files, visit) : errno;
        failure = refusal != 0 && (failure == 0 || is_no_process(failure)) ? refusal : failure;
        return !is_out_of_resources(failure);
    });
    return failure != 0 ? failure : error;
}

// Returns why /proc is not trusted: it is missing, or of another pid namespace, whose numbers name other processes.
inline std::error_code check_proc(const Handle& proc) {
    if (!proc) { return system_error(errno); }
    constexpr auto proc_magic = 0x9fa0; // PROC_SUPER_MAGIC, man 2 statfs
    struct ::statfs facts {};
    if (::fstatfs(proc.descriptor(), &facts) != 0 || static_cast<std::uint32_t>(facts.f_type) != proc_magic) {
        return std::make_error_code(std::errc::no_such_device);
    }
    std::error_code error;
    const std::string status = read_proc(proc.descriptor(), "self/status", error);
    const Numbers pid = status_numbers(status, "Pid");
    const Numbers in_namespaces = status_numbers(status, "NSpid"); // one number for each namespace down to ours
    if (!error && (pid.count != 1 || pid.first[0] != Os::current_pid() || in_namespaces.count > 1)) {
        error = std::make_error_code(std::errc::no_such_process);
    }
    return error;
}

inline bool inode_comes_before(const Socket& a, const Socket& b) noexcept { return a.inode < b.inode; }

// Appends to `owned` a copy of each row whose socket the process has open. `rows` are sorted by inode. Returns an error
// number if that could not be seen.
inline int find_sockets_of(const Handle& proc, const char* name, bool threads, std::vector<Socket>& rows,
                           std::vector<Socket>& owned) {
    const Handle directory =
        open_directory(proc.descriptor(), (std::string(name) + (threads ? "/task" : "/fd")).c_str());
    if (!directory) { return errno; }
    const auto comes_before = [](const Socket& row, std::uint64_t inode) { return row.inode < inode; };
    std::vector<std::uint32_t> found;
    const int failure = for_each_socket_of(directory, threads, [&](std::uint64_t inode) {
        const auto row = std::lower_bound(rows.begin(), rows.end(), inode, comes_before);
        if (row != rows.end() && row->inode == inode) {
            found.push_back(static_cast<std::uint32_t>(row - rows.begin()));
        }
    });
    if (found.empty()) { return failure; }
    // Through the same directory as the descriptors, so of the same process. After its exit it cannot be read, and
    // for a user who is not root (EACCES) from the moment when its exit begins: the rows have no owner then.
    std::error_code error;
    const ProcessStat stat = read_stat(read_proc(directory.descriptor(), "../stat", error));
    if (stat.start_time == 0) { return error.value(); }
    std::uint32_t pid = 0;
    std::string_view digits = name;
    take_number(digits, pid);
    for (const std::uint32_t position : found) {
        Socket& row = rows[position];
        if (row.pid == pid) { continue; } // a second descriptor of the same socket
        row.pid = pid;
        owned.push_back(Socket(row));
        owned.back().start_time = stat.start_time;
    }
    return failure;
}

inline std::error_code Os::attach_owners(std::vector<Socket>& rows, std::uint32_t only_pid) {
    const Handle proc = open_directory(AT_FDCWD, "/proc");
    if (const std::error_code error = check_proc(proc)) { return error; }
    std::sort(rows.begin(), rows.end(), inode_comes_before);
    std::vector<Socket> owned;
    int failure = 0;
    for (const bool threads : {false, true}) { // of threads where a socket is in no process
        const auto is_open = [](const Socket& row) { return row.pid == 0 && row.inode != 0; };
        if (!any_of(rows, is_open) || is_out_of_resources(failure)) { break; }
        if (only_pid != 0) {
            const int error = find_sockets_of(proc, std::to_string(only_pid).c_str(), threads, rows, owned);
            failure = !owned.empty() || is_no_process(error) ? 0 : error;
            continue;
        }
        ::lseek(proc.descriptor(), 0, SEEK_SET);
        const int error = for_each_number(proc, [&](const char* pid) {
            const int refusal = find_sockets_of(proc, pid, threads, rows, owned); // of another user's nothing is known
            failure = is_out_of_resources(refusal) ? refusal : 0;
            return failure == 0;
        });
        failure = failure != 0 ? failure : error;
    }
    if (failure != 0) { return system_error(failure); }
    remove_if(rows, [](const Socket& row) { return row.pid != 0; }); // those without an owner stay
    for (Socket& row : owned) { rows.push_back(std::move(row)); }
    return {};
}

#    if defined(SYS_pidfd_open) && defined(SYS_pidfd_send_signal)
inline constexpr long call_pidfd_open = SYS_pidfd_open;
inline constexpr long call_pidfd_send_signal = SYS_pidfd_send_signal;
#    else // headers before Linux 5.3: no such call, ENOSYS
inline constexpr long call_pidfd_open = -1;
inline constexpr long call_pidfd_send_signal = -1;
#    endif

inline void Os::Process::pin() {
    handle_ = Handle(::syscall(call_pidfd_open, static_cast<pid_t>(id_.pid), 0));
    if (handle_ && send_signal(handle_, id_.pid, 0) != 0 && errno == ENOSYS) { // forbidden by a filter
        handle_ = Handle();
        errno = ENOSYS;
    }
    if (!handle_ && (errno == ENOSYS || errno == EPERM)) { // before Linux 5.3, or forbidden by a filter
        const ProcessInfo info = Os::inspect(id_.pid);
        id_.start_time = info.holder.start_time;
        error_ = info.error;
    } else if (!handle_ && errno != ESRCH) {
        error_ = system_error(errno);
    }
}

inline bool has_exited(std::uint32_t pid, std::uint64_t start_time) {
    const ProcessInfo info = Os::inspect(pid);
    return info.is_dead || (info.holder.start_time != 0 && info.holder.start_time != start_time);
}

inline int send_signal(const Handle& handle, std::uint32_t pid, int number) noexcept {
    return handle ? static_cast<int>(::syscall(call_pidfd_send_signal, handle.descriptor(), number, nullptr, 0))
                  : ::kill(static_cast<pid_t>(pid), number);
}

inline bool wait_for_input(const Handle& terminal, Clock::time_point deadline) noexcept {
    pollfd input{terminal.descriptor(), POLLIN, 0};
    return poll_until(&input, 1, deadline) > 0;
}

// The numbers of network file systems (man 2 statfs).
inline bool is_on_network(const char* path) noexcept {
    struct ::statfs facts {};
    const std::string_view name = path;
    const std::string directory(name.substr(0, name.find_last_of('/') + 1));
    if (::statfs(directory.empty() ? "." : directory.c_str(), &facts) != 0) { return true; }
    // NFS, CIFS, SMB2, SMB, NCP, Coda, AFS, kAFS, Ceph, Lustre, GPFS, GFS2, OCFS2.
    constexpr std::uint32_t types[] = {0x6969,     0xff534d42, 0xfe534d42, 0x517b,     0x564c,
                                       0x73757245, 0x5346414f, 0x6b414653, 0x00c36400, 0x0bd00bd0,
                                       0x47504653, 0x01161970, 0x7461636f};
    return any_of(types, [&](std::uint32_t type) { return type == static_cast<std::uint32_t>(facts.f_type); });
}

// Not by link() first: another user's socket may not be linked (fs.protected_hardlinks, man 5 proc_sys_fs).
inline bool move_back(const char* from, const char* to) noexcept {
#    if defined(SYS_renameat2)                // since Linux 3.15
    constexpr unsigned without_replacing = 1; // RENAME_NOREPLACE
    if (::syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, without_replacing) == 0) { return true; }
#    endif
    return ::link(from, to) == 0 && ::unlink(from) == 0;
}

#endif // Linux

// 16  macOS ///////////////////////////////////////////////////////////////////////////////////////////////////////////

#if defined(__APPLE__)

// in_pcbbind in bsd/netinet/in_pcb.c: with SO_REUSEADDR only a socket on the very address conflicts.
inline constexpr Os::Traits Os::traits{"sudo lsof -nP -i :PORT", true, true};

// Microseconds since 1970, the clock of pbi_start_tvsec and pbi_start_tvusec.
inline std::uint64_t Os::now() noexcept {
    const auto time = std::chrono::system_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(time).count());
}
inline bool Os::started_after(const Holder& holder, std::uint64_t moment) noexcept {
    return holder.start_time > moment;
}
// Lists what `call(buffer, bytes)` fills with whole entries; it cuts a list that does not fit without an error. False
// with errno if there is none: the functions of libproc return 0 then (libsyscall/wrappers/libproc/libproc.c).
template <class T, class Call> bool list_all(std::vector<T>& entries, Call call) {
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

// Reads a socket as the kernel describes it. False if it is of another transport or has no local port.
inline bool read_socket(const socket_info& info, Transport transport, Socket& row) {
    const bool is_tcp = transport == Transport::tcp;
    if (info.soi_protocol != (is_tcp ? IPPROTO_TCP : IPPROTO_UDP) ||
        info.soi_kind != (is_tcp ? SOCKINFO_TCP : SOCKINFO_IN)) {
        return false;
    }
    const in_sockinfo& in = is_tcp ? info.soi_proto.pri_tcp.tcpsi_ini : info.soi_proto.pri_in;
    const bool v6 = (in.insi_vflag & INI_IPV6) != 0;
    Address address = v4_any;
    if (v6) {
        std::memcpy(address.bytes, &in.insi_laddr.ina_6, sizeof address.bytes);
    } else {
        std::memcpy(address.bytes + 12, &in.insi_laddr.ina_46.i46a_addr4, 4);
    }
    const bool has_peer = in.insi_fport != 0;
    const int state = is_tcp ? info.soi_proto.pri_tcp.tcpsi_state : TSI_S_CLOSED;
    row.local = make_endpoint(v6, address, ntohs(static_cast<std::uint16_t>(in.insi_lport)), transport, 0,
                              (in.insi_vflag & INI_IPV4) == 0);
    row.state = state == TSI_S_LISTEN                ? State::listening
                : state == TSI_S_CLOSED && !has_peer ? State::bound
                                                     : State::connected;
    row.inode = info.soi_so;
    return row.local.port() != 0;
}

// Returns the path that a Unix domain socket was bound to: the text, not the file.
inline std::string_view bound_path(const socket_info& info) noexcept {
    const sockaddr_un& address = info.soi_proto.pri_un.unsi_addr.ua_sun;
    const std::string_view path(address.sun_path, sizeof address.sun_path);
    return info.soi_kind == SOCKINFO_UN ? path.substr(0, path.find('\0')) : std::string_view();
}

// Reads one socket of a process. A path may lead to another socket than the one that had its name. So a socket with
// that base name is a row without an owner.
inline bool read_row(const socket_info& info, std::uint32_t pid, const Endpoint& wanted, Socket& row) {
    if (!is_path(wanted)) {
        row.pid = pid;
        return read_socket(info, wanted.transport(), row) && row.local.port() == wanted.port();
    }
    row.local = wanted;
    return base_name(bound_path(info)) == base_name(parts_of(wanted).path);
}

// Appends the sockets of a process, those parked in a Mach port too. False if it may not be inspected.
inline bool list_sockets_of(std::uint32_t pid, const Endpoint& wanted, std::vector<Socket>& rows) {
    const int process = static_cast<int>(pid);
    const auto add = [&](const socket_fdinfo& info, int size) {
        Socket row;
        if (size == static_cast<int>(sizeof info) && read_row(info.psi, pid, wanted, row)) {
            rows.push_back(std::move(row));
        }
    };
    std::vector<proc_fdinfo> files;
    if (!list_all(files,
                  [&](void* buffer, int size) { return ::proc_pidinfo(process, PROC_PIDLISTFDS, 0, buffer, size); })) {
        return errno == ESRCH;
    }
    socket_fdinfo info{};
    for (const proc_fdinfo& file : files) {
        if (file.proc_fdtype != PROX_FDTYPE_SOCKET) { continue; }
        add(info, ::proc_pidfdinfo(process, file.proc_fd, PROC_PIDFDSOCKETINFO, &info, sizeof info));
    }
    std::vector<proc_fileportinfo> ports;
    list_all(ports,
             [&](void* buffer, int size) { return ::proc_pidinfo(process, PROC_PIDLISTFILEPORTS, 0, buffer, size); });
    for (const proc_fileportinfo& port : ports) {
        if (port.proc_fdtype != PROX_FDTYPE_SOCKET) { continue; }
        add(info, ::proc_pidfileportinfo(process, port.proc_fileport, PROC_PIDFILEPORTSOCKETINFO, &info, sizeof info));
    }
    return true;
}

inline std::vector<std::uint32_t> Os::list_processes(std::error_code& error) {
    std::vector<int> pids;
    if (!list_all(pids, [](void* buffer, int size) { return ::proc_listpids(PROC_ALL_PIDS, 0, buffer, size); })) {
        error = system_error(errno);
    }
    remove_if(pids, [](int pid) { return pid <= 0; });
    return std::vector<std::uint32_t>(pids.begin(), pids.end());
}

// Without root the sockets of other users are hidden: what is hidden is no holder.
inline std::vector<Socket> Os::list_sockets(const Endpoint& endpoint, Which, std::error_code& error) {
    std::vector<Socket> rows;
    error.clear();
    for (const std::uint32_t pid : list_processes(error)) {
        if (!list_sockets_of(pid, endpoint, rows) && is_out_of_resources(errno)) { error = system_error(errno); }
    }
    return error ? std::vector<Socket>() : rows;
}

// Inspects the one process once more; otherwise the rows have their owners.
inline std::error_code Os::attach_owners(std::vector<Socket>& rows, std::uint32_t only_pid) {
    std::vector<Socket> own;
    if (only_pid == 0 || rows.empty()) { return {}; }
    if (!list_sockets_of(only_pid, rows.front().local, own)) { return system_error(errno); }
    remove_if(rows, [&](const Socket& row) { return row.pid != only_pid || !contains(own, row); });
    return {};
}

inline std::string Os::arguments(std::uint32_t pid, std::error_code& error) {
    int name[] = {CTL_KERN, KERN_PROCARGS2, static_cast<int>(pid)};
    std::string text(std::size_t{1} << 20, '\0'); // ARG_MAX
    std::size_t size = text.size();
    std::int32_t count = 0;
    if (::sysctl(name, 3, text.data(), &size, nullptr, 0) != 0 || size < sizeof count) {
        error = system_error(errno);
        return "";
    }
    std::memcpy(&count, text.data(), sizeof count);
    text.resize(size);
    // The number of arguments, the program's path, zeros, and the arguments, each with a zero behind it.
    const std::size_t begin = (std::min)(size, text.find_first_not_of('\0', text.find('\0', sizeof count)));
    std::size_t end = begin;
    for (; count > 0 && end < size; --count) { end = (std::min)(size, text.find('\0', end) + 1); }
    return text.substr(begin, end - begin);
}

inline ProcessInfo Os::inspect(std::uint32_t pid) {
    ProcessInfo info;
    proc_bsdinfo full{};
    proc_bsdshortinfo brief{}; // of every user's process, without its start time
    errno = 0;
    if (process_info(pid, PROC_PIDTBSDINFO, full)) {
        info.holder.start_time = full.pbi_start_tvsec * 1000000 + full.pbi_start_tvusec;
        info.holder.name = full.pbi_name[0] != '\0' ? full.pbi_name : full.pbi_comm;
        info.is_exiting = (full.pbi_flags & PROC_FLAG_INEXIT) != 0;
        info.has_terminal = full.e_tdev != UINT32_MAX; // NODEV
    } else {
        info.is_dead = errno == ESRCH;
        if (!info.is_dead) { info.error = system_error(errno); }
    }
    if (info.is_dead || !process_info(pid, PROC_PIDT_SHORTBSDINFO, brief)) { return info; }
    constexpr std::uint32_t stopped = 4; // SSTOP, sys/proc.h
    info.holder.pid = pid;
    if (info.holder.name.empty()) { info.holder.name = brief.pbsi_comm; }
    info.parent = brief.pbsi_ppid;
    info.is_stopped = brief.pbsi_status == stopped;
    const std::uint32_t users[] = {brief.pbsi_ruid, brief.pbsi_uid, brief.pbsi_svuid};
    for (std::size_t i = 0; i < std::size(users); ++i) { info.users[i] = std::to_string(users[i]); }
    info.holder.user = info.users[1];
    info.session = static_cast<std::uint32_t>((std::max)(0, ::getsid(static_cast<pid_t>(pid))));
    std::string path(PROC_PIDPATHINFO_MAXSIZE, '\0');
    const int size = ::proc_pidpath(static_cast<int>(pid), path.data(), static_cast<std::uint32_t>(path.size()));
    info.holder.executable = path.substr(0, static_cast<std::size_t>(size > 0 ? size : 0));
    if (size <= 0 && !info.error && !is_no_process(errno)) { info.error = system_error(errno); }
    std::error_code error; // the arguments serve the report only
    std::string& line = info.holder.command_line;
    line = arguments(pid, error).substr(0, max_command_line);
    while (!line.empty() && line.back() == '\0') { line.pop_back(); }
    for (char& c : line) { c = c == '\0' ? ' ' : c; }
    return info;
}

inline std::uint32_t Os::parent(std::uint32_t pid, std::error_code& error) {
    proc_bsdshortinfo info{};
    errno = 0;
    const bool is_known = process_info(pid, PROC_PIDT_SHORTBSDINFO, info);
    if (!is_known && errno != ESRCH) { error = system_error(errno); }
    return is_known ? info.pbsi_ppid : 0;
}

// A process under a debugger is the debugger's child here: it is found among the ancestors.
inline std::uint32_t Os::debugger(std::error_code&) { return 0; }

inline bool Os::is_privileged() { return ::geteuid() == 0; }

inline PortRange Os::ephemeral_ports() {
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

// Opens a kqueue that reports the exit of exactly this process. The event stays in it, so that poll() always sees it.
inline void Os::Process::pin() {
    handle_ = Handle(::kqueue());
    struct kevent exit {};
    EV_SET(&exit, id_.pid, EVFILT_PROC, EV_ADD | EV_ONESHOT, NOTE_EXIT, 0, nullptr);
    if (!handle_ || ::kevent(handle_.descriptor(), &exit, 1, nullptr, 0, nullptr) != 0) {
        if (errno != ESRCH) { error_ = system_error(errno); } // of a zombie too: its sockets are closed
        handle_ = Handle();
    }
}

inline bool has_exited(std::uint32_t, std::uint64_t) { return true; } // without a handle it had exited at once

// By select(): poll() refuses terminals here (filt_specattach in bsd/miscfs/specfs/spec_vnops.c).
inline bool wait_for_input(const Handle& terminal, Clock::time_point deadline) noexcept {
    for (;;) {
        const auto left = left_until(deadline).count();
        timeval time{static_cast<time_t>(left / 1000), static_cast<suseconds_t>(left % 1000 * 1000)};
        fd_set input;
        FD_ZERO(&input);
        if (terminal.descriptor() >= FD_SETSIZE) { return false; }
        FD_SET(terminal.descriptor(), &input);
        const int ready = ::select(terminal.descriptor() + 1, &input, nullptr, nullptr, &time);
        if (ready >= 0 || errno != EINTR) { return ready > 0; }
    }
}

inline int send_signal(const Handle&, std::uint32_t pid, int number) noexcept {
    return ::kill(static_cast<pid_t>(pid), number);
}

inline bool is_on_network(const char* path) noexcept {
    struct ::statfs facts {};
    const std::string_view name = path;
    const std::string directory(name.substr(0, name.find_last_of('/') + 1));
    return ::statfs(directory.empty() ? "." : directory.c_str(), &facts) != 0 || (facts.f_flags & MNT_LOCAL) == 0;
}

inline bool move_back(const char* from, const char* to) noexcept {
    return ::link(from, to) == 0 && ::unlink(from) == 0;
}

#endif // macOS

// 17  other POSIX systems: find by lsof and report ////////////////////////////////////////////////////////////////////

#if ADDR_IN_USE_OS_POSIX() && !defined(__linux__) && !defined(__APPLE__)

inline constexpr Os::Traits Os::traits{"sudo lsof -nP -i :PORT", true, false};

inline std::vector<Socket> Os::list_sockets(const Endpoint& endpoint, Which, std::error_code& error) {
    return list_by_lsof(endpoint, Milliseconds(5000), error);
}
inline std::error_code Os::attach_owners(std::vector<Socket>&, std::uint32_t) { return {}; }
inline PortRange Os::ephemeral_ports() { return {}; }

// lsof tells no start time, so a process cannot be identified after its pid is reused.
inline ProcessInfo Os::inspect(std::uint32_t pid) {
    ProcessInfo info;
    info.holder.pid = pid;
    info.error = std::make_error_code(std::errc::function_not_supported);
    return info;
}
inline std::uint32_t Os::parent(std::uint32_t, std::error_code&) { return 0; }
inline std::string Os::arguments(std::uint32_t, std::error_code& error) {
    error = std::make_error_code(std::errc::function_not_supported);
    return "";
}
inline std::vector<std::uint32_t> Os::list_processes(std::error_code&) { return {}; }
inline std::uint32_t Os::debugger(std::error_code&) { return 0; }
inline bool Os::is_privileged() { return ::geteuid() == 0; }
inline std::uint64_t Os::now() noexcept { return 0; }
inline bool Os::started_after(const Holder&, std::uint64_t) noexcept { return false; }

inline void Os::Process::pin() { error_ = std::make_error_code(std::errc::function_not_supported); }
inline bool has_exited(std::uint32_t, std::uint64_t) { return false; }
inline int send_signal(const Handle&, std::uint32_t, int) noexcept { return -1; }
inline bool wait_for_input(const Handle& terminal, Clock::time_point deadline) noexcept {
    pollfd input{terminal.descriptor(), POLLIN, 0};
    return poll_until(&input, 1, deadline) > 0;
}
inline bool is_on_network(const char*) noexcept { return true; }
inline bool move_back(const char*, const char*) noexcept { return false; }

#endif // other POSIX systems

// 18  Windows /////////////////////////////////////////////////////////////////////////////////////////////////////////

// A table of GetExtendedTcpTable or GetExtendedUdpTable with owner modules (MIB_TCPROW_OWNER_MODULE and its kin): a
// count, then rows. Addresses and ports are in network order, a port in the low half of its field; a scope may be in
// either order. A dual-stack socket has a row in each family, so the row of a "::" stands for IPv6 alone.
inline void read_ip_table(const unsigned char* bytes, std::size_t size, const Endpoint& wanted, bool v6,
                          std::vector<Socket>& rows) {
    struct Layout { // the offsets within a row
        std::size_t size, address, scope, port, state, pid, created;
    };
    const bool is_tcp = wanted.transport() == Transport::tcp;
    const Layout at = is_tcp ? (v6 ? Layout{192, 0, 16, 20, 48, 52, 56} : Layout{160, 4, 0, 8, 0, 20, 24})
                             : (v6 ? Layout{176, 0, 16, 20, 0, 24, 32} : Layout{160, 0, 0, 4, 0, 8, 16});
    constexpr std::size_t count_size = 8;
    constexpr std::uint32_t closed = 1; // MIB_TCP_STATE_CLOSED: bound, where it has an owner
    constexpr std::uint32_t listening = 2;
    if (size < count_size) { return; }
    std::size_t count = (std::min<std::size_t>)(read_bytes<std::uint32_t>(bytes), (size - count_size) / at.size);
    for (const unsigned char* from = bytes + count_size; count > 0; --count, from += at.size) {
        if (from[at.port] * 256U + from[at.port + 1] != wanted.port()) { continue; }
        Address address = v4_any;
        std::memcpy(address.bytes + (v6 ? 0 : 12), from + at.address, v6 ? 16 : 4);
        const auto state = read_bytes<std::uint32_t>(from + at.state);
        const auto scope = v6 && is_link_local(address) ? read_bytes<std::uint32_t>(from + at.scope) : 0;
        const std::uint32_t swapped = scope << 24 | (scope & 0xff00) << 8 | (scope >> 8 & 0xff00) | scope >> 24;
        Socket row;
        row.local = make_endpoint(v6, address, wanted.port(), wanted.transport(), (std::min)(scope, swapped), true);
        row.pid = read_bytes<std::uint32_t>(from + at.pid);
        row.created = read_bytes<std::uint64_t>(from + at.created);
        row.state = !is_tcp              ? State::bound
                    : state == listening ? State::listening
                    : row.pid == 0       ? State::lingering
                    : state == closed    ? State::bound
                                         : State::connected;
        rows.push_back(std::move(row));
    }
}

} // namespace detail

} // namespace ADDR_IN_USE_NAMESPACE
} // namespace addr_in_use

#if defined(_WIN32)

// As in the SDK (windows.h), which brings 29,000 macros and 100,000 lines. It may be included too, before or after;
// only NO_STRICT, which gives HMODULE another type, is not supported.
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
void* __stdcall CreateToolhelp32Snapshot(unsigned long, unsigned long); // without dllimport in the SDK too
int __stdcall Process32FirstW(void*, tagPROCESSENTRY32W*);
int __stdcall Process32NextW(void*, tagPROCESSENTRY32W*);
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
namespace detail {

// WSAEADDRINUSE; libuv's UV_EADDRINUSE, which is not the negated number here; WSAEACCES: taken with
// SO_EXCLUSIVEADDRUSE, or reserved ("Using SO_REUSEADDR and SO_EXCLUSIVEADDRUSE").
inline constexpr Os::Traits Os::traits{"netstat -ano | findstr :PORT",
                                       true,
                                       true,
                                       false,
                                       false,
                                       false,
                                       10048,
                                       -4091,
                                       10013,
                                       "netsh int ipv4 show excludedportrange tcp, and netsh http show servicestate"};

// A handle that is null or -1 is none.
inline Handle own(void* handle) noexcept {
    return Handle(handle == nullptr ? -1 : reinterpret_cast<std::intptr_t>(handle));
}
inline void* raw(const Handle& handle) noexcept { return reinterpret_cast<void*>(handle.value()); }

inline int Os::last_error() noexcept { return static_cast<int>(::GetLastError()); }
inline void Os::set_last_error(int value) noexcept { ::SetLastError(static_cast<unsigned long>(value)); }
inline std::error_code last_system_error() noexcept { return system_error(Os::last_error()); }
inline std::error_code not_supported() noexcept { return std::make_error_code(std::errc::function_not_supported); }

inline Handle::~Handle() {
    if (value_ != -1) {
        const KeepLastError keep;
        ::CloseHandle(reinterpret_cast<void*>(value_));
    }
}

inline std::uint32_t Os::current_pid() noexcept { return static_cast<std::uint32_t>(::GetCurrentProcessId()); }
inline bool Os::is_privileged() { return false; } // asked only where a socket shows its user
inline bool Os::allow_cancellation(bool) noexcept { return false; }
inline void Os::pause(Milliseconds time) noexcept { ::Sleep(static_cast<unsigned long>(time.count())); }

// Steps of 100 ns since 1601, the clock of GetProcessTimes.
inline std::uint64_t Os::now() noexcept {
    using Steps = std::chrono::duration<std::int64_t, std::ratio<1, 10000000>>;
    const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(std::chrono::duration_cast<Steps>(since_1970).count()) + 116444736000000000U;
}
// A creation time is that of the last clock interrupt, up to 15.6 ms before.
inline bool Os::started_after(const Holder& holder, std::uint64_t moment) noexcept {
    return holder.start_time + 156250 > moment;
}

// Returns a function of one of the system's own libraries by name. Nothing is linked, and no library of that name in
// another folder is taken.
template <class Result, class... Arguments>
auto load(const char* library, const char* name) noexcept -> Result(__stdcall*)(Arguments...) {
    constexpr unsigned long search_system32 = 0x800; // LOAD_LIBRARY_SEARCH_SYSTEM32
    HINSTANCE__* const module = ::LoadLibraryExA(library, nullptr, search_system32);
    using Function = Result(__stdcall*)(Arguments...);
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

inline std::vector<ProcessEntry> all_processes(std::error_code& error) {
    constexpr unsigned long of_processes = 2; // TH32CS_SNAPPROCESS
    std::vector<ProcessEntry> entries;
    const Handle snapshot = own(::CreateToolhelp32Snapshot(of_processes, 0));
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
    return own(::OpenProcess(query | more_rights, 0, pid));
}

inline std::uint64_t start_time(const Handle& process) noexcept {
    std::uint64_t times[4] = {}; // of its creation, its exit, in the kernel and outside
    const auto time = [&](int i) { return reinterpret_cast<_FILETIME*>(&times[i]); };
    return process && ::GetProcessTimes(raw(process), time(0), time(1), time(2), time(3)) != 0 ? times[0] : 0;
}

// The parent may have exited, and its pid may belong to a younger process.
inline std::uint32_t living_parent(const ProcessEntry& entry) noexcept {
    const std::uint64_t older = start_time(open_process(entry.parent));
    return older != 0 && older <= start_time(open_process(entry.pid)) ? entry.parent : 0;
}

inline std::string executable(const Handle& process) {
    std::wstring path(32768, L'\0');
    auto size = static_cast<unsigned long>(path.size());
    return process && ::QueryFullProcessImageNameW(raw(process), 0, path.data(), &size) != 0 ? utf8(path.data(), size)
                                                                                             : "";
}

// Since Windows 8.1; empty before.
inline std::string command_line(const Handle& process) {
    struct Text { // UNICODE_STRING, with its characters behind it
        unsigned short size;
        unsigned short room;
        const wchar_t* characters;
    };
    const auto query =
        load<long, void*, int, void*, unsigned long, unsigned long*>("ntdll.dll", "NtQueryInformationProcess");
    constexpr int of_command_line = 60;           // ProcessCommandLineInformation
    std::vector<unsigned char> buffer(66 * 1024); // the size is 16 bits
    if (!process || query == nullptr ||
        query(raw(process), of_command_line, buffer.data(), static_cast<unsigned long>(buffer.size()), nullptr) < 0) {
        return "";
    }
    const auto text = read_bytes<Text>(buffer.data());
    return utf8(text.characters, text.size / sizeof(wchar_t));
}

// Returns the user's security identifier, "S-1-5-21-...", as its parts are laid out (SID, winnt.h).
inline std::string user_of(const Handle& process) {
    const auto open_token = load<int, void*, unsigned long, void**>("advapi32.dll", "OpenProcessToken");
    const auto token_facts =
        load<int, void*, int, void*, unsigned long, unsigned long*>("advapi32.dll", "GetTokenInformation");
    constexpr unsigned long query = 8; // TOKEN_QUERY
    constexpr int of_user = 1;         // TokenUser
    void* handle = nullptr;
    alignas(8) unsigned char facts[256];
    unsigned long size = 0;
    if (!process || open_token == nullptr || token_facts == nullptr || open_token(raw(process), query, &handle) == 0) {
        return "";
    }
    const Handle token = own(handle);
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

inline bool is_critical(std::uint32_t pid, const Handle& process) noexcept {
    const auto ask = load<int, void*, int*>("kernel32.dll", "IsProcessCritical"); // since Windows 8.1
    int critical = 0;
    return pid <= 4 || (process && ask != nullptr && ask(raw(process), &critical) != 0 && critical != 0);
}

inline ProcessInfo Os::inspect(std::uint32_t pid) {
    ProcessInfo info;
    const std::vector<ProcessEntry> entries = all_processes(info.error);
    const auto find = [&](std::uint32_t wanted) {
        return std::find_if(entries.begin(), entries.end(), [&](const ProcessEntry& e) { return e.pid == wanted; });
    };
    const auto entry = find(pid);
    info.is_critical = pid <= 4;
    info.is_dead = !info.error && entry == entries.end();
    if (entry == entries.end()) { return info; }
    const Handle process = open_process(pid);
    if (!process) { info.error = last_system_error(); }
    info.holder.pid = pid;
    info.holder.start_time = start_time(process);
    info.holder.name = name_of(*entry);
    info.holder.executable = executable(process);
    info.holder.command_line = command_line(process).substr(0, max_command_line);
    info.holder.user = user_of(process);
    for (std::string& user : info.users) { user = info.holder.user; }
    info.parent = living_parent(*entry);
    // Without elevation services.exe cannot be opened: its name tells, and it lives as long as the system.
    if (const auto parent = find(static_cast<std::uint32_t>(entry->parent));
        parent != entries.end() && same_letters(name_of(*parent), "services.exe")) {
        info.service = "services.exe/" + info.holder.executable;
    }
    info.has_terminal = true;
    info.is_critical = is_critical(pid, process);
    return info;
}

inline std::uint32_t Os::parent(std::uint32_t pid, std::error_code& error) {
    for (const ProcessEntry& entry : all_processes(error)) {
        if (entry.pid == pid) { return living_parent(entry); }
    }
    return 0;
}

inline std::string Os::arguments(std::uint32_t pid, std::error_code&) { return command_line(open_process(pid)); }

// A dead parent's children too.
inline std::vector<std::uint32_t> Os::children(std::uint32_t pid, std::error_code& error) {
    std::vector<std::uint32_t> found;
    for (const ProcessEntry& entry : all_processes(error)) {
        if (entry.parent == pid && entry.pid != pid) { found.push_back(static_cast<std::uint32_t>(entry.pid)); }
    }
    return found;
}

inline std::vector<std::uint32_t> Os::list_processes(std::error_code& error) {
    std::vector<std::uint32_t> found;
    for (const ProcessEntry& entry : all_processes(error)) { found.push_back(static_cast<std::uint32_t>(entry.pid)); }
    return found;
}

inline std::uint32_t Os::debugger(std::error_code&) { return 0; } // no function tells; usually an ancestor
inline PortRange Os::ephemeral_ports() { return {}; }             // no function tells those of UDP

inline std::error_code read_table(const Endpoint& wanted, bool v6, bool only_listening, std::vector<Socket>& rows) {
    const bool is_tcp = wanted.transport() == Transport::tcp;
    const auto function = load<unsigned long, void*, unsigned long*, int, unsigned long, int, unsigned long>(
        "iphlpapi.dll", is_tcp ? "GetExtendedTcpTable" : "GetExtendedUdpTable");
    if (function == nullptr) { return last_system_error(); }
    constexpr unsigned long too_small = 122;     // ERROR_INSUFFICIENT_BUFFER
    constexpr unsigned long no_such_family = 50; // ERROR_NOT_SUPPORTED
    constexpr int tcp_listeners = 6;             // TCP_TABLE_OWNER_MODULE_LISTENER
    constexpr int tcp_all = 8;                   // TCP_TABLE_OWNER_MODULE_ALL
    constexpr int udp_all = 2;                   // UDP_TABLE_OWNER_MODULE
    std::vector<unsigned char> table;
    unsigned long size = 4096;
    unsigned long error = too_small;
    for (int tries = 0; tries < 10 && error == too_small; ++tries, size += size / 4) { // it grows meanwhile
        table.resize(size);
        error = function(table.data(), &size, 0, v6 ? 23 : 2,
                         !is_tcp          ? udp_all
                         : only_listening ? tcp_listeners
                                          : tcp_all,
                         0);
    }
    if (error == 0) { read_ip_table(table.data(), table.size(), wanted, v6, rows); }
    return error == 0 || (v6 && error == no_such_family) ? std::error_code() : system_error(static_cast<int>(error));
}

inline std::vector<Socket> Os::list_sockets(const Endpoint& endpoint, Which which, std::error_code& error) {
    std::vector<Socket> rows;
    error.clear();
    if (is_path(endpoint)) { error = not_supported(); } // no table has Unix domain sockets
    for (const bool v6 : {false, true}) {
        if (!error) { error = read_table(endpoint, v6, which == Which::listening, rows); }
    }
    return error ? std::vector<Socket>() : rows;
}

inline std::error_code Os::attach_owners(std::vector<Socket>&, std::uint32_t) { return {}; }

inline std::vector<Socket> Os::list_by_lsof(const Endpoint&, Milliseconds, std::error_code& error) {
    error = not_supported();
    return {};
}

struct SocketAddress { // sockaddr_in (16 bytes) or sockaddr_in6 (28)
    std::uint16_t family;
    unsigned char port[2];
    unsigned char v4_or_flow[4];
    unsigned char v6[16];
    std::uint32_t scope;
};
static_assert(sizeof(SocketAddress) == 28);

inline std::error_code Os::test_bind(const Endpoint& endpoint) {
    const auto start_up = load<int, unsigned short, void*>("ws2_32.dll", "WSAStartup");
    const auto clean_up = load<int>("ws2_32.dll", "WSACleanup");
    const auto last = load<int>("ws2_32.dll", "WSAGetLastError");
    const auto open = load<std::uintptr_t, int, int, int>("ws2_32.dll", "socket");
    const auto set_option = load<int, std::uintptr_t, int, int, const char*, int>("ws2_32.dll", "setsockopt");
    const auto bind = load<int, std::uintptr_t, const void*, int>("ws2_32.dll", "bind");
    const auto close = load<int, std::uintptr_t>("ws2_32.dll", "closesocket");
    alignas(8) unsigned char data[512]; // WSADATA
    if (start_up == nullptr || clean_up == nullptr || last == nullptr || open == nullptr || set_option == nullptr ||
        bind == nullptr || close == nullptr || start_up(0x202, data) != 0) {
        return not_supported();
    }
    const EndpointParts& parts = parts_of(endpoint);
    const bool v6 = parts.kind == HostKind::v6;
    const bool is_tcp = parts.transport == Transport::tcp;
    SocketAddress address{};
    address.family = v6 ? 23 : 2; // AF_INET6, AF_INET
    address.port[0] = static_cast<unsigned char>(parts.port >> 8);
    address.port[1] = static_cast<unsigned char>(parts.port & 255);
    std::memcpy(v6 ? address.v6 : address.v4_or_flow, parts.address.bytes + (v6 ? 0 : 12), v6 ? 16 : 4);
    address.scope = parts.scope;
    const std::uintptr_t socket = open(address.family, is_tcp ? 1 : 2, 0); // SOCK_STREAM, SOCK_DGRAM
    const int on = 1;
    const int v6_only = parts.v6_only ? 1 : 0;
    const auto set = [&](int level, int name, const int& value) {
        return set_option(socket, level, name, reinterpret_cast<const char*>(&value), sizeof value) == 0;
    };
    const bool good = socket != ~std::uintptr_t{0} && (!is_tcp || set(0xffff, -5, on)) && // SO_EXCLUSIVEADDRUSE
                      (!v6 || set(41, 27, v6_only)) &&                                    // IPV6_V6ONLY
                      bind(socket, &address, v6 ? 28 : 16) == 0;
    const int error = good ? 0 : last();
    if (socket != ~std::uintptr_t{0}) { close(socket); }
    clean_up();
    switch (error) { // the codes have no std::errc in every standard library
    case traits.in_use: return std::make_error_code(std::errc::address_in_use);
    case 10047: return std::make_error_code(std::errc::address_family_not_supported);
    case 10049: return std::make_error_code(std::errc::address_not_available);
    case traits.denied: return std::make_error_code(std::errc::permission_denied);
    default: return system_error(error);
    }
}

// An open process keeps its pid ("Process Handles and Identifiers"). So the second handle in signal() is of the same
// one.
inline Os::Process::Process(std::uint32_t pid) : id_{pid} {
    constexpr unsigned long synchronize = 0x100000;
    constexpr unsigned long no_such_process = 87; // ERROR_INVALID_PARAMETER, of OpenProcess for a free pid
    if (pid <= 4 || pid == current_pid()) {
        error_ = std::make_error_code(std::errc::operation_not_permitted);
        return;
    }
    handle_ = open_process(pid, synchronize);
    if (!handle_ && ::GetLastError() != no_such_process) { error_ = last_system_error(); }
}

inline bool Os::Process::exited() const { return !error_ && (!handle_ || ::WaitForSingleObject(raw(handle_), 0) == 0); }

inline std::error_code Os::Process::signal(Signal signal) const {
    constexpr unsigned long terminate = 1; // PROCESS_TERMINATE
    if (error_) { return error_; }
    const Handle process = exited() ? Handle() : open_process(id_.pid, terminate);
    if (process && (signal == Signal::probe || ::TerminateProcess(raw(process), 1) != 0)) { return {}; }
    const std::error_code error = last_system_error(); // ERROR_ACCESS_DENIED for an exiting process as well
    return exited() ? std::make_error_code(std::errc::no_such_process) : error;
}

inline void Os::Process::wait(const std::vector<Process>& processes, Milliseconds time) {
    void* handles[64]; // MAXIMUM_WAIT_OBJECTS
    unsigned long count = 0;
    for (const Process& process : processes) {
        if (process.error_ || process.exited()) { continue; }
        if (count < std::size(handles)) {
            handles[count++] = raw(process.handle_);
        } else {
            time = (std::min)(time, polling_interval);
        }
    }
    if (count == 0) {
        pause(time);
    } else {
        ::WaitForMultipleObjects(count, handles, 0, static_cast<unsigned long>(time.count()));
    }
}

// No table tells whose socket a file is: nothing is removed here.
inline FileInfo Os::inspect_file(const Endpoint&, std::error_code& error) {
    error = not_supported();
    return {};
}
inline std::error_code Os::connect_to(const Endpoint&) { return not_supported(); }
inline std::error_code Os::remove_file(const Endpoint&, const FileInfo&, std::string&) { return not_supported(); }

inline std::uint32_t Os::interface_index(std::string_view name) noexcept {
    std::uint32_t index = 0;
    return to_number(name, index) ? index : 0;
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

// Asks in the console of this process, if it has one.
inline bool Os::ask_on_terminal(const std::string& question, Milliseconds timeout) {
    const Clock::time_point deadline = deadline_after(timeout);
    constexpr unsigned long read_and_write = 0xC0000000;
    const auto open = [](const wchar_t* name) {
        return own(::CreateFileW(name, read_and_write, 3, nullptr, 3, 0, nullptr));
    };
    const Handle input = open(L"CONIN$");
    const Handle output = open(L"CONOUT$");
    unsigned long size = 0;
    if (!input || !output || ::FlushConsoleInputBuffer(raw(input)) == 0 ||
        ::WriteFile(raw(output), question.data(), static_cast<unsigned long>(question.size()), &size, nullptr) == 0) {
        return false;
    }
    constexpr unsigned short key_event = 1; // KEY_EVENT
    std::string answer;
    for (;;) {
        const Milliseconds left = left_until(deadline);
        ConsoleEvent event{};
        if (left == Milliseconds(0) ||
            ::WaitForSingleObject(raw(input), static_cast<unsigned long>(left.count())) != 0 ||
            ::ReadConsoleInputW(raw(input), reinterpret_cast<_INPUT_RECORD*>(&event), 1, &size) == 0) {
            return false;
        }
        if (event.type != key_event || event.pressed == 0 || event.character == 0) { continue; }
        const char c = event.character < 128 ? static_cast<char>(event.character) : '?';
        ::WriteFile(raw(output), c == '\r' ? "\r\n" : &c, c == '\r' ? 2 : 1, &size, nullptr);
        if (c == '\r') { return means_yes(answer); }
        answer += c;
    }
}

inline void Os::write_line(std::string_view line) {
    std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data());
}

} // namespace detail
} // namespace ADDR_IN_USE_NAMESPACE
} // namespace addr_in_use
#endif // Windows

#undef ADDR_IN_USE_CATCH_ALL
#undef ADDR_IN_USE_HAS_EXCEPTIONS
#undef ADDR_IN_USE_NAMESPACE
#undef ADDR_IN_USE_OS_POSIX
#undef ADDR_IN_USE_RETHROW
#undef ADDR_IN_USE_TRY

#endif // RETRY_ON_ADDR_IN_USE_HPP_0_2_0
