"""Lets each system call of a recovery fail, one by one, and demands an honest end.

    inject.py DIRECTORY-OF-THE-TEST-PROGRAMS

For each kind of call and each time it is made (the first ones, the last ones, and some between), strace injects an
error into one run of `starter` against a real holder. Whatever happens: no crash, no hang; a bystander on another
address and a client of the holder live; and either the holder is gone and the server up, or the report says why not. A
socket file that no process has open is removed or kept whole. One whose server may not be terminated is always kept.
"""

import collections
import pathlib
import re
import subprocess
import sys
import tempfile

# For each way to look: the words that choose it, and the errors of the calls that it makes.
NATIVE = {
    "socket": ["EPROTONOSUPPORT", "EMFILE", "EACCES"],
    "setsockopt": ["ENOPROTOOPT"],
    "sendto": ["ECONNREFUSED", "ENOBUFS"],
    "recvfrom": ["EAGAIN", "ENOBUFS", "EINTR"],
    "openat": ["EACCES", "ENOENT", "EMFILE", "ENOMEM"],
    "getdents64": ["ENOENT", "ENOMEM"],
    "readlinkat": ["EACCES", "ENOENT", "ESRCH"],
    "read": ["ESRCH", "EINTR", "EIO"],
    "fstatfs": ["ENOSYS"],
    "lseek": ["EINVAL"],
    "newfstatat": ["EACCES"],
    "pidfd_open": ["ENOSYS", "EMFILE", "ESRCH", "EPERM"],
    "pidfd_send_signal": ["EPERM", "ESRCH", "ENOSYS"],
    "poll": ["EINTR", "ENOMEM"],
    "uname": ["EFAULT"],
}
PATH = {
    "socket": ["EPROTONOSUPPORT", "EMFILE", "EACCES"],
    "sendto": ["ECONNREFUSED"],
    "recvfrom": ["EAGAIN", "EINTR"],
    "newfstatat": ["EACCES", "ENOENT"],
    "fcntl": ["EINVAL"],
    "connect": ["EACCES", "EAGAIN", "ECONNREFUSED"],
    "mkdir": ["EACCES", "ENOSPC"],
    "rename": ["EPERM", "ENOENT", "EXDEV"],
    "unlink": ["EPERM", "EROFS"],
    "rmdir": ["EBUSY"],
    "readlinkat": ["EACCES", "ENOENT"],
    "openat": ["EACCES", "EMFILE"],
    "getdents64": ["ENOENT"],
}
LSOF = {
    "access": ["ENOENT", "EACCES"],
    "pipe2": ["EMFILE"],
    "fcntl": ["EBADF"],
    "clone3": ["EAGAIN", "ENOMEM", "ENOSYS"],
    "clone": ["EAGAIN", "ENOMEM"],
    "vfork": ["EAGAIN"],
    "poll": ["EINTR", "ENOMEM"],
    "read": ["EIO", "EINTR"],
    "wait4": ["ECHILD", "EINTR"],
}


class Holder:
    """A process of helpers/holder.cpp. It exits when its standard input ends."""

    def __init__(self, programs, *words):
        command = [programs / "holder", *words]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = self.process.stdout.readline().split()[1]

    def is_alive(self):
        return self.process.poll() is None

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class Outcome:
    """What one start under strace came to."""

    def __init__(self, programs, words, call, injection):
        options = ["-e", f"trace={call}", "-e", f"inject={call}:{injection}"] if injection else []
        command = ["strace", "-qq", *options, programs / "starter", *words]
        run = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        self.call = call
        self.status = run.returncode
        self.line = run.stdout.strip()
        self.calls = collections.Counter(re.findall(r"^(\w+)\(", run.stderr, re.MULTILINE))
        self.was_injected = not injection or "INJECTED" in run.stderr
        self.where = f"{call}:{injection}: {self.line!r} (status {run.returncode})\n{run.stderr[-2000:]}"

    def check(self, verdict, text):
        if not verdict:
            sys.exit(f"{text}: {self.where}")

    def serves(self):
        return self.line.startswith("served")

    def failed_before_the_library(self):
        """The program could not start, or not ask for the address."""
        return not self.line and self.status in (0, 1, 2, 127, -6)

    def names_an_obstacle(self):
        """An obstacle, or the error of the server's own call."""
        own_calls = ("socket", "setsockopt")
        has_reason = re.match(r"failed (?!none)\w+|failed none.* error=\d+", self.line)
        return has_reason or (self.line.startswith("failed none") and self.call in own_calls)

    def says_that_the_holder_is_gone(self):
        return any(fate in self.line for fate in ("=exited", "=killed", "=released"))


def start_on_port(programs, words, call, injection):
    holder = Holder(programs, "listen=127.0.0.1:0")
    bystander = Holder(programs, "listen=127.0.0.2:" + holder.port)
    client = Holder(programs, "connect=127.0.0.1:" + holder.port)
    try:
        outcome = Outcome(programs, [*words, "127.0.0.1", holder.port], call, injection)
        outcome.check(bystander.is_alive() and client.is_alive(), "a bystander was terminated")
        if not outcome.was_injected:
            return outcome
        if outcome.serves():
            is_true = outcome.says_that_the_holder_is_gone() or outcome.line == "served none"
            outcome.check(is_true, "it serves, and a holder is reported")
        elif not outcome.line:
            is_harmless = holder.is_alive() and outcome.failed_before_the_library()
            outcome.check(is_harmless, "it failed in silence")
        elif holder.is_alive():
            outcome.check(outcome.names_an_obstacle(), "it failed without a reason")
            outcome.check(not re.search("=(exited|killed)", outcome.line), "a running holder is reported as gone")
        return outcome
    finally:
        for process in (client, bystander, holder):
            process.close()


def start_on_path(programs, is_protected, call, injection):
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "socket"
        holder = Holder(programs, f"listen=unix:{path}")
        try:
            if not is_protected:
                holder.kill()  # its file is stale
            before = path.lstat()
            words = ["same-executable"] if is_protected else []
            outcome = Outcome(programs, [*words, f"unix:{path}", "0"], call, injection)
            if not outcome.was_injected:
                return outcome
            if is_protected:
                is_kept = holder.is_alive() and path.lstat().st_ino == before.st_ino
                outcome.check(is_kept, "a protected server lost its file")
                outcome.check(not outcome.serves(), "it serves beside a protected server")
            elif outcome.serves():
                outcome.check(path.is_socket(), "it serves without a file")
            elif outcome.line:
                outcome.check(outcome.names_an_obstacle(), "it failed without a reason")
                # A file that could not be unlinked after it was moved aside is not lost.
                is_kept = any(file.is_socket() for file in pathlib.Path(directory).glob("**/*"))
                outcome.check(is_kept or "=released" in outcome.line, "the file is gone, and that is not reported")
            return outcome
        finally:
            holder.close()


def choose_moments(count):
    first, last = range(1, min(count, 12) + 1), range(max(1, count - 12), count + 1)
    return sorted({*first, *last, *range(1, count, 1 + count // 8)})


def inject(start, calls_and_errors, outcomes):
    """Runs `start` once without an error, then once for each error and moment."""
    whole = start("", "")
    whole.check(re.match(r"served none.*(=exited|=released)|failed refused_holder", whole.line), "without an error")
    for call, errors in calls_and_errors.items():
        if whole.calls[call] == 0:
            print(f"{call}: not made by this run")
            continue
        for error in errors:
            for moment in choose_moments(whole.calls[call]):
                outcome = start(call, f"error={error}:when={moment}")
                words = [word for word in outcome.line.split() if "=" not in word] if outcome.was_injected else []
                outcomes[" ".join(words) or "not reached"] += 1


def main():
    programs = pathlib.Path(sys.argv[1]).resolve()
    outcomes = collections.Counter()
    inject(lambda *what: start_on_port(programs, [], *what), NATIVE, outcomes)
    inject(lambda *what: start_on_port(programs, ["lsof"], *what), LSOF, outcomes)
    inject(lambda *what: start_on_path(programs, False, *what), PATH, outcomes)
    inject(lambda *what: start_on_path(programs, True, *what), PATH, outcomes)
    for outcome, times in outcomes.most_common():
        print(f"{times:5} {outcome}")
    print(f"{outcomes.total()} passed, 0 failed")


if __name__ == "__main__":
    main()
