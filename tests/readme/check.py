"""Checks every C++ snippet of the README: check.py README COMPILER INCLUDE-DIRECTORY SERVERS-DIRECTORY

Compiles each snippet. A snippet without an #include gets the header and its types from prelude.hpp. The comment before a
snippet can say more:

    <!-- statements -->     puts the snippet into a function
    <!-- not run -->        the same, with the outlines of libraries from not_run.hpp
    <!-- recipe: NAME -->   compares the snippet with the recipe in SERVERS-DIRECTORY/NAME.cpp; its own test runs that
"""

import pathlib
import re
import subprocess
import sys
import textwrap

readme, compiler, include, servers = sys.argv[1:5]
here = pathlib.Path(__file__).parent
recipes = {}
for program in pathlib.Path(servers).glob("*.cpp"):
    found = re.search(r"^( *)// recipe\n(.*)^\1// end of recipe$", program.read_text(), re.MULTILINE | re.DOTALL)
    if not found:
        sys.exit(f"{program.name} has no recipe")
    recipes[program.stem] = textwrap.dedent(found[2])

text = pathlib.Path(readme).read_text()
snippets = re.findall(r"(?:<!-- ([^\n]*) -->\n)?^[> ]*```cpp\n(.*?)^[> ]*```", text, re.MULTILINE | re.DOTALL)
if len(snippets) < 5 + len(recipes):
    sys.exit("the README has lost its snippets")
for kind, code in snippets:
    code = re.sub(r"^> ?", "", code, flags=re.MULTILINE)
    if kind.startswith("recipe: "):
        name = kind[len("recipe: "):]
        if recipes.pop(name, None) != code:
            sys.exit(f"the README and tests/servers/{name}.cpp differ")
        continue
    if "#include" not in code:
        if kind in ("statements", "not run"):
            code = "void statements() {\n" + code + "}\n"
        code = f'#include "{here / ("not_run.hpp" if kind == "not run" else "prelude.hpp")}"\n' + code
    done = subprocess.run(
        [compiler, "-std=c++17", "-Wall", "-Wextra", "-Wno-unused-variable", "-Wno-unused-but-set-variable",
         "-Werror", "-fsyntax-only", f"-I{include}", "-x", "c++", "-"],
        input=code, text=True, stderr=subprocess.PIPE)
    if done.returncode != 0:
        sys.exit(f"this does not compile:\n{code}\n{done.stderr}")
if recipes:
    sys.exit(f"the README has no recipe for {', '.join(recipes)}")
print(f"{len(snippets)} snippets are right")
