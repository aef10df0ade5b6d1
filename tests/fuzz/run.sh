#!/bin/sh
# Fuzzes each parser: run.sh [SECONDS for each, 20 by default]
set -eu
cd "$(dirname "$0")/../.."
. tests/setup.sh
need "$packages_fuzz"
need "$(packages_fuzz_runtime)"
seconds=${1:-20}
mkdir -p build/fuzz
one() {
    clang++ -std=c++17 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -DTARGET="$1" -Iinclude \
        tests/fuzz/fuzz.cpp -o "build/fuzz/$1"
    mkdir -p "build/fuzz/found-$1"
    "build/fuzz/$1" -max_total_time="$seconds" -max_len=4096 -verbosity=0 -print_final_stats=1 \
        -artifact_prefix="build/fuzz/$1-" "build/fuzz/found-$1" "tests/fuzz/corpus/$1" >"build/fuzz/$1.log" 2>&1 || {
        cat "build/fuzz/$1.log"
        return 1
    }
    echo "$1: $(sed -n 's/^stat::number_of_executed_units: *//p' "build/fuzz/$1.log") inputs, no failure"
}
both() { # two at a time
    one "$1" &
    first=$!
    one "$2" &
    second=$!
    wait "$first"
    wait "$second"
}
both netlink proc_net
both proc_pid lsof
both ip_table endpoint
one description
