"""Takes the library in each way that the README names, as a user does: check.py NAME

Each name is a function below. What this machine does not have is skipped by name, unless ADDR_IN_USE_NO_SKIP is set.
"""

import json
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


def consume(project, place, *definitions, fails=None):
    run("cmake", "-S", HERE / project, "-B", place / "consumer", *definitions, fails=fails)
    if fails is None:
        run("cmake", "--build", place / "consumer")
        run(place / "consumer/consumer")


def install(place, *definitions):
    run("cmake", "-S", ROOT, "-B", place / "build", "-DADDR_IN_USE_BUILD_TESTS=OFF", *definitions)
    run("cmake", "--build", place / "build")
    run("cmake", "--install", place / "build", "--prefix", place / "prefix")
    return place / "prefix"


def subdirectory(place):
    consume("subdirectory", place, f"-DLIBRARY={ROOT}")


def fetchcontent(place):
    consume("fetchcontent", place, f"-DLIBRARY={ROOT}")


def installed(place):
    prefix = install(place)
    major, minor, _ = VERSION.split(".")
    consume("installed", place, f"-DCMAKE_PREFIX_PATH={prefix}", f"-DWANTED={major}.{minor}")
    for wanted in ("99", f"{major}.{int(minor) + 1}"):
        shutil.rmtree(place / "consumer")
        consume(
            "installed",
            place,
            f"-DCMAKE_PREFIX_PATH={prefix}",
            f"-DWANTED={wanted}",
            fails="compatible with requested version",
        )
    # A consumer of any architecture, and one whose CMake is older than 3.23, gets the path to the header.
    texts = {path.name: path.read_text() for path in (prefix / "share/cmake/retry_on_addr_in_use").iterdir()}
    (place / "32-bit.cmake").write_text(
        """
        cmake_minimum_required(VERSION 3.14)
        set(CMAKE_SIZEOF_VOID_P 4)
        include(${FILE})
        if(NOT PACKAGE_VERSION_COMPATIBLE OR PACKAGE_VERSION_UNSUITABLE)
          message(FATAL_ERROR "${PACKAGE_VERSION} is no use")
        endif()
    """
    )
    run(
        "cmake",
        f"-DFILE={prefix}/share/cmake/retry_on_addr_in_use/retry_on_addr_in_use-config-version.cmake",
        f"-DPACKAGE_FIND_VERSION={VERSION}",
        f"-DPACKAGE_FIND_VERSION_MAJOR={major}",
        f"-DPACKAGE_FIND_VERSION_MINOR={minor}",
        "-P",
        place / "32-bit.cmake",
    )
    assert "INTERFACE_INCLUDE_DIRECTORIES" in texts["retry_on_addr_in_use-config.cmake"]
    assert "FILE_SET" not in texts["retry_on_addr_in_use-config.cmake"]
    files = sorted(str(path.relative_to(prefix)) for path in prefix.rglob("*") if path.is_file())
    assert len(files) == 4, files


def pkgconfig(place):
    need("pkg-config", "make")
    prefix = install(place)
    moved = place / "moved"
    prefix.rename(moved)
    environment = dict(os.environ, PKG_CONFIG_PATH=str(moved / "share/pkgconfig"))
    run("make", "-C", HERE / "pkgconfig", f"OUT={place}", env=environment)
    run(place / "consumer")
    assert run("pkg-config", "--modversion", "retry_on_addr_in_use", env=environment).strip() == VERSION
    run("pkg-config", "--exists", "retry_on_addr_in_use >= 99", env=environment, fails="")


def meson(place):
    need("meson", "ninja")
    # As a subproject ...
    shutil.copytree(HERE / "meson", place / "consumer")
    shutil.copy(HERE / "use.cpp", place / "consumer")
    (place / "consumer/subprojects").mkdir()
    library = place / "consumer/subprojects/retry-on-addr-in-use"
    library.mkdir()
    for name in ("include", "meson.build", "meson_options.txt"):
        (library / name).symlink_to(ROOT / name)
    run("meson", "setup", "--fatal-meson-warnings", place / "build", place / "consumer")
    run("meson", "compile", "-C", place / "build")
    run(place / "build/consumer")
    # ... and by itself, installed, with its pkg-config file.
    run("meson", "setup", "--fatal-meson-warnings", f"--prefix={place}/prefix", place / "alone", ROOT)
    run("meson", "install", "-C", place / "alone")
    need("pkg-config")
    environment = dict(os.environ, PKG_CONFIG_PATH=str(place / "prefix/share/pkgconfig"))
    (place / "out").mkdir()
    run("make", "-C", HERE / "pkgconfig", f"OUT={place}/out", env=environment)
    run(place / "out/consumer")


def meson_tests(place):
    need("meson", "ninja")
    run("meson", "setup", "--fatal-meson-warnings", "-Dtests=true", "--buildtype=plain", place / "build", ROOT)
    assert re.search(r"Ok: +1", run("meson", "test", "-C", place / "build"))


def vcpkg(place):
    """The steps of the port, with functions in the place of vcpkg's own that do the same by CMake alone."""
    port = ROOT / "ports/retry-on-addr-in-use"
    (place / "steps.cmake").write_text(
        """
        function(vcpkg_cmake_configure)
          cmake_parse_arguments(arg "" "SOURCE_PATH" "OPTIONS" ${ARGN})
          execute_process(COMMAND ${CMAKE_COMMAND} -S ${arg_SOURCE_PATH} -B ${PLACE}/build ${arg_OPTIONS}
            -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX=${CURRENT_PACKAGES_DIR} COMMAND_ERROR_IS_FATAL ANY)
        endfunction()
        function(vcpkg_cmake_install)
          execute_process(COMMAND ${CMAKE_COMMAND} --build ${PLACE}/build --target install COMMAND_ERROR_IS_FATAL ANY)
        endfunction()
        function(vcpkg_cmake_config_fixup)
          cmake_parse_arguments(arg "" "PACKAGE_NAME;CONFIG_PATH" "" ${ARGN})
          if(NOT IS_DIRECTORY ${CURRENT_PACKAGES_DIR}/${arg_CONFIG_PATH})
            message(FATAL_ERROR "no ${arg_CONFIG_PATH}")
          endif()
          file(RENAME ${CURRENT_PACKAGES_DIR}/${arg_CONFIG_PATH} ${CURRENT_PACKAGES_DIR}/share/${arg_PACKAGE_NAME})
          file(REMOVE_RECURSE ${CURRENT_PACKAGES_DIR}/share/cmake) # empty by now
          # One folder less above the file, as vcpkg rewrites it.
          set(config ${CURRENT_PACKAGES_DIR}/share/${arg_PACKAGE_NAME}/${arg_PACKAGE_NAME}-config.cmake)
          file(READ ${config} text)
          string(REPLACE "get_filename_component(_IMPORT_PREFIX \\"\\${CMAKE_CURRENT_LIST_FILE}\\" PATH)"
                         "set(_IMPORT_PREFIX \\"\\${CMAKE_CURRENT_LIST_DIR}/x\\")" text "${text}")
          file(WRITE ${config} "${text}")
        endfunction()
        function(vcpkg_fixup_pkgconfig)
          if(NOT EXISTS ${CURRENT_PACKAGES_DIR}/share/pkgconfig/retry_on_addr_in_use.pc)
            message(FATAL_ERROR "no file for pkg-config")
          endif()
        endfunction()
        function(vcpkg_install_copyright)
          cmake_parse_arguments(arg "" "" "FILE_LIST" ${ARGN})
          configure_file(${arg_FILE_LIST} ${CURRENT_PACKAGES_DIR}/share/retry-on-addr-in-use/copyright COPYONLY)
        endfunction()
        include(${CURRENT_PORT_DIR}/portfile.cmake)
        if(NOT VCPKG_BUILD_TYPE STREQUAL "release")
          message(FATAL_ERROR "a header needs one build")
        endif()
    """
    )
    packages = place / "packages"
    run(
        "cmake",
        f"-DPLACE={place}",
        f"-DCURRENT_PORT_DIR={port}",
        f"-DCURRENT_PACKAGES_DIR={packages}",
        "-P",
        place / "steps.cmake",
    )
    consume("installed", place, f"-DCMAKE_PREFIX_PATH={packages}", "-DWANTED=" + ".".join(VERSION.split(".")[:2]))
    empty = [path for path in packages.rglob("*") if path.is_dir() and not any(path.iterdir())]
    assert not empty, empty
    assert not (packages / "lib").exists() and not (packages / "debug").exists()
    assert (packages / "share/retry-on-addr-in-use/copyright").read_text() == (ROOT / "LICENSE").read_text()
    assert json.loads((port / "vcpkg.json").read_text())["name"] == port.name


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
    """Nothing is left but the version and the guard, and nobody else's macro is changed; in any order of includes."""
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


def version(place):
    """One number everywhere."""
    text = HEADER.read_text()
    underscored = VERSION.replace(".", "_")
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)
    assert text.count("RETRY_ON_ADDR_IN_USE_HPP_" + underscored) == 3
    assert set(re.findall(r"ADDR_IN_USE_NAMESPACE v(\w+)", text)) == {underscored, underscored + "_noexcept"}
    assert f'detect_mismatch("retry_on_addr_in_use.hpp", "{VERSION}")' in text
    assert f"version : '{VERSION}'" in (ROOT / "meson.build").read_text()
    assert json.loads((ROOT / "ports/retry-on-addr-in-use/vcpkg.json").read_text())["version"] == VERSION
    assert re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[1] == VERSION
    assert text.startswith(f"// retry_on_addr_in_use.hpp {VERSION} ")
    readme = (ROOT / "README.md").read_text()
    assert re.findall(r"find_package\(retry_on_addr_in_use (\S+)", readme) == [VERSION.rpartition(".")[0]]
    run("cmake", "-S", ROOT, "-B", place, "-DADDR_IN_USE_BUILD_TESTS=OFF")
    assert f"CMAKE_PROJECT_VERSION:STATIC={VERSION}\n" in (place / "CMakeCache.txt").read_text()


def release(place):
    """A tag on this commit equals the header's version, and the changelog has the day of it."""

    def fault(tags, changelog):
        released = re.search(rf"^## {re.escape(VERSION)} - \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE)
        wrong = [tag for tag in tags if re.fullmatch(r"v\d.*", tag) and tag != f"v{VERSION}"]
        return (
            f"the header is {VERSION}, the tag is {wrong[0]}"
            if wrong
            else f"CHANGELOG.md has no day for {VERSION}"
            if f"v{VERSION}" in tags and not released
            else ""
        )

    day = f"## {VERSION} - 2026-01-31\n"
    assert not fault([], "") and not fault([f"v{VERSION}", "nightly"], day)
    assert fault(["v99.0.0"], day) and fault([f"v{VERSION}"], f"## {VERSION} - unreleased\n")
    need("git")
    tags = subprocess.run(["git", "-C", str(ROOT), "tag", "--points-at", "HEAD"], stdout=subprocess.PIPE, text=True)
    assert not (found := fault(tags.stdout.split(), (ROOT / "CHANGELOG.md").read_text())), found


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
    with tempfile.TemporaryDirectory() as directory:
        globals()[sys.argv[1]](pathlib.Path(directory))
    print("good")
