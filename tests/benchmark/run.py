"""Measures the library beside what it is compared with, and writes a table: run.py BUILD-DIRECTORY [OUTPUT]

A figure is a ratio of medians, with the smallest and the largest of the rounds' own ratios.
"""

import json
import os
import pathlib
import platform
import re
import shlex
import statistics
import subprocess
import sys
import time

BUILD = pathlib.Path(sys.argv[1]).resolve()
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
ROUNDS = 9
rows = []


def output(*command, **more):
    return subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, **more).stdout


class Crowd:
    def __init__(self, *words):
        self.process = subprocess.Popen([BUILD / "crowd", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = self.process.stdout.readline().split()[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        time.sleep(1)  # the kernel takes its time over fifty thousand sockets


def ratio(ours, theirs):
    rounds = [a / b for a, b in zip(ours, theirs)]
    return f"{statistics.median(ours) / statistics.median(theirs):.2f} ({min(rounds):.2f} to {max(rounds):.2f})"


def inside(names, port):
    """Seconds of each benchmark in each round."""
    text = output(BUILD / "inside", f"--benchmark_filter=^({'|'.join(names)})", f"--benchmark_repetitions={ROUNDS}", "--benchmark_min_time=0.2",
                  "--benchmark_enable_random_interleaving=true", "--benchmark_format=json", env=dict(os.environ, BENCHMARK_PORT=port))
    times = {name: [] for name in names}
    for run in json.loads(text)["benchmarks"]:
        if run["run_type"] == "iteration":
            assert not run.get("error_occurred"), run
            times[run["name"].split("/")[0]].append(run["real_time"])
    return times


def commands(*lines, prepare=()):
    """Seconds of each command in each round, in three turns."""
    times = [[] for _ in lines]
    for _ in range(3):
        file = BUILD / "times.json"
        subprocess.run(["hyperfine", "-N", "--warmup=1", f"--runs={ROUNDS // 3}", "--style=none", f"--export-json={file}", *prepare,
                        *(shlex.join(map(str, line)) for line in lines)], check=True)
        for seconds, result in zip(times, json.loads(file.read_text())["results"]):
            seconds += result["times"]
    return times


def row(what, against, figure, limit=""):
    rows.append(f"| {what} | {against} | {figure} | {limit} |")
    print(rows[-1], flush=True)


def main():
    quiet = []
    for name, words in (("idle machine", []), ("200 processes, 200 descriptors each", ["processes=200", "descriptors=200"]),
                        ("1,000 processes", ["processes=1000"]), ("50,000 connections", ["processes=200", "connections=50000"]),
                        ("20,000 listening sockets", ["processes=200", "listeners=20000"])):
        with Crowd(*words) as crowd:
            times = inside(["probe_floor", "probe_library", "held_floor", "held_library"], crowd.port)
            known = "at most 1.15" if not words or "descriptors=200" in words else ""
            row(f"probe, {name} ({statistics.median(times['probe_library']) / 1000:.2f} ms)", "the same system calls in C", ratio(times["probe_library"], times["probe_floor"]), known)
            if not quiet:
                quiet = times["held_library"]
            else:
                row(f"`held`, {name}", "idle machine", ratio(times["held_library"], quiet), "at most 1.5" if "connections" in name else "")
            ours, ss, lsof, fuser = commands([BUILD / "look", crowd.port], ["ss", "-Hltnp", f"sport = :{crowd.port}"],
                                             ["lsof", "-nP", f"-iTCP:{crowd.port}", "-sTCP:LISTEN"], ["fuser", f"{crowd.port}/tcp"])
            seconds = [microseconds / 1e6 for microseconds in times["probe_library"]]
            for tool, theirs, limit in (("`ss -ltnp`", ss, "at most 0.7"), ("`lsof`", lsof, "at most 0.3"), ("`fuser`", fuser, "")):
                row(f"probe, {name}", tool, ratio(seconds, theirs), limit if known else "")
                row(f"probe in a program of its own, {name}", tool, ratio(ours, theirs))
    times = inside(["recover_floor", "recover_library"], "1")
    row(f"failed bind to listening again ({statistics.median(times['recover_library']) / 1000:.2f} ms)", "the same in C", ratio(times["recover_library"], times["recover_floor"]), "at most 1.4")
    recover_by_tools()
    successful_start()
    include_cost()
    text = "| what | beside | ratio (smallest to largest of %d rounds) | limit |\n|---|---|---|---|\n" % ROUNDS + "\n".join(rows) + "\n"
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    text += f"\nMeasured on {os.cpu_count()} cores ({model[1] if model else platform.machine()}), Linux {platform.release()}, {output('c++', '--version').splitlines()[0]}.\n"
    if len(sys.argv) > 2:
        pathlib.Path(sys.argv[2]).write_text(text)


def recover_by_tools():
    """Whole commands from the failed bind to a bind that works; each with a holder of its own."""
    modules = BUILD / "node_modules/.bin"
    tools = {"library": [BUILD / "starter", "127.0.0.1", "PORT"], "`fuser -k`": ["fuser", "-k", "-TERM", "PORT/tcp"],
             "`lsof` and `kill`": ["sh", "-c", "kill $(lsof -t -iTCP:PORT -sTCP:LISTEN)"],
             "kill-port (npm)": [modules / "kill-port", "PORT"], "fkill-cli (npm)": [modules / "fkill", ":PORT"]}
    tools = {name: command for name, command in tools.items() if "npm" not in name or pathlib.Path(command[0]).exists()}
    program, port = BUILD / "recover", BUILD / "port"
    times = commands(*([program, "run", port, *command] for command in tools.values()), prepare=["--prepare", shlex.join([str(program), "hold", str(port)])])
    for name, seconds in list(zip(tools, times))[1:]:
        row("failed bind to listening again, as a command", name, ratio(times[0], seconds))


def successful_start():
    def instructions(program, count):
        text = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", BUILD / program, str(count)], stderr=subprocess.PIPE, text=True).stderr
        return int(re.search(r"Collected : (\d+)", text)[1])
    def allocations(program, count):
        text = subprocess.run(["valgrind", BUILD / program, str(count)], stderr=subprocess.PIPE, text=True).stderr
        return int(re.search(r"total heap usage: ([\d,]+) allocs", text)[1].replace(",", ""))
    def system_calls(program, count):
        return len(subprocess.run(["strace", "-f", BUILD / program, str(count)], stderr=subprocess.PIPE, text=True).stderr.splitlines())
    def more(measure):  # of each start, without what the program costs to load
        library, bare = ((measure(program, 200000) - measure(program, 100000)) / 100000 for program in ("start_library", "start_bare"))
        return library - bare
    row("a start that succeeds", "the bare call", f"{more(instructions):.0f} instructions more, with the clock read")
    row("a start that succeeds", "the bare call", f"{more(allocations):g} allocations more", "none")
    row("a start that succeeds", "the bare call", f"{more(system_calls):g} system calls more (the clock is read in the process)", "none")
    def size(program):
        return int(output("size", BUILD / program).splitlines()[1].split()[0])
    row("code of a program at -O2", "without the library", f"{(size('start_library') - size('start_bare')) / 1024:.0f} KiB more")


def include_cost():
    def compile_it(*headers):
        code = "".join(f"#include <{header}>\n" for header in headers)
        begin = time.perf_counter()
        done = subprocess.run(["g++", "-std=c++17", f"-I{ROOT}/include", "-fsyntax-only", "-x", "c++", "-"], input=code, text=True, stderr=subprocess.DEVNULL)
        return time.perf_counter() - begin if done.returncode == 0 else None
    five = ("string", "vector", "optional", "chrono", "system_error")
    others = {"`<string> <vector> <optional> <chrono> <system_error>`": five, "`<asio.hpp>`": ("asio.hpp",), "`<httplib.h>`": ("httplib.h",),
              "`<boost/beast.hpp>`": ("boost/beast.hpp",), "`<regex>`": ("regex",)}
    others = {name: headers for name, headers in others.items() if compile_it(*headers) is not None}
    ours = []
    times = {name: [] for name in others}
    for _ in range(ROUNDS):
        ours.append(compile_it(*five, "retry_on_addr_in_use.hpp"))
        for name, headers in others.items():
            times[name].append(compile_it(*headers))
    def lines(*headers):
        return len(output("g++", "-std=c++17", f"-I{ROOT}/include", "-E", "-P", "-x", "c++", "-", input="".join(f"#include <{header}>\n" for header in headers)).splitlines())
    for name, headers in others.items():
        row("`#include` of the header, time of g++", name, ratio(ours, times[name]), "at most 2.0" if headers == five else "")
        more = lines(*five, "retry_on_addr_in_use.hpp") - lines(*five)
        row(f"`#include` of the header, {more} preprocessed lines more than those five", name, f"{more / lines(*headers):.2f}", "at most 4,500 lines" if headers == five else "")


main()
