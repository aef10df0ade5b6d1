// What the tests with real processes share.
#ifndef TESTS_SYSTEM_REAL_HPP
#define TESTS_SYSTEM_REAL_HPP

#include <retry_on_addr_in_use.hpp>

#include "../catch.hpp"
#include "../process.hpp"
#include "../server.hpp"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

using namespace addr_in_use;
using std::chrono::milliseconds;

// What one start on a real address came to.
struct Started {
    bool serves = false;
    int starts = 0;
    Recovery recovery;
    [[nodiscard]] Fate fate(std::size_t i = 0) const { return recovery.evictions.at(i).fate; }
    [[nodiscard]] const std::string& reason(std::size_t i = 0) const { return recovery.evictions.at(i).reason; }
    [[nodiscard]] std::uint32_t pid(std::size_t i = 0) const { return recovery.evictions.at(i).holder.pid; }
};

// Starts a server that counts its starts, with what tells whether it serves then.
template <class Server, class Killer, class Serves>
Started start_server(Server& server, const Endpoint& endpoint, Killer killer, Serves serves) {
    Started result;
    RetryOnAddrInUse retry{server, SystemProbe{}, killer, NoLog{}};
    try {
        retry.start(endpoint);
        result.serves = serves();
    } catch (const std::system_error& error) { REQUIRE(error.code() == std::errc::address_in_use); }
    result.starts = server.starts;
    result.recovery = retry.recovery();
    INFO(describe(result.recovery));
    return result;
}

// Binds `host`, and tells the library `endpoint`.
template <class Killer = TerminateThenKill>
Started start_at(const std::string& host, const Endpoint& endpoint, Killer killer = Killer(),
                 bool reuse_address = true) {
    TcpServer server(host, endpoint.transport() == Transport::tcp ? SOCK_STREAM : SOCK_DGRAM, reuse_address);
    return start_server(server, endpoint, killer, [&] { return server.running() && server.port() == endpoint.port(); });
}

template <class Killer = TerminateThenKill>
Started start_at(const std::string& host, std::uint16_t port, Killer killer = Killer()) {
    return start_at(host, Endpoint(host, port), killer);
}

// The rest of a test in a child process of its own, perhaps as another user; returns what it writes.
template <class Body> std::string in_child(uid_t user, Body body) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
        ::close(ends[0]);
        std::string text = "cannot become that user";
        if (::setresgid(user, user, user) == 0 && ::setresuid(user, user, user) == 0) { text = body(); }
        if (::write(ends[1], text.data(), text.size()) < 0) {}
        ::_exit(0);
    }
    ::close(ends[1]);
    std::string text;
    char c = 0;
    while (::read(ends[0], &c, 1) == 1) { text += c; }
    ::close(ends[0]);
    ::waitpid(child, nullptr, 0);
    return text;
}

// A directory of the test's own; it goes with the object, and all that is in it.
class Directory {
public:
    Directory() : path_((std::filesystem::temp_directory_path() / "addr-in-use-XXXXXX").string()) {
        REQUIRE(::mkdtemp(path_.data()) != nullptr);
    }
    Directory(const Directory&) = delete;
    ~Directory() {
        std::error_code error;
        std::filesystem::remove_all(path_, error);
    }
    [[nodiscard]] const std::string& path() const { return path_; }
    // Puts a copy of a program there as a linker does: a new file, that takes the place of the old one.
    [[nodiscard]] std::string install(const std::string& program, const std::string& name) const {
        const std::string target = path_ + '/' + name;
        std::filesystem::copy_file(program, target + ".new");
        std::filesystem::rename(target + ".new", target);
        return target;
    }

private:
    std::string path_;
};

// A control group of the test's own below the first hierarchy that can be written; empty if there is none.
class Group {
public:
    explicit Group(const std::string& path) {
        std::ifstream mounts("/proc/self/mounts");
        std::string device;
        std::string where;
        std::string kind;
        std::string rest;
        while (mounts >> device >> where >> kind && std::getline(mounts, rest)) {
            if (kind != "cgroup2" && !(kind == "cgroup" && rest.find("name=systemd") != std::string::npos)) {
                continue;
            }
            for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
                const std::string directory = where + path.substr(0, end);
                if (::mkdir(directory.c_str(), 0755) == 0) { made_.push_back(directory); }
                if (end == std::string::npos) { break; }
            }
            group_ = where + path;
            if (::access((group_ + "/cgroup.procs").c_str(), W_OK) == 0) { return; }
        }
        group_.clear();
    }
    Group(const Group&) = delete;
    ~Group() {
        for (auto directory = made_.rbegin(); directory != made_.rend(); ++directory) { ::rmdir(directory->c_str()); }
    }
    [[nodiscard]] bool take(std::uint32_t pid) const {
        std::ofstream file(group_ + "/cgroup.procs");
        file << pid << std::endl;
        return !group_.empty() && file.good();
    }

private:
    std::string group_;
    std::vector<std::string> made_;
};

inline bool private_mounts() {
    return unshare(CLONE_NEWNS) == 0 && mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

// What the body says in a new pid namespace, with a /proc of its own or with that of the namespace above.
template <class Body> std::string in_pid_namespace(Body body, bool own_proc = true) {
    return in_child(0, [&] {
        int ends[2];
        if (pipe(ends) != 0 || !private_mounts() || unshare(CLONE_NEWPID) != 0) { return std::string("unshare"); }
        const pid_t first = fork();
        if (first == 0) {
            if (own_proc && mount("proc", "/proc", "proc", 0, nullptr) != 0) { _exit(1); }
            const pid_t second = fork(); // the first process itself is protected by the kernel
            if (second == 0) {
                const std::string text = body();
                if (write(ends[1], text.data(), text.size()) < 0) { _exit(1); }
                _exit(0);
            }
            waitpid(second, nullptr, 0);
            _exit(0);
        }
        close(ends[1]);
        std::string text;
        char c = 0;
        while (read(ends[0], &c, 1) == 1) { text += c; }
        waitpid(first, nullptr, 0);
        return text;
    });
}

// One line about a start: served or failed, how many starts, the obstacle, the fate of each holder.
inline std::string tell(const Started& started) {
    std::string text = (started.serves ? "served " : "failed ") + std::to_string(started.starts) + ' ' +
                       to_string(started.recovery.obstacle);
    for (const Eviction& eviction : started.recovery.evictions) {
        text += ' ' + std::to_string(eviction.holder.pid) + '=' + to_string(eviction.fate);
    }
    return text + ": " + describe(started.recovery);
}

// Waits up to 10 s.
template <class Condition> bool becomes_true(Condition condition) {
    for (int i = 0; i < 10000; ++i) {
        if (condition()) { return true; }
        ::poll(nullptr, 0, 1);
    }
    return false;
}

// True too if it has exited.
inline bool is_exiting(const Helper& holder) {
    std::ifstream file("/proc/" + std::to_string(holder.pid()) + "/stat");
    std::string word;
    unsigned flags = 4;
    for (int field = 1; field < 9; ++field) { file >> word; } // the name of the holder is one word
    file >> flags;
    return (flags & 4U) != 0 || !file;
}

inline std::uint16_t unused_port() {
    TcpServer scout("127.0.0.1");
    scout.start(0);
    return scout.port();
}

// What a library does that shares its port with its own previous copy: true when it listens. The socket stays open only
// to `keep` it.
inline bool start_shared(std::uint16_t port, bool keep = false) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    sockaddr_in local{};
    local.sin_family = AF_INET;
    local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    local.sin_port = htons(port);
    const bool good = bind(fd, reinterpret_cast<sockaddr*>(&local), sizeof local) == 0 && listen(fd, 1) == 0;
    if (!keep) { close(fd); }
    return good;
}

inline bool kernel_is(int major, int minor) { // or newer
    utsname system{};
    int first = 0;
    int second = 0;
    uname(&system);
    return std::sscanf(system.release, "%d.%d", &first, &second) == 2 &&
           (first > major || (first == major && second >= minor));
}

// Before Linux 6.8 no dump has the TCP sockets that are bound and do not listen.
inline bool kernel_shows_bound_sockets() { return kernel_is(6, 8); }

// Whether the kernel has tcp_diag and unix_diag, or can load them: a dump without one is answered by ENOENT.
inline bool kernel_has_sock_diag() {
    struct {
        nlmsghdr head;
        inet_diag_req_v2 request;
    } internet{};
    struct {
        nlmsghdr head;
        unix_diag_req request;
    } local{};
    internet.head = {sizeof internet, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 0, 0};
    internet.request.sdiag_family = AF_INET;
    internet.request.sdiag_protocol = IPPROTO_TCP;
    local.head = {sizeof local, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 0, 0};
    local.request.sdiag_family = AF_UNIX;
    const auto answers = [](const auto& message) {
        const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
        struct {
            nlmsghdr head;
            nlmsgerr error;
        } reply{};
        const bool good = send(fd, &message, sizeof message, 0) == sizeof message &&
                          recv(fd, &reply, sizeof reply, 0) >= static_cast<ssize_t>(sizeof reply.head + sizeof(int)) &&
                          (reply.head.nlmsg_type == SOCK_DIAG_BY_FAMILY ||
                           (reply.head.nlmsg_type == NLMSG_DONE && reply.error.error == 0));
        close(fd);
        return good;
    };
    return answers(internet) && answers(local);
}

#define NEEDS_ROOT()                                                                                                   \
    if (::geteuid() != 0) { SKIP_HERE("needs root"); }
#define NEEDS_BOUND_SOCKETS()                                                                                          \
    if (!kernel_shows_bound_sockets()) { SKIP_HERE("needs Linux 6.8, which shows bound sockets"); }
#define NEEDS_SOCK_DIAG()                                                                                              \
    if (!kernel_has_sock_diag()) { SKIP_HERE("needs tcp_diag and unix_diag in the kernel"); }
#define NEEDS_IPV6()                                                                                                   \
    if (::access("/proc/net/if_inet6", F_OK) != 0) { SKIP_HERE("needs IPv6"); }

#endif
