"""Runs ctest with a preset and sums up: progress, what was skipped and why, what failed and its output, the counts.

    summary.py PRESET [WORD FOR CTEST...]

The status is that of ctest. Needs CMake 3.21, which writes the results as JUnit.
"""

import collections
import pathlib
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

RESULT = re.compile(rb"\s*(\d+)/(\d+) Test ")
REASON = re.compile(r"^skipped here: (.*)$", re.MULTILINE)
PARTS = 10  # of the progress


def run(preset, words, results):
    """Returns the status of ctest, and prints a line for each tenth of the tests."""
    size = ["--test-output-size-passed", "100000"]  # or the reason of a skipped test may be cut off
    command = ["ctest", "--preset", preset, "--output-junit", results, *size, *words]
    shown = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as ctest:
        for line in ctest.stdout:
            match = RESULT.match(line)
            if match:
                done, of = int(match[1]), int(match[2])
                if done * PARTS // of > shown:
                    shown = done * PARTS // of
                    print(f"{done} of {of} tests", flush=True)
            elif line.startswith((b"No tests", b"CMake Error")):
                print(line.decode(errors="replace"), end="", flush=True)
    return ctest.returncode


def main():
    preset, *words = sys.argv[1:]
    with tempfile.TemporaryDirectory() as directory:
        results = pathlib.Path(directory) / "results.xml"
        status = run(preset, words, results)
        cases = list(xml.etree.ElementTree.parse(results).getroot()) if results.exists() else []
    skipped, failed = collections.defaultdict(list), []
    for case in cases:
        output = case.findtext("system-out") or ""
        if case.find("skipped") is not None and case.find("failure") is None:
            reasons = REASON.findall(output) or ["not run: " + case.find("skipped").get("message", "")]
            skipped[reasons[-1]].append(case.get("name"))
        elif case.get("status") != "run":
            failed.append(case)
            print(f"\nFAILED {case.get('name')}\n{output.rstrip()}")
    for reason, names in sorted(skipped.items(), key=lambda item: (-len(item[1]), item[0])):
        print(f"{len(names)} skipped, {reason}" + (f": {names[0]}" if len(names) == 1 else ""))
    count = sum(len(names) for names in skipped.values())
    for case in failed:
        print(f"FAILED {case.get('name')}")
    print(f"{len(cases) - count - len(failed)} passed, {len(failed)} failed, {count} skipped")
    return status


if __name__ == "__main__":
    sys.exit(main())
