"""Starts servers where people start them: check.py NAME STARTER HOLDER

NAME is a function below; STARTER and HOLDER are the programs of tests/helpers. What this machine does not have is
skipped by name, unless ADDR_IN_USE_NO_SKIP is set. Every server ends with this program: its standard input does.
"""

import contextlib
import glob
import os
import pathlib
import platform
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

HELPERS = pathlib.Path(__file__).resolve().parent.parent / "helpers"
INCLUDE = HELPERS.parent.parent / "include"
STARTER, HOLDER = (os.path.abspath(path) for path in sys.argv[2:4])
RESULT = "^(?:served|failed) .*$"


def skip(what):
    print(f"skipped here: needs {what}")
    sys.exit("it must be" if os.environ.get("ADDR_IN_USE_NO_SKIP") else 0)


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            skip(program)


def demand(good, what, *outputs):
    if not good:
        sys.exit("\n".join([what, *(output.text for output in outputs)]))


def unused_port():
    with socket.socket() as scout:
        scout.bind(("127.0.0.1", 0))
        return str(scout.getsockname()[1])


class Output:
    """What programs have said so far."""

    def __init__(self, stream):
        self.stream = stream
        self.text = ""

    def until(self, pattern):
        """Waits for a line that matches."""
        while True:
            try:
                line = self.stream.readline()
            except TimeoutError:
                line = ""
            self.text += line
            demand(line, f"no line with {pattern}:", self)
            if found := re.search(pattern, line):
                return found


class Program(Output):
    """A program; its standard input is closed first, and then its end and that of its children is waited for."""

    def __init__(self, *words, place=None):
        self.process = subprocess.Popen(
            words,
            cwd=place,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        super().__init__(self.process.stdout)

    def say(self, line):
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.text += self.stream.read()
        self.stream.close()
        self.process.wait()


def open_pipe(path):
    """A named pipe that does not end before this object does."""
    os.mkfifo(path)
    return open(os.open(path, os.O_RDWR), errors="replace")


def names(output, pid, runner):
    refusal = f"[(]pid {pid}[)] was not terminated: it runs beside this process under {runner} [(]pid \\d+[)]"
    demand(re.search(refusal, output.text), f"no line with {refusal}:", output)


def is_running(pid):
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


# Programs that restart a server: for each line, a signal, they send it to the old one and start the next one.

IN_PYTHON = """
import subprocess, sys
server = None
for number, line in enumerate(sys.stdin):
    if server:
        server.send_signal(int(line))
    server = subprocess.Popen(["sh", "./serve", str(number)])
"""
IN_NODE = """
let number = 0, server;
require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
    if (server) server.kill(Number(line));
    server = require("child_process").spawn("sh", ["./serve", `${number++}`], { stdio: "inherit" });
});
"""
IN_SHELL = """
number=0
while read -r line; do
    [ $number = 0 ] || kill -s "$line" $server
    sh ./serve $number & server=$!
    number=$((number + 1))
done
wait
"""


def restart(place, harness, starter=(STARTER,), runner=None, drains=True, restarts=2):
    """The old server drains until the new one has found it, or gets no signal. A `runner` makes them siblings."""
    port = unused_port()
    words = shlex.join([*starter, "127.0.0.1", port, "stay"])
    trap = "trap '' TERM\n" if drains else ""
    (place / "serve").write_text(f"{trap}exec {words} <hold.$1\n")
    with Program(*harness, place=place) as program, contextlib.ExitStack() as stack:
        holds = [stack.enter_context(open_pipe(place / f"hold.{number}")) for number in range(restarts + 1)]
        program.say(0)
        demand(program.until(RESULT)[0] == "served none", "the first server does not serve", program)
        for hold in holds[:-1]:
            program.say(int(signal.SIGTERM) if drains else 0)
            old = program.until(f"127.0.0.1:{port} is held by .*[(]pid (\\d+)[)]")[1]
            if runner:
                result = program.until(RESULT)[0]
                demand(result == f"failed refused_holder {old}=refused", "it is not refused", program)
                names(program, old, runner)
                demand(is_running(old), "the sibling was terminated", program)
                return
            if drains:
                hold.close()
            ended = f"served none {old}=(exited|already_gone|killed)"
            result = program.until(RESULT)[0]
            demand(re.fullmatch(ended, result), "the new server does not serve", program)
            demand(not is_running(old), "the old server is still there", program)


def harness_python(place):
    restart(place, [sys.executable, "-c", IN_PYTHON])


def harness_node(place):
    need("node")
    restart(place, ["node", "-e", IN_NODE])


def harness_shell(place):
    restart(place, ["sh", "-c", IN_SHELL])


def harness_same_executable(place):
    """Some of the old servers exit while the rule looks at them."""
    restart(place, [sys.executable, "-c", IN_PYTHON], [STARTER, "same-executable"], restarts=20)


def harness_below_make(place):
    """The harness is the nearest ancestor that is no shell. So make does not count."""
    need("make")
    (place / "restart.py").write_text(IN_PYTHON)
    (place / "Makefile").write_text(f"all:\n\t@{shlex.quote(sys.executable)} restart.py\n")
    restart(place, ["make"])


def recipe(place, command):
    need("make")
    (place / "restart").write_text("#!/bin/sh" + IN_SHELL)
    (place / "restart").chmod(0o755)
    (place / "Makefile").write_text(f"all:\n\t@{command}\n")
    restart(place, ["make"], runner="make")


def recipe_restarts(place):
    recipe(place, "sh restart")


def recipe_restarts_by_script(place):
    """The kernel names this shell after its script."""
    recipe(place, "./restart")


# Programs that run two servers side by side: a file, and the command that reads it.

NINJA = "rule serve\n  command = $run\nbuild one: serve\n  run = {one}\nbuild two: serve\n  run = {two}\n"
RUNNERS = {
    "ctest": ("CTestTestfile.cmake", "add_test(one {one})\nadd_test(two {two})\n", "ctest -j2"),
    "make": ("Makefile", "all:\n\t{one} & first=$$!; {two} && wait $$first\n", "make"),
    "gmake": ("Makefile", "all: one two\none:\n\t{one}\ntwo:\n\t{two}\n", "gmake -j2"),
    "ninja": ("build.ninja", NINJA, "ninja -j2"),
    "samu": ("build.ninja", NINJA, "samu -j2"),
    "meson": (
        "meson.build",
        "project('siblings')\nsh = find_program('sh')\n"
        "test('one', sh, args: ['-c', '{one}'])\ntest('two', sh, args: ['-c', '{two}'])\n",
        "meson setup build && meson test -C build --no-rebuild --num-processes 2",
    ),
}


def run_siblings(place, runner, rule, shell):
    """Both serve until the other one has its result: one is refused, and no signal ends the other."""
    need(runner)
    name, text, command = RUNNERS[runner]
    place.mkdir()
    words = shlex.join([STARTER, *rule, "127.0.0.1", unused_port(), "stay"])
    (place / "serve").write_text(f"#!/bin/sh\n{words} <{place}/hold >>{place}/results 2>&1\n")
    (place / "serve").chmod(0o755)
    serve = f"{shell} {place}/serve".strip()
    (place / name).write_text(text.format(one=serve + " one", two=serve + " two"))
    hold = open_pipe(place / "hold")
    with open_pipe(place / "results") as stream, Program("sh", "-c", command, place=place) as program, hold:
        results = Output(stream)
        first, second = sorted(results.until(RESULT)[0] for _ in range(2))
        demand(second == "served none", f"{place.name}: not one of them serves", results)
        winner = re.fullmatch("failed refused_holder (\\d+)=refused", first)
        demand(winner, f"{place.name}: not one of them is refused", results)
        demand(os.path.samefile(f"/proc/{winner[1]}/exe", STARTER), "the refused one is no sibling", results)
        names(results, winner[1], runner)
    demand(program.process.returncode == 0, "one of them did not run to its end", results, program)


def siblings(place, runner):
    run_siblings(place / "default", runner, [], "sh")
    run_siblings(place / "ruled", runner, ["same-executable"], "sh")


def siblings_ctest(place):
    siblings(place, "ctest")


def siblings_make(place):
    siblings(place, "make")


def siblings_gmake(place):
    siblings(place, "gmake")


def siblings_ninja(place):
    siblings(place, "ninja")


def siblings_samu(place):
    siblings(place, "samu")


def siblings_meson(place):
    siblings(place, "meson")


def siblings_by_script(place):
    """The kernel names these shells after their script."""
    for runner in ("ctest", "make"):
        run_siblings(place / runner, runner, [], "")


# Programs whose processes all run one executable, for the kernel.


def lives(holder, pid, starter):
    with Program(*starter) as start:
        demand(start.until(RESULT)[0] == f"failed refused_holder {pid}=refused", "the holder is not refused", start)
    demand(is_running(pid), "the holder was terminated", start, holder)


def emulate(place, *emulator, starter=STARTER, holder=HOLDER, shell=()):
    """A stranger lives, and so does a previous run: the executable proves nothing. By default it is terminated."""
    with Program(*emulator, holder, "listen=127.0.0.1:0") as stranger:
        port, pid = stranger.until("^ready (\\d+) (\\d+)").groups()
        lives(stranger, pid, [*emulator, starter, "same-executable", "127.0.0.1", port])
    again = [*emulator, starter, "same-command-line", "127.0.0.1", unused_port(), "stay"]
    with Program(*again) as previous:
        demand(previous.until(RESULT)[0] == "served none", "the first server does not serve", previous)
        lives(previous, previous.process.pid, again)
    restart(place, [*shell, "/bin/sh", "-c", IN_SHELL], [*emulator, starter], drains=False)


def emulator_qemu(place):
    qemu = f"qemu-{platform.machine()}"
    need(qemu)
    emulate(place, qemu, shell=[qemu])


def emulator_valgrind(place):
    need("valgrind")
    valgrind = ["valgrind", "--quiet", "--tool=none"]
    emulate(place, *valgrind, shell=valgrind)


def emulator_other_processor(place):
    """Static programs, under a shell of this processor."""
    other = "x86_64" if platform.machine() == "aarch64" else "aarch64"
    target = f"{other}-linux-gnu"
    need(f"qemu-{other}", "clang++", f"{target.replace('_', '-')}-ld")  # Debian's g++ for it excludes g++-multilib
    for name in ("starter", "holder"):
        subprocess.run(
            [
                "clang++",
                f"--target={target}",
                "-std=c++17",
                "-static",
                "-pthread",
                "-I",
                INCLUDE,
                HELPERS / f"{name}.cpp",
                "-o",
                place / name,
            ],
            check=True,
        )
    emulate(place, f"qemu-{other}", starter=str(place / "starter"), holder=str(place / "holder"))


def dynamic_loader(place):
    """The loader that is started with a program as its argument is the executable of all of them."""
    loaders = [path for name in ("/lib64/ld-linux*", "/lib/ld-linux*", "/lib/ld-musl*") for path in glob.glob(name)]
    if not loaders:
        skip("a dynamic loader")
    emulate(place, loaders[0], shell=[loaders[0]])


def give_up(*_):
    raise TimeoutError("no answer")


if __name__ == "__main__":
    signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, 28, 5)  # again, while the programs are waited for
    with tempfile.TemporaryDirectory() as directory:
        globals()[sys.argv[1]](pathlib.Path(directory))
    print("good")
