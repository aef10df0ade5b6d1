// The simplest real servers: they bind and listen as a server library does, and throw what it throws.
#ifndef TESTS_SERVER_HPP
#define TESTS_SERVER_HPP

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <system_error>

// Close-on-exec from the beginning where the system can; macOS cannot.
inline int open_socket(int family, int type) {
#if defined(SOCK_CLOEXEC)
    return ::socket(family, type | SOCK_CLOEXEC, 0);
#else
    const int fd = ::socket(family, type, 0);
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    return fd;
#endif
}

// A Unix domain socket at a path, or with a leading '@' an abstract name: bound and listening, or connected.
inline int open_path(const std::string& path, bool datagram = false, bool then_connect = false) {
    sockaddr_un local{};
    local.sun_family = AF_UNIX;
    path.copy(local.sun_path, sizeof local.sun_path - 1);
    const bool abstract = path[0] == '@';
    if (abstract) { local.sun_path[0] = '\0'; }
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (abstract ? 0 : 1));
    const int fd = open_socket(AF_UNIX, datagram ? SOCK_DGRAM : SOCK_STREAM);
    ::fcntl(fd, F_SETFL, O_NONBLOCK);
    const auto* const address = reinterpret_cast<const sockaddr*>(&local);
    if (then_connect ? ::connect(fd, address, size) == 0
                     : ::bind(fd, address, size) == 0 && (datagram || ::listen(fd, 16) == 0)) {
        return fd;
    }
    const int error = errno;
    ::close(fd);
    throw std::system_error(error, std::system_category(), "bind");
}

class TcpServer {
public:
    explicit TcpServer(std::string host, int type = SOCK_STREAM, bool reuse_address = false)
        : host_(std::move(host)), type_(type), reuse_address_(reuse_address) {}
    TcpServer(const TcpServer&) = delete;
    TcpServer& operator=(const TcpServer&) = delete;
    ~TcpServer() { stop(); }

    void start(std::uint16_t port) {
        ++starts;
        const bool v6 = host_.find(':') != std::string::npos;
        sockaddr_in6 to6{};
        sockaddr_in to4{};
        to6.sin6_family = AF_INET6;
        to6.sin6_port = htons(port);
        to4.sin_family = AF_INET;
        to4.sin_port = htons(port);
        inet_pton(v6 ? AF_INET6 : AF_INET, host_.c_str(),
                  v6 ? static_cast<void*>(&to6.sin6_addr) : static_cast<void*>(&to4.sin_addr));
        const int fd = open_socket(v6 ? AF_INET6 : AF_INET, type_);
        const int on = 1;
        if (reuse_address_) { ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on); }
        if (::bind(fd, v6 ? reinterpret_cast<sockaddr*>(&to6) : reinterpret_cast<sockaddr*>(&to4),
                   v6 ? sizeof to6 : sizeof to4) != 0 ||
            (type_ == SOCK_STREAM && ::listen(fd, 16) != 0)) {
            const int error = errno;
            ::close(fd);
            throw std::system_error(error, std::system_category(), "bind");
        }
        fd_ = fd;
    }

    void stop() {
        if (fd_ >= 0) { ::close(fd_); }
        fd_ = -1;
    }

    [[nodiscard]] bool running() const { return fd_ >= 0; }
    [[nodiscard]] int descriptor() const { return fd_; }
    [[nodiscard]] std::uint16_t port() const {
        sockaddr_in6 local{};
        socklen_t size = sizeof local;
        ::getsockname(fd_, reinterpret_cast<sockaddr*>(&local), &size);
        return ntohs(local.sin6_port); // at the same place in both families
    }

    int starts = 0;

private:
    std::string host_;
    int type_;
    bool reuse_address_;
    int fd_ = -1;
};

#endif
