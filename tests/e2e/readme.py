#!/usr/bin/env python3
"""Does ./demo still print what README.md says? Runs the demo's commands, compares line by line.

usage: readme.py PROGRAM SOURCE_DIR
"""
import pathlib
import re
import subprocess
import sys
import tempfile

program, source = sys.argv[1], pathlib.Path(sys.argv[2])
readme = (source / "README.md").read_text()
# The fenced block behind the sentence that names out/mnist/.
shown = re.search(r"`out/mnist/`:\n\n```\n(.*?)```", readme, re.S).group(1).splitlines()

with tempfile.TemporaryDirectory() as folder:
    def run(*words):
        return subprocess.run([program, *words], cwd=folder, text=True, stdout=subprocess.PIPE, check=True).stdout
    printed = run("run", str(source / "experiments/mnist.toml"), "--set", "output.dir=out/mnist")
    printed += run("inspect", "out/mnist/trace.h5", "--verify")

lines = set(printed.splitlines())
missing = [line for line in shown if line.strip() != "[...]" and line not in lines]
for line in missing:
    print(f"README.md shows, the program does not print: {line}")
print(f"{len(shown)} lines of README.md, {len(missing)} not printed")
sys.exit(1 if missing or len(shown) < 10 else 0)
