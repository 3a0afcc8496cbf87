#!/usr/bin/env python3
"""stream.py BENCH_STREAM [--layers L --width E --vocabulary V --tokens N --rounds R]: milliseconds per token of a SpikeGPT
with random weights, one token after the other, in bench_stream with weights of each precision and in PyTorch eager (fp32,
the same products), by turns in one run. Prints the best round and the median of each, and the ratios to PyTorch."""
import argparse
import os
import statistics
import subprocess
import time

import torch
import torch.nn.functional as F


class Stream:
    """As the authors' recurrent run-time: matrix times vector, state rows and membranes, one token at a time."""

    def __init__(self, layers, width, vocabulary):
        def matrix(rows, columns):
            return torch.randn(rows, columns) / columns ** 0.5

        def block():
            return {"ln": [(torch.ones(width), torch.zeros(width)) for _ in range(2)],
                    "mix": [torch.rand(width) for _ in range(5)], "decay": -torch.rand(width), "first": torch.rand(width),
                    "key": matrix(width, width), "value": matrix(width, width), "receptance": matrix(width, width),
                    "output": matrix(width, width), "ffn_key": matrix(4 * width, width),
                    "ffn_value": matrix(width, 4 * width), "ffn_receptance": matrix(width, width)}

        self.vocabulary, self.width, self.made = vocabulary, width, 0
        self.embedding, self.head = matrix(vocabulary, width), matrix(vocabulary, width)
        self.outer = [(torch.ones(width), torch.zeros(width)) for _ in range(2)]
        self.blocks = [block() for _ in range(layers)]
        self.state = torch.zeros(5 * layers, width)
        self.state[4::5] = -1e30
        self.membranes = [torch.zeros(width) for _ in range(2 * layers)]

    def norm(self, x, parameters):
        return F.layer_norm(x, (self.width,), *parameters)

    def fire(self, y, n):
        h = self.membranes[n] + (y - self.membranes[n]) / 2
        spikes = (h >= 1).to(h.dtype)
        self.membranes[n] = h * (1 - spikes)
        return spikes

    def time_mix(self, a, b, i):
        state = self.state
        k, v, r = (b[name] @ (a * m + state[5 * i + 1] * (1 - m))
                   for name, m in zip(("key", "value", "receptance"), b["mix"]))
        state[5 * i + 1] = a
        p, q, o = state[5 * i + 2], state[5 * i + 3], state[5 * i + 4]
        n = torch.maximum(o, b["first"] + k)
        e, f = torch.exp(o - n), torch.exp(b["first"] + k - n)
        wkv = (e * p + f * v) / (e * q + f)
        n = torch.maximum(o + b["decay"], k)
        e, f = torch.exp(o + b["decay"] - n), torch.exp(k - n)
        state[5 * i + 2], state[5 * i + 3], state[5 * i + 4] = e * p + f * v, e * q + f, n
        return b["output"] @ (torch.sigmoid(r) * wkv)

    def channel_mix(self, f, b, i):
        k, r = (f * m + self.state[5 * i] * (1 - m) for m in b["mix"][3:])
        self.state[5 * i] = f
        hidden = torch.relu(b["ffn_key"] @ k).square()
        return torch.sigmoid(b["ffn_receptance"] @ r) * (b["ffn_value"] @ hidden)

    def token(self, token):
        x = self.norm(self.embedding[token], self.outer[0])
        for i, b in enumerate(self.blocks):
            x = x + self.fire(self.time_mix(self.norm(x, b["ln"][0]), b, i), 2 * i)
            x = x + self.fire(self.channel_mix(self.norm(x, b["ln"][1]), b, i), 2 * i + 1)
        return self.head @ self.norm(x, self.outer[1])

    @torch.no_grad()
    def run(self, threads, tokens):
        torch.set_num_threads(threads)
        start = time.perf_counter()
        for _ in range(tokens):
            self.token(self.made * 7919 % self.vocabulary)
            self.made += 1
        return time.perf_counter() - start


class Program:
    def __init__(self, path, *shape):
        self.process = subprocess.Popen([path, *map(str, shape)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.nonzero = 0.0

    def run(self, threads, tokens):
        self.process.stdin.write(f"{threads} {tokens}\n")
        self.process.stdin.flush()
        seconds, self.nonzero = map(float, self.process.stdout.readline().split())
        return seconds


def main():
    p = argparse.ArgumentParser()
    p.add_argument("program")
    p.add_argument("--layers", type=int, default=18)
    p.add_argument("--width", type=int, default=768)
    p.add_argument("--vocabulary", type=int, default=50277)
    p.add_argument("--tokens", type=int, default=20)
    p.add_argument("--rounds", type=int, default=9)
    p.add_argument("--threads", type=int, nargs="+", default=[2, 1])
    p.add_argument("--precision", nargs="+", default=["fp32", "bf16", "int8"])
    args = p.parse_args()
    shape = args.layers, args.width, args.vocabulary
    torch.manual_seed(1)
    engines = {precision: Program(args.program, *shape, precision) for precision in args.precision}
    runners = {**engines, "PyTorch": Stream(*shape)}
    for runner in runners.values():
        runner.run(max(args.threads), 4)
    for threads in args.threads:
        rounds = [{name: runner.run(threads, args.tokens) / args.tokens * 1e3 for name, runner in runners.items()}
                  for _ in range(args.rounds)]
        print(f"{args.layers} x {args.width}, vocabulary {args.vocabulary}, {threads} threads, load {os.getloadavg()[0]:.1f}, "
              f"{100 * next(iter(engines.values())).nonzero:.0f} % of relu^2 not 0")
        for name in runners:
            values = [times[name] for times in rounds]
            ratio = statistics.median(times["PyTorch"] / times[name] for times in rounds)
            print(f"  {name:<8} {min(values):8.2f} ms per token (median {statistics.median(values):.2f}), PyTorch / this: best "
                  f"{min(times['PyTorch'] for times in rounds) / min(values):.2f}, median of rounds {ratio:.2f}", flush=True)
    for engine in engines.values():
        engine.process.communicate()


if __name__ == "__main__":
    main()
