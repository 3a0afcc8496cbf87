#!/usr/bin/env python3
"""campaign.py BUILD RUNS [TARGET...]: runs fuzz targets of the fuzz preset's build folder RUNS times each, two at a time,
with the limits of CMakeLists.txt, and prints the table of README.md. Logs and what was found: BUILD/tests/fuzz/found/.
With RUNS 0 it only prints the table of the logs that are there."""
import concurrent.futures
import json
import os
import re
import subprocess
import sys


def commands(build):
    """{target: (words, environment)} as ctest would run them."""
    listed = subprocess.run(["ctest", "--test-dir", build, "-L", "^fuzz$", "--show-only=json-v1"], check=True,
                            stdout=subprocess.PIPE).stdout
    result = {}
    for test in json.loads(listed)["tests"]:
        pairs = [p["value"] for p in test["properties"] if p["name"] == "ENVIRONMENT"]
        environment = dict(pair.split("=", 1) for values in pairs for pair in values)
        result[test["name"].removeprefix("fuzz_")] = (test["command"], environment)
    return result


def run(log, words, environment, runs):
    words = ["nice"] + [f"-runs={runs}" if word.startswith("-max_total_time") else word for word in words]
    with open(log, "w") as file:
        return subprocess.run(words, env={**os.environ, **environment}, stdout=file, stderr=file).returncode


def row(target, words, log):
    text = open(log, errors="replace").read()
    limits = {name: value for name, value in re.findall(r"-(\w+)=(\w+)", " ".join(words))}
    done = re.search(r"Done (\d+) runs in (\d+) second", text)
    coverage = re.findall(r"cov: (\d+)", text)
    if not done:
        return f"| {target} | {limits['malloc_limit_mb']} | {limits['max_len']} | stopped: see {log} | | |"
    runs, seconds = int(done[1]), max(1, int(done[2]))
    return (f"| {target} | {limits['malloc_limit_mb']} | {limits['max_len']} | {runs:,} | {runs // seconds:,} | "
            f"{coverage[-1]} |")


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    build, runs = os.path.abspath(sys.argv[1]), int(sys.argv[2])
    known = commands(build)
    chosen = sys.argv[3:] or list(known)
    logs = {target: f"{build}/tests/fuzz/found/{target}.log" for target in chosen}
    failed = False
    if runs > 0:
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            codes = list(pool.map(lambda target: run(logs[target], *known[target], runs), chosen))
        failed = any(codes)
    print("| target | MiB at once | bytes of input | executions | per second | edges covered |\n|---|---|---|---|---|---|")
    for target in chosen:
        if os.path.exists(logs[target]):
            print(row(target, known[target][0], logs[target]))
    sys.exit(1 if failed else 0)


main()
