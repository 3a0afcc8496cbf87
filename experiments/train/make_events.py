"""Recordings of events out of images and sounds, as files of the formats that event cameras and cochleas have.

usage: make_events.py digits IMAGES LABELS OUT [--first N] [--count N] [--files]
       make_events.py spoken RECORDINGS OUT.h5 [--only FILE]

digits: handwritten digits (IDX files) move before a simulated sensor of 34 x 34 along three straight ways of 100 ms, as N-MNIST
moves its camera. A pixel that sees the logarithm of brightness change by THETA since its last event fires ON or OFF, at
the time the change is reached. OUT/frames.npz holds the recordings binned to ten steps (spikingjelly.time=10), for
training; with --files, OUT/<class>/<index>.bin are N-MNIST files.

spoken: clips named {digit}_{speaker}_{index}.wav, 8 kHz, pass 64 triangular filters on the mel scale; the logarithm of each band's
energy above a floor drives an integrate-and-fire unit. OUT.h5 has the layout of the Spiking Heidelberg Digits: spikes/times
in seconds, spikes/units, labels; `names` are the clips. --only: the clips that FILE names, a line each.
"""
import argparse
import wave
from pathlib import Path

import h5py
import numpy as np

from data import read_idx

SIDE, STEP_US, THETA = 34, 2000, 0.8
WAYS = [((-3, -3), (3, 0)), ((3, 0), (-3, 3)), ((-3, 3), (-3, -3))]  # offsets in pixels of the sensor, x and y
WAY_US = 100_000
BANDS, RATE, WINDOW, HOP = 64, 8000, 256, 40


def shifted(image, x, y):
    """The image, 28 x 28, in the middle of the sensor, moved by a fraction of pixels; linear between neighbours."""
    canvas = np.zeros((SIDE + 10, SIDE + 10), np.float32)
    canvas[8:36, 8:36] = image
    left, up = int(np.floor(x)), int(np.floor(y))
    fx, fy = x - left, y - up
    part = lambda i, j: canvas[5 - up - j:5 - up - j + SIDE, 5 - left - i:5 - left - i + SIDE]  # noqa: E731
    return (1 - fy) * ((1 - fx) * part(0, 0) + fx * part(1, 0)) + fy * ((1 - fx) * part(0, 1) + fx * part(1, 1))


def recording(image):
    """Events t, x, y, p of one digit, sorted by time."""
    found = []
    level = lambda at: np.log(0.15 + shifted(image, *at))  # noqa: E731
    before = level(WAYS[0][0])
    memory = before.copy()
    for way, (start, end) in enumerate(WAYS):
        start, end = np.array(start, np.float32), np.array(end, np.float32)
        for step in range(1, WAY_US // STEP_US + 1):
            now = level(start + (end - start) * (step * STEP_US / WAY_US))
            count = np.trunc((now - memory) / THETA).astype(int)
            for y, x in zip(*np.nonzero(count)):
                sign = 1 if count[y, x] > 0 else -1
                for k in range(1, abs(count[y, x]) + 1):
                    share = (memory[y, x] + sign * k * THETA - before[y, x]) / (now[y, x] - before[y, x])
                    t = way * WAY_US + (step - 1 + min(max(share, 0), 1)) * STEP_US
                    found.append((int(t), x, y, sign > 0))
            memory += count * THETA
            before = now
    found.sort(key=lambda event: event[0])
    return np.array(found, np.int64).reshape(-1, 4)


def frames_of(events, steps=10):
    """[steps, 2, SIDE, SIDE] counts: SpikingJelly's split by time, what is left over in the last frame."""
    frames = np.zeros((steps, 2, SIDE, SIDE), np.uint8)
    t, x, y, p = events.T
    width = (t[-1] - t[0]) // steps
    np.add.at(frames, (np.minimum((t - t[0]) // max(width, 1), steps - 1), p, y, x), 1)
    return frames


def write_bin(path, events):
    """Five bytes an event: x, y, then polarity and 23 bits of time."""
    t, x, y, p = events.T
    stamp = p << 23 | t
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(np.stack([x, y, stamp >> 16, stamp >> 8 & 255, stamp & 255], 1).astype(np.uint8).tobytes())


def digits(images, labels, out, first, count, files):
    images, labels = read_idx(images)[first:first + count] / np.float32(255), read_idx(labels)[first:first + count]
    frames = []
    for index, (image, label) in enumerate(zip(images, labels)):
        events = recording(image)
        frames.append(frames_of(events))
        if files:
            write_bin(out / str(label) / f"{first + index:05d}.bin", events)
    out.mkdir(parents=True, exist_ok=True)
    if not files:
        np.savez_compressed(out / "frames.npz", frames=np.stack(frames), labels=labels)
    print(f"{len(frames)} recordings, {np.mean([f.sum() for f in frames]):.0f} events each")


def filters():
    """[BANDS, WINDOW / 2 + 1]: triangles on the mel scale, 60 Hz to the middle of the sampling rate."""
    mel = lambda f: 2595 * np.log10(1 + f / 700)  # noqa: E731
    edges = 700 * (10 ** (np.linspace(mel(60), mel(RATE / 2), BANDS + 2) / 2595) - 1)
    at = np.arange(WINDOW * 4 // 2 + 1) * RATE / (WINDOW * 4)
    low, mid, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    return np.maximum(0, np.minimum((at - low) / (mid - low), (high - at) / (high - mid)))


def cochlea(path, bank):
    """Times in seconds and units of the spikes of one clip."""
    with wave.open(str(path)) as clip:
        assert clip.getframerate() == RATE and clip.getnchannels() == 1 and clip.getsampwidth() == 2, path
        sound = np.frombuffer(clip.readframes(clip.getnframes()), "<i2") / 32768
    sound = np.append(sound[0], sound[1:] - 0.97 * sound[:-1]) / max(1e-3, np.abs(sound).max())
    count = max(1, (len(sound) - WINDOW) // HOP + 1)
    sound = np.pad(sound, (0, max(0, WINDOW - len(sound))))
    rows = np.stack([sound[i * HOP:i * HOP + WINDOW] for i in range(count)]) * np.hanning(WINDOW)
    energy = np.abs(np.fft.rfft(rows, WINDOW * 4)) ** 2 @ bank.T
    drive = np.maximum(0, np.log10(energy + 1e-12) + 3.5) * 0.05
    charge = np.cumsum(drive, 0)
    fired = np.floor(charge) - np.floor(np.concatenate([np.zeros((1, BANDS)), charge[:-1]]))
    frame, unit = np.nonzero(fired)
    return frame * HOP / RATE, unit.astype(np.uint16)


def spoken(recordings, out, only):
    paths = sorted(Path(recordings).glob("*_*_*.wav"))
    if only:
        wanted = set(Path(only).read_text().split())
        paths = [path for path in paths if path.name in wanted]
    bank = filters()
    spikes = [cochlea(path, bank) for path in paths]
    with h5py.File(out, "w") as file:
        group = file.create_group("spikes")
        for key, column, kind in (("times", 0, np.float64), ("units", 1, np.uint16)):
            rows = group.create_dataset(key, (len(paths),), h5py.vlen_dtype(kind))
            for index, row in enumerate(spikes):
                rows[index] = row[column]
        file.create_dataset("labels", data=np.array([int(path.name[0]) for path in paths], np.uint16))
        file.create_dataset("names", data=[path.name for path in paths], dtype=h5py.string_dtype("utf-8"))
    print(f"{len(paths)} clips, {np.mean([len(row[0]) for row in spikes]):.0f} spikes each")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True)
    one = kinds.add_parser("digits")
    one.add_argument("images")
    one.add_argument("labels")
    one.add_argument("out", type=Path)
    one.add_argument("--first", type=int, default=0)
    one.add_argument("--count", type=int, default=1 << 30)
    one.add_argument("--files", action="store_true")
    two = kinds.add_parser("spoken")
    two.add_argument("recordings")
    two.add_argument("out")
    two.add_argument("--only")
    options = parser.parse_args()
    if options.kind == "digits":
        digits(options.images, options.labels, options.out, options.first, options.count, options.files)
    else:
        spoken(options.recordings, options.out, options.only)


if __name__ == "__main__":
    main()
