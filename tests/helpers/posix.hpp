// What a holder process does on each POSIX system.
#ifndef TESTS_HELPERS_POSIX_HPP
#define TESTS_HELPERS_POSIX_HPP

#include "behaviours.hpp"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <thread>

#if defined(__linux__)
#    include <sys/eventfd.h>
#endif

// Whether the other end of standard input is closed.
inline bool at_the_end() {
    pollfd input{STDIN_FILENO, POLLIN, 0};
    return poll(&input, 1, 0) == 1;
}

inline void wait_for_ever() {
    for (;;) { pause(); }
}

// Until the other end of standard input is closed. A line is a request to accept a connection.
[[noreturn]] inline void wait_for_the_end() {
    char c = 0;
    for (;;) {
        const ssize_t size = read(STDIN_FILENO, &c, 1);
        if (size == 0) { _exit(0); }
        if (size == 1 && c == '\n') {
            if (accept(state.sockets.front(), nullptr, nullptr) < 0) { fail("accept"); }
            print("accepted");
        }
    }
}

// A pipe on which a child or a thread tells that it is ready.
class Sign {
public:
    Sign() {
        if (pipe(ends_) != 0) { fail("pipe"); }
    }
    void give() const {
        if (write(ends_[1], "", 1) != 1) { fail("write"); }
    }
    void wait_for() const {
        char c = 0;
        if (read(ends_[0], &c, 1) != 1) { fail("read"); }
    }

private:
    int ends_[2] = {-1, -1};
};

// A new child: it has the sockets, and carries out `body`.
template <class Body> pid_t fork_child(Body body) {
    const pid_t child = fork();
    if (child == 0) {
        body();
        wait_for_the_end();
    }
    state.children.push_back(static_cast<unsigned long>(child));
    return child;
}

[[noreturn]] inline void run_program(std::vector<std::string> words) {
    std::vector<char*> arguments;
    for (std::string& word : words) { arguments.push_back(word.data()); }
    arguments.push_back(nullptr);
    execv(arguments[0], arguments.data());
    fail("execv");
}

// On SIGTERM.

inline int drain_time = 0;

extern "C" inline void release(int) {
    for (const int socket : state.sockets) { close(socket); }
}

extern "C" inline void drain(int) {
    release(0);
    poll(nullptr, 0, drain_time);
    for (const std::string& file : state.socket_files) { unlink(file.c_str()); }
    _exit(0);
}

extern "C" inline void fork_and_exit(int) {
    if (fork() != 0) { _exit(0); }
}

extern "C" inline void crash(int) { std::abort(); }

inline void ignore_term(const std::string&) { signal(SIGTERM, SIG_IGN); }

inline void release_on_term(const std::string&) { signal(SIGTERM, release); }

inline void drain_on_term(const std::string& value) {
    drain_time = to_int(value);
    signal(SIGTERM, drain);
}

inline void fork_on_term(const std::string&) { signal(SIGTERM, fork_and_exit); }

inline void abort_on_term(const std::string&) { signal(SIGTERM, crash); }

// Sockets.

inline void reuse_port(const std::string&) { state.reuse_port = true; }

inline void connect_to(const std::string& value) {
    Address address(value);
    state.sockets.push_back(socket(address.family(), SOCK_STREAM, 0));
    if (connect(state.sockets.back(), address.any(), address.size()) != 0) { fail("connect"); }
    note_port(state.sockets.back());
}

// At the end of standard input, instead of the exit.
template <class Action> void when_input_ends(Action action) {
    state.when_ready.push_back([action] {
        char c = 0;
        if (read(STDIN_FILENO, &c, 1) == 0) { action(); }
    });
}

inline void connect_soon(const std::string& value) {
    when_input_ends([value] {
        poll(nullptr, 0, 5);
        Address address(value);
        if (connect(state.sockets.back(), address.any(), address.size()) != 0) { fail("connect"); }
        wait_for_ever();
    });
}

inline void listen_soon(const std::string&) {
    when_input_ends([] {
        poll(nullptr, 0, 5);
        if (listen(state.sockets.back(), state.backlog) != 0) { fail("listen"); }
        wait_for_ever();
    });
}

// Processes and threads.

inline void fork_children(const std::string& value) {
    for (int n = to_int(value); n > 0; --n) {
        fork_child([] {});
    }
}

inline void fork_per_request(const std::string& value) {
    state.when_ready.push_back([length = to_int(value)] {
        for (;;) {
            pollfd sources[] = {{STDIN_FILENO, POLLIN, 0}, {state.sockets.front(), POLLIN, 0}};
            if (poll(sources, 2, -1) > 0 && sources[0].revents != 0) { _exit(0); }
            const int connection = accept(state.sockets.front(), nullptr, nullptr);
            if (connection < 0) { fail("accept"); }
            if (fork() == 0) {
                for (int n = 1; n < length && fork() == 0; ++n) {}
                const pid_t self = getpid();
                if (write(connection, &self, sizeof self) != sizeof self) { fail("write"); }
                wait_for_the_end();
            }
            close(connection);
        }
    });
}

inline void add_thread(const std::string&) { std::thread(wait_for_ever).detach(); }

inline void leave_last_thread(const std::string&) {
    std::thread(wait_for_the_end).detach();
    state.when_ready.push_back([] { pthread_exit(nullptr); });
}

inline void lead_session(const std::string&) {
    if (setsid() < 0) { fail("setsid"); }
}

// The terminal ends with this process.
inline void open_terminal(const std::string&) {
    const int master = posix_openpt(O_RDWR | O_NOCTTY);
    fcntl(master, F_SETFD, FD_CLOEXEC);
    if (setsid() < 0 || grantpt(master) != 0 || unlockpt(master) != 0) { fail("terminal"); }
    const int terminal = open(ptsname(master), O_RDWR | O_CLOEXEC);
    if (ioctl(terminal, TIOCSCTTY, 0) != 0) { fail("TIOCSCTTY"); }
}

inline void exec_at_the_end(const std::string&) {
    when_input_ends([] {
        execlp("sleep", "sleep", "60", nullptr);
        fail("sleep");
    });
}

inline void stop_when_ready(const std::string&) {
    state.when_ready.push_back([] { raise(SIGSTOP); });
}

inline void daemonize_again_and_again(const std::string&) {
    state.when_ready.push_back([] {
        for (int round = 0; round < 500; ++round) {
            if (fork() != 0) { _exit(0); }
            poll(nullptr, 0, 1);
            if (at_the_end()) { _exit(0); }
        }
    });
}

// Other programs.

enum class Parent { waits, goes_on, exits };

inline void start_program(const std::string& value, Parent parent) {
    std::vector<std::string> words = take_rest();
    for (std::string& word : words) {
        if (word == "@") { word = std::to_string(state.port); }
    }
    words.insert(words.begin(), value);
    state.when_ready.push_back([words, parent] {
        const pid_t child = fork();
        if (child == 0) {
            close_sockets();
            const pid_t between = getpid();
            if (parent == Parent::exits && fork() != 0) { _exit(0); }
            while (parent == Parent::exits && getppid() == between) { poll(nullptr, 0, 1); }
            run_program(words);
        }
        if (parent != Parent::goes_on) { waitpid(child, nullptr, 0); }
        if (parent == Parent::waits) { print("ran"); }
    });
}

inline void run(const std::string& value) { start_program(value, Parent::waits); }

inline void start(const std::string& value) { start_program(value, Parent::goes_on); }

inline void start_orphan(const std::string& value) { start_program(value, Parent::exits); }

inline void leave_program(const std::string& value) {
    std::vector<std::string> words = take_rest();
    words.insert(words.begin(), value);
    int done[2];
    if (pipe(done) != 0) { fail("pipe"); }
    fcntl(done[1], F_SETFD, FD_CLOEXEC);
    fork_child([&] {
        close(done[0]);
        run_program(words);
    });
    close(done[1]);
    char c = 0;
    if (read(done[0], &c, 1) != 0) { fail("leave-program"); } // closed: it runs the other program
}

// Resources.

inline void hold_descriptors(const std::string& value) {
    const auto count = static_cast<rlim_t>(to_int(value));
    const rlimit limit{count + 100, count + 100}; // within the hard limit
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) { fail("setrlimit"); }
    for (rlim_t n = 0; n < count; ++n) {
#if defined(__linux__)
        const int descriptor = eventfd(0, 0); // each takes its time to close
#else
        const int descriptor = dup(STDIN_FILENO);
#endif
        if (descriptor < 0) { fail("descriptors"); }
    }
}

inline void dump_core(const std::string& value) {
    rlimit limit{};
    getrlimit(RLIMIT_CORE, &limit);
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_CORE, &limit) != 0 || chdir(value.c_str()) != 0) { fail("core"); }
}

inline const std::vector<Word> posix_words = {
    {"reuseport", reuse_port, "the sockets that follow have SO_REUSEPORT"},
    {"connect=HOST:PORT", connect_to, "holds an outgoing TCP connection, and reports its local port"},
    {"ignore-term", ignore_term, "does nothing on SIGTERM"},
    {"release-on-term", release_on_term, "closes the sockets on SIGTERM, and goes on"},
    {"drain-on-term=MS", drain_on_term,
     "on SIGTERM closes the sockets, works that long, removes its socket files, exits"},
    {"fork-on-term", fork_on_term, "on SIGTERM a new child takes over and this process exits"},
    {"abort-on-term", abort_on_term, "crashes on SIGTERM"},
    {"connect-soon=HOST:PORT", connect_soon, "connects the last socket 5 ms after the end of standard input"},
    {"listen-soon", listen_soon, "the same, but the last socket listens"},
    {"fork=N", fork_children, "has N children that share everything"},
    {"fork-per-request=N", fork_per_request,
     "has for each connection a chain of N new processes; each writes its pid there"},
    {"thread", add_thread, "has one more thread, that does nothing"},
    {"last-thread", leave_last_thread, "ends its first thread, and goes on in another one"},
    {"session", lead_session, "leads a session of its own"},
    {"terminal", open_terminal, "leads a session with a terminal of its own"},
    {"exec", exec_at_the_end, "becomes another program (sleep) at the end of standard input"},
    {"stop", stop_when_ready, "stops itself (SIGSTOP) once it is ready"},
    {"daemonize-loop", daemonize_again_and_again, "never stays the same process"},
    {"run=PROGRAM ARGUMENT...", run, "runs a program with the rest; an argument \"@\" becomes the port"},
    {"start=PROGRAM ARGUMENT...", start, "the same, but does not wait for the program"},
    {"start-orphan=PROGRAM ARGUMENT...", start_orphan, "the same, and is not its parent"},
    {"leave-program=PROGRAM ARGUMENT...", leave_program, "runs a program that inherits the sockets"},
    {"descriptors=N", hold_descriptors, "has N more open files"},
    {"core=DIRECTORY", dump_core, "writes a core dump into that directory if it crashes"},
};

#endif
