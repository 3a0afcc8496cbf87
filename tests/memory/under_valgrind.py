#!/usr/bin/env python3
"""The tests of a build under valgrind's memcheck, which sees into libraries where sanitizers do not.

usage: under_valgrind.py BUILD_DIR [-j N] [CTEST_PATTERN]

Runs what ctest would run (labels, environment and skips as there). A program of C++ runs under
valgrind itself; a Python test gets a program that does. Exit code 1 when valgrind or a test
complains; the logs of those stay in BUILD_DIR/valgrind.
"""
import concurrent.futures
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ERROR = 99  # exit code of valgrind when it found something
OPTIONS = [
    "--quiet", f"--error-exitcode={ERROR}", "--num-callers=30", "--fair-sched=try",
    "--leak-check=full", "--show-leak-kinds=definite", "--errors-for-leak-kinds=definite",
    f"--suppressions={HERE}/valgrind.supp",
]
# They measure time or memory, count instructions, or look at no memory at all.
LEFT_OUT = r"lint|hot_loops|pages|faults|property_steady_state"
SLOWER = 60  # valgrind's usual cost is 10 to 50 times


def tests_of(build, pattern):
    listed = subprocess.run(["ctest", "--show-only=json-v1"] + (["-R", pattern] if pattern else []),
                            cwd=build, text=True, capture_output=True, check=True)
    for test in json.loads(listed.stdout)["tests"]:
        if "command" in test and not re.fullmatch(LEFT_OUT, test["name"]):
            yield test


def properties_of(test):
    return {p["name"]: p["value"] for p in test.get("properties", [])}


def write_wrapper(folder, program):
    """A program that runs another under valgrind; what valgrind says goes to files of its own."""
    path = os.path.join(folder, os.path.basename(program))
    with open(path, "w", encoding="utf-8") as file:
        words = " ".join(f"'{word}'" for word in OPTIONS)
        file.write(f"#!/bin/sh\nexec valgrind {words} --log-file='{folder}/%p.log' '{program}' \"$@\"\n")
    os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)
    return path


def cases_of(program, *arguments):
    listed = subprocess.run([program, *arguments, "--list-test-names-only"], text=True, stdout=subprocess.PIPE, check=False)
    return [line for line in listed.stdout.splitlines() if line]


def parts_of(test, jobs, logs):
    """A program of many cases is run in parts, side by side."""
    program, *more = test["command"]
    if more or not os.path.basename(program).startswith("test_"):
        return [test]
    names = cases_of(program)
    count = min(2 * jobs, len(names) // 4)
    if count < 2:
        return [test]
    parts, found = [], 0
    for i in range(count):
        path = os.path.join(logs, f"{test['name']}.{i + 1}.cases")
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(name.replace("\\", "\\\\").replace(",", "\\,") + "\n" for name in names[i::count])
        found += len(cases_of(program, "--input-file", path))
        parts.append({**test, "name": f"{test['name']}.{i + 1}", "command": [program, "--input-file", path]})
    return parts if found == len(names) else [test]  # names that Catch2 reads as more than names


def run(test, logs):
    name, command = test["name"], list(test["command"])
    folder = os.path.join(logs, name)
    os.makedirs(folder)
    properties = properties_of(test)
    environment = dict(os.environ, SPIKELOOM_TEST_SLOWER=str(SLOWER))
    environment.update(entry.split("=", 1) for entry in properties.get("ENVIRONMENT", []))
    for i, word in enumerate(command):
        if i > 0 and re.match(r"spikeloom$|test_", os.path.basename(word)) and os.access(word, os.X_OK):
            command[i] = write_wrapper(folder, word)
    if not os.path.basename(command[0]).startswith("python"):
        command = ["valgrind", *OPTIONS, f"--log-file={folder}/%p.log", *command]
    start = time.monotonic()
    with open(os.path.join(folder, "output"), "w", encoding="utf-8") as output:
        try:
            code = subprocess.run(command, cwd=properties.get("WORKING_DIRECTORY"), env=environment, stdout=output,
                                  stderr=subprocess.STDOUT,
                                  timeout=SLOWER * float(properties.get("TIMEOUT", 60))).returncode
        except subprocess.TimeoutExpired:
            code = "timeout"
    logs_with_text = [f for f in os.listdir(folder) if f.endswith(".log") and os.path.getsize(os.path.join(folder, f))]
    skipped = code == int(properties.get("SKIP_RETURN_CODE", -1))
    sound = (code == 0 or skipped) and not logs_with_text
    if sound:
        shutil.rmtree(folder)
    word = "pass" if sound and not skipped else "skip" if sound else "FAIL"
    detail = "" if sound else f": exit {code}, {len(logs_with_text)} logs of valgrind in {folder}"
    print(f"{word} {name} ({time.monotonic() - start:.0f} s){detail}", flush=True)
    return sound


def main():
    arguments = sys.argv[1:]
    jobs = 2
    if "-j" in arguments:
        at = arguments.index("-j")
        jobs = int(arguments[at + 1])
        del arguments[at:at + 2]
    if len(arguments) not in (1, 2):
        print(__doc__, file=sys.stderr)
        return 2
    build = os.path.abspath(arguments[0])
    logs = os.path.join(build, "valgrind")
    shutil.rmtree(logs, ignore_errors=True)
    os.makedirs(logs)
    tests = [part for test in tests_of(build, arguments[1] if len(arguments) == 2 else "") for part in parts_of(test, jobs, logs)]
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        sound = list(pool.map(lambda test: run(test, logs), tests))
    print(f"{sum(sound)} of {len(sound)} clean under valgrind")
    return 0 if sound and all(sound) else 1


if __name__ == "__main__":
    sys.exit(main())
