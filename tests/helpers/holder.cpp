// A process that holds an address, for the tests. Its arguments are carried out in their order:
//
// clang-format off
//   reuseaddr reuseport v6only           flags for the sockets that follow
//   listen=HOST:PORT bind=HOST:PORT      a TCP socket
//   udp=HOST:PORT                        a UDP socket; the port "low" is one below the ephemeral range
//                                        unix:PATH or unix:@NAME instead of HOST:PORT: a Unix domain socket
//   padded                               the abstract names that follow have zeros up to the size of sockaddr_un
//   new-network                          goes into a network namespace of its own
//   backlog=N                            of the listeners that follow
//   connect=HOST:PORT                    an outgoing TCP connection, whose local port is reported
//   thread-listen=HOST:PORT              a listener in the descriptor table of one thread only
//   ignore-term release-on-term          what to do on SIGTERM: nothing; close the sockets and go on
//   fork-on-term                         on SIGTERM a new child takes over and this process ends
//   drain-on-term=MS                     on SIGTERM closes the sockets, works that long, removes its socket files, exits
//   abort-on-term                        crashes on SIGTERM
//   fork=N                               N children that share everything
//   fork-per-request=N                   for each connection a chain of N new processes that share everything; each
//                                        one writes its pid there
//   worker=UID                           a child that shares everything, as another user
//   thread                               has one more thread, that does nothing
//   session terminal                     leads a session of its own; one with a terminal of its own
//   user=UID                             changes all user ids; dumpable: lets the new user look at it again
//   connect-soon=HOST:PORT               connects the last socket 5 ms after the end of standard input, and goes on
//   listen-soon                          the same, but the last socket listens
//   exec                                 becomes another program (sleep) at the end of standard input
//   supervise HOST                       ends here for the supervisor: it starts a worker that listens, and another one
//                                        with the same port whenever that dies
//   supervise-forked HOST                the same with workers that fork into the background first
//   supervise-late HOST                  it is about to, for as long as the test looks
//   run=PROGRAM ARGUMENT...              starts a program with the rest; "@" in an argument becomes the port
//   leave-program=PROGRAM ARGUMENT...    the same, and the program inherits the sockets
//   start=PROGRAM ARGUMENT...            as run, but this process does not wait for the program
//   start-orphan=PROGRAM ARGUMENT...     the same, and this process is not its parent
//   memory=MIB descriptors=N             uses that much
//   core=DIRECTORY                       writes a core dump into that directory if it crashes
//   name=TEXT                            changes its name; no-dump: lets nobody look at it
//   in-flight                            gives the sockets away: into a message nobody reads
//   planted=UID                          takes a listener on 127.0.0.1 that another user made and sent over
//   traced                               a child takes over and is stopped under this process as its debugger
//   last-thread                          the first thread ends, another one goes on
//   exec-loop daemonize-loop             never stays the same program, the same process
//   stop                                 stops itself (SIGSTOP) once it is ready
//   only-seen ARGUMENT...                the rest only stands in the command line
// clang-format on
//
// When ready it prints "ready PORT PID CHILD..."; it ends when its standard input does, and accepts a connection, which
// it keeps, for each line there.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace {

std::vector<int> sockets;
std::vector<std::string> socket_files;
int drain_time = 0;
unsigned port_ = 0;
bool reuse_address = false;
bool reuse_port = false;
bool v6_only = false;
bool pad_names = false;
int backlog = 16;

[[noreturn]] void fail(const char* what) {
    std::perror(what);
    std::exit(1);
}

struct Address {
    sockaddr_storage storage{};
    socklen_t size = 0;
    sockaddr* any() { return reinterpret_cast<sockaddr*>(&storage); }
};

Address address_of(const std::string& text) {
    if (text.substr(0, 5) == "unix:") {
        Address address;
        auto* local = reinterpret_cast<sockaddr_un*>(&address.storage);
        const std::string path = text.substr(5);
        local->sun_family = AF_UNIX;
        std::memcpy(local->sun_path, path.data(), path.size());
        if (path[0] == '@') { local->sun_path[0] = '\0'; }
        address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (path[0] == '@' ? 0 : 1));
        return address;
    }
    const std::size_t colon = text.rfind(':');
    std::string host = text.substr(0, colon);
    const auto port = static_cast<std::uint16_t>(std::atoi(text.substr(colon + 1).c_str()));
    Address address;
    if (host.front() == '[') {
        auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &v6->sin6_addr);
        address.size = sizeof *v6;
    } else {
        auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        inet_pton(AF_INET, host.c_str(), &v4->sin_addr);
        address.size = sizeof *v4;
    }
    return address;
}

void note_port(int fd) {
    Address local;
    local.size = sizeof local.storage;
    getsockname(fd, local.any(), &local.size);
    if (local.any()->sa_family == AF_UNIX) { return; }
    port_ = ntohs(local.any()->sa_family == AF_INET ? reinterpret_cast<sockaddr_in*>(&local.storage)->sin_port
                                                    : reinterpret_cast<sockaddr_in6*>(&local.storage)->sin6_port);
}

int open_socket(const std::string& where, int type, bool then_listen) {
    std::string text = where;
    for (int low = 20000 + getpid() % 12000;; ++low) {
        if (where.size() > 4 && where.substr(where.size() - 4) == ":low") {
            text = where.substr(0, where.size() - 3) + std::to_string(20000 + low % 12000);
        }
        Address address = address_of(text);
        const int fd = socket(address.any()->sa_family, type, 0);
        const int on = 1;
        const int only = v6_only ? 1 : 0;
        if (reuse_address) { setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on); }
        if (reuse_port) { setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on); }
        if (address.any()->sa_family == AF_INET6) { setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only); }
        if (pad_names) { address.size = sizeof(sockaddr_un); }
        if (bind(fd, address.any(), address.size) == 0 && (!then_listen || listen(fd, backlog) == 0)) {
            note_port(fd);
            if (text[0] == 'u' && text[5] != '@') { socket_files.push_back(text.substr(5)); }
            return fd;
        }
        if (text == where) { fail(where.c_str()); }
        close(fd);
    }
}

// A message of one byte, with room for one descriptor.
struct DescriptorMessage {
    char c = 0;
    iovec data{&c, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr header{};
    DescriptorMessage() {
        header.msg_iov = &data;
        header.msg_iovlen = 1;
        header.msg_control = control;
        header.msg_controllen = sizeof control;
    }
};

void send_socket(int through, int fd) {
    DescriptorMessage message;
    cmsghdr* const rights = CMSG_FIRSTHDR(&message.header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(rights), &fd, sizeof fd);
    if (sendmsg(through, &message.header, 0) != 1) { fail("sendmsg"); }
}

int receive_socket(int through) {
    DescriptorMessage message;
    if (recvmsg(through, &message.header, 0) != 1) { fail("recvmsg"); }
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message.header)), sizeof fd);
    return fd;
}

void close_sockets() {
    for (const int fd : sockets) { close(fd); }
    sockets.clear();
}

// Whether the other end of standard input is closed.
bool at_the_end() {
    pollfd input{STDIN_FILENO, POLLIN, 0};
    return poll(&input, 1, 0) == 1;
}

extern "C" void fork_on_term(int) {
    if (fork() != 0) { _exit(0); }
}

extern "C" void release(int) {
    for (const int fd : sockets) { close(fd); }
}

extern "C" void drain(int) {
    release(0);
    poll(nullptr, 0, drain_time);
    for (const std::string& file : socket_files) { unlink(file.c_str()); }
    _exit(0);
}

extern "C" void crash(int) { std::abort(); }

// A new terminal of a new session, which ends with this process.
void open_terminal() {
    const int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (setsid() < 0 || grantpt(master) != 0 || unlockpt(master) != 0) { fail("terminal"); }
    const int terminal = open(ptsname(master), O_RDWR | O_CLOEXEC);
    if (ioctl(terminal, TIOCSCTTY, 0) != 0) { fail("TIOCSCTTY"); }
}

void become(uid_t user) {
    if (setresgid(user, user, user) != 0 || setresuid(user, user, user) != 0) { fail("setresuid"); }
}

// Until the other end of standard input is closed. A line is a request to accept a connection.
void wait_for_the_end() {
    char c = 0;
    for (;;) {
        const ssize_t size = read(STDIN_FILENO, &c, 1);
        if (size == 0) { _exit(0); }
        if (size == 1 && c == '\n') {
            if (accept(sockets.front(), nullptr, nullptr) < 0) { fail("accept"); }
            std::printf("accepted\n");
            std::fflush(stdout);
        }
    }
}

[[noreturn]] void fork_per_request(int length) {
    for (;;) {
        pollfd sources[] = {{STDIN_FILENO, POLLIN, 0}, {sockets.front(), POLLIN, 0}};
        if (poll(sources, 2, -1) > 0 && sources[0].revents != 0) { _exit(0); }
        const int connection = accept(sockets.front(), nullptr, nullptr);
        if (connection < 0) { fail("accept"); }
        if (fork() == 0) {
            for (int n = 1; n < length && fork() == 0; ++n) {}
            const pid_t self = getpid();
            if (write(connection, &self, sizeof self) != sizeof self) { fail("write"); }
            wait_for_the_end();
        }
        close(connection);
    }
}

} // namespace

int main(int argc, char** argv) {
    if (argc == 2 && std::strcmp(argv[1], "exec-loop-again") == 0) {
        poll(nullptr, 0, 1);
        if (at_the_end()) { return 0; }
        execv("/proc/self/exe", argv);
        fail("execv");
    }
    std::vector<pid_t> children;
    std::vector<std::string> program;
    bool stop = false;
    int workers_per_request = 0;
    bool last_thread = false;
    std::string loop;
    bool exec = false;
    std::string connect_to;
    bool listen_soon = false;
    std::string start;
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        const std::size_t equals = word.find('=');
        const std::string value = equals == std::string::npos ? "" : word.substr(equals + 1);
        const std::string name = word.substr(0, equals);
        if (name == "reuseaddr") {
            reuse_address = true;
        } else if (name == "reuseport") {
            reuse_port = true;
        } else if (name == "v6only") {
            v6_only = true;
        } else if (name == "padded") {
            pad_names = true;
        } else if (name == "new-network") {
            if (unshare(CLONE_NEWNET) != 0) { fail("unshare"); }
        } else if (name == "backlog") {
            backlog = std::atoi(value.c_str());
        } else if (name == "listen" || name == "bind") {
            sockets.push_back(open_socket(value, SOCK_STREAM, name == "listen"));
        } else if (name == "udp") {
            sockets.push_back(open_socket(value, SOCK_DGRAM, false));
        } else if (name == "connect") {
            Address address = address_of(value);
            sockets.push_back(socket(address.any()->sa_family, SOCK_STREAM, 0));
            if (connect(sockets.back(), address.any(), address.size) != 0) { fail("connect"); }
            note_port(sockets.back());
        } else if (name == "thread-listen") {
            int ready[2];
            if (pipe(ready) != 0) { fail("pipe"); }
            std::thread([value, ready] {
                if (unshare(CLONE_FILES) != 0) { fail("unshare"); }
                open_socket(value, SOCK_STREAM, true);
                if (write(ready[1], "", 1) != 1) { fail("write"); }
                for (;;) { pause(); }
            }).detach();
            char c = 0;
            if (read(ready[0], &c, 1) != 1) { fail("read"); }
        } else if (name == "ignore-term") {
            signal(SIGTERM, SIG_IGN);
        } else if (name == "release-on-term") {
            signal(SIGTERM, release);
        } else if (name == "user") {
            become(static_cast<uid_t>(std::atoi(value.c_str())));
        } else if (name == "dumpable") {
            prctl(PR_SET_DUMPABLE, 1);
        } else if (name == "connect-soon") {
            connect_to = value;
        } else if (name == "listen-soon") {
            listen_soon = true;
        } else if (name == "exec") {
            exec = true;
        } else if (name == "fork") {
            for (int n = std::atoi(value.c_str()); n > 0; --n) {
                children.push_back(fork());
                if (children.back() == 0) { wait_for_the_end(); }
            }
        } else if (name == "worker") {
            int ready[2];
            if (pipe(ready) != 0) { fail("pipe"); }
            children.push_back(fork());
            if (children.back() == 0) {
                become(static_cast<uid_t>(std::atoi(value.c_str())));
                if (write(ready[1], "", 1) != 1) { fail("write"); }
                wait_for_the_end();
            }
            char c = 0;
            if (read(ready[0], &c, 1) != 1) { fail("read"); }
        } else if (name == "thread") {
            std::thread([] {
                for (;;) { pause(); }
            }).detach();
        } else if (name == "session") {
            if (setsid() < 0) { fail("setsid"); }
        } else if (name == "terminal") {
            open_terminal();
        } else if (name == "supervise" || name == "supervise-late" || name == "supervise-forked") {
            // The pipe tells the port of the first worker, so that the next one asks for the same.
            int ports[2];
            if (pipe(ports) != 0) { fail("pipe"); }
            reuse_address = true;
            const std::string where = argv[i + 1];
            unsigned port = 0;
            const bool forked = name == "supervise-forked";
            const pid_t supervisor = getpid();
            if (forked) { prctl(PR_SET_CHILD_SUBREAPER, 1); } // what goes into the background comes to us
            for (;;) {
                const pid_t worker = fork();
                if (worker == 0) {
                    if (forked && fork() != 0) { _exit(0); }
                    sockets.push_back(open_socket(where + ':' + std::to_string(port), SOCK_STREAM, true));
                    if (write(ports[1], &port_, sizeof port_) != sizeof port_) { fail("write"); }
                    std::printf("ready %u %d %d\n", port_, getpid(), supervisor);
                    std::fflush(stdout);
                    wait_for_the_end();
                }
                if (read(ports[0], &port, sizeof port) != sizeof port) { fail("read"); }
                int status = 0;
                waitpid(worker, &status, 0);
                if (forked) { waitpid(-1, &status, 0); }
                if (WIFEXITED(status)) { return 0; }
                if (name == "supervise-late") { // until the end, for a test that sees what happens meanwhile
                    while (!at_the_end()) { poll(nullptr, 0, 10); }
                    return 0;
                }
            }
        } else if (name == "run" || name == "start" || name == "start-orphan") {
            start = name;
            program.push_back(value);
            for (++i; i < argc; ++i) {
                program.push_back(std::strcmp(argv[i], "@") == 0 ? std::to_string(port_) : argv[i]);
            }
        } else if (name == "memory") {
            const std::size_t size = std::strtoul(value.c_str(), nullptr, 10) << 20;
            void* const memory =
                mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
            if (memory == MAP_FAILED) { fail("mmap"); }
        } else if (name == "descriptors") {
            const rlim_t count = std::strtoul(value.c_str(), nullptr, 10);
            const rlimit limit{count + 100, count + 100}; // within the hard limit
            if (setrlimit(RLIMIT_NOFILE, &limit) != 0) { fail("setrlimit"); }
            for (rlim_t n = 0; n < count; ++n) {
                if (eventfd(0, 0) < 0) { fail("eventfd"); } // each takes its time to close
            }
        } else if (name == "core") {
            rlimit limit{};
            getrlimit(RLIMIT_CORE, &limit);
            limit.rlim_cur = limit.rlim_max;
            if (setrlimit(RLIMIT_CORE, &limit) != 0 || chdir(value.c_str()) != 0) { fail("core"); }
        } else if (name == "name") {
            prctl(PR_SET_NAME, value.c_str());
        } else if (name == "no-dump") {
            prctl(PR_SET_DUMPABLE, 0);
        } else if (name == "in-flight") {
            int pair[2];
            if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) { fail("socketpair"); }
            for (const int fd : sockets) { send_socket(pair[0], fd); }
            close_sockets();
        } else if (name == "planted") {
            int pair[2];
            if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) { fail("socketpair"); }
            const auto user = static_cast<uid_t>(std::atoi(value.c_str()));
            const pid_t planter = fork();
            if (planter == 0) {
                if (setresuid(user, user, user) != 0) { fail("setresuid"); }
                send_socket(pair[0], open_socket("127.0.0.1:0", SOCK_STREAM, true));
                _exit(0);
            }
            sockets.push_back(receive_socket(pair[1]));
            note_port(sockets.back());
            waitpid(planter, nullptr, 0);
            close(pair[0]);
            close(pair[1]);
        } else if (name == "traced") {
            children.push_back(fork());
            if (children.back() == 0) {
                ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
                raise(SIGSTOP);
                wait_for_the_end();
            }
            close_sockets();
            waitpid(children.back(), nullptr, WUNTRACED);
        } else if (name == "leave-program") {
            std::vector<char*> arguments(argv + i, argv + argc);
            std::string path = value;
            arguments[0] = path.data();
            arguments.push_back(nullptr);
            int done[2];
            if (pipe(done) != 0) { fail("pipe"); }
            fcntl(done[1], F_SETFD, FD_CLOEXEC);
            children.push_back(fork());
            if (children.back() == 0) {
                close(done[0]);
                execv(arguments[0], arguments.data());
                fail("execv");
            }
            close(done[1]);
            char c = 0;
            if (read(done[0], &c, 1) != 0) { fail("leave-program"); } // closed: it runs the other program
            i = argc;
        } else if (name == "drain-on-term") {
            drain_time = std::atoi(value.c_str());
            signal(SIGTERM, drain);
        } else if (name == "abort-on-term") {
            signal(SIGTERM, crash);
        } else if (name == "fork-on-term") {
            signal(SIGTERM, fork_on_term);
        } else if (name == "last-thread") {
            std::thread([] { wait_for_the_end(); }).detach();
            last_thread = true;
        } else if (name == "exec-loop" || name == "daemonize-loop") {
            loop = name;
        } else if (name == "stop") {
            stop = true;
        } else if (name == "fork-per-request") {
            workers_per_request = std::atoi(value.c_str());
        } else if (name == "only-seen") {
            break;
        } else {
            std::fprintf(stderr, "holder: what is '%s'?\n", word.c_str());
            return 1;
        }
    }
    std::printf("ready %u %d", port_, getpid());
    for (const pid_t child : children) { std::printf(" %d", child); }
    std::printf("\n");
    std::fflush(stdout);
    if (!program.empty()) {
        std::vector<char*> arguments;
        for (std::string& word : program) { arguments.push_back(word.data()); }
        arguments.push_back(nullptr);
        const pid_t child = fork();
        if (child == 0) {
            for (const int fd : sockets) { close(fd); }
            const pid_t parent = getpid();
            if (start == "start-orphan" && fork() != 0) { _exit(0); }
            while (start == "start-orphan" && getppid() == parent) { poll(nullptr, 0, 1); }
            execv(arguments[0], arguments.data());
            fail("execv");
        }
        if (start != "start") { waitpid(child, nullptr, 0); }
        if (start == "run") {
            std::printf("ran\n");
            std::fflush(stdout);
        }
    }
    if (stop) { raise(SIGSTOP); }
    if (workers_per_request > 0) { fork_per_request(workers_per_request); }
    if (last_thread) { pthread_exit(nullptr); }
    if (loop == "exec-loop") { execl("/proc/self/exe", argv[0], "exec-loop-again", nullptr); }
    for (int round = 0; loop == "daemonize-loop" && round < 500; ++round) {
        if (fork() != 0) { _exit(0); }
        poll(nullptr, 0, 1);
        if (at_the_end()) { _exit(0); }
    }
    char c = 0;
    if ((exec || listen_soon || !connect_to.empty()) && read(STDIN_FILENO, &c, 1) == 0) {
        if (exec) {
            execlp("sleep", "sleep", "60", nullptr);
            fail("sleep");
        }
        poll(nullptr, 0, 5);
        if (listen_soon) {
            if (listen(sockets.back(), backlog) != 0) { fail("listen"); }
            for (;;) { pause(); }
        }
        Address address = address_of(connect_to);
        if (connect(sockets.back(), address.any(), address.size) != 0) { fail("connect"); }
        for (;;) { pause(); }
    }
    wait_for_the_end();
}
