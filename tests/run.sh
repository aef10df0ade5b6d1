#!/bin/sh
# Installs what is missing, builds and runs all tests.
set -eu
cd "$(dirname "$0")/.."
if [ "$(uname -s)" = Linux ]; then
    . tests/setup.sh
    catch=/usr/include/catch2
    [ -e /usr/local/include/catch2 ] && catch=/usr/local/include/catch2
    need c++=g++ cmake=cmake make=make python3=python3 lsof=lsof ip=iproute2 ps=procps "$catch=catch2"
    need_cmake 3.21
fi
cmake --preset tests -G "${CMAKE_GENERATOR:-Unix Makefiles}" >/dev/null
cmake --build --preset tests --parallel 2
ctest --preset tests
