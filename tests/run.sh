#!/bin/sh
# Installs what is missing, builds and runs all tests: run.sh [WORD FOR CTEST...], such as -R "a part of a name".
set -eu
cd "$(dirname "$0")/.."
if [ "$(uname -s)" = Linux ]; then
    . tests/setup.sh
    # shellcheck disable=SC2086 # a list of words
    need $packages_tests
    need_cmake 3.21
fi
cmake --preset tests -G "${CMAKE_GENERATOR:-Unix Makefiles}" >/dev/null
echo "Building the tests: some minutes"
cmake --build --preset tests --parallel 2 >build/tests/build.log 2>&1 || { tail -n 60 build/tests/build.log; exit 1; }
exec python3 -B tests/summary.py tests "$@"
