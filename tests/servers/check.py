"""Runs a recipe (see serving.hpp) against a stranger on its address and against its own previous copy.

    check.py --program P --holder H --speaks http|hello|nothing|udp|path [--trusting] [--reuses]
             [--alone PROGRAM-WITHOUT-PREFLIGHT]
    check.py --missing NAME
"""

import argparse
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile

parser = argparse.ArgumentParser()
parser.add_argument("--program")
parser.add_argument("--holder")
parser.add_argument("--speaks")
parser.add_argument("--trusting", action="store_true")
parser.add_argument("--reuses", action="store_true")
parser.add_argument("--alone")
parser.add_argument("--missing")
wanted = parser.parse_args()


class Process:
    """A program with its standard input open, which ends it when this does, and whose first line is waited for."""

    def __init__(self, *words):
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace"
        )
        self.line = self.process.stdout.readline().strip()
        self.pid = self.process.pid
        running.append(self)

    def gone(self):
        """Whether it is dead; whoever was ended is dead by now, if not yet waited for."""
        return self.process.poll() is not None

    def end(self):
        running.remove(self)
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log = self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()


running = []
udp = wanted.speaks == "udp"


def owns(process, port):
    """Whether one of the process's sockets listens on the port, or is bound to it by UDP."""
    rows = []
    for family in ("", "6"):  # gRPC listens on ::ffff:127.0.0.1
        with open(f"/proc/net/{'udp' if udp else 'tcp'}{family}") as table:
            rows += [row.split() for row in table.readlines()[1:]]
    inodes = {row[9] for row in rows if row[1].endswith(f":{port:04X}") and row[3] == ("07" if udp else "0A")}
    files = f"/proc/{process.pid}/fd"
    links = set()
    for name in os.listdir(files):
        try:
            links.add(os.readlink(f"{files}/{name}"))
        except FileNotFoundError:
            pass  # closed meanwhile
    return any(f"socket:[{inode}]" in links for inode in inodes)


def demand(good, what):
    if not good:
        for process in running[:]:
            process.end()
            print(f"{process.process.args}: {process.line}\n{process.log}")
        sys.exit(what)


def serves(process, port):
    demand(process.line == "serving", "it does not serve")
    demand(owns(process, port), "it does not own the port")
    if wanted.speaks in ("http", "hello"):
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            connection.settimeout(10)
            if wanted.speaks == "http":
                connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = b""
            while (b"hello" if wanted.speaks == "hello" else b"HTTP/1.") not in answer:
                data = connection.recv(4096)
                demand(data, f"no answer, but {answer}")
                answer += data


def on_a_path():
    """The same with a socket file, and with one that a dead stranger left, and one that is no socket."""
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "socket"

        def says_hello(process):
            demand(process.line == "serving", "it does not serve")
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(10)
                connection.connect(str(path))
                demand(connection.recv(4096).startswith(b"hello"), "no answer")

        dead = Process(wanted.holder, f"listen=unix:{path}")
        dead.process.kill()
        dead.process.wait()
        first = Process(wanted.program, str(path), "0")
        says_hello(first)
        second = Process(wanted.program, str(path), "0")
        says_hello(second)
        first.process.wait(10)
        for process in running[:]:
            process.end()
        demand(f"(pid {first.pid})" in second.log, "the log does not name the previous copy")
        path.unlink()
        path.write_text("precious")
        third = Process(wanted.program, str(path), "0")
        demand(third.line.startswith("failed: "), "it does not say that it failed")
        third.end()
        demand(path.read_text() == "precious" and "it is no socket" in third.log, "a file was touched")


def with_a_connection_left():
    """A client of the terminated server is still connected: its connection is no obstacle."""
    stranger = Process(wanted.holder, "reuseaddr", "listen=127.0.0.1:0")
    port = int(stranger.line.split()[1])
    with socket.create_connection(("127.0.0.1", port), 10):
        stranger.process.stdin.write("\n")
        stranger.process.stdin.flush()
        demand(stranger.process.stdout.readline() == "accepted\n", "the stranger accepts nothing")
        server = Process(wanted.program, "127.0.0.1", str(port))
        serves(server, port)
        demand(stranger.process.wait(10) != 0, "the stranger ended by itself")
        server.end()


def main():
    if wanted.missing:
        print(f"skipped here: {wanted.missing} is not installed")
        sys.exit("it must be" if os.environ.get("ADDR_IN_USE_NO_SKIP") else 0)
    if wanted.speaks == "path":
        return on_a_path()
    stranger = Process(wanted.holder, "udp=127.0.0.1:low" if udp else "listen=127.0.0.1:0")
    port = int(stranger.line.split()[1])
    previous = Process(wanted.program, "127.0.0.1", str(port))
    serves(previous, port)
    demand(stranger.process.wait(10) != 0, "the stranger ended by itself")

    server = Process(wanted.program, "127.0.0.1", str(port))
    serves(server, port)
    previous.process.wait(10)
    server.end()
    name = re.sub(".*/", "", wanted.program)[:15]
    demand(f"is held by {name} (pid {previous.pid})" in server.log, "the log does not name the previous copy")

    if wanted.alone:
        # What the library does by itself: two copies share the port, and nothing fails.
        copies = [Process(wanted.alone, "127.0.0.1", str(port)) for _ in range(2)]
        for copy in copies:
            serves(copy, port)
        demand(not any(copy.gone() for copy in copies), "a copy was ended without a look")
        server = Process(wanted.program, "127.0.0.1", str(port))
        serves(server, port)
        for copy in copies:
            copy.process.wait(10)
        server.end()

    if wanted.reuses:
        with_a_connection_left()

    if not wanted.trusting:
        # A failure for another reason, an address that this machine does not have, beside a healthy stranger on it.
        stranger = Process(wanted.holder, "udp=0.0.0.0:low" if udp else "listen=0.0.0.0:0")
        port = int(stranger.line.split()[1])
        server = Process(wanted.program, "192.0.2.1", str(port))
        demand(server.line.startswith("failed: "), "it does not say that it failed")
        server.end()
        failed = server.process.returncode == 1
        named = re.findall(r"held by .*$", server.log, re.MULTILINE)  # a failure without a known reason gives a hint
        hints = all(line.endswith("wrap the server in AskProbe") for line in named)
        demand(failed and not stranger.gone() and hints, "a stranger was looked at")
    for process in running[:]:
        process.end()


main()
