"""The workflow, as far as Debian can tell: it is YAML, its labels exist, its actions are pinned, and its commands run.

A command is run here as its runner would. Programs of the other systems are replaced by notes of their arguments.
"""
import os
import pathlib
import re
import subprocess
import tempfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILE = ROOT / ".github/workflows/ci.yml"
ELSEWHERE = {
    "sh tests/run.sh",  # the steps "tests" and "empty Debian"
    "bash .ci/run pull_request",  # each of its functions is a step
    "apt-get update -qq && apt-get install -y -qq --no-install-recommends ca-certificates git",  # changes the machine
}
SYSTEMS = {"ubuntu": "Linux", "macos": "macOS", "windows": "Windows"}


def legs(job):
    """Each row of the matrix; one without values where there is none."""
    rows = job.get("strategy", {}).get("matrix", {}).get("include", [{}])
    assert len({row.get("name") for row in rows}) == len(rows), "two legs have one name"
    return rows


def filled(text, row):
    def value(match):
        word = match[1]
        assert word.startswith("matrix."), f"not known here: {word}"
        return str(row.get(word[len("matrix.") :], ""))

    return re.sub(r"\$\{\{ (.*?) \}\}", value, text)


def is_for(step, system):
    """True if the step runs on the system. A condition of another form is a fault of this check."""
    condition = step.get("if")
    if condition is None:
        return True
    match = re.fullmatch(r"runner\.os == '(Linux|macOS|Windows)'", condition)
    assert match, f"not known here: {condition}"
    return match[1] == system


def run(command, environment):
    """Runs a command as `shell: bash` of a workflow does. Returns what it wrote to GITHUB_ENV and noted."""
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        for program in ("brew", "vcpkg"):
            note = place / program
            note.write_text(f'#!/bin/sh\necho {program} "$@" >>"{place}/notes"\n')
            note.chmod(0o755)
        (place / "notes").touch()
        (place / "env").touch()
        environment = {
            **os.environ,
            "HOME": folder,
            "GITHUB_ENV": str(place / "env"),
            "VCPKG_INSTALLATION_ROOT": folder,
            "PATH": f"{folder}:{os.environ['PATH']}",
            **environment,
        }
        subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", command], cwd=ROOT, env=environment, check=True
        )
        return ((place / "env").read_text() + (place / "notes").read_text()).replace(folder, "ROOT").splitlines()


text = FILE.read_text()
workflow = yaml.safe_load(text)
assert "\t" not in text
labels = (ROOT / "tests/workflow/labels.txt").read_text().split()
assert labels == sorted(set(labels))
used, results, missing = set(), {}, set(ELSEWHERE)
assert workflow["permissions"] == {"contents": "read"}
for job in workflow["jobs"].values():
    assert job["timeout-minutes"] <= 60
    for row in legs(job):
        label = filled(job["runs-on"], row)
        used.add(label)
        system = SYSTEMS[label.split("-")[0]]
        name = filled(job["name"], row)
        for step in job["steps"]:
            assert set(step) <= {"if", "shell", "env", "run", "uses"} and ("run" in step) != ("uses" in step), step
            if "uses" in step:
                assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}", step["uses"]), f"not pinned: {step['uses']}"
                continue
            command = filled(step["run"], row).strip()
            subprocess.run(["bash", "-n", "-c", command], check=True)
            missing.discard(command)
            if not is_for(step, system) or command in ELSEWHERE:
                continue
            assert system != "Windows" or step.get("shell") == "bash", f"{name}: {command} is PowerShell's"
            environment = {key: filled(value, row) for key, value in step.get("env", {}).items()}
            results.setdefault(name, []).extend(run(command, environment))
assert not missing, f"the workflow does not run {missing}"
assert sorted(used) == labels, f"labels.txt has {labels}, the workflow {sorted(used)}"
for line in text.splitlines():
    assert "uses:" not in line or re.search(
        r"@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line
    ), f"no version in a comment: {line}"

STATIC = "x64-windows-static-md"
VCPKG = "vcpkg install --vcpkg-root ROOT catch2 --triplet "
expected = {
    "macOS on arm64": ["brew install catch2"],
    "macOS on x86-64": ["brew install catch2"],
    "Windows with MSVC": [
        "CMAKE_GENERATOR=Visual Studio 17 2022",
        f"CMAKE_PREFIX_PATH=ROOT/installed/{STATIC}",
        VCPKG + STATIC,
    ],
    "Windows with clang-cl": [
        "CMAKE_GENERATOR=Visual Studio 17 2022",
        "CMAKE_GENERATOR_TOOLSET=ClangCL",
        f"CMAKE_PREFIX_PATH=ROOT/installed/{STATIC}",
        VCPKG + STATIC,
    ],
    "Windows with MinGW": [
        "CMAKE_GENERATOR=Ninja",
        "CXX=g++",
        "LDFLAGS=-static",
        "CMAKE_PREFIX_PATH=ROOT/installed/x64-mingw-static",
        VCPKG + "x64-mingw-static",
    ],
    "Format, tidy and sanitizers": [],
}
assert results == expected, results
print(f"The workflow: {len(used)} labels, {sum(map(len, results.values()))} lines as expected")
