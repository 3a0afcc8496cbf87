#!/usr/bin/env python3
"""The Containerfile without a container: what its lines copy and call exists, it builds as ./demo does, and the packages of
`install-dependencies --run` hold every library that the program asks for (where dpkg can tell).

usage: container.py PROGRAM SOURCE_DIR
"""
import pathlib
import re
import shutil
import subprocess
import sys

program, source = sys.argv[1], pathlib.Path(sys.argv[2])
lines = [line for line in (source / "Containerfile").read_text().splitlines() if line and not line.startswith("#")]
demo, faults = (source / "demo").read_text(), []

for line in lines:
    words = line.split()
    if words[0] == "COPY" and "--from=build" in words:
        path = words[2]
        inside = path.removeprefix("/spikeloom/")
        if path.startswith("/spikeloom/") and not (source / inside).exists():
            faults.append(f"{line}: no {inside}")
    if words[0] == "RUN":
        for script in re.findall(r"(?:\./|/tmp/)([\w-]+)", line):
            if not (source / script).is_file():
                faults.append(f"{line}: no {script}")
        for command in re.findall(r"cmake [^&]*?--preset \w+", line):
            if command not in demo:
                faults.append(f"{line}: ./demo does not build so")
if not any(line.startswith("RUN cmake --install build/release ") for line in lines):
    faults.append("nothing is installed")
if sum(line.startswith("FROM docker.io/library/debian:12-slim") for line in lines) != 2:
    faults.append("not built and run on Debian 12")

packages = re.search(r"--run\)\s*packages=\((.*?)\)", (source / "install-dependencies").read_text(), re.S)[1].split()
if shutil.which("dpkg") and shutil.which("readelf"):
    needed = re.findall(r"\(NEEDED\).*\[(.*?)\]", subprocess.run(["readelf", "-d", program], text=True, capture_output=True).stdout)
    found = dict(re.findall(r"^\s*(\S+) => (/\S+)", subprocess.run(["ldd", program], text=True, capture_output=True).stdout, re.M))
    for library in needed:
        if library not in found:
            continue  # the loader
        path = str(pathlib.Path(found[library]).resolve())
        owner = subprocess.run(["dpkg", "-S", path], text=True, capture_output=True).stdout.split(":")[0]
        if owner and owner not in packages + ["libc6", "libgcc-s1"] and library not in ("libasan.so.8", "libubsan.so.1"):
            faults.append(f"install-dependencies --run lacks {owner} ({library})")
else:
    print("SKIP which package holds which library: no dpkg or readelf")
for fault in faults:
    print(fault)
print(f"{len(lines)} lines, {len(packages)} packages, {len(faults)} faults")
sys.exit(1 if faults else 0)
