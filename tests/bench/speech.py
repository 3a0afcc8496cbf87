#!/usr/bin/python3
"""How fast does a spiking LMUFormer of the published Speech Commands size answer, as a stream, and how fast is PyTorch
(eager) with the whole sequence of 128 frames at once? Same weights, one thread each, in turns; processor time, so
that a busy machine disturbs less.

usage: speech.py SPIKELOOM [ROUNDS]   needs python3-torch; prints medians and the range of the rounds
"""
import array
import os
import random
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import wave
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "experiments/train"))
import tensors  # noqa: E402
from lmuformer import LMUFormer, neurons  # noqa: E402

SECONDS, SHORT, FRAME_MS = 60, 2, 10.0
EXPERIMENT = """
model = { family = "lmuformer" }
weights = { path = "net.safetensors" }
dataset = { kind = "wav_folder", path = "sounds", pattern = "{word}_{index}.wav", label_field = "word", where = ["word = short"] }
run = { threads = 1 }
"""


def write_sound(path, seconds):
    """Noise and tones whose level moves: every filter sees something."""
    generator, rate = random.Random(1), 16000
    noise = np.array([generator.gauss(0, 1) for _ in range(seconds * rate)])
    t = np.arange(seconds * rate) / rate
    level = 0.05 + 0.2 * np.sin(2 * np.pi * 1.7 * t) ** 2
    sound = level * (0.3 * noise + np.sin(2 * np.pi * (300 + 200 * np.sin(3 * t)) * t))
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(array.array("h", (20000 * sound.clip(-1, 1)).astype(int).tolist()).tobytes())


def make_net(frames):
    """Random weights; norms calibrated on the frames and shifted, so that neurons fire as in a trained network."""
    torch.manual_seed(1)
    net = LMUFormer(128, 256, 35, 128, 128, True)
    for m in net.modules():
        if isinstance(m, torch.nn.modules.batchnorm._BatchNorm):
            m.momentum = None
            torch.nn.init.constant_(m.weight, 1.5)
            torch.nn.init.constant_(m.bias, 0.6)
    with torch.no_grad():
        net(frames)
    return net.eval()


def children_ms():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (used.ru_utime + used.ru_stime)


def stream(program, folder, sound):
    """ms of the network per frame, ms of the whole program."""
    start = children_ms()
    text = subprocess.run([program, "stream", folder / f"sounds/{sound}_0.wav", "--experiment", folder / "net.toml",
                           "--every", "100000"], check=True, text=True, stdout=subprocess.PIPE).stdout
    return float(re.search(r"latency per frame: ([\d.]+) ms", text)[1]), children_ms() - start


@torch.no_grad()
def batch(net, frames):
    start = time.process_time()
    net(frames)
    return 1000 * (time.process_time() - start) / frames.shape[1]


def main():
    program, rounds = os.path.abspath(sys.argv[1]), int((sys.argv[2:] or [15])[0])
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sounds").mkdir()
        write_sound(folder / "sounds/long_0.wav", SECONDS)
        write_sound(folder / "sounds/short_0.wav", SHORT)
        (folder / "net.toml").write_text(EXPERIMENT)
        subprocess.run([program, "convert", folder / "net.toml", folder / "features", "--features"], check=True,
                       stdout=subprocess.DEVNULL)
        frames = torch.from_numpy(np.load(folder / "features/features.npy"))
        net = make_net(frames)
        tensors.save(folder / "net.safetensors", {k: v.numpy() for k, v in net.state_dict().items() if v.dtype == torch.float32},
                     {})
        times = {"stream, network (by the clock)": [], "stream, with WAV and log-mel": [], "PyTorch, network": []}
        starts = []
        for _ in range(rounds):
            network, long = stream(program, folder, "long")
            short = stream(program, folder, "short")[1]
            per_frame = (long - short) / ((SECONDS - SHORT) * 1000 / FRAME_MS)
            starts.append(short - SHORT * 1000 / FRAME_MS * per_frame)
            for key, ms in zip(times, (network, per_frame, batch(net, frames))):
                times[key].append(ms)
        for m in neurons(net).values():
            m.watch = True
        with torch.no_grad():
            net(frames)
        sizes = {name: m.rate.mean().item() for name, m in neurons(net).items()}
    print(f"firing rates {min(sizes.values()):.1%} to {max(sizes.values()):.1%}; ms per frame of {FRAME_MS:.0f} ms, {rounds} rounds")
    for key, ms in times.items():
        middle = statistics.median(ms)
        print(f"{key:30} {middle:7.4f} ({min(ms):.4f} .. {max(ms):.4f})  {FRAME_MS / middle:6.0f} x real time")
    print(f"the program starts in {statistics.median(starts):.0f} ms (the memory's tables are computed)")


if __name__ == "__main__":
    main()
