"""Checks what people read: check.py NAME [COMPILER]

    snippets   compiles every C++ snippet of the README, and runs those that have asserts
    recipes    compiles the recipes that are not run
    links      every link, image and path leads somewhere, in each page
    names      the README has every obstacle, in its table and in its diagram
    words      the README's length, and words that name no actor

A snippet without an #include gets the header and its servers from prelude.hpp. One that does not compile as it is, is
compiled as the body of a function.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
README = ROOT / "README.md"
HEADER = ROOT / "include/retry_on_addr_in_use.hpp"
PAGES = [
    README,
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / ".github").glob("*.md")),
    *sorted((ROOT / "tests").glob("**/README.md")),
]
FLAGS = [
    "-std=c++17",
    "-Wall",
    "-Wextra",
    "-Wno-unused-variable",
    "-Wno-unused-but-set-variable",
    "-Werror",
    f"-I{ROOT / 'include'}",
]
MAX_LINES = 400


def compiles(*words, code=None):
    """The errors of a compilation, empty if it is good."""
    command = [sys.argv[2], *FLAGS, *map(str, words)] + (["-x", "c++", "-"] if code else [])
    done = subprocess.run(command, input=code, text=True, stderr=subprocess.PIPE)
    return done.stderr or "failed" if done.returncode else ""


def snippets():
    found = re.findall(r"^[> ]*```cpp\n(.*?)^[> ]*```", README.read_text(), re.MULTILINE | re.DOTALL)
    assert len(found) >= 8, "the README has lost its snippets"
    for code in found:
        code = re.sub(r"^> ?", "", code, flags=re.MULTILINE)
        prelude = "" if "#include" in code else f'#include "{HERE / "prelude.hpp"}"\n'
        if compiles("-fsyntax-only", code=prelude + code):
            body = prelude + "void statements() {\n" + code + "}\n"
            if errors := compiles("-fsyntax-only", code=body):
                sys.exit(f"this does not compile:\n{body}\n{errors}")
        elif "assert(" in code:
            with tempfile.TemporaryDirectory() as place:
                program = pathlib.Path(place) / "snippet"
                assert not compiles("-o", program, code=prelude + code)
                subprocess.run([program], check=True)
    print(f"{len(found)} snippets are right")


def recipes():
    if errors := compiles("-fsyntax-only", HERE / "not_run.cpp"):
        sys.exit(errors)


def anchor(title):
    """As GitHub names the place of a heading."""
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")


def anchors_of(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return {anchor(title) for title in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}


def links():
    for page in PAGES:
        text = re.sub(r"^[> ]*```cpp\n.*?^[> ]*```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
        targets = re.findall(r"\]\(([^)\s]+)\)", text)
        named = re.findall(r"(?<![\w./<-])((?:tests|include|ports|\.github|\.ci)/[\w./-]*\w)", text)
        for target, base in [(target, page.parent) for target in targets] + [(name, ROOT) for name in named]:
            assert not re.match(r"\w+:", target), f"{page}: {target} is not on this machine, so no test can follow it"
            path, _, place = target.partition("#")
            file = (base / path).resolve() if path else page
            if not file.exists() and not (ROOT / path).exists():
                sys.exit(f"{page.relative_to(ROOT)}: {target} leads nowhere")
            if place and place not in anchors_of(file):
                sys.exit(f"{page.relative_to(ROOT)}: {target}: no such heading")
        print(f"{page.relative_to(ROOT)}: {len(targets)} links and {len(named)} paths lead somewhere")


def names():
    text = README.read_text()
    body = re.search(r"enum class Obstacle[^{]*\{(.*?)\};", HEADER.read_text(), re.DOTALL)[1]
    obstacles = re.findall(r"^ +(\w+),", body, re.MULTILINE)
    assert len(obstacles) > 10, obstacles
    diagram = re.search(r"^```mermaid\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[1]
    for name in obstacles:
        assert re.search(rf"\b{name}\b", diagram), f"the diagram has no {name}"
        assert name == "none" or f"| `{name}` |" in text, f"the table has no {name}"
    unknown = set(re.findall(r"^\| `(\w+_\w+)` \|", text, re.MULTILINE)) - set(obstacles)
    assert not unknown, f"the header has no {unknown}"


def words():
    lines = README.read_text().splitlines()
    assert len(lines) <= MAX_LINES, f"the README has {len(lines)} lines, more than {MAX_LINES}"
    for page in PAGES:
        text = re.sub(r"^```.*?^```|`[^`\n]*`", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
        ghost = re.search(r"\b(?:who|whom|whoever|nobody|somebody)\b", text, re.IGNORECASE)
        assert not ghost, f"{page.relative_to(ROOT)}: name the process, the user or the person instead of {ghost[0]!r}"


globals()[sys.argv[1]]()
