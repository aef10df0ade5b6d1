// libproc, kqueue and sysctl of macOS, as far as the library uses them, over /proc and pidfd. True to the kernel in
// what matters: 0 with errno for an error, whole entries into a buffer that is too short, EPERM for other users, ESRCH
// for the dead and for zombies (bsd/kern/proc_info.c, bsd/kern/kern_event.c).

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/param.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <libproc.h>
#include <sys/event.h>
#include <sys/mount.h>
#include <sys/sysctl.h>

#include "standin.hpp"

Standin standin;

// The layouts are Apple's, the same on both of its processors.
static_assert(sizeof(socket_fdinfo) == 792 && sizeof(socket_info) == 768 && sizeof(tcp_sockinfo) == 120);
static_assert(sizeof(in_sockinfo) == 80 && sizeof(proc_bsdinfo) == 136 && sizeof(proc_bsdshortinfo) == 64);
static_assert(sizeof(proc_fdinfo) == 8 && sizeof(struct kevent) == 32);

namespace {

std::string directory(int pid) { return "/proc/" + std::to_string(pid); }

std::string contents(const std::string& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

std::vector<int> numbers_in(const std::string& path) {
    std::vector<int> numbers;
    if (DIR* const opened = opendir(path.c_str()); opened != nullptr) {
        while (const dirent* const entry = readdir(opened)) {
            if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9') { numbers.push_back(atoi(entry->d_name)); }
        }
        closedir(opened);
    }
    return numbers;
}

int fail(int error) {
    errno = error;
    return 0;
}

struct Facts {
    char state = '?';
    unsigned parent = 0;
    unsigned group = 0;
    unsigned terminal = 0;
    unsigned long long start = 0;
    unsigned users[3] = {};
    std::string name;
    explicit operator bool() const { return state != '?' && state != 'Z' && state != 'X'; }
};

Facts facts_of(int pid) {
    Facts facts;
    const std::string stat = contents(directory(pid) + "/stat");
    if (stat.empty()) { return facts; }
    facts.name = stat.substr(stat.find('(') + 1, stat.rfind(')') - stat.find('(') - 1);
    std::istringstream words(stat.substr(stat.rfind(')') + 1));
    std::string word;
    for (int field = 3; field <= 22 && words >> word; ++field) {
        if (field == 3) { facts.state = word[0]; }
        if (field == 4) { facts.parent = static_cast<unsigned>(std::stoul(word)); }
        if (field == 5) { facts.group = static_cast<unsigned>(std::stoul(word)); }
        if (field == 7) { facts.terminal = static_cast<unsigned>(std::stol(word)); }
        if (field == 22) { facts.start = std::stoull(word); }
    }
    const std::string status = contents(directory(pid) + "/status");
    std::istringstream uid(status.substr(std::min(status.size(), status.find("Uid:") + 4)));
    for (unsigned& user : facts.users) { uid >> user; }
    return facts;
}

bool forbidden(int pid, const Facts& facts) {
    return pid == standin.denies || (geteuid() != 0 && geteuid() != facts.users[1]);
}

template <class T> int give(const std::vector<T>& entries, void* buffer, int size) {
    if (buffer == nullptr) { return static_cast<int>((entries.size() + 20) * sizeof(T)); }
    const std::size_t count = std::min(entries.size(), static_cast<std::size_t>(size) / sizeof(T));
    std::copy_n(entries.data(), count, static_cast<T*>(buffer));
    errno = 0;
    return static_cast<int>(count * sizeof(T));
}

bool is_socket(int pid, int fd) {
    char link[64];
    const ssize_t size = readlink((directory(pid) + "/fd/" + std::to_string(fd)).c_str(), link, sizeof link);
    return size > 8 && std::string(link, 8) == "socket:[";
}

int describe(int pid, int fd, socket_fdinfo& info) {
    if (pid == standin.vanishes) { return fail(ESRCH); }
    const int process = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
    if (process < 0) { return fail(ESRCH); }
    const int copy = static_cast<int>(syscall(SYS_pidfd_getfd, process, fd, 0));
    close(process);
    if (copy < 0) { return fail(EBADF); }
    info = socket_fdinfo();
    struct stat file;
    fstat(copy, &file);
    sockaddr_in6 local{};
    socklen_t size = sizeof local;
    getsockname(copy, reinterpret_cast<sockaddr*>(&local), &size);
    sockaddr_in6 remote{};
    size = sizeof remote;
    if (getpeername(copy, reinterpret_cast<sockaddr*>(&remote), &size) != 0) { remote = sockaddr_in6(); }
    int protocol = 0;
    size = sizeof protocol;
    getsockopt(copy, SOL_SOCKET, SO_PROTOCOL, &protocol, &size);
    int v6_only = 0;
    size = sizeof v6_only;
    getsockopt(copy, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, &size);
    tcp_info tcp{};
    size = sizeof tcp;
    getsockopt(copy, IPPROTO_TCP, TCP_INFO, &tcp, &size);
    sockaddr_un path{};
    size = sizeof path;
    getsockname(copy, reinterpret_cast<sockaddr*>(&path), &size);
    close(copy);
    if (path.sun_family == AF_UNIX) {
        info.psi.soi_kind = SOCKINFO_UN;
        std::memcpy(info.psi.soi_proto.pri_un.unsi_addr.ua_sun.sun_path, path.sun_path, sizeof path.sun_path - 5);
        return static_cast<int>(sizeof info);
    }

    const bool v6 = local.sin6_family == AF_INET6;
    info.psi.soi_so = file.st_ino;
    info.psi.soi_protocol = protocol;
    info.psi.soi_family = v6 ? 30 : 2;
    info.psi.soi_kind = protocol == IPPROTO_TCP   ? SOCKINFO_TCP
                        : protocol == IPPROTO_UDP ? SOCKINFO_IN
                                                  : SOCKINFO_GENERIC;
    in_sockinfo& in = protocol == IPPROTO_TCP ? info.psi.soi_proto.pri_tcp.tcpsi_ini : info.psi.soi_proto.pri_in;
    in.insi_lport = local.sin6_port; // in network order, in both families at one place
    in.insi_fport = remote.sin6_port;
    const bool any = v6 && IN6_IS_ADDR_UNSPECIFIED(&local.sin6_addr);
    in.insi_vflag = static_cast<std::uint8_t>(!v6 ? INI_IPV4 : any && v6_only == 0 ? INI_IPV4 | INI_IPV6 : INI_IPV6);
    if (v6) {
        std::memcpy(&in.insi_laddr.ina_6, &local.sin6_addr, 16);
    } else {
        std::memcpy(&in.insi_laddr.ina_46.i46a_addr4, &reinterpret_cast<sockaddr_in*>(&local)->sin_addr, 4);
    }
    if (protocol == IPPROTO_TCP) {
        info.psi.soi_proto.pri_tcp.tcpsi_state = tcp.tcpi_state == TCP_LISTEN  ? TSI_S_LISTEN
                                                 : tcp.tcpi_state == TCP_CLOSE ? TSI_S_CLOSED
                                                                               : TSI_S_ESTABLISHED;
    }
    return static_cast<int>(sizeof info);
}

} // namespace

// With a name of C++: Linux has another function of that name.
int statfs(const char* path, struct statfs* facts) {
    struct stat file;
    if (stat(path, &file) != 0) { return -1; }
    facts->f_flags = path == standin.network_directory ? 0 : MNT_LOCAL;
    return 0;
}

extern "C" {

// In place of the C library's own. It refuses terminals (filt_specattach in bsd/miscfs/specfs/spec_vnops.c).
int poll(pollfd* files, nfds_t count, int timeout) {
    int refused = 0;
    for (nfds_t i = 0; i < count; ++i) {
        files[i].revents = isatty(files[i].fd) ? POLLNVAL : short{0};
        refused += files[i].revents == POLLNVAL ? 1 : 0;
    }
    const timespec time{timeout / 1000, timeout % 1000 * 1000000L};
    return refused > 0 ? refused : ppoll(files, count, timeout < 0 ? nullptr : &time, nullptr);
}

int proc_listpids(uint32_t, uint32_t, void* buffer, int size) {
    ++standin.lists_of_pids;
    return give(numbers_in("/proc"), buffer, size);
}

int proc_pidinfo(int pid, int flavor, uint64_t, void* buffer, int size) {
    const Facts facts = facts_of(pid);
    if (!facts) { return fail(ESRCH); }
    if (flavor != PROC_PIDT_SHORTBSDINFO && forbidden(pid, facts)) { return fail(EPERM); }
    if (flavor == PROC_PIDT_SHORTBSDINFO) {
        proc_bsdshortinfo info{};
        info.pbsi_pid = static_cast<uint32_t>(pid);
        info.pbsi_ppid = facts.parent;
        info.pbsi_pgid = facts.group;
        info.pbsi_status = facts.state == 'T' ? 4 : 2; // SSTOP, SRUN
        info.pbsi_ruid = facts.users[0];
        info.pbsi_uid = facts.users[1];
        info.pbsi_svuid = facts.users[2];
        std::memcpy(info.pbsi_comm, facts.name.c_str(), std::min<std::size_t>(facts.name.size() + 1, MAXCOMLEN - 1));
        return size < static_cast<int>(sizeof info) ? fail(ENOMEM) : (std::memcpy(buffer, &info, sizeof info), size);
    }
    if (flavor == PROC_PIDTBSDINFO) {
        static const unsigned long long boot = [] {
            timespec real{};
            timespec since_boot{};
            clock_gettime(CLOCK_REALTIME, &real);
            clock_gettime(CLOCK_BOOTTIME, &since_boot);
            return static_cast<unsigned long long>((real.tv_sec - since_boot.tv_sec) * 1000000 +
                                                   (real.tv_nsec - since_boot.tv_nsec) / 1000);
        }();
        const unsigned long long start =
            boot + facts.start * 1000000 / static_cast<unsigned long long>(sysconf(_SC_CLK_TCK));
        proc_bsdinfo info{};
        info.pbi_pid = static_cast<uint32_t>(pid);
        info.pbi_ppid = facts.parent;
        info.pbi_pgid = facts.group;
        info.pbi_ruid = facts.users[0];
        info.pbi_uid = facts.users[1];
        info.pbi_svuid = facts.users[2];
        info.e_tdev = facts.terminal == 0 ? UINT32_MAX : facts.terminal;
        info.pbi_start_tvsec = start / 1000000;
        info.pbi_start_tvusec = start % 1000000;
        std::memcpy(info.pbi_comm, facts.name.c_str(), std::min<std::size_t>(facts.name.size() + 1, MAXCOMLEN - 1));
        return size < static_cast<int>(sizeof info) ? fail(ENOMEM) : (std::memcpy(buffer, &info, sizeof info), size);
    }
    const bool parked = pid == standin.parks_in_fileports;
    std::vector<proc_fdinfo> files;
    std::vector<proc_fileportinfo> ports;
    for (const int fd : numbers_in(directory(pid) + "/fd")) {
        const uint32_t type = is_socket(pid, fd) ? PROX_FDTYPE_SOCKET : PROX_FDTYPE_VNODE;
        if (parked && type == PROX_FDTYPE_SOCKET) {
            ports.push_back({static_cast<uint32_t>(fd), type});
        } else {
            files.push_back({fd, type});
        }
    }
    return flavor == PROC_PIDLISTFDS         ? give(files, buffer, size)
           : flavor == PROC_PIDLISTFILEPORTS ? give(ports, buffer, size)
                                             : fail(EINVAL);
}

int proc_pidfdinfo(int pid, int fd, int flavor, void* buffer, int size) {
    const Facts facts = facts_of(pid);
    if (!facts) { return fail(ESRCH); }
    if (forbidden(pid, facts)) { return fail(EPERM); }
    if (flavor != PROC_PIDFDSOCKETINFO || size < static_cast<int>(sizeof(socket_fdinfo))) { return fail(EINVAL); }
    return describe(pid, fd, *static_cast<socket_fdinfo*>(buffer));
}

int proc_pidfileportinfo(int pid, uint32_t port, int flavor, void* buffer, int size) {
    return flavor == PROC_PIDFILEPORTSOCKETINFO
               ? proc_pidfdinfo(pid, static_cast<int>(port), PROC_PIDFDSOCKETINFO, buffer, size)
               : fail(EINVAL);
}

int proc_pidpath(int pid, void* buffer, uint32_t size) {
    if (pid == standin.has_no_path) { return fail(ENOENT); }
    const ssize_t length = readlink((directory(pid) + "/exe").c_str(), static_cast<char*>(buffer), size);
    return length < 0 ? fail(ESRCH) : static_cast<int>(length);
}

int kqueue() { return epoll_create1(EPOLL_CLOEXEC); }

int kevent(int queue, const struct kevent* changes, int, struct kevent*, int, const timespec*) {
    const int pid = static_cast<int>(changes->ident);
    const int process = facts_of(pid) ? static_cast<int>(syscall(SYS_pidfd_open, pid, 0)) : -1;
    if (process < 0 || changes->filter != EVFILT_PROC || changes->fflags != NOTE_EXIT) {
        errno = process < 0 ? ESRCH : EINVAL;
        return -1;
    }
    epoll_event event{};
    event.events = EPOLLIN;
    return epoll_ctl(queue, EPOLL_CTL_ADD, process, &event);
}

int sysctl(int* name, unsigned, void* old, size_t* old_size, void*, size_t) {
    const int pid = name[2];
    const Facts facts = facts_of(pid);
    if (!facts || forbidden(pid, facts)) {
        errno = EINVAL; // what it says in both cases
        return -1;
    }
    const std::string arguments = contents(directory(pid) + "/cmdline");
    const int count = static_cast<int>(std::count(arguments.begin(), arguments.end(), '\0'));
    std::string text(reinterpret_cast<const char*>(&count), sizeof count);
    char path[4096];
    text.append(path, static_cast<std::size_t>(std::max(0, proc_pidpath(pid, path, sizeof path))));
    text.append(5, '\0');
    text += arguments + "HOME=/nowhere";
    text += '\0';
    *old_size = std::min(*old_size, text.size());
    std::memcpy(old, text.data(), *old_size);
    return 0;
}

int sysctlbyname(const char* name, void* old, size_t* old_size, void*, size_t) {
    std::istringstream range(contents("/proc/sys/net/ipv4/ip_local_port_range"));
    int ends[2] = {};
    range >> ends[0] >> ends[1];
    const std::string wanted = name;
    if (wanted != "net.inet.ip.portrange.first" && wanted != "net.inet.ip.portrange.last") {
        errno = ENOENT;
        return -1;
    }
    *old_size = sizeof(int);
    std::memcpy(old, &ends[wanted == "net.inet.ip.portrange.last" ? 1 : 0], sizeof(int));
    return 0;
}
}
