#!/usr/bin/env python3
"""The program on the stand-in CUDA runtime: the same results as on the CPU, one line for every failure, and no call of the
runtime whose failure goes unnoticed.

usage: standin.py PROGRAM SOURCE_DIR
"""
import json
import os
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time

PROGRAM, SOURCE = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
faults = []


def demand(holds, what):
    if not holds:
        faults.append(what)
        print("FAILED:", what[:1500], flush=True)


def command(device, *settings, images="images.npy", out="out", more=("--quiet",)):
    words = [PROGRAM, "run", os.path.join(SOURCE, "tests/e2e/tiny.toml"), *more, "--device", device]
    for setting in (f"dataset.path={os.path.abspath(images)}", f"output.dir={os.path.abspath(out)}", *settings):
        words += ["--set", setting]
    return words


def signature_in(out):
    with open(os.path.join(out, "report.json"), encoding="utf-8") as file:
        return json.load(file)["signature"]


def run(standin, device, *settings, launches="", keep=False, **options):
    """Exit code, lines of stderr, signature."""
    out = options.get("out", "out")
    if not keep:
        subprocess.run(["rm", "-rf", out], check=True)
    environment = {**os.environ, "SPIKELOOM_STANDIN": standin, "SPIKELOOM_CUDA": launches}
    if not launches:
        del environment["SPIKELOOM_CUDA"]
    done = subprocess.run(command(device, *settings, **options), text=True, capture_output=True, env=environment, timeout=300)
    signature = signature_in(out) if done.returncode == 0 else None
    return done.returncode, done.stderr.splitlines(), signature


def write_images(name, number):
    values = [((i * 2654435761) >> 8) % 1000 / 500.0 - 1.0 for i in range(number * 32 * 32)]
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({number}, 1, 32, 32), }}"
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    with open(name, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + struct.pack(f"<{len(values)}f", *values))


def same_results():
    code, lines, want = run("", "cpu")
    demand(code == 0, f"cpu: {lines}")
    for standin in ("", "races=1", "order=backward", "order=shuffled:3", "capability=7.5", "capability=12.0"):
        code, lines, signature = run(standin, "cuda:0")
        demand(code == 0 and signature == want, f"{standin or 'cuda:0'}: exit {code}, {signature} for {want}, {lines}")
    for settings in (("run.batch=3",), ("run.batch=64",), ("run.threads=2",), ("run.schedule=step-major",), ("run.form=as_written",)):
        _, _, other = run("", "cpu", *settings)
        code, lines, signature = run("", "cuda:0", *settings)
        demand(code == 0 and signature == other, f"{settings}: exit {code}, {signature} for {other}, {lines}")
    return want


def graphs_and_launches(want):
    """Chunks as graphs, launched one by one, and waited for one by one."""
    for launches, graphs in (("", True), ("plain", False), ("synchronous", False)):
        code, lines, signature = run("count=1", "cuda:0", launches=launches)
        demand(code == 0 and signature == want, f"SPIKELOOM_CUDA={launches}: exit {code}, {signature} for {want}, {lines}")
        found = re.search(r"cudaGraphLaunch=[1-9]", lines[-1]) is not None
        demand(found == graphs, f"SPIKELOOM_CUDA={launches}: {lines[-1]}")


def continues_on_another_device():
    """A run is interrupted on one device and goes on on another."""
    write_images("many.npy", 24)
    code, lines, want = run("", "cpu", images="many.npy")
    demand(code == 0, f"cpu: {lines}")
    for first, then in (("reference", "cuda:0"), ("cuda:0", "cpu")):
        subprocess.run(["rm", "-rf", "out"], check=True)
        words = command(first, "output.checkpoint_s=0", "run.batch=1", images="many.npy", more=())
        begun = subprocess.Popen(words, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        while begun.poll() is None and not os.path.exists("out/checkpoint.safetensors"):
            time.sleep(0.001)
        begun.send_signal(signal.SIGINT)
        _, told = begun.communicate(timeout=300)
        demand(begun.returncode == 130, f"interrupted on {first}: exit {begun.returncode}, {told}")
        code, lines, signature = run("", then, "run.batch=1", images="many.npy", keep=True, more=("--resume",))
        demand(code == 0 and signature == want and any("continuing after sample" in line for line in lines),
               f"{first}, then {then}: exit {code}, {signature} for {want}, {lines}")


# What a machine can lack, and what the line has to say of it.
LACKS = [("driver=0", "there is no NVIDIA driver"), ("driver=12040", "supports CUDA 12.4 only, 13"), ("devices=0", "a driver, but no NVIDIA device"),
         ("capability=7.0", "no code for compute capability 7.0"), ("memory=20000", "out of memory"), ("fail=cudaGetDeviceCount:1:34", "stub library")]


def lacks(want):
    for standin, text in LACKS:
        code, lines, _ = run(standin, "cuda:0")
        demand(code == 1 and len(lines) == 1 and text in lines[0], f"{standin}: exit {code}, {lines}")
        code, lines, signature = run(standin, "auto")
        if "memory" not in standin:  # that shows only later, when nothing falls back any more
            demand(code == 0 and signature == want, f"{standin}, auto: exit {code}, {lines}")
    code, lines, signature = run("fail=cudaGetDeviceProperties:1:999", "auto")
    demand(code == 0 and signature == want, f"a device that tells nothing, auto: exit {code}, {lines}")
    code, lines, _ = run("devices=2", "cuda:2")
    demand(code == 1 and "cuda:0 to cuda:1" in lines[0], f"cuda:2 of two: exit {code}, {lines}")
    code, lines, signature = run("devices=2", "cuda:1")
    demand(code == 0 and signature == want, f"cuda:1 of two: exit {code}, {lines}")


def every_call_fails(want):
    """The first, the last and one in between: a line and exit code 1, or the same result."""
    _, lines, _ = run("count=1", "cuda:0")
    calls = re.findall(r"(cuda\w+)=(\d+)", lines[-1])
    demand(len(calls) >= 15, f"few calls: {calls}")
    noticed = set()
    for call, number in calls:
        for n in sorted({1, (int(number) + 1) // 2, int(number)}):
            code, lines, signature = run(f"fail={call}:{n}:{2 if call == 'cudaMalloc' else 999}", "cuda:0")
            told = code == 1 and len(lines) == 1 and "cuda:0" in lines[0]
            if told:
                noticed.add(call)
            demand(told or (code == 0 and signature == want), f"call {n} of {number} of {call} fails: exit {code}, {lines}")
    for call in ("cudaMalloc", "cudaLaunchKernel", "cudaMemcpyAsync", "cudaStreamSynchronize", "cudaStreamCreateWithFlags", "cudaMemsetAsync"):
        demand(call in noticed, f"no failure of {call} was noticed")


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        write_images("images.npy", 3)
        want = same_results()
        graphs_and_launches(want)
        continues_on_another_device()
        lacks(want)
        every_call_fails(want)
        os.chdir("/")
    print(f"{len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
