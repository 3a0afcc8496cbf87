#!/usr/bin/env python3
"""Does the program still print what README.md, docs/reading.md and docs/results.md show? Runs the commands of ./demo, compares
line by line; then runs the h5py lines of docs/trace.md on its trace (skipped where h5py is missing).

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
# Blocks of output, and the text that is generated.
shown = {page: re.search(r"\n```\n(WINS.*?)```", (source / page).read_text(), re.S)[1].splitlines()
         for page in ("README.md", "docs/reading.md")}
results = (source / "docs/results.md").read_text()
text = re.search(r"whatever the machine, with\n\n```\n(.*?)```", results, re.S).group(1)
generate = re.search(r'"\$spikeloom" (generate.*?)\n\n', (source / "demo").read_text().replace("\\\n", " "), re.S).group(1)

with tempfile.TemporaryDirectory() as folder:
    def run(*words):
        return subprocess.run([program, *words], cwd=folder, text=True, stdout=subprocess.PIPE, check=True).stdout
    printed = run("run", str(source / "experiments/mnist.toml"), "--set", "output.dir=out/mnist")
    printed += run("inspect", "out/mnist/trace.h5", "--verify")
    # The table of first lines: experiment and what its run prints.
    claims = re.findall(r"^\| `(\w+)` \| ((?:WINS|LOSES|MIXED|TIES): .*?) \|$", results, re.M)
    first = {name: run("run", str(source / f"experiments/{name}.toml"), "--set", f"output.dir=out/{name}").splitlines()[0]
             for name, _ in claims}
    weights = [str(source / word) if word.startswith("experiments/") else word for word in shlex.split(generate)]
    if text not in run(*weights):
        sys.exit("docs/results.md shows a text that the demo's SpikeGPT does not write")
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
faults = [f"{page} shows, the program does not print: {line}" for page, block in shown.items() for line in block if line not in lines]
faults += [f"docs/results.md says of {name}: {line}" for name, line in claims if line not in first[name]]
print("\n".join(faults))
print(f"{sum(map(len, shown.values())) + len(claims)} lines of README.md and docs/, {len(faults)} not printed")
sys.exit(1 if faults or min(map(len, shown.values())) < 10 or len(claims) != 4 else 0)
