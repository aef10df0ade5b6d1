// Programs that are protected by what they are, and those with similar names that are terminated.

#include "real.hpp"

#include <fcntl.h>
#include <pty.h>

#include <algorithm>
#include <cctype>
#include <thread>

namespace {

void check_that_it_lives(const Helper& holder, const std::string& advice) {
    const Started started = start_at("127.0.0.1", holder.port());
    CHECK_FALSE(started.serves);
    CHECK(started.recovery.obstacle == Obstacle::refused_holder);
    CHECK_THAT(started.reason(), has_text(advice));
    CHECK(holder.alive());
}

// A copy of the holder that gets ready under this name.
std::unique_ptr<Helper> start_copy(const Directory& directory, const std::string& name,
                                   std::vector<std::string> words) {
    words.insert(words.begin(), "listen=127.0.0.1:0");
    auto copy = std::make_unique<Helper>(directory.install(HOLDER_PROGRAM, name), words, Helper::Kin::stranger);
    copy->read_ready();
    return copy;
}

// A child that leads the session of a terminal of its own. The test is the person at it.
class OnTerminal {
public:
    template <class Body> explicit OnTerminal(Body body) : leader_(::forkpty(&person_, nullptr, nullptr, nullptr)) {
        if (leader_ == 0) {
            body();
            ::_exit(127);
        }
        REQUIRE(leader_ > 0);
    }
    OnTerminal(const OnTerminal&) = delete;
    ~OnTerminal() {
        ::close(person_);
        ::waitpid(leader_, nullptr, 0);
    }
    void type(const std::string& text) {
        REQUIRE(::write(person_, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    }
    // What the terminal shows until the next question, or to its end.
    std::string read_to_question() {
        std::string shown;
        char c = 0;
        while (shown.find("[y/N] ") == std::string::npos && ::read(person_, &c, 1) == 1) { shown += c; }
        return shown;
    }

private:
    int person_ = -1;
    pid_t leader_;
};

void execute(std::vector<std::string> words) {
    std::vector<char*> arguments;
    for (std::string& word : words) { arguments.push_back(word.data()); }
    arguments.push_back(nullptr);
    ::execv(arguments[0], arguments.data());
}

// A shell that inherited a listener, and has a terminal.
class Shell {
public:
    enum class Place { foreground, background, session_leader };
    Shell(const std::vector<std::string>& words, Place place) {
        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        terminal_ = std::make_unique<OnTerminal>([&] {
            TcpServer server("127.0.0.1");
            server.start(0);
            ::fcntl(server.descriptor(), F_SETFD, 0); // the shell inherits it
            const pid_t shell = place == Place::session_leader ? 0 : ::fork();
            if (shell == 0) {
                if (place == Place::background) { ::setpgid(0, 0); }
                const Facts facts{::getpid(), server.port()};
                if (::write(ends[1], &facts, sizeof facts) == sizeof facts) { execute(words); }
                ::_exit(127);
            }
            server.stop();
            ::close(ends[1]);
            ::waitpid(shell, nullptr, 0);
        });
        ::close(ends[1]);
        REQUIRE(::read(ends[0], &facts_, sizeof facts_) == sizeof facts_);
        char c = 0;
        REQUIRE(::read(ends[0], &c, 1) == 0); // closed: it runs the shell
        ::close(ends[0]);
        process_ = std::make_unique<KnownProcess>(facts_.pid);
    }
    [[nodiscard]] std::uint16_t port() const { return facts_.port; }
    [[nodiscard]] bool alive() const { return process_->alive(); }

private:
    struct Facts {
        pid_t pid = 0;
        std::uint16_t port = 0;
    };
    Facts facts_;
    std::unique_ptr<OnTerminal> terminal_;
    std::unique_ptr<KnownProcess> process_; // killed before its terminal is hung up
};

using Place = Shell::Place;
const std::string command = "read line"; // ends with the terminal

void check_that_it_is_left_to_the_person(const std::vector<std::string>& words, Place place) {
    CAPTURE(words, static_cast<int>(place));
    const Shell shell(words, place);
    const Started started = start_at("127.0.0.1", shell.port());
    CHECK_FALSE(started.serves);
    CHECK_THAT(started.reason(), has_text("shell with a terminal"));
    CHECK(shell.alive());
}

// Starts a server of ours that stays: a copy of the starter with these words after the address.
std::unique_ptr<Helper> stay(const std::string& program, const std::string& port, const std::string& word = "run") {
    return std::make_unique<Helper>(program, std::vector<std::string>{"127.0.0.1", port, word, "stay"},
                                    Helper::Kin::stranger);
}

constexpr const char* names_of_protected_programs[] = {"code", "cursor", "X", "screen", "adb", "foot", "CODE"};
constexpr const char* names_like_those[] = {"idea-backend", "vimeo-proxy", "brave-api", "tmux-web", "code-server"};

} // namespace

TEST_CASE("a protected program lives, by the name of its file or its own, in any case") {
    const std::pair<std::string, const char*> programs[] = {
        {"limactl", "it forwards the port"},       {"dropbear", "it forwards the port"},
        {"adb", "it forwards the port"},           {"PM2 v7.0.4: God", "pm2 stop"},
        {"firefox-esr", "a person works in it"},   {"windsurf", "a person works in it"},
        {"mate-terminal", "a person works in it"}, {"Xtigervnc", "a person works in it"},
        {"soffice.bin", "a person works in it"},   {"jupyter-lab", "a person works in it"},
    };
    const Directory directory;
    for (const auto& [name, advice] : programs) {
        std::string upper = name;
        std::transform(name.begin(), name.end(), upper.begin(),
                       [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
        for (const std::string& spelled : {name, upper}) {
            INFO(spelled);
            check_that_it_lives(*start_copy(directory, spelled, {"name=worker"}), advice);
            check_that_it_lives(Helper({"name=" + spelled, "listen=127.0.0.1:0"}), advice);
        }
    }
}

TEST_CASE("a protected program lives although its file was replaced since") {
    const Directory directory;
    const auto holder = start_copy(directory, "Xvnc", {"name=worker"});
    const std::string newer = directory.install(HOLDER_PROGRAM, "Xvnc");
    check_that_it_lives(*holder, "a person works in it");
}

TEST_CASE("the kernel of a notebook lives, and another program of Python is terminated") {
    const Directory directory;
    check_that_it_lives(*start_copy(directory, "python3", {"only-seen", "-m", "ipykernel_launcher", "-f", "k.json"}),
                        "notebook");
    check_that_it_lives(*start_copy(directory, "python3.11", {"only-seen", "-m", "ipykernel"}), "notebook");
    const auto server = start_copy(directory, "python3", {"only-seen", "-m", "http.server"});
    CHECK(start_at("127.0.0.1", server->port()).serves);
    CHECK_FALSE(server->alive());
}

TEST_CASE("a shell that runs a script or a command is terminated although it has a terminal") {
    const Directory directory;
    const std::string script = directory.path() + "/script";
    std::ofstream(script) << command << '\n';
    const std::vector<std::string> uses[] = {
        {script}, {script, "-i"}, {"-c", command}, {"-ec", command}, {"-ce", command}};
    for (std::vector<std::string> words : uses) {
        words.insert(words.begin(), "/bin/sh");
        for (const Place place : {Place::foreground, Place::background}) {
            CAPTURE(words, static_cast<int>(place));
            const Shell shell(words, place);
            CHECK(start_at("127.0.0.1", shell.port()).serves);
            CHECK_FALSE(shell.alive());
        }
    }
}

TEST_CASE("a shell that a person types into lives") {
    const std::vector<std::string> uses[] = {
        {"/bin/sh"}, {"/bin/sh", "-i"}, {"/bin/sh", "-s"}, {"/bin/sh", "+e"}, {"/bin/sh", "-e"}};
    for (const auto& words : uses) { check_that_it_is_left_to_the_person(words, Place::foreground); }
}

TEST_CASE("a shell that leads the session of its terminal lives with a command too") {
    const Directory directory;
    const std::string script = directory.path() + "/script";
    std::ofstream(script) << command << '\n';
    check_that_it_is_left_to_the_person({"/bin/sh", script}, Place::session_leader);
    check_that_it_is_left_to_the_person({"/bin/sh", "-c", command}, Place::session_leader);
    check_that_it_is_left_to_the_person({"/bin/sh"}, Place::session_leader);
}

TEST_CASE("a long option with a c in it is no command: the shell lives") {
    if (::access("/bin/bash", X_OK) != 0) { SKIP_HERE("needs bash"); }
    check_that_it_is_left_to_the_person({"/bin/bash", "--norc"}, Place::foreground);
}

TEST_CASE("a server of ours with the name of a protected program is terminated by the same command line only") {
    const Directory directory;
    for (const std::string name : names_of_protected_programs) {
        INFO(name);
        const std::string program = directory.install(STARTER_PROGRAM, name);
        const std::string port = std::to_string(unused_port());
        const auto first = stay(program, port);
        REQUIRE(first->read_line() == "served none");
        const auto second = stay(program, port);
        REQUIRE_THAT(second->read_line(), has_text("served none") && has_text("=exited"));
        CHECK(first->read_line().empty()); // it has exited
        const auto other = stay(program, port, "another");
        CHECK_THAT(other->read_line(), has_text("failed refused_holder"));
        const auto third = stay(program, port);
        CHECK_THAT(third->read_line(), has_text("=exited")); // the second one was still there
    }
}

TEST_CASE("a server of ours with the name of a protected program is terminated after a build replaced its file") {
    const Directory directory;
    const std::string port = std::to_string(unused_port());
    const auto first = stay(directory.install(STARTER_PROGRAM, "code"), port);
    REQUIRE(first->read_line() == "served none");
    const auto second = stay(directory.install(STARTER_PROGRAM, "code"), port);
    REQUIRE_THAT(second->read_line(), has_text("served none") && has_text("=exited"));
    CHECK(first->read_line().empty());
}

TEST_CASE("another server with the name of a protected program lives, whatever its command line") {
    const Directory ours;
    const Directory theirs;
    const std::string port = std::to_string(unused_port());
    const auto first = stay(theirs.install(STARTER_PROGRAM, "code"), port);
    REQUIRE(first->read_line() == "served none");
    const auto second = stay(ours.install(STARTER_PROGRAM, "code"), port);
    CHECK_THAT(second->read_line(), has_text("failed refused_holder"));
}

TEST_CASE("a server whose name only begins as that of a protected program is terminated") {
    const Directory directory;
    for (const std::string name : names_like_those) {
        INFO(name);
        const std::string program = directory.install(STARTER_PROGRAM, name);
        const std::string port = std::to_string(unused_port());
        const auto first = stay(program, port);
        REQUIRE(first->read_line() == "served none");
        const auto second = stay(program, port);
        REQUIRE_THAT(second->read_line(), has_text("served none") && has_text("=exited"));
        const auto other = stay(program, port, "another");
        REQUIRE_THAT(other->read_line(), has_text("served none") && has_text("=exited"));
        CHECK(first->read_line().empty());
        CHECK(second->read_line().empty());
    }
}

TEST_CASE("a UDP server and its helper program with one and the same socket are terminated") {
    for (const std::size_t workers : {0U, 2U}) {
        const Helper holder({"udp=127.0.0.1:low", "fork=" + std::to_string(workers), "leave-program=/bin/sleep", "60"});
        const Endpoint here("127.0.0.1", holder.port(), Transport::udp);
        const Started started = start_at("127.0.0.1", here, TerminateThenKill{}, false);
        CHECK(started.serves);
        CHECK(started.recovery.evictions.size() == workers + 2);
        for (std::size_t i = 0; i < workers + 2; ++i) { CHECK_FALSE(holder.alive(i)); }
    }
}

TEST_CASE("workers that a holder forks for a request after our start began are terminated with it") {
    for (const int length : {1, 2}) { // 2: a worker of a worker
        CAPTURE(length);
        const Helper holder({"reuseaddr", "listen=127.0.0.1:0", "fork-per-request=" + std::to_string(length)});
        const Endpoint here("127.0.0.1", holder.port());
        const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        std::vector<KnownProcess> workers;
        TcpServer server("127.0.0.1", SOCK_STREAM, true);
        RetryOnAddrInUse retry{[&](std::uint16_t port) {
                                   const auto begin = detail::Os::now();
                                   while (workers.empty() && detail::Os::now() < begin + 25000000) { // more than a tick
                                       std::this_thread::sleep_for(milliseconds(5));
                                   }
                                   if (workers.empty()) {
                                       sockaddr_in to{};
                                       to.sin_family = AF_INET;
                                       to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
                                       to.sin_port = htons(port);
                                       REQUIRE(::connect(client, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
                                   }
                                   for (pid_t pid = 0; workers.size() < static_cast<std::size_t>(length);) {
                                       REQUIRE(::recv(client, &pid, sizeof pid, MSG_WAITALL) == sizeof pid);
                                       workers.emplace_back(pid);
                                   }
                                   server.start(port);
                               },
                               SystemProbe{}, TerminateThenKill{}, NoLog{}};
        CHECK_NOTHROW(retry.start(here));
        INFO(describe(retry.recovery()));
        CHECK(server.running());
        CHECK_FALSE(holder.alive());
        for (const KnownProcess& worker : workers) { CHECK_FALSE(worker.alive()); }
        ::close(client);
    }
}

TEST_CASE("of eight workers the person at the terminal is asked until the first no") {
    for (const std::vector<const char*>& answers : {std::vector{"n\n"}, std::vector{"y\n", "n\n"}}) {
        const Helper holder({"listen=127.0.0.1:0", "fork=8"});
        const std::string port = std::to_string(holder.port());
        OnTerminal session([&] { execute({STARTER_PROGRAM, "ask=60000", "127.0.0.1", port}); });
        for (const char* answer : answers) {
            REQUIRE_THAT(session.read_to_question(), has_text("[y/N]"));
            session.type(answer);
        }
        CHECK_THAT(session.read_to_question(), has_text("failed refused_holder") && !has_text("[y/N]"));
        for (std::size_t i = 0; i <= 8; ++i) { CHECK(holder.alive(i)); }
    }
}

TEST_CASE("our previous run on one loopback and another program on the other both live, and the host is asked for") {
    NEEDS_IPV6();
    for (const char* host : {"localhost", "LOCALHOST", "*", ""}) {
        INFO(host);
        const std::string port = std::to_string(unused_port());
        const auto previous = stay(STARTER_PROGRAM, port);
        REQUIRE(previous->read_line() == "served none");
        const Helper other({"v6only", "listen=[::1]:" + port});
        const Started started = start_at("127.0.0.1", Endpoint(host, other.port()));
        CHECK_FALSE(started.serves);
        CHECK(started.recovery.evictions.size() == 2);
        CHECK_THAT(describe(started.recovery), has_text("name the host"));
        // With the host named, the previous run alone is meant: it was still there.
        const Started named = start_at("127.0.0.1", other.port());
        REQUIRE(named.serves);
        CHECK(named.recovery.evictions.size() == 1);
        CHECK(previous->read_line().empty());
        CHECK(other.alive());
    }
}

TEST_CASE("our previous run on both loopbacks is terminated for localhost") {
    NEEDS_IPV6();
    for (const char* host : {"localhost", "*"}) {
        const std::string port = std::to_string(unused_port());
        const Helper holder({"v6only", "listen=127.0.0.1:" + port, "listen=[::1]:" + port, "fork=1"});
        CHECK(start_at("127.0.0.1", Endpoint(host, holder.port())).serves);
        CHECK_FALSE(holder.alive(0));
        CHECK_FALSE(holder.alive(1));
    }
}

TEST_CASE("a start of a UDP server terminates no TCP server on that port") {
    const Helper tcp({"listen=127.0.0.1:low"});
    const Helper udp({"udp=127.0.0.1:" + std::to_string(tcp.port())});
    TcpServer server("127.0.0.1", SOCK_DGRAM);
    RetryOnAddrInUse retry{server, SystemProbe{}, TerminateThenKill{}, NoLog{}};
    CHECK_NOTHROW(retry.start("127.0.0.1", udp.port(), Transport::udp));
    CHECK(server.running());
    CHECK_FALSE(udp.alive());
    CHECK(tcp.alive());
}

TEST_CASE("a host in brackets or in capitals names the holder") {
    NEEDS_IPV6();
    const std::pair<const char*, const char*> hosts[] = {{"::1", "[::1]"}, {"127.0.0.1", "LOCALHOST"}};
    for (const auto& [address, host] : hosts) {
        const bool v6 = host[0] == '[';
        const Helper holder({std::string("listen=") + (v6 ? host : address) + ":0"});
        CHECK(start_at(address, Endpoint(host, holder.port())).serves);
        CHECK_FALSE(holder.alive());
    }
}
