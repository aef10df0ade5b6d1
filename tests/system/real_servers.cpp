// Real programs as holders: nginx, Python, Node, Java, systemd-socket-activate, and on a path dbus-daemon, PostgreSQL
// and nginx. What is not installed is skipped by name.

#include "real.hpp"

#include <fcntl.h>
#include <fstream>
#include <poll.h>
#include <sys/stat.h>

namespace {

// Starts a program as a stranger's, and waits until it accepts connections on the port.
class RealServer {
public:
    RealServer(std::vector<std::string> words, const Endpoint& endpoint, uid_t user = 0) {
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
            if (user != 0 && (::setresgid(user, user, user) != 0 || ::setresuid(user, user, user) != 0)) { ::_exit(1); }
            ::execvp(arguments[0], arguments.data());
            ::_exit(127);
        }
        pid_t pid = 0;
        REQUIRE(::read(pids[0], &pid, sizeof pid) == sizeof pid);
        ::close(pids[0]);
        ::close(pids[1]);
        ::waitpid(parent, nullptr, 0);
        process_ = std::make_unique<KnownProcess>(pid);
        while (!SystemProbe{}.held(endpoint)) { REQUIRE_FALSE(process_->exits_within(5)); }
    }
    [[nodiscard]] const KnownProcess& process() const { return *process_; }

private:
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

std::string nginx_configuration(const std::string& directory, const std::string& address) {
    return "daemon off; worker_processes 3; pid " + directory + "/pid; error_log " + directory +
           "/log; events {} http { access_log off; client_body_temp_path " + directory + "; proxy_temp_path " +
           directory + "/p; fastcgi_temp_path " + directory + "/f; uwsgi_temp_path " + directory +
           "/u; scgi_temp_path " + directory + "/s; server { listen " + address + "; } }";
}

Recovery start_on(const Endpoint& endpoint, bool& serves) {
    RetryOnAddrInUse retry{[](const Endpoint& at) { return open_path(at.path()); }, SystemProbe{}, TerminateThenKill{},
                           NoLog{}};
    serves = false;
    try {
        close(retry.start(endpoint));
        serves = true;
    } catch (const std::system_error& error) { REQUIRE(error.code() == std::errc::address_in_use); }
    INFO(describe(retry.recovery()));
    return retry.recovery();
}

} // namespace

TEST_CASE("nginx with its master and workers, at rest and in the middle of a reload") {
    NEEDS("nginx");
    for (const bool reload : {false, true}) {
        const std::uint16_t port = unused_port();
        Directory own;
        const std::string& directory = own.path();
        write_file(directory + "/nginx.conf", nginx_configuration(directory, "127.0.0.1:" + std::to_string(port)));
        RealServer nginx({"/usr/sbin/nginx", "-c", directory + "/nginx.conf"}, Endpoint("127.0.0.1", port));
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
            while (SystemProbe{}.held(here)) {}
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
        RealServer server({"python3", "-m", "http.server", "--bind", "127.0.0.1", std::to_string(port)},
                          Endpoint("127.0.0.1", port));
        CHECK(start_at("127.0.0.1", port).fate() == Fate::exited);
    }
    SECTION("Node") {
        NEEDS("node");
        const std::uint16_t port = unused_port();
        RealServer server(
            {"node", "-e", "require('http').createServer().listen(" + std::to_string(port) + ", '127.0.0.1')"},
            Endpoint("127.0.0.1", port));
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
        RealServer server({"java", directory + "/Main.java", std::to_string(port)}, Endpoint("127.0.0.1", port));
        const Started started = start_at("127.0.0.1", port);
        CHECK(started.serves);
        CHECK(started.fate() == Fate::exited);
    }
}

TEST_CASE("a socket that is held for a service to come is left to its unit") {
    NEEDS("systemd-socket-activate");
    const std::uint16_t port = unused_port();
    RealServer server({"systemd-socket-activate", "-l", "127.0.0.1:" + std::to_string(port), "/bin/cat"},
                      Endpoint("127.0.0.1", port));
    const Started started = start_at("127.0.0.1", port);
    CHECK_FALSE(started.serves);
    CHECK_THAT(started.reason(), has_text("systemctl stop NAME.socket"));
    CHECK(server.process().alive());
}

TEST_CASE("nginx on a path leaves when asked, and killed it leaves a file that is removed") {
    NEEDS("nginx");
    Directory own;
    const Endpoint here = Endpoint::unix_stream(own.path() + "/nginx.sock");
    write_file(own.path() + "/nginx.conf", nginx_configuration(own.path(), to_string(here)));
    bool serves = false;
    for (const bool killed : {false, true}) {
        std::filesystem::remove(here.path());
        RealServer nginx({"/usr/sbin/nginx", "-c", own.path() + "/nginx.conf"}, here);
        std::error_code error;
        std::vector<Holder> holders;
        while ((holders = SystemProbe{}(here, error)).size() < 4) { REQUIRE(nginx.process().alive()); }
        if (killed) { // the master with all its workers
            std::vector<std::unique_ptr<KnownProcess>> all;
            for (const Holder& holder : holders) {
                all.push_back(std::make_unique<KnownProcess>(static_cast<pid_t>(holder.pid)));
            }
            for (const auto& process : all) { process->signal(SIGKILL); }
            for (const auto& process : all) { REQUIRE(process->exits_within(5000)); }
            REQUIRE(std::filesystem::is_socket(here.path()));
        }
        const Recovery recovery = start_on(here, serves);
        CHECK(serves);
        CHECK(recovery.evictions.size() == (killed ? 1U : recovery.evictions.size()));
        CHECK(recovery.evictions.size() >= (killed ? 1U : 4U));
        CHECK(nginx.process().exits_within(5000));
    }
}

TEST_CASE("a message bus is a person's session and lives, and what it leaves when it is killed is removed") {
    NEEDS("dbus-daemon");
    Directory own;
    const Endpoint here = Endpoint::unix_stream(own.path() + "/bus");
    bool serves = false;
    RealServer bus({"dbus-daemon", "--session", "--nofork", "--address=unix:path=" + here.path()}, here);
    const Recovery refused = start_on(here, serves);
    CHECK_FALSE(serves);
    REQUIRE(refused.evictions.size() == 1);
    CHECK_THAT(refused.evictions[0].reason, has_text("a person works in it"));
    CHECK(bus.process().alive());
    bus.process().signal(SIGKILL);
    REQUIRE(bus.process().exits_within(5000));
    const Recovery removed = start_on(here, serves);
    CHECK(serves);
    REQUIRE(removed.evictions.size() == 1);
    CHECK(removed.evictions[0].fate == Fate::released);
}

TEST_CASE("PostgreSQL on a path leaves when asked, and killed it leaves a file that is removed") {
    NEEDS_ROOT(); // to be another user, as it demands
    const char* const programs = "/usr/lib/postgresql/15/bin";
    if (::access(programs, X_OK) != 0) { SKIP_HERE("needs PostgreSQL 15"); }
    constexpr uid_t nobody = 65534;
    Directory own;
    REQUIRE(::chown(own.path().c_str(), nobody, nobody) == 0);
    const std::string data = own.path() + "/data";
    const Endpoint here = Endpoint::unix_stream(own.path() + "/.s.PGSQL.5432");
    in_child(nobody, [&] {
        return std::to_string(
            std::system((std::string(programs) + "/initdb -N -D " + data + " >/dev/null 2>&1").c_str()));
    });
    bool serves = false;
    for (const bool killed : {false, true}) {
        std::filesystem::remove(here.path());
        std::filesystem::remove(here.path() + ".lock");
        std::filesystem::remove(data + "/postmaster.pid");
        RealServer server({std::string(programs) + "/postgres", "-D", data, "-k", own.path(), "-h", ""}, here, nobody);
        if (killed) {
            server.process().signal(SIGKILL);
            REQUIRE(server.process().exits_within(5000));
            while (SystemProbe{}.held(here)) {} // its helpers notice, and leave
            REQUIRE(std::filesystem::is_socket(here.path()));
        }
        const Recovery recovery = start_on(here, serves);
        CHECK(serves);
        const Eviction& first = recovery.evictions.at(0);
        CHECK(first.holder.pid == (killed ? 0 : server.process().pid()));
        // It lets the socket go before its last checkpoint is written: which of the two is seen depends on the disk.
        CHECK((first.fate == Fate::released || (first.fate == Fate::exited && !killed)));
        CHECK(server.process().exits_within(5000));
    }
}
