// Real programs as holders: nginx, Python, Node, Java, systemd-socket-activate. What is not installed is skipped by
// name.

#include "real.hpp"

#include <fcntl.h>
#include <fstream>
#include <poll.h>
#include <sys/stat.h>

namespace {

// Starts a program as a stranger's, and waits until it accepts connections on the port.
class RealServer {
public:
    RealServer(std::vector<std::string> words, std::uint16_t port) : port_(port) {
        std::vector<char*> arguments;
        for (std::string& word : words) { arguments.push_back(word.data()); }
        arguments.push_back(nullptr);
        int pids[2];
        REQUIRE(::pipe2(pids, O_CLOEXEC) == 0);
        const pid_t parent = ::fork();
        if (parent == 0) {
            const pid_t server = ::fork();
            if (server != 0) {
                if (::write(pids[1], &server, sizeof server) < 0) {}
                ::_exit(0);
            }
            const int nothing = ::open("/dev/null", O_RDWR);
            for (int fd = 0; fd < 3; ++fd) { ::dup2(nothing, fd); }
            ::execvp(arguments[0], arguments.data());
            ::_exit(127);
        }
        pid_t pid = 0;
        REQUIRE(::read(pids[0], &pid, sizeof pid) == sizeof pid);
        ::close(pids[0]);
        ::close(pids[1]);
        ::waitpid(parent, nullptr, 0);
        process_ = std::make_unique<KnownProcess>(pid);
        while (!detail::os::held(Endpoint("127.0.0.1", port))) { REQUIRE_FALSE(process_->exits_within(5)); }
    }
    [[nodiscard]] const KnownProcess& process() const { return *process_; }

private:
    std::uint16_t port_;
    std::unique_ptr<KnownProcess> process_;
};

bool installed(const char* program) {
    std::string path = std::getenv("PATH");
    path += ":/usr/sbin:/sbin";
    for (std::size_t begin = 0; begin < path.size();) {
        const std::size_t end = std::min(path.find(':', begin), path.size());
        if (::access((path.substr(begin, end - begin) + '/' + program).c_str(), X_OK) == 0) { return true; }
        begin = end + 1;
    }
    return false;
}

#define NEEDS(program)                                                                                                 \
    if (!installed(program)) { SKIP_HERE("needs " program); }

void write_file(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

} // namespace

TEST_CASE("nginx with its master and workers, at rest and in the middle of a reload") {
    NEEDS("nginx");
    for (const bool reload : {false, true}) {
        const std::uint16_t port = unused_port();
        Directory own;
        const std::string& directory = own.path();
        write_file(directory + "/nginx.conf",
                   "daemon off; worker_processes 3; pid " + directory + "/pid; error_log " + directory +
                       "/log; events {} http { access_log off; client_body_temp_path " + directory +
                       "; proxy_temp_path " + directory + "/p; fastcgi_temp_path " + directory +
                       "/f; uwsgi_temp_path " + directory + "/u; scgi_temp_path " + directory +
                       "/s; server { listen 127.0.0.1:" + std::to_string(port) + "; } }");
        RealServer nginx({"/usr/sbin/nginx", "-c", directory + "/nginx.conf"}, port);
        const Endpoint here("127.0.0.1", port);
        std::error_code error;
        while (SystemProbe{}(here, error).size() < 4) {
            REQUIRE(nginx.process().alive());
        } // the master and three workers
        if (reload) { nginx.process().signal(SIGHUP); }
        const Started started = start_at("127.0.0.1", port);
        if (reload && !started.serves) {
            // A worker that the master started after the look holds the listener a moment longer than its master.
            CHECK(started.recovery.obstacle != Obstacle::none);
            while (detail::os::held(here)) {}
            CHECK(start_at("127.0.0.1", port).serves);
        } else {
            CHECK(started.serves);
            CHECK(started.recovery.evictions.size() >= 4);
        }
        CHECK(nginx.process().exits_within(5000));
    }
}

TEST_CASE("servers of Python, Node and Java leave when asked") {
    SECTION("Python") {
        NEEDS("python3");
        const std::uint16_t port = unused_port();
        RealServer server({"python3", "-m", "http.server", "--bind", "127.0.0.1", std::to_string(port)}, port);
        CHECK(start_at("127.0.0.1", port).fate() == Fate::exited);
    }
    SECTION("Node") {
        NEEDS("node");
        const std::uint16_t port = unused_port();
        RealServer server(
            {"node", "-e", "require('http').createServer().listen(" + std::to_string(port) + ", '127.0.0.1')"}, port);
        CHECK(start_at("127.0.0.1", port).fate() == Fate::exited);
    }
    SECTION("Java, which listens on a dual-stack address") {
        NEEDS("javac");
        const std::uint16_t port = unused_port();
        Directory own;
        const std::string& directory = own.path();
        write_file(directory + "/Main.java",
                   "public class Main { public static void main(String[] a) throws Exception {"
                   " new java.net.ServerSocket(Integer.parseInt(a[0])).accept(); } }");
        RealServer server({"java", directory + "/Main.java", std::to_string(port)}, port);
        const Started started = start_at("127.0.0.1", port);
        CHECK(started.serves);
        CHECK(started.fate() == Fate::exited);
    }
}

TEST_CASE("a socket that is held for a service to come is left to its unit") {
    NEEDS("systemd-socket-activate");
    const std::uint16_t port = unused_port();
    RealServer server({"systemd-socket-activate", "-l", "127.0.0.1:" + std::to_string(port), "/bin/cat"}, port);
    const Started started = start_at("127.0.0.1", port);
    CHECK_FALSE(started.serves);
    CHECK_THAT(started.reason(), has_text("systemctl stop NAME.socket"));
    CHECK(server.process().alive());
}
