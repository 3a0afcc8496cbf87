#!/usr/bin/env python3
"""Does ./demo still print what README.md says? Runs the demo's commands, compares line by line; then runs the h5py lines of
docs/trace.md on its trace (skipped where h5py is missing).

usage: readme.py PROGRAM SOURCE_DIR
"""
import json
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import checks  # noqa: E402

program, source = sys.argv[1], pathlib.Path(sys.argv[2])
readme = (source / "README.md").read_text()
# The fenced block behind the sentence that names out/mnist/, and the text that is generated.
shown = re.search(r"`out/mnist/`:\n\n```\n(.*?)```", readme, re.S).group(1).splitlines()
text = re.search(r"whatever the machine, with\n\n```\n(.*?)```", readme, re.S).group(1)
generate = re.search(r'"\$spikeloom" (generate.*?)\n\n', (source / "demo").read_text().replace("\\\n", " "), re.S).group(1)

with tempfile.TemporaryDirectory() as folder:
    def run(*words):
        return subprocess.run([program, *words], cwd=folder, text=True, stdout=subprocess.PIPE, check=True).stdout
    printed = run("run", str(source / "experiments/mnist.toml"), "--set", "output.dir=out/mnist")
    printed += run("inspect", "out/mnist/trace.h5", "--verify")
    weights = [str(source / word) if word.startswith("experiments/") else word for word in shlex.split(generate)]
    if text not in run(*weights):
        sys.exit("README.md shows a text that the demo's SpikeGPT does not write")
    snippet = re.search(r"```python\n(.*?)```", (source / "docs/trace.md").read_text(), re.S).group(1)
    python = checks.python_with_h5py()
    rates = {}
    if python is None:
        print("SKIP the lines of docs/trace.md: no h5py")
    else:
        lines = subprocess.run([python, "-c", snippet], cwd=pathlib.Path(folder) / "out/mnist", text=True,
                               stdout=subprocess.PIPE, check=True).stdout.splitlines()
        rates = {name: float(rate) for name, _, rate in map(str.split, lines)}
        report = json.loads((pathlib.Path(folder) / "out/mnist/report.json").read_text())
        counted = {n["name"]: n["rate"] for n in report["counts"]["as_written"]["neurons"]}
        if len(snippet.splitlines()) > 10 or rates.keys() != counted.keys() or any(
                abs(rates[name] - counted[name]) > 1e-12 for name in counted):
            sys.exit("docs/trace.md: its lines are more than ten or do not give the rates of the report")

lines = set(printed.splitlines())
missing = [line for line in shown if line.strip() != "[...]" and line not in lines]
for line in missing:
    print(f"README.md shows, the program does not print: {line}")
print(f"{len(shown)} lines of README.md, {len(missing)} not printed")
sys.exit(1 if missing or len(shown) < 10 else 0)
