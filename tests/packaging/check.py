"""Takes the library in each way that the README names, as a user does: check.py NAME

Each name is a function below. What this machine does not have is skipped by name, unless ADDR_IN_USE_NO_SKIP is set.
"""

import json
import os
import re
import shutil
import subprocess

from steps import *


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


if __name__ == "__main__":
    main(globals())
