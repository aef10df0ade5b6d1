"""Lets each system call of a recovery fail, one by one, and demands an honest end.

    inject.py DIRECTORY-OF-THE-TEST-PROGRAMS

For each kind of call and each time it is made (the first ones, the last ones, and some between), strace injects an error
into one run of `starter` against a real holder. Whatever happens: no crash, no hang; a stranger on another address and a
client of the holder live; and either the holder is gone and the server up, or it says why not. A socket file that nobody
has open is removed or stays, whole; one that is somebody's, who may not be ended, always stays.
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
    """A process of helpers/holder.cpp; ends with its standard input."""

    def __init__(self, programs, *words):
        self.process = subprocess.Popen([programs / "holder", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = self.process.stdout.readline().split()[1]

    def alive(self):
        return self.process.poll() is None

    def end(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def run(programs, words, call, injection):
    """One start under strace: (its line, whether the holder lives, the calls that it made)."""
    holder = Holder(programs, "listen=127.0.0.1:0")
    beside = Holder(programs, "listen=127.0.0.2:" + holder.port)
    client = Holder(programs, "connect=127.0.0.1:" + holder.port)
    try:
        options = ["-e", f"trace={call}", "-e", f"inject={call}:{injection}"] if injection else []
        traced = subprocess.run(["strace", "-qq", *options, programs / "starter", *words, "127.0.0.1", holder.port],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
        line = traced.stdout.strip()
        where = f"{call}:{injection}: {line!r} (status {traced.returncode})\n{traced.stderr[-2000:]}"
        assert beside.alive() and client.alive(), "a bystander died: " + where
        calls = collections.Counter(re.findall(r"^(\w+)\(", traced.stderr, re.MULTILINE))
        if injection and "INJECTED" not in traced.stderr:
            return None, calls
        if not line:
            # It failed before the library was asked: the program itself could not start, or not bind.
            assert holder.alive() and traced.returncode in (0, 1, 2, 127, -6), where
            return "", calls
        if line.startswith("served"):
            assert "=exited" in line or "=killed" in line or "=released" in line or line == "served none", where
        elif holder.alive():
            # A bare "failed none": the server itself failed, of something that is not the address.
            assert re.match(r"failed (?!none)\w+|failed none.* error=\d+", line) or (line == "failed none" and call in ("socket", "setsockopt")), where
            assert "=exited" not in line and "=killed" not in line, where
        return line, calls
    finally:
        for process in (client, beside, holder):
            process.end()


def run_on_path(programs, somebodys, call, injection):
    """The same for a socket file, of nobody or of a stranger who may not be ended."""
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "socket"
        holder = Holder(programs, f"listen=unix:{path}")
        try:
            if not somebodys:
                holder.process.kill()
                holder.process.wait()
            before = path.lstat()
            options = ["-e", f"trace={call}", "-e", f"inject={call}:{injection}"] if injection else []
            words = ["same-executable"] if somebodys else []
            traced = subprocess.run(["strace", "-qq", *options, programs / "starter", *words, f"unix:{path}", "0"],
                                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
            line = traced.stdout.strip()
            where = f"{call}:{injection}: {line!r} (status {traced.returncode})\n{traced.stderr[-2000:]}"
            calls = collections.Counter(re.findall(r"^(\w+)\(", traced.stderr, re.MULTILINE))
            if injection and "INJECTED" not in traced.stderr:
                return None, calls
            if somebodys:
                assert holder.alive() and path.lstat().st_ino == before.st_ino, where
                assert line == "" or line.startswith("failed"), where
            elif line.startswith("served"):
                assert path.is_socket(), where
            elif line:
                assert re.match(r"failed (?!none)\w+|failed none.* error=\d+", line) or (line.startswith("failed none") and call == "socket"), where
                # Where it lies aside because it could not be unlinked there, it is not lost.
                assert any(file.is_socket() for file in pathlib.Path(directory).glob("**/*")) or "=released" in line, where
            return line, calls
        finally:
            holder.end()


def main():
    programs = pathlib.Path(sys.argv[1]).resolve()
    outcomes = collections.Counter()
    inject(lambda *what: run(programs, [], *what), NATIVE, outcomes)
    inject(lambda *what: run(programs, ["lsof"], *what), LSOF, outcomes)
    inject(lambda *what: run_on_path(programs, False, *what), PATH, outcomes)
    inject(lambda *what: run_on_path(programs, True, *what), PATH, outcomes)
    for outcome, times in outcomes.most_common():
        print(f"{times:5} {outcome}")
    print(f"{outcomes.total()} passed, 0 failed")


def inject(start, calls_and_errors, outcomes):
    line, calls = start("", "")
    assert re.match(r"served none.*(=exited|=released)|failed refused_holder", line), line
    for call, errors in calls_and_errors.items():
        count = calls[call]
        if count == 0:
            print(f"{call}: not made by this run")
            continue
        moments = sorted(set(range(1, min(count, 12) + 1)) | set(range(max(1, count - 12), count + 1)) | set(range(1, count, 1 + count // 8)))
        for error in errors:
            for moment in moments:
                line, _ = start(call, f"error={error}:when={moment}")
                outcomes[" ".join(word for word in (line or "").split() if "=" not in word) or "not reached"] += 1


if __name__ == "__main__":
    main()
