#!/usr/bin/python3
"""sequence.py BENCH_SEQUENCE [--rate R ... --rounds N]: milliseconds for one sequence of 128 frames through a
spiking LMUFormer of the published Speech Commands size (1,689,894 parameters), whole and layer by layer, in bench_sequence
and in PyTorch eager with the same weights, by turns in one run; one thread, processor time. Random weights whose norms are shifted
until the neurons fire at the mean rate R. Compares the logits before it trusts a time."""
import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "experiments/train"))
import tensors  # noqa: E402
from lmuformer import LMUFormer, neurons  # noqa: E402

STEPS, CHANNELS, SEQUENCES = 128, 128, 8


def norms(net):
    return {name: m for name, m in net.named_modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)}


@torch.no_grad()
def mean_rate(net, frames, shift):
    """Every norm calibrated on the frames, then scaled and shifted as the neuron's threshold asks."""
    for name, m in norms(net).items():
        size = 0.5 if name.endswith("prev_bn") else 1.0
        torch.nn.init.constant_(m.weight, size)
        torch.nn.init.constant_(m.bias, size * shift)
        m.reset_running_stats()
        m.momentum = None
    net.train()(frames)
    net.eval()(frames)
    return statistics.mean(m.rate.mean().item() for m in neurons(net).values())


def make_net(frames, rate):
    torch.manual_seed(1)
    net = LMUFormer(CHANNELS, 256, 35, 128, STEPS, True)
    for m in neurons(net).values():
        m.watch = True
    low, high = -4.0, 4.0
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (middle, high) if mean_rate(net, frames, middle) < rate else (low, middle)
    for m in neurons(net).values():
        m.watch = False
    return net


@torch.no_grad()
def eager_seconds(net, frames):
    start = time.process_time()
    for sequence in frames:
        net(sequence[None])
    return time.process_time() - start


class Program:
    def __init__(self, path, folder):
        self.process = subprocess.Popen([path, folder / "weights", folder / "frames"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def seconds(self, rounds):
        self.process.stdin.write(f"{rounds}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline()) / rounds

    def finish(self):
        """Firing rates by population, logits of every sequence."""
        lines = [line.split() for line in self.process.communicate()[0].splitlines()]
        return ({line[1]: float(line[2]) for line in lines if line[0] == "rate"},
                np.array([line[1:] for line in lines if line[0] == "logits"], dtype=np.float32))


def measure(program, rate, rounds):
    frames = torch.from_numpy(np.random.default_rng(1).standard_normal((SEQUENCES, STEPS, CHANNELS), dtype=np.float32))
    net = make_net(frames, rate)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tensors.save(folder / "weights", {k: v.numpy() for k, v in net.state_dict().items() if v.dtype == torch.float32}, {})
        tensors.save(folder / "frames", {"frames": frames.numpy()}, {})
        engine = Program(program, folder)
        engine.seconds(5), eager_seconds(net, frames)
        times = [(engine.seconds(10), eager_seconds(net, frames)) for _ in range(rounds)]
        rates, logits = engine.finish()
    with torch.no_grad():
        expected = net(frames).mean(0).numpy()
    difference = np.abs(logits - expected).max()
    if not difference < 0.1 * np.abs(expected).max():
        sys.exit(f"logits differ by {difference} of {np.abs(expected).max()}")
    print(f"firing {statistics.mean(rates.values()):.1%} ({min(rates.values()):.1%} to {max(rates.values()):.1%}), "
          f"load {os.getloadavg()[0]:.1f}, logits within {difference:.1e} of {np.abs(expected).max():.2f}")
    for who, values in zip(("spikeloom", "PyTorch"), zip(*times)):
        ms = [1e3 * v / SEQUENCES for v in values]
        print(f"  {who:<10} {statistics.median(ms):8.3f} ms a sequence ({min(ms):.3f} .. {max(ms):.3f})")
    print(f"  PyTorch / spikeloom: {statistics.median(b / a for a, b in times):.1f} (median of {rounds} rounds)", flush=True)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("program", type=os.path.abspath)
    p.add_argument("--rate", type=float, nargs="+", default=[0.1, 0.15, 0.2])
    p.add_argument("--rounds", type=int, default=9)
    args = p.parse_args()
    torch.set_num_threads(1)
    for rate in args.rate:
        measure(args.program, rate, args.rounds)


if __name__ == "__main__":
    main()
