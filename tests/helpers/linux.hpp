// What a holder process does on Linux alone.
#ifndef TESTS_HELPERS_LINUX_HPP
#define TESTS_HELPERS_LINUX_HPP

#include "posix.hpp"

#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>

// Sockets.

inline void pad_names(const std::string&) { state.pad_names = true; }

inline void enter_new_network(const std::string&) {
    if (unshare(CLONE_NEWNET) != 0) { fail("unshare"); }
}

inline void listen_in_thread(const std::string& value) {
    const Sign ready;
    std::thread([value, ready] {
        if (unshare(CLONE_FILES) != 0) { fail("unshare"); }
        open_socket(value, SOCK_STREAM, true);
        ready.give();
        wait_for_ever();
    }).detach();
    ready.wait_for();
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

inline void send_socket(int through, int fd) {
    DescriptorMessage message;
    cmsghdr* const rights = CMSG_FIRSTHDR(&message.header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(rights), &fd, sizeof fd);
    if (sendmsg(through, &message.header, 0) != 1) { fail("sendmsg"); }
}

inline int receive_socket(int through) {
    DescriptorMessage message;
    if (recvmsg(through, &message.header, 0) != 1) { fail("recvmsg"); }
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message.header)), sizeof fd);
    return fd;
}

inline void give_away(const std::string&) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) { fail("socketpair"); }
    for (const int fd : state.sockets) { send_socket(pair[0], fd); }
    close_sockets();
}

inline void take_from_another_user(const std::string& value) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) { fail("socketpair"); }
    const auto user = static_cast<uid_t>(to_int(value));
    const pid_t planter = fork();
    if (planter == 0) {
        if (setresuid(user, user, user) != 0) { fail("setresuid"); }
        send_socket(pair[0], open_socket("127.0.0.1:0", SOCK_STREAM, true));
        _exit(0);
    }
    state.sockets.push_back(receive_socket(pair[1]));
    note_port(state.sockets.back());
    waitpid(planter, nullptr, 0);
    close(pair[0]);
    close(pair[1]);
}

// What is known of the process.

inline void become(const std::string& value) {
    const auto user = static_cast<uid_t>(to_int(value));
    if (setresgid(user, user, user) != 0 || setresuid(user, user, user) != 0) { fail("setresuid"); }
}

inline void allow_inspection(const std::string&) { prctl(PR_SET_DUMPABLE, 1); }

inline void deny_inspection(const std::string&) { prctl(PR_SET_DUMPABLE, 0); }

inline void change_name(const std::string& value) { prctl(PR_SET_NAME, value.c_str()); }

inline void use_memory(const std::string& value) {
    const auto size = static_cast<std::size_t>(to_int(value)) << 20;
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE;
    if (mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED) { fail("mmap"); }
}

// Processes.

inline void fork_worker(const std::string& value) {
    const Sign ready;
    fork_child([&] {
        become(value);
        ready.give();
    });
    ready.wait_for();
}

inline void be_debugger(const std::string&) {
    const pid_t child = fork_child([] {
        ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
        raise(SIGSTOP);
    });
    close_sockets();
    waitpid(child, nullptr, WUNTRACED);
}

inline void exec_again(const std::string&) {
    poll(nullptr, 0, 1);
    if (at_the_end()) { _exit(0); }
    execl("/proc/self/exe", state.program.c_str(), "exec-loop-again", nullptr);
    fail("execl");
}

inline void exec_again_and_again(const std::string&) {
    state.when_ready.push_back([] { execl("/proc/self/exe", state.program.c_str(), "exec-loop-again", nullptr); });
}

// A worker of a supervisor: it listens on `port`, 0: on any, and tells it to the supervisor.
[[noreturn]] inline void work(const std::string& host, unsigned port, int tell, pid_t supervisor) {
    state.sockets.push_back(open_socket(host + ':' + std::to_string(port), SOCK_STREAM, true));
    if (write(tell, &state.port, sizeof state.port) != sizeof state.port) { fail("write"); }
    print("ready " + std::to_string(state.port) + ' ' + std::to_string(getpid()) + ' ' + std::to_string(supervisor));
    wait_for_the_end();
}

enum class Worker { stays, forks, exits_late };

[[noreturn]] inline void supervise_workers(Worker kind) {
    const std::string host = take_next();
    const pid_t supervisor = getpid();
    int ports[2]; // the worker tells its port, so that the next one asks for the same
    if (pipe(ports) != 0) { fail("pipe"); }
    state.reuse_address = true;
    if (kind == Worker::forks) {
        prctl(PR_SET_CHILD_SUBREAPER, 1);
    } // this process adopts what forks into the background
    unsigned port = 0;
    for (;;) {
        const pid_t worker = fork();
        if (worker == 0) {
            if (kind == Worker::forks && fork() != 0) { _exit(0); }
            work(host, port, ports[1], supervisor);
        }
        if (read(ports[0], &port, sizeof port) != sizeof port) { fail("read"); }
        int status = 0;
        waitpid(worker, &status, 0);
        if (kind == Worker::forks) { waitpid(-1, &status, 0); }
        if (WIFEXITED(status)) { std::exit(0); }
        if (kind == Worker::exits_late) {
            while (!at_the_end()) { poll(nullptr, 0, 10); }
            std::exit(0);
        }
    }
}

inline void supervise(const std::string&) { supervise_workers(Worker::stays); }

inline void supervise_forked(const std::string&) { supervise_workers(Worker::forks); }

inline void supervise_late(const std::string&) { supervise_workers(Worker::exits_late); }

inline const std::vector<Word> linux_words = {
    {"padded", pad_names, "the abstract names that follow have zeros up to the size of sockaddr_un"},
    {"new-network", enter_new_network, "enters a network namespace of its own"},
    {"thread-listen=HOST:PORT", listen_in_thread, "holds a listener in the descriptor table of one thread only"},
    {"in-flight", give_away, "gives the sockets away, into a message that no process reads"},
    {"planted=UID", take_from_another_user, "takes a listener on 127.0.0.1 that another user made and sent over"},
    {"user=UID", become, "changes all user ids"},
    {"dumpable", allow_inspection, "lets processes of the new user inspect it again"},
    {"no-dump", deny_inspection, "lets no process inspect it"},
    {"name=TEXT", change_name, "changes its name"},
    {"memory=MIB", use_memory, "uses that much memory"},
    {"worker=UID", fork_worker, "has a child that shares everything, as another user"},
    {"traced", be_debugger, "has a child that takes over and is stopped; this process is its debugger"},
    {"exec-loop", exec_again_and_again, "never stays the same program"},
    {"exec-loop-again", exec_again, "is what it becomes then"},
    {"supervise HOST", supervise, "starts a worker that listens, and another one whenever that is killed"},
    {"supervise-forked HOST", supervise_forked, "the same with workers that fork into the background first"},
    {"supervise-late HOST", supervise_late, "is about to start another one, for as long as the test looks"},
};

#endif
