"""Kills and interrupts runs at random moments: nothing half-written ever carries a final name, and
`run --resume` ends with the report, logits and signature of an uninterrupted run.

usage: faults.py PROGRAM SOURCE_DIR [KILLS] [INTERRUPTS]
"""
import json
import random
import re
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
from checks import namespace_command  # noqa: E402

PROGRAM, SOURCE = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
KILLS = int(sys.argv[3]) if len(sys.argv) > 3 else 30
INTERRUPTS = int(sys.argv[4]) if len(sys.argv) > 4 else 10
DISKS = 10 if KILLS >= 100 else 4
IMAGES = 24
WORKING = (".tmp", ".journal")


def command(folder, *more):
    keys = {"output.dir": f'"{folder}"', "output.checkpoint_s": "0", "dataset.limit": str(IMAGES),
            "output.features": '["ConvBlock1_1.0"]', "report.neurobench": "true", "run.threads": "1"}
    return [PROGRAM, "run", SOURCE / "experiments/mnist.toml", "--quiet", *more,
            *(a for k, v in keys.items() for a in ("--set", f"{k}={v}"))]


def fail(why):
    raise SystemExit(f"FAILED: {why}")


def npy_rows(path):
    data = path.read_bytes()
    length = struct.unpack("<H", data[8:10])[0]
    header = eval(data[10:10 + length], {"__builtins__": {}})
    values = 1
    for extent in header["shape"]:
        values *= extent
    if data[:6] != b"\x93NUMPY" or len(data) != 10 + length + 4 * values:
        fail(f"{path} is not whole")
    return header["shape"][0]


def inspect(path, *more):
    return subprocess.run([PROGRAM, "inspect", path, *more], capture_output=True, text=True)


def unnamed(folder):
    """Temporary files that the checkpoint of an unfinished run tells of."""
    path = folder / "checkpoint.safetensors"
    if not path.exists():
        return []
    data = path.read_bytes()
    header = json.loads(data[8:8 + struct.unpack("<Q", data[:8])[0]])
    return json.loads(header["__metadata__"]["state"])["unnamed"].values()


def check_folder(folder):
    """What a reader may rely on after any end of the process."""
    for path in folder.iterdir() if folder.exists() else ():
        if path.name.endswith(WORKING):
            if re.fullmatch(r"trace\.h5\.[0-9a-f]{16}\.tmp", path.name):
                opened = inspect(path)
                if opened.returncode not in (0, 3):
                    fail(f"inspect {path}: {opened.returncode} {opened.stderr}")
                if opened.returncode == 0 and "did not end in order" not in opened.stdout:
                    # A kill between the last byte and the name: whole then.
                    verified = inspect(path, "--verify")
                    if verified.returncode != 0:
                        fail(f"{path} is neither marked as incomplete nor whole: {verified.stdout}{verified.stderr}")
                if opened.returncode == 3 and path.name in unnamed(folder):
                    fail(f"{path} is lost: {opened.stderr}")
        elif path.suffix == ".npy":
            npy_rows(path)
        elif path.name == "trace.h5":
            verified = inspect(path, "--verify")
            if verified.returncode != 0:
                fail(f"{path}: {verified.stdout}{verified.stderr}")
        elif path.name == "report.json":
            if "signature" not in json.loads(path.read_text()):
                fail(f"{path} is not whole")
        elif path.name == "page.html":
            if not path.read_text().endswith("</html>\n"):
                fail(f"{path} is not whole")
        elif path.name in ("report.csv", "energy.csv"):
            lines = path.read_text().split("\n")
            if lines[-1] != "" or len({line.count(",") for line in lines[:-1]}) != 1:
                fail(f"{path} is not whole")
        elif path.name == "checkpoint.safetensors":
            data = path.read_bytes()
            length = struct.unpack("<Q", data[:8])[0]
            header = json.loads(data[8:8 + length])
            ends = [t["data_offsets"][1] for n, t in header.items() if n != "__metadata__"]
            if len(data) != 8 + length + max(ends):
                fail(f"{path} is not whole")
        else:
            fail(f"{path}: unexpected file")


def result(folder):
    """What must not depend on interruptions."""
    report = json.loads((folder / "report.json").read_text())
    del report["config_sha256"], report["config"]["output"]
    for key in ("wall_seconds", "peak_memory_bytes", "config_sha256"):
        del report["provenance"][key]
    leftovers = [p.name for p in folder.iterdir() if p.name.endswith(WORKING)]
    if leftovers or (folder / "checkpoint.safetensors").exists():
        fail(f"{folder} was not tidied up: {leftovers}")
    return report, (folder / "logits.npy").read_bytes(), (folder / "ConvBlock1_1.0.npy").read_bytes()


def until_done(folder, expected):
    done = subprocess.run(command(folder, "--resume"), capture_output=True, text=True)
    if done.returncode != 0:
        fail(f"--resume: {done.returncode} {done.stderr}")
    check_folder(folder)
    if result(folder) != expected:
        fail(f"{folder}: another result after being resumed")


def strike(base, name, count, longest, expected, blow, codes):
    """`count` blows, each run continuing the one before, until one ends; then a new folder."""
    struck, ended, folder = 0, 0, base / f"{name}0"
    while struck < count:
        run = subprocess.Popen(command(folder, "--resume"), stderr=subprocess.PIPE, text=True)
        time.sleep(random.uniform(0, longest))
        run.send_signal(blow)
        errors = run.communicate()[1]
        check_folder(folder)
        if run.returncode == 0:
            if result(folder) != expected:
                fail(f"{folder}: another result after {struck} blows")
            ended += 1
            folder = base / f"{name}{ended}"
        elif run.returncode in codes:
            struck += 1
        else:
            fail(f"exit code {run.returncode}: {errors}")
    until_done(folder, expected)
    print(f"{struck} of {count} runs ended by {blow.name} left only whole files; {ended + 1} chains "
          "of them ended with the uninterrupted result")


def disk_full(base, sizes, expected):
    """The disk fills up, is enlarged, and the run continues."""
    stopped = 0
    for i, size in enumerate(sizes):
        place, kept = base / f"disk{i}", base / f"disk{i}-kept"
        place.mkdir()
        folder = place / "out"
        quoted = [" ".join(shlex.quote(str(w)) for w in command(folder, *more))
                  for more in ((), ("--resume",))]
        script = (f"mount -t tmpfs -o size={size}k tmpfs {place}; {quoted[0]}; echo $?; "
                  f"cp -r {folder} {kept}; mount -o remount,size=100m {place}; {quoted[1]}; echo $?; "
                  f"cp -r {folder} {base}/disk{i}-end")
        ran = subprocess.run(namespace_command() + ["sh", "-c", script], capture_output=True, text=True)
        first, second = ran.stdout.split()[:2]
        lines = [line for line in ran.stderr.splitlines() if line]
        if first not in ("0", "1") or second != "0":
            fail(f"disk of {size} KB: exit codes {first}, {second}: {ran.stderr}")
        if first == "1" and "No space left on device" not in lines[0]:
            fail(f"disk of {size} KB: {lines[0]}")
        stopped += first == "1"
        check_folder(kept)
        check_folder(base / f"disk{i}-end")
        if result(base / f"disk{i}-end") != expected:
            fail(f"disk of {size} KB: another result after being resumed")
    print(f"{stopped} of {len(sizes)} disks were too small; every run ended with the uninterrupted "
          "result once there was room")


def one_line(ran, code, text, what):
    lines = ran.stderr.splitlines()
    if ran.returncode != code or len(lines) != 1 or text not in lines[0]:
        fail(f"{what}: exit code {ran.returncode}, {ran.stderr}")


def bad_folders(base, may_mount):
    """The output folder vanishes, or does not take files."""
    folder = base / "vanishing"
    run = subprocess.Popen(command(folder), stderr=subprocess.PIPE, text=True)
    while run.poll() is None and not (folder / "checkpoint.safetensors").exists():
        time.sleep(0.001)
    shutil.rmtree(folder, ignore_errors=True)
    errors = run.communicate()[1]
    one_line(subprocess.CompletedProcess([], run.returncode, "", errors), 1, str(folder), "vanishing folder")
    if folder.exists():
        fail(f"{folder} came back: {list(folder.iterdir())}")
    if may_mount:
        place = base / "read-only"
        place.mkdir()
        words = " ".join(shlex.quote(str(w)) for w in command(place))
        script = f"mount -t tmpfs -o ro tmpfs {place} && exec {words}"
        ran = subprocess.run(namespace_command() + ["sh", "-c", script], capture_output=True, text=True)
        one_line(ran, 1, "Read-only file system", "read-only folder")
    print("a vanishing folder" + (" and a read-only one" if may_mount else "") + " end a run with one line")


def main():
    random.seed(3)
    with tempfile.TemporaryDirectory() as base:
        base = Path(base)
        start = time.time()
        subprocess.run(command(base / "whole"), check=True)
        longest = time.time() - start
        expected = result(base / "whole")
        check_folder(base / "whole")
        strike(base, "kill", KILLS, longest / 2, expected, signal.SIGKILL, (-signal.SIGKILL,))
        whole = sum(p.stat().st_size for p in (base / "whole").iterdir()) // 1024
        mount = namespace_command() + ["mount", "-t", "tmpfs", "tmpfs", base]
        may_mount = subprocess.run(mount, capture_output=True).returncode == 0
        bad_folders(base, may_mount)
        if not may_mount:
            print("SKIP full disks and read-only folders: no right to mount a file system")
        else:
            disk_full(base, [max(1, whole * share // DISKS) for share in range(DISKS)], expected)
        # Before the handler is there, an interrupt simply ends the process.
        strike(base, "interrupt", INTERRUPTS, longest / 2, expected, signal.SIGINT,
               (130, -signal.SIGINT))


main()
