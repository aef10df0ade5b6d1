#!/bin/sh
# Builds and runs the benchmarks, and writes their table to build/benchmark/table.md.
set -eu
cd "$(dirname "$0")/.."
. tests/setup.sh
need c++=g++ python3=python3 lsof=lsof ss=iproute2 fuser=psmisc valgrind=valgrind strace=strace size=binutils hyperfine=hyperfine \
    "/usr/include/benchmark/benchmark.h=libbenchmark-dev" npm=npm
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
[ -d $build/node_modules ] || (cd $build && npm install --silent --no-fund --no-audit --prefix . kill-port fkill-cli) || true
python3 tests/benchmark/run.py $build $build/table.md
cat $build/table.md
