"""Pairs of runs in one folder, planted links, inputs that change before --resume: no wrong result, nothing
lost, one line each.

usage: folders.py PROGRAM SOURCE_DIR [COUNT]
"""
import json
import os
import random
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
import fixtures  # noqa: E402

PROGRAM, SOURCE = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
COUNT = int(sys.argv[3]) if len(sys.argv) > 3 else 6
HERE = Path(__file__).resolve().parent
BUSY = "another run is writing to this folder"
OUTPUTS = ("report.json", "report.csv", "energy.csv", "page.html", "logits.npy", "trace.h5", "checkpoint.safetensors")


def fail(why):
    raise SystemExit(f"FAILED: {why}")


def spikeloom(*words, **options):
    return subprocess.Popen([PROGRAM, *map(str, words)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                            stdin=subprocess.DEVNULL, text=True,
                            env=dict(os.environ, SPIKELOOM_SUMS="usual"), **options)


def ended(run):
    errors = run.communicate(timeout=240)[1]
    return run.returncode, [line for line in errors.splitlines() if line]


def run(*words):
    return ended(spikeloom(*words))


def one_line(outcome, what, codes, *texts):
    code, lines = outcome
    if code not in codes or len(lines) != 1 or not all(text in lines[0] for text in texts):
        fail(f"{what}: exit code {code}, {lines}")


def result(folder):
    """What a run leaves, less what may differ from run to run; it belongs together."""
    report = json.loads((folder / "report.json").read_text())
    rows = fixtures.read_npy(folder / "logits.npy")[1][0]
    if rows != report["run"]["samples"]:
        fail(f"{folder}: {rows} rows of logits, a report of {report['run']['samples']} samples")
    left = sorted(set(os.listdir(folder)) - set(OUTPUTS))
    if left or (folder / "checkpoint.safetensors").exists():
        fail(f"{folder} was not tidied up: {left}")
    if (folder / "trace.h5").exists():
        code, lines = run("inspect", folder / "trace.h5", "--verify")
        if code != 0:
            fail(f"{folder}/trace.h5: {lines}")
    return report["signature"], report["provenance"]["inputs"], (folder / "logits.npy").read_bytes()


class Inputs:
    """A small experiment of images, with labels and weights of its own."""

    def __init__(self, folder, samples, seed):
        folder.mkdir()
        self.folder, self.samples, generator = folder, samples, random.Random(seed)
        fixtures.write_npy(folder / "images.npy", "<f4", (samples, 1, 32, 32),
                           fixtures.floats(generator.uniform(-1, 1) for _ in range(samples * 1024)))
        labels = [generator.randrange(4) for _ in range(samples)]
        fixtures.write_npy(folder / "labels.npy", "<i8", (samples,), struct.pack(f"<{samples}q", *labels))
        text = (HERE / "tiny.toml").read_text().replace('"images.npy"', '"images.npy"\nlabels = "labels.npy"')
        (folder / "e.toml").write_text(text)

    def words(self, out, *more):
        return ["run", self.folder / "e.toml", "--quiet", "--set", f'output.dir="{out}"',
                "--set", "output.checkpoint_s=0", *more]


def pairs(base):
    """Two runs of different experiments start about the same time."""
    a, b = Inputs(base / "a", 12, 1), Inputs(base / "b", 9, 2)
    expected, took = {}, 0
    for name, inputs in (("a", a), ("b", b)):
        start = time.time()
        if run(*inputs.words(base / f"alone-{name}"))[0] != 0:
            fail("a run alone")
        took = max(took, time.time() - start)
        expected[name] = result(base / f"alone-{name}")
    refused = both = killed = 0
    for i in range(COUNT):
        out, more = base / f"pair{i}", random.choice((["--resume"], []))
        one = spikeloom(*a.words(out, *more))
        time.sleep(random.uniform(0, took * 1.2))
        if i % 5 == 4:  # the first dies: the second finds a folder nobody writes to
            one.kill()
            one.communicate()
            code, lines = run(*b.words(out))
            killed += 1
            if code != 0 or result(out) != expected["b"]:
                fail(f"pair {i}: a run after a killed one: {code}, {lines}")
            continue
        two = spikeloom(*b.words(out, *more))
        outcomes = {"b": ended(two), "a": ended(one)}
        losers = [name for name in "ab" if outcomes[name][0] != 0]
        if len(losers) == 2:
            fail(f"pair {i}: both failed, {outcomes}")
        for name in losers:
            one_line(outcomes[name], f"pair {i}", (1,), BUSY)
        # Where both ended well, one had ended before the other began.
        last = {"a": "b", "b": "a"}[losers[0]] if losers else "b"
        if result(out) != expected[last]:
            fail(f"pair {i}: not the result of {last}, {outcomes}")
        refused += bool(losers)
        both += not losers
    print(f"{COUNT} pairs of runs in one folder: {refused} times the other was refused in one line, {both} times one "
          f"ended before the other began, {killed} times the first was killed; every folder holds one whole run")


def plant(kind, path, victim):
    if kind == "link":
        path.symlink_to(victim)
    elif kind == "dangling":
        path.symlink_to(path.parent / "nowhere")
    elif kind == "hard":
        os.link(victim, path)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()


def links(base):
    """Something else's name, or something in its place, waits where a file is to be written."""
    inputs = Inputs(base / "c", 2, 3)
    whole = base / "whole"
    if run(*inputs.words(whole))[0] != 0:
        fail("a run alone")
    expected = result(whole)
    chip = ["chip", whole, "--chip", "horowitz45", "--unsupported", "host", "--quiet"]
    commands = {  # the file each makes, and how it is called
        **{name: lambda place: inputs.words(place) for name in OUTPUTS},
        "chip.json": lambda place: [*chip, "--out", place],
        "chip.csv": lambda place: [*chip, "--out", place],
        "trace.html": lambda place: ["inspect", whole, "--html", place / "trace.html"],
        "compare.html": lambda place: ["compare", whole, whole, "--html", place / "compare.html"],
        "chip.html": lambda place: [*chip, "--html", place / "chip.html"],
        "counters.h5": lambda place: [*chip, "--counters", place / "counters.h5"],
        "timeline.json": lambda place: [*chip, "--timeline", place / "timeline.json"],
        "w.safetensors": lambda place: ["convert", SOURCE / "tests/golden/meta_spikeformer/weights.npz",
                                        place / "w.safetensors"],
    }
    endings = ("", "", ".tmp", ".tmp.journal", ".partial", ".0123456789abcdef.tmp", ".lock")
    stopped = 0
    for i in range(COUNT):
        place, victim = base / f"link{i}", base / f"victim{i}"
        place.mkdir()
        victim.write_text("what somebody else wrote")
        name, ending = random.choice(list(commands)), random.choice(endings)
        kind = random.choice(("link", "dangling", "hard", "pipe", "folder"))
        plant(kind, place / (name + ending), victim)
        outcome = run(*commands[name](place))
        if victim.read_text() != "what somebody else wrote" or (place / "nowhere").exists():
            fail(f"link {i}: {name}{ending} ({kind}) was followed")
        if outcome[0] == 0:
            if name in OUTPUTS and json.loads((place / "report.json").read_text())["signature"] != expected[0]:
                fail(f"link {i}: another result beside {name}{ending} ({kind})")
            continue
        one_line(outcome, f"link {i}: {name}{ending} ({kind})", (1, 2, 3), name)
        if ending:
            fail(f"link {i}: {name}{ending} ({kind}) is in nobody's way: {outcome}")
        stopped += 1
    print(f"{COUNT} planted links, hard links, pipes and folders: none was followed or written to, {stopped} in the "
          "place of a final name ended the command with one line")


def same_times(path, change):
    """Changes a file that keeps its size, and its time stamps too."""
    status = path.stat()
    data = bytearray(path.read_bytes())
    change(data)
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def flip(data, at):
    data[at] ^= 0x40


def changes(base):
    """A run is killed or interrupted; what it reads changes; then --resume."""
    refused = unread = 0
    for i in range(COUNT):
        inputs, out = Inputs(base / f"in{i}", 10, 100 + i), base / f"out{i}"
        images, labels, whole = inputs.folder / "images.npy", inputs.folder / "labels.npy", base / f"whole{i}"
        if run(*inputs.words(whole))[0] != 0:
            fail("a run alone")
        expected = result(whole)
        first = spikeloom(*inputs.words(out))
        while first.poll() is None and not (out / "checkpoint.safetensors").exists():
            time.sleep(0.001)
        time.sleep(random.uniform(0, 0.02))
        first.send_signal(random.choice((signal.SIGKILL, signal.SIGINT)))
        first.communicate()
        if first.returncode == 0:
            continue  # it was faster
        kept = {path: path.read_bytes() for path in (images, labels)}
        sample = random.randrange(inputs.samples)
        victim = random.choice((images, images, labels))
        row = (len(kept[victim]) - 128) // inputs.samples
        same_times(victim, lambda data: flip(data, 128 + sample * row + (random.randrange(row // 4) * 4 + 2
                                                                         if victim == images else 0)))
        if victim == labels:  # a class there is
            same_times(labels, lambda data: data.__setitem__(128 + 8 * sample, (kept[labels][128 + 8 * sample] + 1) % 4))
        before = sorted((p.name, p.read_bytes()) for p in out.iterdir())
        outcome = run(*inputs.words(out, "--resume"))
        if outcome[0] == 0:  # nobody had read that sample yet
            new = base / f"new{i}"
            if run(*inputs.words(new))[0] != 0 or result(new) != result(out):
                fail(f"change {i}: sample {sample} of {victim.name}: the result of neither data set")
            unread += 1
            continue
        one_line(outcome, f"change {i}", (2,), f"dataset.path: sample {sample} ")
        if sorted((p.name, p.read_bytes()) for p in out.iterdir()) != before:
            fail(f"change {i}: a refused --resume touched {out}")
        refused += 1
        for path, data in kept.items():
            path.write_bytes(data)
        code, lines = run(*inputs.words(out, "--resume"))
        if code != 0 or result(out) != expected:
            fail(f"change {i}: not continued after the data came back: {code}, {lines}")
        for folder in (inputs.folder, out, whole):
            shutil.rmtree(folder)
    print(f"{COUNT} changed inputs before --resume: {refused} named and refused, then continued with the old data to the "
          f"old result; {unread} in samples nobody had read, with the result of a new run")


def main():
    random.seed(5)
    for part in (pairs, links, changes):
        with tempfile.TemporaryDirectory(prefix="spikeloom-folders-") as base:
            part(Path(base))


main()
