// Processes of helpers/holder.cpp and others for the tests on POSIX: started as strangers, and killed with the object.
#ifndef TESTS_PROCESS_HPP
#define TESTS_PROCESS_HPP

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__linux__)
#    include <sys/syscall.h>
#else
#    include <sys/event.h>
#endif

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#if defined(__linux__)
// When a process was started, in ticks since the boot; 0 if it is dead, as a zombie without threads is.
inline unsigned long long start_time(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string text;
    std::getline(file, text, '\0'); // a name may have line ends
    if (text.find(')') == std::string::npos) { return 0; }
    std::istringstream fields(text.substr(text.rfind(')') + 1)); // from the third one on (man 5 proc_pid_stat)
    char state = 'X';
    unsigned long long value = 0;
    unsigned long long threads = 0;
    fields >> state;
    for (int field = 4; field <= 22 && fields; ++field) {
        long long number = 0;
        fields >> number;
        value = static_cast<unsigned long long>(number);
        if (field == 20) { threads = value; }
    }
    return !fields || state == 'X' || (state == 'Z' && threads <= 1) ? 0 : value;
}

// A pidfd: it is readable when the process exits, and no signal through it reaches another process.
inline int open_process(pid_t pid) { return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)); }

inline void send_signal(int process, pid_t, int number) {
    ::syscall(SYS_pidfd_send_signal, process, number, nullptr, 0);
}

// As in /proc/PID/stat: R, S, T, Z ...
inline char process_state(std::uint32_t pid) {
    char state = '?';
    if (std::FILE* const file = std::fopen(("/proc/" + std::to_string(pid) + "/stat").c_str(), "r")) {
        char text[256] = {};
        if (std::fgets(text, sizeof text, file) != nullptr) {
            const std::string_view line = text;
            state = line.substr(line.rfind(") ") + 2).front();
        }
        std::fclose(file);
    }
    return state;
}

inline bool open_pipe(int (&ends)[2]) { return ::pipe2(ends, O_CLOEXEC) == 0; }
#else
inline unsigned long long start_time(pid_t) { return 0; } // it is not needed

// A queue that is readable when the process exits; -1: it has exited.
inline int open_process(pid_t pid) {
    const int queue = ::kqueue();
    struct kevent exit {};
    EV_SET(&exit, static_cast<std::uintptr_t>(pid), EVFILT_PROC, EV_ADD, NOTE_EXIT, 0, nullptr);
    if (::kevent(queue, &exit, 1, nullptr, 0, nullptr) == 0) { return queue; }
    ::close(queue);
    return -1;
}

// The process may exit just before the signal. Its pid is not reused so soon.
inline void send_signal(int process, pid_t pid, int number) {
    pollfd death{process, POLLIN, 0};
    if (::poll(&death, 1, 0) == 0) { ::kill(pid, number); }
}

inline bool open_pipe(int (&ends)[2]) {
    if (::pipe(ends) != 0) { return false; }
    for (const int end : ends) { ::fcntl(end, F_SETFD, FD_CLOEXEC); }
    return true;
}
#endif

// A process that is known by a descriptor, so that no signal of a test can reach another one. Before Linux 5.3 its
// start time is compared instead.
class KnownProcess {
public:
    explicit KnownProcess(pid_t pid) : pid_(pid), fd_(open_process(pid)) {
        if (fd_ < 0 && errno == ENOSYS) { start_time_ = start_time(pid); }
    }
    KnownProcess(KnownProcess&& other) noexcept
        : pid_(other.pid_), fd_(std::exchange(other.fd_, -1)), start_time_(std::exchange(other.start_time_, 0)) {}
    KnownProcess(const KnownProcess&) = delete;
    ~KnownProcess() {
        signal(SIGKILL);
        if (fd_ >= 0) { ::close(fd_); }
    }
    [[nodiscard]] std::uint32_t pid() const { return static_cast<std::uint32_t>(pid_); }
    [[nodiscard]] bool alive() const { return !exits_within(0); }
    [[nodiscard]] bool exits_within(int milliseconds) const {
        for (int left = milliseconds; is_same(); left -= 5) {
            if (left <= 0) { return false; }
            ::poll(nullptr, 0, 5);
        }
        pollfd death{fd_, POLLIN, 0};
        return fd_ < 0 || ::poll(&death, 1, milliseconds) == 1;
    }
    void signal(int number) const {
        if (fd_ >= 0) { send_signal(fd_, pid_, number); }
        if (is_same()) { ::kill(pid_, number); }
    }

private:
    [[nodiscard]] bool is_same() const { return start_time_ != 0 && start_time(pid_) == start_time_; }

    pid_t pid_;
    int fd_;
    unsigned long long start_time_ = 0;
};

// A copy of the holder program, where a user cannot reach the built one.
inline std::string holder_program() {
    const char* const copy = std::getenv("HOLDER_PROGRAM");
    return copy != nullptr ? copy : HOLDER_PROGRAM;
}

class HolderProcess {
public:
    enum class Kin { stranger, child };

    // Starts the holder program and waits for its "ready PORT PID CHILD..." line.
    explicit HolderProcess(std::vector<std::string> words, Kin kin = Kin::stranger)
        : HolderProcess(holder_program(), std::move(words), kin) {
        read_ready();
    }

    // Starts a program that says nothing of the kind.
    HolderProcess(const std::string& program, std::vector<std::string> words, Kin kin) {
        int in[2];
        int out[2];
        if (!open_pipe(in) || !open_pipe(out)) { throw std::runtime_error("pipe"); }
        words.insert(words.begin(), program);
        std::vector<char*> arguments;
        for (std::string& word : words) { arguments.push_back(word.data()); }
        arguments.push_back(nullptr);
        const pid_t child = ::fork();
        if (child == 0) {
            // A stranger's parent ends at once, so that the first process of the system adopts it.
            if (kin == Kin::stranger && ::fork() != 0) { ::_exit(0); }
            ::dup2(in[0], STDIN_FILENO);
            ::dup2(out[1], STDOUT_FILENO);
            ::execv(arguments[0], arguments.data());
            ::_exit(127);
        }
        ::close(in[0]);
        ::close(out[1]);
        input_ = in[1];
        output_ = out[0];
        if (kin == Kin::stranger) {
            ::waitpid(child, nullptr, 0);
        } else {
            child_ = child;
        }
    }
    HolderProcess(const HolderProcess&) = delete;
    ~HolderProcess() {
        close_input();
        ::close(output_);
        processes_.clear();
        if (child_ > 0) { ::waitpid(child_, nullptr, 0); }
    }

    // "": the output has ended.
    std::string read_line() {
        std::string line;
        char c = 0;
        while (::read(output_, &c, 1) == 1 && c != '\n') { line += c; }
        return line;
    }

    void read_ready() {
        std::istringstream line(read_line());
        std::string ready;
        pid_t pid = 0;
        line >> ready >> port_;
        if (ready != "ready") { throw std::runtime_error("a helper did not get ready"); }
        while (line >> pid) { processes_.emplace_back(pid); }
    }

    // Asks for one accepted connection, and waits for it.
    void accept() {
        if (::write(input_, "\n", 1) != 1 || read_line() != "accepted") { throw std::runtime_error("accept"); }
    }

    void close_input() {
        if (input_ >= 0) { ::close(std::exchange(input_, -1)); }
    }

    [[nodiscard]] std::uint16_t port() const { return static_cast<std::uint16_t>(port_); }
    [[nodiscard]] const KnownProcess& process(std::size_t i = 0) const { return processes_.at(i); }
    [[nodiscard]] std::uint32_t pid(std::size_t i = 0) const { return process(i).pid(); }
    [[nodiscard]] bool alive(std::size_t i = 0) const { return process(i).alive(); }
    // Whether all of its processes exit within 10 s.
    [[nodiscard]] bool exits() const {
        return std::all_of(processes_.begin(), processes_.end(),
                           [](const KnownProcess& process) { return process.exits_within(10000); });
    }
    // Lets it exit, and waits for that.
    void end() {
        close_input();
        if (!exits()) { throw std::runtime_error("a helper does not exit"); }
    }

private:
    int input_ = -1;
    int output_ = -1;
    unsigned port_ = 0;
    pid_t child_ = 0;
    std::vector<KnownProcess> processes_;
};

using Helper = HolderProcess; // its older name

#endif
