"""Compiles the header as its users do: compilers, options, versions, and what it costs.

    compilers.py NAME-OF-A-CHECK
"""

import os
import re
import shutil
import subprocess

from steps import *


def one_file(place):
    """The header alone beside the program; nothing else on the command line."""
    shutil.copy(HEADER, place)
    (place / "use.cpp").write_text(
        (HERE / "use.cpp").read_text().replace("<retry_on_addr_in_use.hpp>", '"retry_on_addr_in_use.hpp"')
    )
    zig = ROOT / "build/zig/package/zig"
    compilers = [
        ["g++"],
        ["clang++"],
        ["clang++-19", "-stdlib=libc++"],
        ["g++", "-m32"],
        ["x86_64-w64-mingw32-g++"],
        ["i686-w64-mingw32-g++"],
    ]
    compilers += [
        [zig, "c++", "-target", target]
        for target in (
            "x86_64-macos",
            "aarch64-macos",
            "x86_64-linux-musl",
            "x86-linux-musl",
            "aarch64-linux-musl",
            "aarch64-windows-gnu",
        )
    ]
    environment = dict(os.environ, ZIG_GLOBAL_CACHE_DIR=str(ROOT / "build/zig/cache"))
    for compiler in compilers:
        need_compiler(*compiler) if compiler[0] != zig else need(zig)
        linked = compiler[0] != zig  # what zig links first takes a minute; CI does it for macOS
        run(
            *compiler,
            "-std=c++17",
            *STRICT,
            "use.cpp",
            *([] if linked else ["-c"]),
            "-o",
            "use",
            cwd=place,
            env=environment,
        )
        if linked and "mingw" not in compiler[0] and "-m32" not in compiler:  # not every kernel runs those
            run(place / "use")
        print("compiled by", *compiler[-2:])


def exceptions(place):
    for compiler in ("g++", "clang++"):
        need(compiler)
        for order in (1, -1):
            run(
                compiler,
                "-std=c++17",
                *STRICT,
                "-I",
                ROOT / "include",
                "-c",
                HERE / "exceptions/with.cpp",
                "-o",
                place / "with.o",
            )
            run(
                compiler,
                "-std=c++17",
                *STRICT,
                "-fno-exceptions",
                "-fno-rtti",
                "-I",
                ROOT / "include",
                "-c",
                HERE / "exceptions/without.cpp",
                "-o",
                place / "without.o",
            )
            run(compiler, *[place / "with.o", place / "without.o"][::order], "-o", place / "both")
            run(place / "both")


def matrix(place):
    """Each compiler and standard, with and without exceptions, in the strictest words."""
    for compiler in (["g++"], ["clang++"], ["clang++-19"], ["g++", "-m32"]):
        need_compiler(*compiler)
        for standard in ("17", "20", "2b"):
            for flags in ([], ["-fno-exceptions", "-fno-rtti"]):
                run(
                    *compiler,
                    f"-std=c++{standard}",
                    *STRICT,
                    *flags,
                    "-I",
                    ROOT / "include",
                    "-fsyntax-only",
                    HERE / "use.cpp",
                )


def macros(place):
    """Nothing is left but the version and the guard, and no other macro is changed; in any order of includes."""
    standard = "".join(
        f"#include <{name}>\n"
        for name in re.findall(r"^# *include <([a-z_/.]+)>", HEADER.read_text(), re.MULTILINE)
        if subprocess.run(
            ["g++", "-fsyntax-only", "-x", "c++", "-"], input=f"#include <{name}>", text=True, stderr=subprocess.DEVNULL
        ).returncode
        == 0
    )

    def defined(code):
        return set(
            run("g++", "-std=c++17", "-I", ROOT / "include", "-dM", "-E", "-x", "c++", "-", input=code).splitlines()
        )

    before = defined(standard)
    after = defined(standard + "#include <retry_on_addr_in_use.hpp>\n")
    assert before <= after
    names = sorted(line.split()[1] for line in after - before)
    assert names == [
        "ADDR_IN_USE_VERSION_MAJOR",
        "ADDR_IN_USE_VERSION_MINOR",
        "ADDR_IN_USE_VERSION_PATCH",
        "RETRY_ON_ADDR_IN_USE_HPP_" + VERSION.replace(".", "_"),
    ], names
    for code in (
        standard + "#include <retry_on_addr_in_use.hpp>\n",
        "#include <retry_on_addr_in_use.hpp>\n" + standard,
    ):
        run("g++", "-std=c++17", *STRICT, "-I", ROOT / "include", "-fsyntax-only", "-x", "c++", "-", input=code)


def two_versions(place):
    other = place / "other.hpp"
    other.write_text(
        HEADER.read_text()
        .replace("HPP_" + VERSION.replace(".", "_"), "HPP_0_0_9")
        .replace("VERSION_PATCH 0", "VERSION_PATCH 9")
    )
    for first, second in ((HEADER, other), (other, HEADER)):
        run(
            "g++",
            "-std=c++17",
            "-fsyntax-only",
            "-x",
            "c++",
            "-",
            input=f'#include "{first}"\n#include "{second}"\n',
            fails="another version of this header was included before",
        )
    copy = place / "copy.hpp"
    shutil.copy(HEADER, copy)
    run("g++", "-std=c++17", "-fsyntax-only", "-x", "c++", "-", input=f'#include "{HEADER}"\n#include "{copy}"\n')


def include_cost(place):
    """No header that costs every user's build more than it is worth."""
    included = set(re.findall(r"^\.+ .*/(\w+)$", run("g++", "-std=c++17", "-fsyntax-only", "-H", HEADER), re.MULTILINE))
    heavy = {"iostream", "functional", "filesystem", "regex", "thread", "mutex", "fstream", "sstream", "future"}
    assert not included & heavy, included & heavy


def start_cost(place):
    """A start that succeeds allocates nothing, and its clock read is no system call (man 7 vdso)."""
    need("g++", "valgrind", "strace")
    program = place / "start"
    run(
        "g++",
        "-std=c++17",
        "-O2",
        "-I",
        ROOT / "include",
        ROOT / "tests/benchmark/start.cpp",
        "-o",
        program,
        "-pthread",
    )

    def count(pattern, *tracer):
        def once(starts):
            done = subprocess.run([*tracer, program, str(starts)], stderr=subprocess.PIPE, text=True, check=True)
            return int(re.search(pattern, done.stderr)[1].replace(",", ""))

        return once(2000) - once(1000)

    assert count(r"total heap usage: ([0-9,]+) allocs", "valgrind") == 0
    assert count(r"(?m)^100.00 .* (\d+) +\d* *total$", "strace", "-c") == 0


if __name__ == "__main__":
    main(globals())
