#!/bin/sh
# The demo: another process holds the port, the server starts all the same and answers a health check.
set -eu
cd "$(dirname "$0")/.."
. tests/setup.sh
# shellcheck disable=SC2086 # a list of words
need $packages_demo
cmake -S . -B build/demo -G "Unix Makefiles" -DCMAKE_BUILD_TYPE=Release -DADDR_IN_USE_ONLY_DEMO=ON >/dev/null
cmake --build build/demo >/dev/null
exec python3 tests/demo/demo.py build/demo/tests/demo_server
