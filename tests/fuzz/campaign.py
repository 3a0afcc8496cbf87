#!/usr/bin/env python3
"""campaign.py BUILD RUNS [TARGET...]: runs fuzz targets of the fuzz preset's build folder RUNS times each, two at a time,
with the limits of CMakeLists.txt, and prints the table of README.md. Logs and what was found: BUILD/tests/fuzz/found/.
With RUNS 0 it only prints the table of the logs that are there.

libFuzzer's clock is the one on the wall, which says little on a busy machine: inputs that it stopped at or calls slow are
run again, and those that take less than 10 s of processor time are no findings; the campaign goes on where it stopped."""
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import time

HANG = 10  # seconds of processor time


def commands(build):
    """{target: (words, environment)} as ctest would run them."""
    listed = subprocess.run(["ctest", "--test-dir", build, "-L", "^fuzz$", "--show-only=json-v1"], check=True,
                            stdout=subprocess.PIPE).stdout
    result = {}
    for test in json.loads(listed)["tests"]:
        pairs = [p["value"] for p in test["properties"] if p["name"] == "ENVIRONMENT"]
        environment = dict(pair.split("=", 1) for values in pairs for pair in values)
        result[test["name"].removeprefix("fuzz_")] = (test["command"], {**os.environ, **environment})
    return result


def spent(words, environment, file):
    """(exit code, seconds of processor time) of a command that writes to a file."""
    child = subprocess.Popen(words, env=environment, stdout=file, stderr=file)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return child.returncode, usage.ru_utime + usage.ru_stime


def is_sound(path, words, environment, file):
    """The input ends in time when it is run alone. Says so in the log."""
    alone = [word for word in words if word.startswith("-") and not re.match("-(runs|timeout|artifact_prefix)=", word)]
    code, seconds = spent(["nice", words[0], *alone, "-timeout=1200", path], environment, file)
    print(f"== campaign: {path} alone: exit {code}, {seconds:.2f} s of processor time", file=file, flush=True)
    return code == 0 and seconds < HANG


def run(log, words, environment, runs):
    """Whether nothing was found in so many executions."""
    sound = True
    with open(log, "w", encoding="utf-8", errors="replace") as file:
        while runs > 0:
            begin, start = file.seek(0, os.SEEK_END), time.monotonic()
            part = [f"-runs={runs}" if word.startswith("-max_total_time") else word for word in words]
            code, _ = spent(["nice", *part], environment, file)
            seconds = time.monotonic() - start
            with open(log, encoding="utf-8", errors="replace") as written:
                written.seek(begin)
                text = written.read()
            done = [int(n) for n in re.findall(r"Done (\d+) runs|number_of_executed_units: (\d+)", text)[-1:] for n in n if n]
            print(f"== campaign: {sum(done)} executions in {seconds:.0f} s", file=file, flush=True)
            for path in re.findall(r"Test unit written to (\S+/(?:slow-unit|timeout)-\w+)", text):
                if not os.path.exists(path):
                    continue
                if is_sound(path, part, environment, file):
                    os.remove(path)
                else:
                    sound = False
            stopped_by_the_clock = "SUMMARY: libFuzzer: timeout" in text
            runs -= sum(done)
            if code != 0 and not (stopped_by_the_clock and sound and sum(done) > 0):
                return False
            if code == 0:
                break
    return sound


def row(target, words, log):
    text = open(log, encoding="utf-8", errors="replace").read()
    limits = {name: value for name, value in re.findall(r"-(\w+)=(\w+)", " ".join(words))}
    parts = re.findall(r"== campaign: (\d+) executions in (\d+) s", text)
    coverage = re.findall(r"cov: (\d+)", text)
    if not parts or not re.search(r"Done \d+ runs", text):
        return f"| {target} | {limits['malloc_limit_mb']} | {limits['max_len']} | stopped: see {log} | | |"
    runs, seconds = sum(int(n) for n, _ in parts), max(1, sum(int(s) for _, s in parts))
    return (f"| {target} | {limits['malloc_limit_mb']} | {limits['max_len']} | {runs:,} | {runs // seconds:,} | "
            f"{coverage[-1]} |")


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    build, runs = os.path.abspath(sys.argv[1]), int(sys.argv[2])
    known = commands(build)
    chosen = sys.argv[3:] or list(known)
    logs = {target: f"{build}/tests/fuzz/found/{target}.log" for target in chosen}
    sound = True
    if runs > 0:
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            sound = all(list(pool.map(lambda target: run(logs[target], *known[target], runs), chosen)))
    print("| target | MiB at once | bytes of input | executions | per second | edges covered |\n|---|---|---|---|---|---|")
    for target in chosen:
        if os.path.exists(logs[target]):
            print(row(target, known[target][0], logs[target]))
    sys.exit(0 if sound else 1)


main()
