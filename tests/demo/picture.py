"""Draws demo.svg from a run of the demo, or checks that the picture and the README's log are current.

    picture.py SERVER            checks: fails if the demo says something else by now
    picture.py SERVER --write    draws the picture

Numbers that change from run to run (the port, the pids, the milliseconds) are replaced.
"""

import html
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
PICTURE = HERE / "demo.svg"
README = HERE.parent.parent / "README.md"
PROMPT = "$ sh tests/demo.sh"
LOG = "retry_on_addr_in_use: "


def with_fixed_numbers(text):
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:6688", text)
    text = re.sub(r"\(pid \d+\)", "(pid 4242)", text)
    text = re.sub(r"after (?:less than )?\d+ ms", "after 12 ms", text)
    return re.sub(r"((?:held by|in_use:) )\S+ (?=\(pid)", r"\1python3 ", text)


def said():
    run = subprocess.run([sys.executable, HERE / "demo.py", sys.argv[1]], stdout=subprocess.PIPE, text=True, check=True)
    return [PROMPT, *with_fixed_numbers(run.stdout).splitlines()]


def drawn(lines):
    width, height = 9 * max(map(len, lines)) + 40, 22 * len(lines) + 60
    rows = []
    for number, line in enumerate(lines):
        colour = "#7ee787" if line == PROMPT else "#e3b341" if LOG in line else "#e6edf3"
        rows.append(f'<text x="20" y="{58 + 22 * number}" fill="{colour}">{html.escape(line, quote=False)}</text>')
    dots = "".join(
        f'<circle cx="{22 + 20 * i}" cy="20" r="6" fill="{colour}"/>'
        for i, colour in enumerate(("#ff5f56", "#ffbd2e", "#27c93f"))
    )
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="monospace" '
        'font-size="15" xml:space="preserve">'
    )
    frame = f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>'
    return "\n".join([head, "<title>A run of the demo in a terminal</title>", frame, dots, *rows, "</svg>\n"])


def texts_of(picture):
    return [html.unescape(text) for text in re.findall(r"<text[^>]*>(.*?)</text>", picture)]


def readme_log():
    block = re.search(r"```text\n(.*?)```", README.read_text(), re.DOTALL)[1]
    return [with_fixed_numbers(line) for line in block.splitlines()]


lines = said()
if "--write" in sys.argv:
    PICTURE.write_text(drawn(lines))
if texts_of(PICTURE.read_text()) != lines:
    sys.exit("tests/demo/demo.svg is not current: python3 tests/demo/picture.py SERVER --write")
logged = [line.strip() for line in lines if LOG in line]
if readme_log() != logged:
    sys.exit("the README's log differs from the demo's:\n" + "\n".join(logged))
print("the picture and the README's log are current")
