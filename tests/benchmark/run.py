"""Measures the library beside what it is compared with: run.py BUILD-DIRECTORY PAGE CHART

Writes the page (Markdown) and the chart (SVG). A ratio is the library's median time by that of the other one, with the
smallest and the largest of the rounds' own ratios. A limit that is broken is marked and makes the run fail.
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

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot  # noqa: E402 (after the choice of the format)

BUILD, PAGE, CHART = (pathlib.Path(word).resolve() for word in sys.argv[1:4])
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
ROUNDS = 9
CROWDS = {
    "idle machine": [],
    "200 processes, 200 descriptors each": ["processes=200", "descriptors=200"],
    "1,000 processes": ["processes=1000"],
    "50,000 connections": ["processes=200", "connections=50000"],
    "20,000 listening sockets": ["processes=200", "listeners=20000"],
}
LIMITED = ("idle machine", "200 processes, 200 descriptors each")  # the others are for information
rows = []
broken = []
bars = {}  # title of a part of the chart: {label: milliseconds}


def output(*command, **more):
    words = [str(word) for word in command]
    return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, **more).stdout


class Crowd:
    """The processes of crowd.cpp, as long as the block."""

    def __init__(self, *words):
        self.process = subprocess.Popen(
            [BUILD / "crowd", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.port = self.process.stdout.readline().split()[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        time.sleep(1)  # the kernel needs a while for fifty thousand sockets


def row(what, beside, figure, limit=None, value=None):
    text = ""
    if limit is not None:
        text = f"at most {limit:g}"
        if value > limit:
            text += ", **exceeded**"
            broken.append(f"{what}, {beside}: {value:.2f}, at most {limit:g}")
    rows.append(f"| {what} | {beside} | {figure} | {text} |")
    print(rows[-1], flush=True)


def compare(what, beside, ours, theirs, limit=None):
    rounds = [a / b for a, b in zip(ours, theirs)]
    value = statistics.median(ours) / statistics.median(theirs)
    row(what, beside, f"{value:.2f} ({min(rounds):.2f} to {max(rounds):.2f})", limit, value)


def milliseconds(seconds):
    return statistics.median(seconds) * 1000


def inside(names, port):
    """Seconds of each benchmark of inside.cpp in each round."""
    text = output(
        BUILD / "inside",
        f"--benchmark_filter=^({'|'.join(names)})",
        f"--benchmark_repetitions={ROUNDS}",
        "--benchmark_min_time=0.2",
        "--benchmark_enable_random_interleaving=true",
        "--benchmark_format=json",
        env=dict(os.environ, BENCHMARK_PORT=port),
    )
    times = {name: [] for name in names}
    for run in json.loads(text)["benchmarks"]:
        if run["run_type"] == "iteration":
            assert not run.get("error_occurred"), run
            times[run["name"].split("/")[0]].append(run["real_time"] / 1e6)
    return times


def commands(*lines, prepare=()):
    """Seconds of each command in each round, in three turns."""
    times = [[] for _ in lines]
    for _ in range(3):
        file = BUILD / "times.json"
        subprocess.run(
            [
                "hyperfine",
                "-N",
                "--warmup=1",
                f"--runs={ROUNDS // 3}",
                "--style=none",
                f"--export-json={file}",
                *prepare,
                *(shlex.join(map(str, line)) for line in lines),
            ],
            check=True,
            stderr=subprocess.DEVNULL,
        )  # it warns of outliers
        for seconds, result in zip(times, json.loads(file.read_text())["results"]):
            seconds += result["times"]
    return times


def probes():
    quiet = []
    for name, words in CROWDS.items():
        limited = name in LIMITED
        with Crowd(*words) as crowd:
            times = inside(["probe_floor", "probe_library", "held_floor", "held_library"], crowd.port)
            library, floor = times["probe_library"], times["probe_floor"]
            compare(
                f"probe, {name} ({milliseconds(library):.2f} ms)",
                "the same system calls in C",
                library,
                floor,
                1.15 if limited else None,
            )
            if quiet:
                compare(
                    f"`held`, {name}",
                    "idle machine",
                    times["held_library"],
                    quiet,
                    1.5 if "connections" in name else None,
                )
            quiet = quiet or times["held_library"]
            port = crowd.port
            own, ss, lsof, fuser = commands(
                [BUILD / "look", port],
                ["ss", "-Hltnp", f"sport = :{port}"],
                ["lsof", "-nP", f"-iTCP:{port}", "-sTCP:LISTEN"],
                ["fuser", f"{port}/tcp"],
            )
            for tool, theirs, limit in (("ss -ltnp", ss, 0.7), ("lsof", lsof, 0.3), ("fuser", fuser, None)):
                compare(f"probe, {name}", f"`{tool}`", library, theirs, limit if limited else None)
                compare(f"probe in a program of its own, {name}", f"`{tool}`", own, theirs)
            if limited:
                bars[f"Which process holds the port? ({name})"] = {
                    "library": milliseconds(library),
                    "same calls in C": milliseconds(floor),
                    "library, own program": milliseconds(own),
                    "ss": milliseconds(ss),
                    "fuser": milliseconds(fuser),
                    "lsof": milliseconds(lsof),
                }


def many_holders():
    """One socket that many processes have: the time must not grow with the square of their number."""
    times = {}
    for holders in (150, 1500):
        with Crowd(f"holders={holders}") as crowd:
            times[holders] = inside(["probe_library", "report_library"], crowd.port)
    for name, what in (("probe_library", "probe"), ("report_library", "probe, rules and report")):
        many, few = times[1500][name], times[150][name]
        compare(
            f"{what}, 1,500 holders of one socket ({milliseconds(many):.0f} ms)",
            "10 times that of 150 holders",
            many,
            [10 * seconds for seconds in few],
            3,
        )


def recoveries():
    times = inside(["recover_floor", "recover_library"], "1")
    library, floor = times["recover_library"], times["recover_floor"]
    compare(f"failed bind to listening again ({milliseconds(library):.2f} ms)", "the same in C", library, floor, 1.4)
    modules = BUILD / "node_modules/.bin"
    tools = {
        "library": [BUILD / "starter", "127.0.0.1", "PORT"],
        "`fuser -k`": ["fuser", "-k", "-TERM", "PORT/tcp"],
        "`lsof` and `kill`": ["sh", "-c", "kill $(lsof -t -iTCP:PORT -sTCP:LISTEN)"],
        "kill-port (npm)": [modules / "kill-port", "PORT"],
        "fkill-cli (npm)": [modules / "fkill", ":PORT"],
    }
    tools = {name: command for name, command in tools.items() if "npm" not in name or pathlib.Path(command[0]).exists()}
    program, port = BUILD / "recover", BUILD / "port"
    seconds = commands(
        *([program, "run", port, *command] for command in tools.values()),
        prepare=["--prepare", shlex.join([str(program), "hold", str(port)])],
    )
    for name, theirs in list(zip(tools, seconds))[1:]:
        compare("failed bind to listening again, as a command", name, seconds[0], theirs)
    bars["From a failed bind to listening again, as a command"] = {
        name.replace("`", ""): milliseconds(each) for name, each in zip(tools, seconds)
    }


def traced(pattern, *command):
    text = subprocess.run([*map(str, command)], stderr=subprocess.PIPE, text=True).stderr
    return int(re.search(pattern, text)[1].replace(",", ""))


def successful_start():
    def instructions(program, count):
        return traced(
            r"Collected : (\d+)", "valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, count
        )

    def allocations(program, count):
        return traced(r"total heap usage: ([\d,]+) allocs", "valgrind", program, count)

    def system_calls(program, count):
        return traced(r"(?m)^100.00 .* (\d+) +\d* *total$", "strace", "-c", program, count)

    def more(measure):  # of each start, without what the program costs to load
        library, bare = (
            (measure(BUILD / name, 200000) - measure(BUILD / name, 100000)) / 100000
            for name in ("start_library", "start_bare")
        )
        return library - bare

    def size(program):
        return int(output("size", BUILD / program).splitlines()[1].split()[0])

    row("a start that succeeds", "the bare call", f"{more(instructions):.0f} instructions more, with the clock read")
    for measure, what in ((allocations, "allocations"), (system_calls, "system calls")):
        value = more(measure)
        row("a start that succeeds", "the bare call", f"{value:g} {what} more", 0, value)
    kibibytes = (size("start_library") - size("start_bare")) / 1024
    row("code of a program at -O2", "without the library", f"{kibibytes:.0f} KiB more")


def include_cost():
    def compile_it(*headers):
        code = "".join(f"#include <{header}>\n" for header in headers)
        begin = time.perf_counter()
        done = subprocess.run(
            ["g++", "-std=c++17", f"-I{ROOT}/include", "-fsyntax-only", "-x", "c++", "-"],
            input=code,
            text=True,
            stderr=subprocess.DEVNULL,
        )
        return time.perf_counter() - begin if done.returncode == 0 else None

    five = ("string", "vector", "optional", "chrono", "system_error")
    candidates = (five, ("regex",), ("asio.hpp",), ("httplib.h",), ("boost/beast.hpp",))
    others = {
        " ".join(f"<{header}>" for header in headers): headers
        for headers in candidates
        if compile_it(*headers) is not None
    }
    ours = []
    times = {name: [] for name in others}
    for _ in range(ROUNDS):
        ours.append(compile_it(*five, "retry_on_addr_in_use.hpp"))
        for name, headers in others.items():
            times[name].append(compile_it(*headers))
    for name, headers in others.items():
        limit = 2.0 if headers == five else 1.0 if headers == ("regex",) else None
        compare("`#include` of the header, time of g++", f"`{name}`", ours, times[name], limit)


def draw():
    matplotlib.rcParams.update({"svg.hashsalt": "retry-on-addr-in-use", "svg.fonttype": "none", "font.size": 9})
    heights = [len(part) for part in bars.values()]
    figure, axes = matplotlib.pyplot.subplots(
        len(bars), 1, figsize=(8, 0.32 * sum(heights) + 0.75 * len(bars)), gridspec_kw={"height_ratios": heights}
    )
    for axis, (title, part) in zip(axes, bars.items()):
        labels = list(part)
        colours = ["#1f6feb" if label.startswith("library") else "#8b949e" for label in labels]
        drawn = axis.barh(labels, [part[label] for label in labels], color=colours)
        axis.bar_label(drawn, labels=[f"{part[label]:.3g} ms" for label in labels], padding=3)
        axis.set_title(title, loc="left", fontweight="bold")
        axis.invert_yaxis()
        axis.margins(x=0.15)
        axis.spines[["top", "right"]].set_visible(False)
    axes[-1].set_xlabel("milliseconds, median; less is better")
    figure.tight_layout()
    figure.savefig(CHART, metadata={"Date": None, "Creator": None}, facecolor="white")


def write_page():
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    header = (ROOT / "include/retry_on_addr_in_use.hpp").read_text()
    version = ".".join(re.findall(r"^#define ADDR_IN_USE_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", header, re.MULTILINE))
    machine = model[1] if model else platform.machine()
    PAGE.write_text(
        f"""# Benchmarks

`sh tests/benchmark.sh` measures, and writes this page and the chart. The limits are the project's aims. The two of
`#include` are exceeded: the header has grown, and no rule was left out for them.

![Times of the library and of other tools]({CHART.name})

A ratio is the library's median time by that of the other one; below 1 the library is faster. In brackets stand the
smallest and the largest of {ROUNDS} rounds. The C program makes the same system calls,
and stops as early. "In a program of its own" includes the start of that program.

| what | beside | ratio | limit |
|---|---|---|---|
"""
        + "\n".join(rows)
        + f"""

Version {version}, {os.cpu_count()} cores ({machine}), Linux {re.match(r"[0-9.]+", platform.release())[0]},
{output('c++', '--version').splitlines()[0]}.
"""
    )


probes()
many_holders()
recoveries()
successful_start()
include_cost()
draw()
write_page()
if broken:
    sys.exit("limits that are exceeded:\n" + "\n".join(broken))
