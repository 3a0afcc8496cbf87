#!/usr/bin/env python3
"""Do all compilers and SIMD targets give the same bits? Runs the experiments of signatures.txt with every program and
every target it has; signatures must be the stored ones, logits equal in every byte.

usage: same_signatures.py SOURCE_DIR PROGRAM...   prints one line per run, exit code 1 when one differs.
"""
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile

source, programs = os.path.abspath(sys.argv[1]), [os.path.abspath(program) for program in sys.argv[2:]]
if not programs:
    sys.exit(__doc__)
with open(source + "/tests/e2e/signatures.txt") as file:
    table = [line.split() for line in file if line.strip() and not line.startswith("#")]

faults = 0
for experiment, form, signature in table:
    with open(os.path.join(source, experiment)) as file:
        text = file.read()
    logits = {}
    for program in programs:
        listed = subprocess.run([program, "list"], text=True, stdout=subprocess.PIPE, check=True).stdout
        for simd in re.search(r"\(SIMD ([^)]*)\)", listed)[1].split():
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(source, experiment)
                if "${golden}" in text:
                    path = folder + "/experiment.toml"
                    with open(path, "w") as file:
                        file.write(text.replace("${golden}", source + "/tests/golden/meta_spikeformer"))
                subprocess.run([program, "run", path, "-q", "--set", "run.form=" + form, "--set", "trace.layers=none",
                                "--set", "output.dir=" + folder + "/out"], check=True,
                               env=dict(os.environ, SPIKELOOM_SIMD=simd, SPIKELOOM_SUMS="usual"))
                with open(folder + "/out/report.json") as file:
                    report = json.load(file)
                with open(folder + "/out/logits.npy", "rb") as file:
                    logits[hashlib.sha256(file.read()).hexdigest()[:16]] = program
            same = report["signature"] == signature and report["provenance"]["simd"] == simd and len(logits) == 1
            faults += not same
            print(f"{experiment} {form}, {os.path.relpath(program, source)}, {simd}: {report['signature']}, "
                  f"logits {list(logits)[-1]}{'' if same else '  DIFFERS'}", flush=True)
print(f"{faults} runs differ")
sys.exit(1 if faults or not table else 0)
