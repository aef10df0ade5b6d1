#!/bin/sh
# Compiles the Windows region as clang-cl reads it, as far as MinGW's headers allow: msvc_mode.sh DIRECTORY-OF-CATCH2
# MSVC's own version macros stay undefined: MinGW's headers refuse them. The real compilers are in ci.yml.
set -eu
cd "$(dirname "$0")/../.."
catch=$1
compile() {
    clang++-19 -std=c++17 -fsyntax-only -fms-extensions -fms-compatibility -fms-compatibility-version=19.29 \
        -U_MSC_VER -U_MSC_FULL_VER -U_MSC_BUILD -U_MSC_EXTENSIONS -fgnuc-version=13.0 -D__STRICT_ANSI__ \
        -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wunreachable-code-aggressive -Werror "$@"
}

for target in x86_64-w64-mingw32 i686-w64-mingw32; do
    for order in SDK_NONE SDK_FIRST SDK_LAST; do
        compile -target $target -Iinclude -D$order tests/windows/sdk.cpp
        compile -target $target -Iinclude -D$order -fno-exceptions -fno-rtti tests/windows/sdk.cpp
    done
done
for source in tests/windows/real.cpp tests/windows/ask.cpp tests/unit/values.cpp tests/unit/recognition.cpp \
    tests/unit/flow.cpp tests/unit/servers.cpp tests/unit/rules.cpp tests/unit/parsers.cpp; do
    compile -target x86_64-w64-mingw32 -Iinclude -isystem "$catch" -DNOMINMAX -DHOLDER_PROGRAM='""' "$source"
done
python3 -B tests/windows/unreachable.py include/retry_on_addr_in_use.hpp

# The compiler must notice what cl calls C4273: here a function of the SDK that is not dllimport.
mutant=$(mktemp -d)
sed 's/^void\* __stdcall CreateToolhelp32Snapshot/__declspec(dllimport) &/' include/retry_on_addr_in_use.hpp \
    >"$mutant/retry_on_addr_in_use.hpp"
for order in SDK_FIRST SDK_LAST; do
    compile -target x86_64-w64-mingw32 -I"$mutant" -D$order tests/windows/sdk.cpp 2>"$mutant/errors" || true
    cat "$mutant/errors" >>"$mutant/all"
done
grep -q "should not add 'dllimport'" "$mutant/all"
rm -r "$mutant"
echo "MSVC-compatible mode: clean"
