"""No statement behind an `if constexpr` that returns: MSVC calls it unreachable (C4702). unreachable.py HEADER."""
import re
import sys


def end_of_block(text, begin):
    """The place behind the brace that closes the one at `begin`."""
    depth = 0
    for place in range(begin, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return place + 1
    raise ValueError("a brace is not closed")


def end_of_condition(text, begin):
    depth = 0
    for place in range(begin, len(text)):
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        if depth == 0:
            return place + 1
    raise ValueError("a parenthesis is not closed")


def faults(text):
    """The lines of such statements. Texts and comments are made blank first: they may have braces."""
    code = re.sub(r'//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'', lambda match: " " * len(match[0]), text)
    for match in re.finditer(r"(?<!else )if constexpr (?=\()", code):
        place, returns = match.end(), False
        while True:
            begin = end_of_condition(code, place)
            if not code[begin:].startswith(" {"):
                break
            place = end_of_block(code, begin + 1)
            last = re.split(r"[;{}]", code[begin : place - 1].rstrip().rstrip(";"))[-1]
            returns = returns or bool(re.match(r"\s*(return|throw)\b", last))
            follows = code[place:].lstrip()
            if follows.startswith("else if constexpr "):
                place = code.index("(", place)
            else:
                if returns and not follows.startswith(("else", "}")):
                    yield code.count("\n", 0, match.start()) + 1
                break


assert list(faults("{ if constexpr (a()) { return 1; } return 2; }")) == [1]
assert list(faults("{ if constexpr (a) { f(); } else if constexpr (b) { return 1; }\n g(); }")) == [1]
assert not list(faults("{ if constexpr (a) { return 1; } else { return 2; } }"))
assert not list(faults("{ if constexpr (a) { return 1; } }")) and not list(faults("{ if constexpr (a) { f(); } g(); }"))
assert not list(faults("{ if constexpr (a) { if (b) { return 1; } } g(); }"))
assert not list(faults("{ if constexpr (a) { for (;;) { return 1; } f(); } g(); }"))
with open(sys.argv[1], encoding="utf-8") as header:
    found = list(faults(header.read()))
for line in found:
    print(f"{sys.argv[1]}:{line}: a statement follows an `if constexpr` that returns: write else")
sys.exit(bool(found))
