"""Writes README.md of this folder from the recipes in the programs, or checks that it is current.

    recipes.py           checks: fails if the page is not what the programs give
    recipes.py --write   writes the page

A recipe stands between "// recipe" and "// end of recipe". Programs whose recipes are the same share one section. The
recipes of libraries that Debian does not have are in ../readme/not_run.cpp; there the title follows "// recipe: ".
"""

import pathlib
import re
import sys
import textwrap

HERE = pathlib.Path(__file__).resolve().parent
PAGE = HERE / "README.md"
NOT_RUN = HERE.parent / "readme/not_run.cpp"

# The order of the page: the programs' names, the title and what a reader must know before the code.
SECTIONS = [
    ("posix", "POSIX sockets", "The plain system calls, for a server without a library."),
    (
        "asio boost_asio beast",
        "Asio, Boost.Asio and Boost.Beast",
        "Boost's Asio is in the namespace `boost::asio`. On Windows the acceptor sets SO_REUSEADDR: wrap it in "
        "`Preflight`.",
    ),
    ("asio_path", "Asio, on a path", "The address is a socket file. Every library that takes a path works like this."),
    ("boost_asio_error_code", "Boost.Asio with `error_code`", ""),
    ("restinio", "restinio", ""),
    ("pistache", "Pistache", ""),
    ("poco", "POCO HTTPServer", ""),
    (
        "cpp_httplib",
        "cpp-httplib",
        "With the host `*` a second copy takes 0.0.0.0 beside `[::]`: name the host. On Windows SO_REUSEADDR shares "
        "the port: use SO_EXCLUSIVEADDRUSE there.",
    ),
    ("grpc", "gRPC", ""),
    ("grpc_callable", "gRPC without sharing, a callable", ""),
    ("grpc_restart", "gRPC without sharing, a class", ""),
    ("libmicrohttpd", "libmicrohttpd", ""),
    ("civetweb", "civetweb", ""),
    ("civetserver", "CivetServer", ""),
    ("libevent", "libevent", ""),
    ("libevhtp", "libevhtp", ""),
    ("libuv", "libuv, TCP", ""),
    ("libuv_udp", "libuv, UDP", ""),
    ("libwebsockets", "libwebsockets", ""),
    ("cppzmq", "ZeroMQ (cppzmq)", ""),
    ("nng", "nng", ""),
    ("qt", "Qt 6 QTcpServer", ""),
    ("thrift", "Apache Thrift", ""),
    ("websocketpp", "websocketpp", "On Windows its `set_reuse_addr` shares the port: wrap it in `Preflight` there."),
    ("cpprestsdk", "cpprestsdk", ""),
    ("kj", "Cap'n Proto (kj)", ""),
    ("enet", "ENet", ""),
]

HEAD = """# Recipes for server libraries

`recipes.py --write` writes this page from the programs of this folder. The tests compile and run each program. Another
program holds its address, then its own previous copy. Then most of them get an address that the machine does not have.

`host` is a `std::string`, `port` is a `std::uint16_t`, and `using namespace addr_in_use` is assumed. The first program
of a section has the includes.

`Preflight` and `AskProbe` trust the probe alone. With them a start that fails for another reason (a bad certificate)
terminates the holder too. Check the configuration first.
"""

TAIL = """
# Libraries that Debian does not have

The tests compile these recipes against [outlines of the libraries](../readme/not_run.hpp) and do not run them. Each
title says which version was run by hand, or that the source was read.
"""


def recipes_of(path):
    """The title and the code of each recipe in a program."""
    recipe = r"^( *)// recipe(?:: ([^\n]*))?\n(.*?)^\1// end of recipe$"
    found = re.findall(recipe, path.read_text(), re.MULTILINE | re.DOTALL)
    if not found:
        sys.exit(f"{path.name} has no recipe")
    return [(title, textwrap.dedent(code)) for _, title, code in found]


def without_boost(code):
    return code.replace("boost::asio", "asio")


def section(title, text, code):
    return f"\n## {title}\n\n" + (text + "\n\n" if text else "") + f"```cpp\n{code}```\n"


def page():
    programs = {path.stem: recipes_of(path)[0][1] for path in sorted(HERE.glob("*.cpp"))}
    text = HEAD
    for names, title, note in SECTIONS:
        codes = [programs.pop(name) for name in names.split()]
        if len({without_boost(code) for code in codes}) != 1:
            sys.exit(f"the recipes of {names} differ: give each a section")
        links = ", ".join(f"[{name}.cpp]({name}.cpp)" for name in names.split())
        text += section(title, f"{links}. {note}".rstrip(" "), codes[0])
    if programs:
        sys.exit(f"no section for {', '.join(programs)}")
    text += TAIL
    for title, code in recipes_of(NOT_RUN):
        text += section(title, "", code)
    return text


def wrapped(text):
    """The same with paragraphs of at most 120 columns; code stays as it is."""
    parts = re.split(r"(```cpp\n.*?```)", text, flags=re.DOTALL)
    return "".join(
        part
        if part.startswith("```")
        else "\n\n".join(
            textwrap.fill(paragraph, 120, break_long_words=False, break_on_hyphens=False)
            for paragraph in part.split("\n\n")
        )
        for part in parts
    )


if __name__ == "__main__":
    current = wrapped(page())
    if "--write" in sys.argv:
        PAGE.write_text(current)
    elif not PAGE.exists() or PAGE.read_text() != current:
        sys.exit("tests/servers/README.md is not current: python3 tests/servers/recipes.py --write")
