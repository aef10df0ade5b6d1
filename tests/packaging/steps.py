"""What the checks of this folder share: they run commands, and skip by name what is not installed."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
HEADER = ROOT / "include/retry_on_addr_in_use.hpp"
STRICT = [
    "-Wall",
    "-Wextra",
    "-Wpedantic",
    "-Wconversion",
    "-Wsign-conversion",
    "-Wshadow",
    "-Wold-style-cast",
    "-Werror",
]
VERSION = ".".join(
    re.findall(r"^#define ADDR_IN_USE_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", HEADER.read_text(), re.MULTILINE)
)


def run(*command, fails=None, **more):
    """Runs a command; it must succeed, or fail with that text."""
    done = subprocess.run(
        [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more
    )
    if (done.returncode == 0) != (fails is None) or (fails and fails not in done.stdout):
        sys.exit(f"{' '.join(str(word) for word in command)}\n{done.stdout}")
    return done.stdout


def need(*programs):
    for program in programs:
        if not shutil.which(str(program)):
            skip(program)


def need_compiler(*command):
    """That it is there, with the headers and libraries for what it is told to make."""
    need(command[0])
    empty = subprocess.run(
        [*map(str, command), "-fsyntax-only", "-x", "c++", "-"],
        input="#include <string>",
        text=True,
        stderr=subprocess.DEVNULL,
    )
    if empty.returncode != 0:
        skip(" ".join(command))


def skip(what):
    print(f"skipped here: {what} is not installed")
    sys.exit("it must be" if os.environ.get("ADDR_IN_USE_NO_SKIP") else 0)


def main(checks):
    """Runs the check that the command line names, in a directory of its own."""
    with tempfile.TemporaryDirectory() as directory:
        checks[sys.argv[1]](pathlib.Path(directory))
    print("good")
