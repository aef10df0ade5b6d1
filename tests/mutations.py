"""Breaks the header in one place at a time and demands that the test named beside it fails.

    mutations.py BUILD-DIRECTORY [PART-OF-A-TEST'S-NAME]

A test that no change of the code can make fail proves nothing. Each row names the file of a test, the test, what is taken
out of the header and what is put there instead. The holder comes from the build
directory, those for Windows from the one beside it. Needs Catch2 version 2.
"""

import concurrent.futures
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
HEADER = (ROOT / "include/retry_on_addr_in_use.hpp").read_text()

MUTATIONS = [
    # paths, and what lingers
    ("paths", "a socket file that nobody has open is removed", "|| ::unlink(aside.c_str()) != 0) {", "|| ::link(aside.c_str(), path) != 0) {"),
    ("paths", "a listener on a path leaves when asked, and its file goes with it", "if (same_device ? socket.file != static_cast<std::uint32_t>(number) : !named) { return false; }", "if (same_device ? socket.file == static_cast<std::uint32_t>(number) : !named) { return false; }"),
    ("paths", "an abstract name is free as soon as its holder is gone", "(detail::Access::is_file(a) || a.transport() == b.transport());", "true;"),
    ("paths", "a file that is no socket is never touched, and the report says what it is", "S_ISLNK(file.st_mode) ? \"the link \"", "S_ISLNK(file.st_mode) ? \"the file \""),
    ("paths", "who holds what a link leads to is nobody's business", "    if (::lstat(Access::path(wanted), &at) != 0) {", "    if (::stat(Access::path(wanted), &at) != 0) {"),
    ("paths", "killers that end nobody remove nothing", "        if (somebody) {\n            say_holders", "        if (true) {\n            say_holders"),
    ("paths", "a server that lost its file to another one lives", "if (same_device ? socket.file != static_cast<std::uint32_t>(number) : !named) { return false; }", "if (socket.file != static_cast<std::uint32_t>(number) && !named) { return false; }"),
    ("paths", "a server that took the place meanwhile keeps its file", "const bool same = same_file(file, moved);", "const bool same = true;"),
    ("paths", "a server that took the place meanwhile keeps its file", "made(a).tv_sec == made(b).tv_sec && made(a).tv_nsec == made(b).tv_nsec;", "true;"),
    ("paths", "a server that took the place meanwhile keeps its file", "if (::syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, without_replacing) == 0) { return true; }", ""),
    ("paths", "a file that we may not remove, or not even open, stays", "    if (answer == ECONNREFUSED) {\n        holder.state", "    if (answer != 0) {\n        holder.state"),
    ("paths", "a server in another network namespace is reached by its path, and lives", "    return good ? 0 : errno;\n", "    return good ? ECONNREFUSED : errno;\n"),
    ("paths", "a server in another network namespace is reached by its path, and lives", "::fcntl(socket.descriptor(), F_SETFL, O_NONBLOCK) == 0 &&", ""),
    ("paths", "a server that finishes its connections keeps the file under them", "row[2] == state_established && !datagram ? State::connected", "row[2] == state_established && !datagram ? State::lingering"),
    ("paths", "a server that never reports the failure has its path cleared before", "(Access::is_path(recovery_.endpoint) || round.held())", "(round.held())"),
    ("paths", "a server that takes a port is not started on a path", "    if (Access::is_path(endpoint)) { reject(\"this server", "    if (false) { reject(\"this server"),
    ("paths", "lsof cannot tell who has a path, and says so", "    if (Access::is_path(endpoint)) { // whether", "    if (false) { // whether"),
    ("hidden", "without a view of Unix domain sockets no file is removed", "        if (error) { return error; }\n    } else if (error) {", "    } else if (error) {"),
    ("hidden", "where a file system shows other numbers than it has inside, nobody is ended for a name, and nothing removed", "if (same_device ? socket.file != static_cast<std::uint32_t>(number) : !named) { return false; }", "if (!same_device || socket.file != static_cast<std::uint32_t>(number)) { return false; }"),
    ("hidden", "a live connection is never destroyed, nor is what a living server left beside it", "somebody = somebody || holder.state != State::lingering;", "somebody = somebody || holds_address(holder);"),
    ("real_servers", "a message bus is a person's session and lives, and what it leaves when it is killed is removed", "dbus-daemon,dbus-broker*", "dbus-broker*"),
    ("macos", "another user's socket file is nobody's to remove where its processes cannot be seen", "(!blind || file.st_uid == ::geteuid())", "true"),
    # holders that must leave
    ("holders", "a holder that leaves on SIGTERM", "ask == Ask::leave ? SIGTERM", "ask == Ask::leave ? 0"),
    ("holders", "a holder found by the port alone", "case Endpoint::Host::every: return {all, all};", "case Endpoint::Host::every: return {};"),
    ("holders", "a holder that ignores SIGTERM is forced", "ask == Ask::die ? SIGKILL", "ask == Ask::die ? 0"),
    ("holders", "a grace of 0 forces at once", "if (grace > grace.zero() && detail::os::can_ask()) {\n            pinned.signal(detail::os::Ask::leave);\n            pinned.wait(grace,", "if (true) {\n            pinned.signal(detail::os::Ask::leave);\n            pinned.wait(std::chrono::seconds(2),"),
    ("holders", "a stopped holder leaves when asked", "send_signal(handle_, pid_, SIGCONT)", "send_signal(handle_, pid_, 0)"),
    ("holders", "forked children that share the socket all leave", "return known.pid == socket.pid && known.local", "return known.local"),
    ("holders", "two holders that share the address by SO_REUSEPORT both leave", "return known.pid == socket.pid && known.local", "return known.local"),
    ("holders", "a dual-stack holder of :: is in the way of 127.0.0.1", "return error ? error : ask_diag(netlink, wanted, 10, states, sockets);", "return error;"),
    ("holders", "a holder that is bound but does not listen", "diag_all = 0xffff", "diag_all = 0x1fff"),
    ("holders", "a holder that is bound but does not listen", "{holding_states(socket), diag_bound}", "{holding_states(socket)}"),
    ("holders", "a bound holder that ignores SIGTERM has all of its grace, and is forced then", "if (ask_held && !held) {", "if (!held) {"),
    ("holders", "a UDP holder below the ephemeral range", "? 6 : 17;", "? 6 : 6;"),
    ("holders", "a socket in the descriptor table of one thread only", "for (const bool threads : {false, true}) { // those", "for (const bool threads : {false}) { // those"),
    ("holders", "our own child counts as gone although it is a zombie, and is left to its parent to reap", "return ::poll(&death, 1, 0) == 1;", "return is_gone(pid_);"),
    ("holders", "a child that was started after the start began is ours to end", "if (pid != os::self()) { return \"it started", "if (pid != 0) { return \"it started"),
    ("holders", "a holder that leaves the address on SIGTERM and works on is not forced", "} else if (!holds) {", "} else if (error) {"),
    ("holders", "a holder that leaves by itself is waited for", "    pinned.wait(timeout, Fate::exited, Fate::released);\n", ""),
    ("holders", "our program was rebuilt while its previous run goes on", "their_path == our_path + std::string(deleted_mark)", "their_path == our_path"),
    ("holders", "lsof finds the same holder", "listening = listening || value == \"ST=LISTEN\";", ""),
    ("holders", "many processes and descriptors are searched through", "        if (size <= 0) { return size < 0 ? errno : 0; }\n", "        static bool once = false;\n        if (once || size <= 0) { return 0; }\n        once = true;\n"),
    # bystanders that must live
    ("bystanders", "a client, other addresses, ports and transports are nobody's business", "|| !conflicts(wanted, socket.local)) { continue; }", ") { continue; }"),
    ("bystanders", "an outgoing connection on that port lives, and is named", "    if (!holds_address(holder)) {\n        return holder.state", "    if (holder.pid == 0) {\n        return holder.state"),
    ("bystanders", "a UDP client on an ephemeral port lives", "if (wanted.port() >= first &&", "if (wanted.port() < first &&"),
    ("bystanders", "two strangers side by side live when only the port is known", "return host_known(wanted) || (x.v4", "return !wanted.v6_only() || (x.v4"),
    ("bystanders", "a stranger beside a connection lives when only the port is known", "return host_known(wanted) || (x.v4", "return !wanted.v6_only() || (x.v4"),
    ("bystanders", "a stranger that listens lives where the culprit on another address is only bound", "dump_sockets(wanted, diag_listening, sockets, complete);\n        keep_conflicting(wanted, sockets);", "dump_sockets(wanted, diag_listening, sockets, complete);"),
    ("bystanders", "a client between bind and connect lives", "if (again || !any_of(sockets, is_bound_only)) { break; }\n        pause(Milliseconds(50)); //", "if (again || !any_of(sockets, is_bound_only)) { break; }\n        //"),
    ("bystanders", "we do not end ourselves", "if (holds_address(holder) && holder.pid == os::self()) { return Obstacle::this_process; }", ""),
    ("bystanders", "our ancestor lives", "if (pid == holder.pid) { return \"it is an ancestor", "if (pid == 0) { return \"it is an ancestor"),
    ("bystanders", "our ancestor and a child of its that shares the listener both live", "        if (eviction.fate == Fate::survived && !reason.empty()) {", "        reason.clear();\n        if (eviction.fate == Fate::survived && !reason.empty()) {"),
    ("bystanders", "a worker beside us under a parent that runs our executable lives", "os::parent(holder.pid, error) == parent &&", "os::parent(holder.pid, error) == 0 &&"),
    ("bystanders", "a holder of another user is reported as such", "        if (socket.pid == 0) { owned.push_back(std::move(socket)); }", "        if (socket.pid != 0) { owned.push_back(std::move(socket)); }"),
    ("bystanders", "root ends the holder of another user, and knows whose it is", "std::to_string(users.first[1])", "std::to_string(::getuid())"),
    ("bystanders", "a holder with rights that we lack is not touched, nor is who shares the address with it", "if (!os::privileged()) { return \"its socket", "if (os::privileged()) { return \"its socket"),
    ("bystanders", "a holder that started after our start began lives", "return holder.start_time > moment / tick;", "return holder.start_time > moment;"),
    ("bystanders", "a supervisor that brings the holder back wins, after one round", "Obstacle obstacle = Obstacle::taken_again;", "Obstacle obstacle = Obstacle::refused_holder;"),
    ("bystanders", "connections that a dead holder leaves behind are named, and nobody is ended for them", ": inode != 0            ? State::connected", ": inode == 0            ? State::connected"),
    # killers
    ("killers", "a pid that another process has by now is not signalled", "now.start_time != before.start_time) {", "now.start_time == 0) {"),
    ("killers", "a process that has let the address go is not signalled", "} else if (!holds) {", "} else if (error) {"),
    ("killers", "a process that does not hold the socket it is said to hold is not signalled", "row.inode != 0 && holds_address(row) && same_address(row.local, socket)", "row.inode != 0 && holds_address(row)"),
    ("killers", "a process that runs another program by now is not signalled", "before.executable != now.executable) {", "before.executable.empty()) {"),
    ("killers", "a holder that died in the meantime is gone", "return ::poll(&death, 1, 0) == 1;", "return false;"),
    ("killers", "a process that the system does not let us signal is reported, and its partner lives", "failure != ESRCH) { error = system_error(failure); }", "failure != ESRCH) {}"),
    ("killers", "the right to look without the right to signal: tried for all before anybody is signalled", "    pinned.signal(detail::os::Ask::permission);\n", ""),
    ("killers", "killers that end nobody", "std::string(\"ReportOnly ends nobody\")", "std::string()"),
    ("killers", "rules about real holders", "if (ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino) { return true; }", "if (ours.st_dev == theirs.st_dev) { return true; }"),
    ("killers", "the same user is the same in all three ids", "i < 3 && same", "i < 1 && same"),
    ("killers", "a simple killer that only sends a signal is given time to see it work", "pinned.wait(settle_time, Fate::exited", "pinned.wait(settle_time, Fate::survived"),
    ("killers", "free_address frees a real address", "if (detail::Access::can_be_in_use(endpoint) && round.run(", "if (!detail::Access::can_be_in_use(endpoint) && round.run("),
    ("killers", "preflight ends the previous copy of a server that shares its port", "spent = look_first(begin);", "spent = begin == 0;"),
    # hard holders
    ("hard_holders", "a service of the system and a container are left to their managers", "return stop_advice(service); }", "return \"\"; }"),
    ("hard_holders", "within one service, its own previous run may be ended", "service != os::service(os::self(), error)", "service != \"/\""),
    ("hard_holders", "a browser that inherited the listener of a dead server lives", "    \"firefox*,chrome", "    \"chrome"),
    ("hard_holders", "a helper without a name that inherited the listener of a dead server is ended", "    \"firefox*,chrome", "    \"sleep,chrome"),
    ("hard_holders", "a listener that another user planted does not get its process killed", "if (holder.socket_user != \"0\") {", "if (holder.socket_user == \"0\") {"),
    ("hard_holders", "two programs that share a UDP address on purpose both live", "(other.executable.empty() || other.executable != holder.executable)", "other.executable.empty()"),
    ("hard_holders", "a holder whose name and arguments are escape sequences is shown as plain text", "if (c >= ' ' && c <= '~' && c != '\\\\') {", "if (c != '\\\\') {"),
    ("hard_holders", "a process of 4 GiB takes its time to die, and is waited for", "pinned.wait(kill_wait, Fate::killed", "pinned.wait(kill_wait * 0, Fate::killed"),
    ("hard_holders", "a process stopped under a debugger", "ask == Ask::die ? SIGKILL", "ask == Ask::die ? SIGTERM"),
    ("hard_holders", "a process whose first thread has ended", "for (const bool threads : {false, true}) { // those", "for (const bool threads : {false}) { // those"),
    ("hard_holders", "a socket in flight between processes has no owner to be seen", "        if (socket.pid == 0) { owned.push_back(std::move(socket)); }", "        if (socket.pid != 0) { owned.push_back(std::move(socket)); }"),
    ("hard_holders", "a holder that forks a new one at each signal ends the round, not the machine", "Obstacle obstacle = Obstacle::taken_again;", "Obstacle obstacle = Obstacle::refused_holder;"),
    # what hides them
    ("hidden", "hidepid hides another user's holder, and not our own", "        if (socket.pid == 0) { owned.push_back(std::move(socket)); }", "        if (socket.pid != 0) { owned.push_back(std::move(socket)); }"),
    ("hidden", "without /proc nobody is named, and nobody is touched", "if (const std::error_code error = check_proc(proc)) { return error; }", ""),
    ("hidden", "a holder in a pid namespace below ours is in a container, and lives", "\"NSpid\").count > 1;\n}", "\"NSpid\").count > 9;\n}"),
    ("hidden", "without sock_diag the tables of /proc/net are the second source", "socket.v6_only_unknown = v6 && address == Address{};", ""),
    ("hidden", "without sock_diag the tables of /proc/net are the second source", "        complete = false;\n        rows.clear();", "        rows.clear();"),
    ("hidden", "without sock_diag and without /proc nothing can be seen, and that is said", "            return error;\n        }\n        // Without IPv6", "            return {};\n        }\n        // Without IPv6"),
    ("hidden", "without pidfd the start time is compared before each signal", "(errno == ENOSYS || errno == EPERM)", "errno == ENOSYS"),
    ("hidden", "out of descriptors nobody is named, and nobody is touched", "return error == EMFILE || error == ENFILE || error == ENOMEM;", "return error == ENFILE;"),
    ("hidden", "nonsense from a probe reaches no process", "if (holder.pid == os::self()) { return \"it is this process", "if (holder.pid == 0) { return \"it is this process"),
    # races
    ("races", "a pid that is used again between the look and the signal is not signalled", "now.start_time != before.start_time) {", "now.start_time == 0) {"),
    ("races", "pre-forked workers that each look first do not end each other", "os::parent(holder.pid, error) == parent &&", "os::parent(holder.pid, error) == 0 &&"),
    ("races", "the war of two supervised services ends with a rule", "if (ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino) { return true; }", "if (ours.st_dev == theirs.st_dev) { return true; }"),
    # what is left as it was
    ("process_state", "a start that succeeds allocates nothing", "        bool spent = false;\n", "        recovery_.evictions.reserve(1);\n        bool spent = false;\n"),
    ("process_state", "a recovery leaves errno, signals and descriptors alone", "~KeepLastError() { os::last_error(value_); }", "~KeepLastError() {}"),
    ("process_state", "a recovery leaves errno, signals and descriptors alone", "        ::close(descriptor());\n", ""),
    ("process_state", "a log whose pipe is closed raises no signal", "::pthread_sigmask(SIG_BLOCK, &pipe_only, &before);", "::pthread_sigmask(SIG_BLOCK, nullptr, &before);"),
    ("process_state", "a log whose pipe is closed raises no signal", "if (!was_pending && ", "if ("),
    ("process_state", "the log says who holds the address and what became of them", "            say_holders(holders);\n            if (!protect", "            if (!protect"),
    ("process_state", "/proc of other processes' namespace is not believed", "if (const std::error_code error = check_proc(proc)) { return error; }", ""),
    # the terminal
    ("terminal", "a person who says yes", "answer == \"Y\" ||", ""),
    ("terminal", "a person who says no, or something else", "return answer == \"y\" ||", "return !answer.empty() ||"),
    ("terminal", "nobody answers", "if (polled <= 0 ||", "if (polled == 0) { return true; }\n        if (polled <= 0 ||"),
    ("terminal", "half an answer is none", "if (polled <= 0 ||", "if (polled == 0) { return true; }\n        if (polled <= 0 ||"),
    ("terminal", "what was typed before the question does not count", "::tcflush(terminal.descriptor(), TCIFLUSH) != 0 ||", ""),
    ("terminal", "in the background nobody is asked, and nothing stops", "::tcgetpgrp(terminal.descriptor()) != ::getpgrp() ||", ""),
    ("terminal", "without a terminal nobody is asked", "    if (!terminal || ::tcgetpgrp", "    if (!terminal) { return true; }\n    if (::tcgetpgrp"),
    # conflicts
    ("conflicts", "conflicts() is the kernel's own rule, for every pair of addresses", "return {endpoint.v6_only_ ? Reach() : all, all};", "return {all, all};"),
    ("conflicts", "conflicts() is the kernel's own rule, for every pair of addresses", "if (is_v4(endpoint.address_)) {", "if (endpoint.host_ == Endpoint::Host::v4) {"),
    ("conflicts", "the table of sockets shows each address as it was bound", "attribute_v6_only = 11", "attribute_v6_only = 12"),
    # macOS, over the stand-in
    ("macos", "a stranger that holds the port leaves when asked, and the server starts", "return static_cast<std::uint16_t>(bytes[0] * 256U + bytes[1]);", "return static_cast<std::uint16_t>(bytes[1] * 256U + bytes[0]);"),
    ("macos", "many processes and descriptors: lists grow", "if (size > 0 && static_cast<std::size_t>(size) >= room) { continue; }", ""),
    ("macos", "a UDP socket", "info.soi_kind != (tcp ? SOCKINFO_TCP : SOCKINFO_IN)", "info.soi_kind != SOCKINFO_TCP"),
    ("macos", "a dual-stack holder is in the way of IPv4", "(in.insi_vflag & INI_IPV4) == 0);", "true);"),
    ("macos", "a socket that is parked in a Mach port is found", "PROC_PIDLISTFILEPORTS, 0,", "PROC_PIDLISTFDS, 0,"),
    ("macos", "another user's holder is reported and lives", "            blind = true;\n        }\n    }\n    return {};", "        }\n    }\n    return {};"),
    ("macos", "this process and a successor are left alone", "if (errno != ESRCH) { error_ = system_error(errno); } // of", "error_ = system_error(errno); // of"),
    ("macos", "a rule that forbids it, and an end that is waited for", "holder.start_time = info.pbi_start_tvsec * 1000000 + info.pbi_start_tvusec;", "holder.start_time = 0;"),
    ("macos", "what is known of a holder, and of ourselves", "begin += argument.size() + 1;", "begin += argument.size();"),
    ("macos", "a socket that is bound and does not listen", ": state == TSI_S_CLOSED && alone ? State::bound", ": false ? State::bound"),
    ("macos", "who holds the very address is meant, and a wildcard one only if there is nobody", "if (os::exact_first() &&", "if (!os::exact_first() &&"),
    ("macos", "what does not leave is forced, and what is stopped goes on to leave", "info.pbsi_status == stopped;", "info.pbsi_status != stopped;"),
    # other POSIX systems
    ("other", "a dual-stack holder is in the way of IPv4", "socket.v6_only_unknown = socket.local.host() == \"::\";", "socket.v6_only_unknown = false;"),
    ("other", "a socket that is bound and does not listen", "if (blind && (!any_of(sockets, holds)", "if (blind && (any_of(sockets, holds)"),
    # Windows, by Wine
    ("windows", "a stranger that holds the port is ended, and the server starts", "row[at.port] * 256U + row[at.port + 1]", "row[at.port + 1] * 256U + row[at.port]"),
    ("windows", "many sockets: the buffer for the table grows", "tries < 10 && error == too_small", "tries < 1"),
    ("windows", "a port that the system denies and nobody holds is reserved", "native && value == errors.denied", "native && value == 1"),
    ("windows", "a port that the system denies and somebody holds is in use", "native && value == errors.denied", "native && value == 1"),
    ("windows", "errors of libuv and of the last error are understood by their numbers", "value == errors.negated", "value == 1"),
    ("windows", "the last error of the caller survives", "inline void last_error(int value) noexcept { ::SetLastError(static_cast<unsigned long>(value)); }", "inline void last_error(int) noexcept {}"),
    ("windows", "a holder that started after the start began lives", "+ 116444736000000000U", "+ 216444736000000000U"),
    ("windows", "rules about a real holder", "return !ours.empty() && ours == user(open_process(pid));", "return ours.empty();"),
    ("windows", "UDP: another program's socket may be a client, and lives", ": Layout{12, 0, 0, 4, 0});", ": Layout{12, 0, 0, 8, 0});"),
    ("windows", "a last look before the end: a process that does not hold the socket is not ended", "return row.pid == pid && holds_address(row)", "return holds_address(row)"),
    ("windows", "what is no process to end is refused", "if (pid <= 4 || pid == self()) {", "if (pid == 0) {"),
    ("windows", "ancestors are found", "if (older != 0 && older <= start_time(", "if (older != 0 && older > start_time("),
    ("windows", "a socket whose maker is dead has no owner to be seen, and the child that inherited it lives", "    std::string text = \"the process \"", "    return \"\"; std::string text = \"the process \""),
]


def survives(build, main_object, mutation):
    """Why the mutation was not caught; empty if it was."""
    unit, test, old, new = mutation
    if HEADER.count(old) != 1:
        return f"stands {HEADER.count(old)} times in the header"
    with tempfile.TemporaryDirectory() as directory:
        directory = pathlib.Path(directory)
        (directory / "retry_on_addr_in_use.hpp").write_text(HEADER.replace(old, new))
        command = ["c++", "-std=c++17", "-w", f"-I{directory}"]
        emulator = []
        if unit in ("macos", "other"):
            headers = ROOT / "build/zig/package/lib/libc/include"
            command += ["-DREGION_OTHER"] if unit == "other" else [
                "-DREGION_MACOS", f"-I{ROOT}/tests/posix/standin", "-idirafter", headers / "any-macos.13-any", "-idirafter", headers / "any-macos-any",
                ROOT / "tests/posix/standin.cpp"]
            command += [f'-DHOLDER_PROGRAM="{next(build.glob("**/posix_holder"))}"', ROOT / "tests/posix/real.cpp", main_object, "-o", directory / "real"]
        elif unit == "windows":
            windows = build.parent / "windows/tests"
            command[0] = "x86_64-w64-mingw32-g++"
            command += ["-isystem", ROOT / "build/catch2", f'-DHOLDER_PROGRAM="{windows}/windows/holder.exe"', ROOT / "tests/windows/real.cpp",
                        windows / "libcatch_main.a", "-lws2_32", "-static", "-o", directory / "real"]
            emulator = ["sh", ROOT / "tests/windows/wine.sh"]
        else:
            starter = directory / "starter"
            compiled = subprocess.run([*command, ROOT / "tests/helpers/starter.cpp", "-o", starter], stderr=subprocess.PIPE, text=True)
            if compiled.returncode != 0:
                return "does not compile: " + compiled.stderr[:500]
            command += [f'-DHOLDER_PROGRAM="{next(build.glob("**/tests/holder"))}"', f'-DSTARTER_PROGRAM="{starter}"', "-pthread",
                        ROOT / f"tests/system/{unit}.cpp", main_object, "-o", directory / "real"]
        compiled = subprocess.run(command, stderr=subprocess.PIPE, text=True)
        if compiled.returncode != 0:
            return "does not compile: " + compiled.stderr[:500]
        name = test.replace("\\", "\\\\").replace(",", "\\,").replace("[", "\\[")
        try:
            run = subprocess.run([*emulator, directory / "real", name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=60)
        except subprocess.TimeoutExpired:
            return ""  # it hangs: seen
        if "No test cases matched" in run.stdout:
            return "no test of that name"
        return "the test still passes" if run.returncode == 0 else ""


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    chosen = [m for m in MUTATIONS if len(sys.argv) < 3 or sys.argv[2] in m[:2] or sys.argv[2] in m[1]]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool, tempfile.TemporaryDirectory() as directory:
        main_object = pathlib.Path(directory) / "main.o"
        subprocess.run(["c++", "-c", ROOT / "tests/main.cpp", "-o", main_object], check=True)
        for mutation, why in zip(chosen, pool.map(lambda m: survives(build, main_object, m), chosen)):
            if why:
                failed += 1
                print(f"NOT CAUGHT: {mutation[1]}\n    {mutation[2]!r} -> {mutation[3]!r}: {why}", flush=True)
    print(f"{len(chosen) - failed} passed, {failed} failed")
    return 1 if failed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
