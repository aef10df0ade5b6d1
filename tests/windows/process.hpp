// Processes of helpers/holder.cpp for the tests on Windows, as process.hpp of the directory above has them on POSIX.
#ifndef TESTS_WINDOWS_PROCESS_HPP
#define TESTS_WINDOWS_PROCESS_HPP

#include "../helpers/address.hpp"

#include <cstdint>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

// A process that is known by a handle. It is terminated with the object.
class KnownProcess {
public:
    explicit KnownProcess(std::uint32_t pid)
        : pid_(pid), handle_(OpenProcess(SYNCHRONIZE | PROCESS_TERMINATE, FALSE, pid)) {
        if (handle_ == nullptr) { throw std::runtime_error("OpenProcess"); }
    }
    KnownProcess(KnownProcess&& other) noexcept : pid_(other.pid_), handle_(std::exchange(other.handle_, nullptr)) {}
    KnownProcess(const KnownProcess&) = delete;
    ~KnownProcess() {
        if (handle_ == nullptr) { return; }
        TerminateProcess(handle_, 1);
        CloseHandle(handle_);
    }
    [[nodiscard]] std::uint32_t pid() const { return pid_; }
    [[nodiscard]] bool alive() const { return !exits_within(0); }
    [[nodiscard]] bool exits_within(int milliseconds) const {
        return WaitForSingleObject(handle_, static_cast<DWORD>(milliseconds)) == WAIT_OBJECT_0;
    }

private:
    std::uint32_t pid_;
    HANDLE handle_;
};

class HolderProcess {
public:
    // Starts the holder program and waits for its "ready PORT PID CHILD..." line.
    explicit HolderProcess(const std::vector<std::string>& words) {
        SECURITY_ATTRIBUTES inherited{sizeof inherited, nullptr, TRUE};
        HANDLE their_input = nullptr;
        HANDLE their_output = nullptr;
        CreatePipe(&their_input, &input_, &inherited, 0);
        CreatePipe(&output_, &their_output, &inherited, 0);
        SetHandleInformation(input_, HANDLE_FLAG_INHERIT, 0);
        SetHandleInformation(output_, HANDLE_FLAG_INHERIT, 0);
        STARTUPINFOA startup{};
        startup.cb = sizeof startup;
        startup.dwFlags = STARTF_USESTDHANDLES;
        startup.hStdInput = their_input;
        startup.hStdOutput = their_output;
        startup.hStdError = GetStdHandle(STD_ERROR_HANDLE);
        std::string command = "\"" HOLDER_PROGRAM "\"";
        for (const std::string& word : words) { command += ' ' + word; }
        PROCESS_INFORMATION started{};
        if (!CreateProcessA(nullptr, command.data(), nullptr, nullptr, TRUE, 0, nullptr, nullptr, &startup, &started)) {
            throw std::runtime_error("CreateProcess");
        }
        CloseHandle(their_input);
        CloseHandle(their_output);
        CloseHandle(started.hThread);
        read_ready();
        CloseHandle(started.hProcess); // an orphan is another process
    }
    HolderProcess(const HolderProcess&) = delete;
    ~HolderProcess() {
        close_input();
        static_cast<void>(exits());
        CloseHandle(output_);
    }

    void close_input() {
        if (input_ != nullptr) { CloseHandle(std::exchange(input_, nullptr)); }
    }

    [[nodiscard]] std::uint16_t port() const { return static_cast<std::uint16_t>(port_); }
    [[nodiscard]] const KnownProcess& process(std::size_t i = 0) const { return processes_.at(i); }
    [[nodiscard]] std::uint32_t pid(std::size_t i = 0) const { return process(i).pid(); }
    [[nodiscard]] bool alive(std::size_t i = 0) const { return process(i).alive(); }
    // Whether all of its processes exit within 10 s.
    [[nodiscard]] bool exits() const {
        for (const KnownProcess& process : processes_) {
            if (!process.exits_within(10000)) { return false; }
        }
        return true;
    }
    // Lets it exit, and waits for that.
    void end() {
        close_input();
        if (!exits()) { throw std::runtime_error("a holder does not exit"); }
    }

private:
    void read_ready() {
        std::string line;
        char c = 0;
        for (DWORD size = 0; ReadFile(output_, &c, 1, &size, nullptr) && size == 1 && c != '\n';) { line += c; }
        std::istringstream words(line);
        std::string ready;
        words >> ready >> port_;
        if (ready != "ready") { throw std::runtime_error("a holder did not get ready"); }
        for (std::uint32_t pid = 0; words >> pid;) { processes_.emplace_back(pid); }
    }

    HANDLE input_ = nullptr;
    HANDLE output_ = nullptr;
    unsigned port_ = 0;
    std::vector<KnownProcess> processes_;
};

#endif
