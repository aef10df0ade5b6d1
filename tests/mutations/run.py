"""Breaks the header in one place at a time and demands that the test named for that place fails.

    run.py BUILD-DIRECTORY [--all | --sample N [--seed S] | PART-OF-A-NAME] [--header PATH]

A test proves nothing if no change of the code can make it fail. Run a sample after each change of the header, a part
after work on one test, and all before a release (the default: seven minutes on two cores). PART-OF-A-NAME is a part
of a test's name, a unit, or a .txt file of this directory without its ending.

The tests must pass before: one that fails anyway looks like a catch. The holders come from the build directory, the
programs for Windows from the one beside it, "windows". Needs Catch2 version 2.

The blocks stand in the .txt files of this directory:

    == UNIT: NAME OF THE TEST
    The reason: why the code must be so.
    -- out
    whole lines of the header, which stand there exactly once
    -- in
    the lines that replace them, perhaps none

A unit is a file of tests/system without its ending, "unit/" and a file of tests/unit, or "macos", "other", "windows".
Only a failed assertion of the named test counts. All else is an error: a block that no longer applies, a mutant that
does not compile, a crash, a test that hangs, is skipped or does not exist.
"""

import argparse
import concurrent.futures
import dataclasses
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TESTS = ROOT / "tests"
HEADER = ROOT / "include/retry_on_addr_in_use.hpp"
HEADERS_OF_MACOS = ROOT / "build/zig/package/lib/libc/include"
COMPILE = ["c++", "-std=c++17", "-O0", "-w"]
COMPILE_FOR_WINDOWS = ["x86_64-w64-mingw32-g++", *COMPILE[1:], "-isystem", ROOT / "build/catch2"]
FLAGS_OF_MACOS = [
    "-DREGION_MACOS",
    f"-I{TESTS}/posix/standin",
    "-idirafter",
    HEADERS_OF_MACOS / "any-macos.13-any",
    "-idirafter",
    HEADERS_OF_MACOS / "any-macos-any",
]
TIMEOUT = 60  # seconds
AT_ONCE = 2
CRASH = "due to a fatal error condition"
# "FAILED:" and the assertion, or FAIL(). An exception outside of an assertion shows none.
FAILED_ASSERTION = re.compile(r"FAILED:\s*\n(?:explicitly with|\s+[A-Z_]+\()(?!.*\n" + CRASH + ")")


class Trouble(Exception):
    """Why a block was not caught, or could not be tried."""


# The blocks.


@dataclasses.dataclass
class Block:
    where: str  # file and line
    topic: str
    unit: str
    test: str
    reason: list = dataclasses.field(default_factory=list)
    out: list = dataclasses.field(default_factory=list)
    put: list = None  # None: "-- in" has not come yet


def relative(path):
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def source_of(unit):
    if unit in ("macos", "other", "windows"):
        return TESTS / {"macos": "posix/real.cpp", "other": "posix/other.cpp", "windows": "windows/real.cpp"}[unit]
    return TESTS / f"{unit}.cpp" if unit.startswith("unit/") else TESTS / f"system/{unit}.cpp"


def without_blank_ends(lines):
    full = [i for i, line in enumerate(lines) if line.strip()]
    return lines[full[0] : full[-1] + 1] if full else []


def finish(block):
    block.out, block.put = without_blank_ends(block.out), without_blank_ends(block.put or [])
    if not without_blank_ends(block.reason):
        raise Trouble(f"{block.where}: the block has no reason")
    if not block.out:
        raise Trouble(f"{block.where}: the block takes nothing out")
    if block.out == block.put:
        raise Trouble(f"{block.where}: the block changes nothing")
    if not source_of(block.unit).exists():
        raise Trouble(f"{block.where}: there is no file {relative(source_of(block.unit))}")
    return block


def begin(path, where, line):
    first = re.fullmatch(r"== ([\w/]+): (\S.*)", line)
    if not first:
        raise Trouble(f'{where}: a block begins with "== UNIT: NAME OF THE TEST"')
    return Block(where, path.stem, first[1], first[2])


def read_blocks(path):
    """The blocks of one file, or a Trouble with file and line."""
    blocks = []
    lines = None  # where plain lines go
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        where = f"{relative(path)}:{number}"
        block = blocks[-1] if blocks else None
        if line.startswith("=="):
            if block and block.put is None:
                raise Trouble(f'{block.where}: the block has no "-- in"')
            blocks.append(begin(path, where, line))
            lines = blocks[-1].reason
        elif line == "-- out" and block and lines is block.reason:
            lines = block.out
        elif line == "-- in" and block and lines is block.out:
            lines = block.put = []
        elif line.startswith("--") or (line.strip() and not block):
            raise Trouble(f"{where}: unknown line: {line}")
        elif block:
            lines.append(line)
    if blocks and blocks[-1].put is None:
        raise Trouble(f'{blocks[-1].where}: the block has no "-- in"')
    return [finish(block) for block in blocks]


def mutate(header, block):
    """The header with the block's change."""
    lines, size = header.split("\n"), len(block.out)
    places = [i for i in range(len(lines)) if lines[i : i + size] == block.out]
    if len(places) != 1:
        raise Trouble(f"the text to take out stands {len(places)} times in the header: adapt the block")
    return "\n".join(lines[: places[0]] + block.put + lines[places[0] + size :])


def applies(header, block):
    try:
        return bool(mutate(header, block))
    except Trouble:
        return False


# The programs.


def compile_program(*command):
    compiled = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace")
    if compiled.returncode != 0:
        errors = [line for line in compiled.stderr.splitlines() if "error:" in line or "undefined reference" in line]
        raise Trouble("does not compile: " + " / ".join(errors or [compiled.stderr])[:500])


def find(directory, pattern):
    found = next(directory.glob(pattern), None)
    if not found:
        raise Trouble(f"{directory} has no {pattern}: build it first")
    return found


def define(name, program):
    return f'-D{name}="{program}"'


class Workshop:
    """Makes the programs. The objects that no mutant changes are made once, when the units are known."""

    def __init__(self, build, units, directory):
        self.build = build
        self.main_object = directory / "main.o"
        self.standin = directory / "standin.o"
        if units - {"windows"}:
            compile_program(*COMPILE, "-c", TESTS / "main.cpp", "-o", self.main_object)
        if "macos" in units:
            compile_program(*COMPILE, *FLAGS_OF_MACOS, "-c", TESTS / "posix/standin.cpp", "-o", self.standin)

    def make(self, unit, directory):
        """The command that runs the test program of a unit, with the header from `directory`."""
        program = directory / ("test.exe" if unit == "windows" else "test")
        if unit == "windows":
            compile_program(*COMPILE_FOR_WINDOWS, f"-I{directory}", *self.parts_for_windows(), "-o", program)
            return ["sh", TESTS / "windows/wine.sh", program]
        compile_program(
            *COMPILE,
            f"-I{directory}",
            *self.parts(unit, directory),
            source_of(unit),
            self.main_object,
            "-pthread",
            "-o",
            program,
        )
        return [program]

    def parts_for_windows(self):
        programs = self.build.parent / "windows"
        holder, main_library = find(programs, "**/windows/holder.exe"), find(programs, "**/libcatch_main.a")
        return [define("HOLDER_PROGRAM", holder), source_of("windows"), main_library, "-lws2_32", "-static"]

    def parts(self, unit, directory):
        """What a program on Linux needs beside its own file."""
        if unit.startswith("unit/"):
            return []
        if unit in ("macos", "other"):
            holder = define("HOLDER_PROGRAM", find(self.build, "**/posix_holder"))
            return [holder, *FLAGS_OF_MACOS, self.standin] if unit == "macos" else [holder, "-DREGION_OTHER"]
        starter = directory / "starter"
        if "STARTER_PROGRAM" in source_of(unit).read_text():
            compile_program(*COMPILE, f"-I{directory}", TESTS / "helpers/starter.cpp", "-o", starter)
        return [define("HOLDER_PROGRAM", find(self.build, "**/tests/holder")), define("STARTER_PROGRAM", starter)]


# The runs.


def run(command, log):
    """The exit status of a program that writes into `log`; None if it hangs."""
    environment = {name: value for name, value in os.environ.items() if name != "ADDR_IN_USE_NO_SKIP"}
    # A file, not a pipe: a helper that outlives the test would keep a pipe open.
    with log.open("w") as output, subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=environment,
        start_new_session=True,
    ) as process:
        try:
            return process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            end_strays(log.parent)
            return None


def end_strays(directory):
    """Ends the programs of `directory` that still run: a test that hangs leaves some in sessions of their own."""
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(process / "exe").startswith(f"{directory}/"):
                os.kill(int(process.name), signal.SIGKILL)
        except OSError:
            pass  # it has ended, or is not ours


def demand_catch(unit, status, output):
    """Returns if an assertion failed."""
    if status is None:
        raise Trouble("hangs")
    if "No test cases matched" in output:
        raise Trouble("there is no test of that name")
    # No status tells of a crash under Wine. Elsewhere the text may be that of a forked child.
    if status < 0 or (unit == "windows" and CRASH in output):
        raise Trouble(f"crashes (status {status})")
    skipped = re.search("skipped here: .*", output)
    if status == 0:
        raise Trouble(f"the test is {skipped[0]}" if skipped else "the test still passes")
    if not FAILED_ASSERTION.search(output):
        end = " ".join(output.split())[-200:]
        raise Trouble(f"ends with status {status}, but without a failed assertion: {end}")


def attempt(workshop, header, block):
    """Returns if the block is caught."""
    mutant = mutate(header, block)
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        (directory / HEADER.name).write_text(mutant, encoding="utf-8")
        command = workshop.make(block.unit, directory)
        log = directory / "log"
        status = run([*command, re.sub(r"([\\,\[])", r"\\\1", block.test)], log)
        demand_catch(block.unit, status, log.read_text(encoding="utf-8", errors="replace"))


def judge(workshop, header, block):
    """Why the block is not caught; an empty text if it is."""
    try:
        attempt(workshop, header, block)
    except Trouble as trouble:
        return str(trouble)
    return ""


def try_all(build, header, blocks):
    """Tries the blocks and prints what became of each. The number of those that failed."""
    failed = 0
    with tempfile.TemporaryDirectory() as directory, concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        units = {block.unit for block in blocks if applies(header, block)}
        workshop = Workshop(build, units, pathlib.Path(directory))
        for block, why in zip(blocks, pool.map(lambda block: judge(workshop, header, block), blocks)):
            failed += bool(why)
            print(f"{block.where}: {why or 'caught'}\n    {block.unit}: {block.test}", flush=True)
    return failed


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", metavar="BUILD-DIRECTORY", type=pathlib.Path)
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--all", action="store_true", help="the default")
    choice.add_argument("--sample", type=int, metavar="N")
    choice.add_argument("part", nargs="?", metavar="PART-OF-A-NAME")
    parser.add_argument("--seed", type=int, metavar="S")
    parser.add_argument("--header", type=pathlib.Path, default=HEADER)
    arguments = parser.parse_args()
    if arguments.seed is not None and arguments.sample is None:
        parser.error("--seed needs --sample")
    return arguments


def choose(blocks, arguments):
    if arguments.sample is not None:
        seed = random.randrange(1000000) if arguments.seed is None else arguments.seed
        print(f"seed {seed}", flush=True)
        return random.Random(seed).sample(blocks, min(arguments.sample, len(blocks)))
    part = arguments.part or ""
    return [block for block in blocks if part in block.test or part in (block.unit, block.topic)]


def main():
    arguments = read_arguments()
    try:
        files = sorted(pathlib.Path(__file__).resolve().parent.glob("*.txt"))
        blocks = choose([block for file in files for block in read_blocks(file)], arguments)
        header = arguments.header.read_text(encoding="utf-8")
        failed = try_all(arguments.build.resolve(), header, blocks)
    except Trouble as trouble:
        sys.exit(str(trouble))
    print(f"{len(blocks) - failed} passed, {failed} failed")
    return 1 if failed or not blocks else 0


if __name__ == "__main__":
    sys.exit(main())
