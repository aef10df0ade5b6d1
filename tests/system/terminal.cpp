// AskOnTerminal on a real pseudo-terminal, without an answer, in the background and without a terminal.

#include "real.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>

namespace {

// The starter as the foreground (or a background) process of a terminal of its own.
class TerminalSession {
public:
    enum class Where { foreground, background, no_terminal };
    TerminalSession(const Helper& holder, Where where, int timeout, const std::string& typed_ahead = "") {
        master_ = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
        REQUIRE(master_ >= 0);
        REQUIRE(::grantpt(master_) == 0);
        REQUIRE(::unlockpt(master_) == 0);
        const std::string name = ::ptsname(master_);
        int out[2];
        REQUIRE(::pipe2(out, O_CLOEXEC) == 0);
        output_ = out[0];
        type(typed_ahead);
        const std::string rule = "ask=" + std::to_string(timeout);
        const std::string port = std::to_string(holder.port());
        leader_ = ::fork();
        if (leader_ == 0) {
            ::setsid();
            const int terminal = where == Where::no_terminal ? -1 : ::open(name.c_str(), O_RDWR);
            if (terminal >= 0) { ::ioctl(terminal, TIOCSCTTY, 0); }
            ::dup2(out[1], STDOUT_FILENO);
            const pid_t starter = where == Where::background ? ::fork() : 0;
            if (starter == 0) {
                if (where == Where::background) { ::setpgid(0, 0); }
                ::execl(STARTER_PROGRAM, STARTER_PROGRAM, rule.c_str(), "127.0.0.1", port.c_str(), nullptr);
                ::_exit(127);
            }
            ::waitpid(starter, nullptr, 0);
            ::_exit(0);
        }
        ::close(out[1]);
    }
    ~TerminalSession() {
        ::close(output_);
        ::close(master_);
        ::waitpid(leader_, nullptr, 0);
    }
    void type(const std::string& text) {
        REQUIRE(::write(master_, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    }
    // What the terminal shows until `text` comes.
    std::string read_until(const std::string& text) {
        std::string shown;
        char c = 0;
        while (shown.find(text) == std::string::npos && ::read(master_, &c, 1) == 1) { shown += c; }
        return shown;
    }
    std::string outcome() {
        std::string line;
        char c = 0;
        while (::read(output_, &c, 1) == 1 && c != '\n') { line += c; }
        return line;
    }

private:
    int master_ = -1;
    int output_ = -1;
    pid_t leader_ = 0;
};

using Where = TerminalSession::Where;
constexpr int long_enough = 60000;

} // namespace

TEST_CASE("a person who says yes") {
    for (const char* yes : {"y\n", "yes\n", "Y\r"}) {
        Helper holder({"reuseaddr", "listen=127.0.0.1:0"});
        TerminalSession session(holder, Where::foreground, long_enough);
        CHECK_THAT(session.read_until("[y/N] "),
                   has_text("is held by holder (pid " + std::to_string(holder.pid()) + ')'));
        session.type(yes);
        CHECK_THAT(session.outcome(), has_text("served none"));
        CHECK_FALSE(holder.alive());
    }
}

TEST_CASE("a person who says no, or something else") {
    for (const char* no : {"n\n", "\n", "yy\n", "yesno\n", " y\n", "\x04"}) {
        Helper holder({"listen=127.0.0.1:0"});
        TerminalSession session(holder, Where::foreground, long_enough);
        session.read_until("[y/N] ");
        session.type(no);
        CHECK_THAT(session.outcome(), has_text("failed refused_holder"));
        CHECK(holder.alive());
    }
}

TEST_CASE("nobody answers") {
    Helper holder({"listen=127.0.0.1:0"});
    TerminalSession session(holder, Where::foreground, 100);
    session.read_until("[y/N] ");
    CHECK_THAT(session.outcome(), has_text("failed refused_holder"));
    CHECK(holder.alive());
}

TEST_CASE("half an answer is none") {
    Helper holder({"listen=127.0.0.1:0"});
    TerminalSession session(holder, Where::foreground, 100);
    session.read_until("[y/N] ");
    session.type("y");
    CHECK_THAT(session.outcome(), has_text("failed refused_holder"));
    CHECK(holder.alive());
}

TEST_CASE("what was typed before the question does not count") {
    Helper holder({"listen=127.0.0.1:0"});
    TerminalSession session(holder, Where::foreground, 300, "y\ny\ny");
    session.read_until("[y/N] ");
    CHECK_THAT(session.outcome(), has_text("failed refused_holder"));
    CHECK(holder.alive());
}

TEST_CASE("in the background nobody is asked, and nothing stops") {
    Helper holder({"listen=127.0.0.1:0"});
    TerminalSession session(holder, Where::background, long_enough);
    CHECK_THAT(session.outcome(), has_text("failed refused_holder"));
    CHECK(holder.alive());
}

TEST_CASE("without a terminal nobody is asked") {
    Helper holder({"listen=127.0.0.1:0"});
    TerminalSession session(holder, Where::no_terminal, long_enough);
    CHECK_THAT(session.outcome(), has_text("failed refused_holder"));
    CHECK(holder.alive());
}
