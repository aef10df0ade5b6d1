// Socket files that no process has open, and files that must not be removed.

#include "paths.hpp"

#include <fcntl.h>
#include <fstream>
#include <thread>

namespace {

// Where only root may write, and everybody may look.
class PublicDirectory : public Directory {
public:
    PublicDirectory() { chmod(path().c_str(), 0755); }
};

std::size_t files_in(const std::string& directory) {
    std::size_t count = 0;
    for (const auto& file : std::filesystem::directory_iterator(directory)) {
        static_cast<void>(file);
        ++count;
    }
    return count;
}

} // namespace

TEST_CASE("a socket file that no process has open is removed") {
    NEEDS_SOCK_DIAG();
    const Directory own;
    for (const Transport transport : {Transport::tcp, Transport::udp}) {
        const std::string path = own.path() + "/socket";
        const Endpoint here = transport == Transport::tcp ? Endpoint::unix_stream(path) : Endpoint::unix_datagram(path);
        leave_stale(here);
        const Started started = start_on(here);
        CHECK(started.serves);
        CHECK(started.starts == 2);
        CHECK(started.fate() == Fate::released);
        CHECK(started.pid() == 0);
        CHECK_THAT(describe(started.recovery), has_text("the file at " + here.path() + " was removed after "));
        CHECK(files_in(own.path()) == 1);
        std::filesystem::remove(here.path());
    }
}

TEST_CASE("a file that is no socket is never touched, and the report says what it is") {
    NEEDS_SOCK_DIAG();
    const Directory own;
    const std::string path = own.path() + "/socket";
    const Endpoint here = Endpoint::unix_stream(path);
    const Endpoint elsewhere = Endpoint::unix_stream(own.path() + "/elsewhere");
    SECTION("a regular file") { std::ofstream(path) << "precious"; }
    SECTION("a directory") { std::filesystem::create_directory(path); }
    SECTION("a link to nothing") { std::filesystem::create_symlink("nothing", path); }
    SECTION("a link to a socket file that nobody has open") {
        leave_stale(elsewhere);
        std::filesystem::create_symlink(elsewhere.path(), path);
    }
    SECTION("a named pipe") { REQUIRE(mkfifo(path.c_str(), 0600) == 0); }
    const ino_t number = file_number(path);
    const std::size_t files = files_in(own.path());
    const Started started = start_on(here);
    CHECK_FALSE(started.serves);
    CHECK(started.starts == 1);
    CHECK(started.fate() == Fate::refused);
    CHECK(started.recovery.obstacle == Obstacle::file_in_the_way);
    CHECK_THAT(describe(started.recovery),
               has_text("the file at " + path + " was not removed: it is no socket, and only sockets are removed"));
    CHECK(file_number(path) == number);
    CHECK(files_in(own.path()) == files);
}

TEST_CASE("ReportOnly removes no file, every other killer lets it be removed") {
    NEEDS_SOCK_DIAG();
    const Directory own;
    const Endpoint here = Endpoint::unix_stream(own.path() + "/socket");
    leave_stale(here);
    for (const Started& started : {start_on(here, ReportOnly{}), start_on(here, OnlyIf<SameUser, ReportOnly>{})}) {
        CHECK_FALSE(started.serves);
        CHECK(started.starts == 1);
        CHECK(started.recovery.obstacle == Obstacle::file_in_the_way);
        CHECK(started.fate() == Fate::refused);
        CHECK(file_number(here.path()) != 0);
    }
    CHECK(start_on(here, WaitForExit{}).serves);
    std::filesystem::remove(here.path());
    leave_stale(here);
    CHECK(start_on(here, [](const Holder&) { return Fate::survived; }).serves);
}

TEST_CASE("a rule about processes is not asked about a file that nobody has open") {
    NEEDS_SOCK_DIAG();
    const Directory own;
    const Endpoint here = Endpoint::unix_stream(own.path() + "/socket");
    leave_stale(here);
    CHECK(start_on(here, OnlyIf<SameExecutable>{}).serves);
}

TEST_CASE("a server that took the place meanwhile keeps its file") {
    const Directory own;
    const Endpoint here = Endpoint::unix_stream(own.path() + "/socket");
    leave_stale(here);
    std::error_code error;
    const detail::FileInfo stale = detail::Os::inspect_file(here, error);
    REQUIRE(stale.is_socket);
    std::filesystem::remove(here.path());
    Helper faster({word("listen", here)});
    const ino_t number = file_number(here.path());
    const auto remove = [&] {
        std::string left_at;
        const std::error_code answer = detail::Os::remove_file(here, stale, left_at);
        return answer.message() + left_at;
    };
    SECTION("of the same user") { CHECK(remove() == std::make_error_code(std::errc::operation_canceled).message()); }
    SECTION("of another user") {
        NEEDS_ROOT();
        constexpr uid_t somebody = 1000;
        REQUIRE(chown(own.path().c_str(), somebody, somebody) == 0);
        CHECK(in_child(somebody, remove) == std::make_error_code(std::errc::operation_canceled).message());
    }
    CHECK(file_number(here.path()) == number);
    CHECK(answers(here));
    CHECK(files_in(own.path()) == 1);
}

TEST_CASE("two that start at once on a stale file: one serves, and it keeps its file") {
    NEEDS_SOCK_DIAG();
    const Directory own;
    const Endpoint here = Endpoint::unix_stream(own.path() + "/socket");
    for (int round = 0; round < 20; ++round) {
        leave_stale(here);
        PathServer servers[2];
        int serving = 0;
        std::thread threads[2];
        bool good[2] = {};
        for (int i = 0; i < 2; ++i) {
            threads[i] = std::thread([&, i] {
                RetryOnAddrInUse retry{servers[i], SystemProbe{}, TerminateThenKill{}, NoLog{}};
                try {
                    retry.start(here);
                    good[i] = true;
                } catch (const std::system_error&) {}
            });
        }
        for (std::thread& thread : threads) { thread.join(); }
        for (const bool is_good : good) { serving += is_good ? 1 : 0; }
        CHECK(serving == 1);
        CHECK(answers(here));
        CHECK(files_in(own.path()) == 1);
        std::filesystem::remove(here.path());
    }
}

TEST_CASE("a file that we may not remove, or not even open, stays") {
    NEEDS_ROOT();
    NEEDS_SOCK_DIAG();
    const PublicDirectory own;
    const Endpoint here = Endpoint::unix_stream(own.path() + "/socket");
    const auto as_nobody = [&] {
        return in_child(65534, [&] {
            const Started started = start_on(here);
            return to_string(started.recovery.obstacle) + ' ' + std::to_string(started.starts) + ' ' +
                   describe(started.recovery);
        });
    };
    SECTION("the directory is not ours") {
        leave_stale(here);
        chmod(here.path().c_str(), 0777);
        CHECK_THAT(as_nobody(), has_text("file_in_the_way 1 "));
        CHECK_THAT(as_nobody(), has_text("could not be removed: Permission denied"));
    }
    SECTION("the socket is not ours") {
        leave_stale(here);
        chmod(here.path().c_str(), 0700);
        CHECK_THAT(as_nobody(), has_text("invisible_holder 1 "));
        CHECK_THAT(as_nobody(), has_text("an unidentified process"));
    }
    SECTION("its server is not ours") {
        Helper holder({word("listen", here)});
        CHECK_THAT(as_nobody(), has_text("invisible_holder 1 "));
        CHECK(holder.alive());
    }
    CHECK(file_number(here.path()) != 0);
    CHECK(files_in(own.path()) == 1);
}

TEST_CASE("a server that never reports the failure has its path cleared before") {
    NEEDS_SOCK_DIAG();
    const Directory own;
    const Endpoint here = Endpoint::unix_stream(own.path() + "/socket");
    int starts = 0;
    PathServer server;
    const auto start = [&](const Endpoint& endpoint) {
        ++starts;
        try {
            server.start(endpoint);
        } catch (const std::system_error&) {}
    };
    RetryOnAddrInUse retry{Preflight{start}, SystemProbe{}, TerminateThenKill{}, NoLog{}};
    SECTION("of a stale file") {
        leave_stale(here);
        retry.start(here);
        CHECK(retry.recovery().evictions.size() == 1);
    }
    SECTION("of a listener") {
        Helper holder({word("listen", here)});
        retry.start(here);
        CHECK(retry.recovery().evictions.size() == 2);
    }
    SECTION("of nothing") {
        retry.start(here);
        CHECK(retry.recovery().evictions.empty());
    }
    CHECK(starts == 1);
    CHECK(answers(here));
}

TEST_CASE("a failure without a reason counts where a file is in the way") {
    NEEDS_SOCK_DIAG();
    const Directory own;
    const Endpoint here = Endpoint::unix_stream(own.path() + "/socket");
    PathServer server;
    const auto start = [&](const Endpoint& endpoint) {
        try {
            server.start(endpoint);
        } catch (const std::system_error&) { errno = 0; }
        return server.fd >= 0;
    };
    RetryOnAddrInUse retry{AskProbe{start}, SystemProbe{}, TerminateThenKill{}, NoLog{}};
    leave_stale(here);
    CHECK(retry.start(here));
    CHECK(server.starts == 2);
    std::filesystem::remove(here.path());
    std::filesystem::create_directory(here.path());
    server.fd = -1;
    CHECK_FALSE(retry.start(here));
    CHECK(retry.recovery().obstacle == Obstacle::file_in_the_way);
    std::filesystem::remove(here.path());
    CHECK_FALSE(retry.start(Endpoint::unix_stream(own.path() + "/missing/socket"))); // another reason
    CHECK(retry.recovery().evictions.empty());
    CHECK(retry.recovery().obstacle == Obstacle::other_failure);
}
