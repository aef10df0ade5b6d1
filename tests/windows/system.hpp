// What regions/common.hpp needs, on Windows.
#ifndef TESTS_WINDOWS_SYSTEM_HPP
#define TESTS_WINDOWS_SYSTEM_HPP

#include <retry_on_addr_in_use.hpp>

// Only now, so that everything above had to do without the SDK.
#include "process.hpp"
// It needs what is above.
#include <iphlpapi.h>

#include "../catch.hpp"

#include <memory>

using namespace addr_in_use;

constexpr Fate terminated = Fate::killed;
constexpr const char* other_hosts[] = {"127.0.0.2", "::1"};
constexpr std::uint64_t second = 10000000;

inline std::string our_user() { return "S-1-"; }

inline bool under_wine() { return GetProcAddress(GetModuleHandleA("ntdll.dll"), "wine_get_version") != nullptr; }

inline bool shows_command_lines() { return !under_wine(); }

inline bool can_probe() { return true; }

inline const struct WinSock {
    WinSock() {
        WSADATA data;
        WSAStartup(0x202, &data);
    }
} win_sock;

class TcpServer {
public:
    explicit TcpServer(std::string host = "127.0.0.1", bool reuse_address = false)
        : host_(std::move(host)), reuse_address_(reuse_address) {}
    TcpServer(const TcpServer&) = delete;
    ~TcpServer() { stop(); }
    void start(std::uint16_t port) {
        ++starts;
        const bool v6 = host_.find(':') != std::string::npos;
        Address address((v6 ? '[' + host_ + ']' : host_) + ':' + std::to_string(port));
        socket_ = ::socket(address.family(), SOCK_STREAM, 0);
        set_option(socket_, SOL_SOCKET, SO_REUSEADDR, reuse_address_ ? 1 : 0);
        if (::bind(socket_, address.any(), address.size()) != 0 || ::listen(socket_, 5) != 0) {
            const int error = WSAGetLastError();
            stop();
            throw std::system_error(error, std::system_category());
        }
    }
    void stop() {
        if (running()) { close_socket(socket_); }
        socket_ = INVALID_SOCKET;
    }
    [[nodiscard]] bool running() const { return socket_ != INVALID_SOCKET; }
    [[nodiscard]] std::uint16_t port() const { return Address(socket_).port(); }

    int starts = 0;

private:
    std::string host_;
    bool reuse_address_;
    Socket socket_ = INVALID_SOCKET;
};

#endif
