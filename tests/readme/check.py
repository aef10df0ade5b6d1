"""Compiles every C++ snippet of the README: check.py README COMPILER INCLUDE-DIRECTORY

A snippet that does not include anything gets the header and the types that it may assume from prelude.hpp; one after the
comment "<!-- statements -->" is put into a function.
"""

import pathlib
import re
import subprocess
import sys

readme, compiler, include = sys.argv[1:4]
prelude = pathlib.Path(__file__).with_name("prelude.hpp")
text = pathlib.Path(readme).read_text()
snippets = re.findall(r"(<!-- statements -->\n)?^```cpp\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
if len(snippets) < 5:
    sys.exit("the README has lost its snippets")
for statements, code in snippets:
    if "#include" not in code:
        if statements:
            code = "void statements() {\n" + code + "}\n"
        code = f'#include "{prelude}"\n' + code
    done = subprocess.run(
        [compiler, "-std=c++17", "-Wall", "-Wextra", "-Wno-unused-variable", "-Wno-unused-but-set-variable",
         "-Werror", "-fsyntax-only", f"-I{include}", "-x", "c++", "-"],
        input=code, text=True, stderr=subprocess.PIPE)
    if done.returncode != 0:
        sys.exit(f"this does not compile:\n{code}\n{done.stderr}")
print(f"{len(snippets)} snippets compile")
