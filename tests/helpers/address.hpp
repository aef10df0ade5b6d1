// An address for the tests, and a socket, as each system has them.
#ifndef TESTS_HELPERS_ADDRESS_HPP
#define TESTS_HELPERS_ADDRESS_HPP

#if defined(_WIN32)
#    include <winsock2.h>
#    include <ws2tcpip.h>
#else
#    include <arpa/inet.h>
#    include <netinet/in.h>
#    include <sys/socket.h>
#    include <sys/un.h>
#    include <unistd.h>
#endif

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#if defined(_WIN32)
using Socket = SOCKET;
inline void close_socket(Socket socket) { ::closesocket(socket); }
#else
using Socket = int;
inline void close_socket(Socket socket) { ::close(socket); }
#endif

// The value of a socket option.
template <class Value> void set_option(Socket socket, int level, int name, const Value& value) {
    ::setsockopt(socket, level, name, reinterpret_cast<const char*>(&value), sizeof value);
}

class Address {
public:
    // HOST:PORT, where an IPv6 host may have brackets; elsewhere than on Windows unix:PATH and unix:@NAME too.
    explicit Address(const std::string& text) {
        if (text.substr(0, 5) == "unix:") {
            set_path(text.substr(5));
            return;
        }
        const std::size_t colon = text.rfind(':');
        std::string host = text.substr(0, colon);
        if (host.front() == '[') { host = host.substr(1, host.size() - 2); }
        const auto port = htons(static_cast<std::uint16_t>(std::atoi(text.c_str() + colon + 1)));
        if (host.find(':') != std::string::npos) {
            auto* const v6 = reinterpret_cast<sockaddr_in6*>(&storage_);
            v6->sin6_family = AF_INET6;
            v6->sin6_port = port;
            ::inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr);
            size_ = sizeof *v6;
        } else {
            auto* const v4 = reinterpret_cast<sockaddr_in*>(&storage_);
            v4->sin_family = AF_INET;
            v4->sin_port = port;
            ::inet_pton(AF_INET, host.c_str(), &v4->sin_addr);
            size_ = sizeof *v4;
        }
    }

    // The one that a socket has.
    explicit Address(Socket socket) : size_(sizeof storage_) { ::getsockname(socket, any(), &size_); }

    [[nodiscard]] sockaddr* any() { return reinterpret_cast<sockaddr*>(&storage_); }
    [[nodiscard]] socklen_t size() const { return size_; }
#if !defined(_WIN32)
    void pad() { size_ = sizeof(sockaddr_un); } // zeros up to the end are a part of an abstract name
#endif
    [[nodiscard]] int family() const { return storage_.ss_family; }
    [[nodiscard]] std::uint16_t port() const { // at the same place in both families; 0: it has none
        return family() == AF_INET || family() == AF_INET6
                   ? ntohs(reinterpret_cast<const sockaddr_in*>(&storage_)->sin_port)
                   : std::uint16_t{0};
    }

private:
    void set_path(const std::string& path) {
#if defined(_WIN32)
        static_cast<void>(path); // no address: the bind fails
#else
        auto* const local = reinterpret_cast<sockaddr_un*>(&storage_);
        local->sun_family = AF_UNIX;
        std::memcpy(local->sun_path, path.data(), path.size());
        if (path[0] == '@') { local->sun_path[0] = '\0'; }
        size_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (path[0] == '@' ? 0 : 1));
#endif
    }

    sockaddr_storage storage_{};
    socklen_t size_ = 0;
};

#endif
