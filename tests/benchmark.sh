#!/bin/sh
# Builds and runs the benchmarks on Debian, and writes tests/benchmark/README.md and its chart.
set -eu
cd "$(dirname "$0")/.."
. tests/setup.sh
# shellcheck disable=SC2086 # a list of words
need $packages_benchmark
build=build/benchmark
mkdir -p $build
flags="-O2 -Iinclude -Wall -Wextra"
cc -O2 -Wall -Wextra -c tests/benchmark/floor.c -o $build/floor.o
one() {
    name=$1
    shift
    # shellcheck disable=SC2086 # a list of words
    c++ -std=c++17 $flags "$@" -o $build/"$name" -pthread
}
one recover tests/benchmark/recover.cpp
one holder tests/helpers/holder.cpp
one starter tests/helpers/starter.cpp
one crowd tests/benchmark/crowd.cpp
one look tests/benchmark/look.cpp
one start_library tests/benchmark/start.cpp
one start_bare -DBARE tests/benchmark/start.cpp
one inside -DHOLDER_PROGRAM="\"$PWD/$build/holder\"" tests/benchmark/inside.cpp $build/floor.o -lbenchmark
[ -d $build/node_modules ] ||
    (cd $build && npm install --silent --no-fund --no-audit --prefix . kill-port fkill-cli) || true
# Debian's own interpreter: only that one has Debian's matplotlib.
/usr/bin/python3 tests/benchmark/run.py $build tests/benchmark/README.md tests/benchmark/chart.svg
