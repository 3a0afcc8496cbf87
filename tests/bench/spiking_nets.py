#!/usr/bin/env python3
"""How fast are networks of events here, and in snnTorch, SpikingJelly and Norse? The golden convolutional net and three
recurrent layers of 1,000 LIF neurons on 700 inputs, 100 steps, 5 % of them events; batches of 1 and 32 samples, two threads each,
in turns; processor time over samples, without start and loading (two runs of different length). Before it, the spikes that
each output neuron made are compared.

usage: spiking_nets.py SPIKELOOM [ROUNDS]; needs torch, snntorch, spikingjelly, norse, nir, numpy, h5py
"""
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "2"
warnings.filterwarnings("ignore")
import nir  # noqa: E402
import norse.torch as norse  # noqa: E402
import numpy as np  # noqa: E402
import snntorch as snn  # noqa: E402
import torch  # noqa: E402
from spikingjelly.activation_based import functional, layer, neuron  # noqa: E402

torch.set_num_threads(2)
torch.set_grad_enabled(False)
GOLDEN = Path(__file__).resolve().parents[1] / "golden/nir"
WIDTH, INPUTS, STEPS = 1000, 700, 100


def recurrent_weights():
    rng = np.random.default_rng(1)
    sizes = [INPUTS, WIDTH, WIDTH, WIDTH]
    return [(rng.normal(0, 4 / a ** .5, (b, a)).astype(np.float32), rng.normal(0, 1 / b ** .5, (b, b)).astype(np.float32))
            for a, b in zip(sizes, sizes[1:])]


def write_recurrent(path, weights):
    """tau of ten steps of 0.1 ms, r = tau/dt: h = 0.9 v + x."""
    ones = np.ones(WIDTH, np.float32)
    nodes = {"input": nir.Input({"input": np.array([INPUTS])})}
    edges, before = [], "input"
    for i, (w, u) in enumerate(weights):
        nodes |= {f"fc{i}": nir.Linear(w), f"rec{i}": nir.Linear(u),
                  f"lif{i}": nir.LIF(tau=1e-3 * ones, r=10 * ones, v_leak=0 * ones, v_threshold=ones, v_reset=0 * ones)}
        edges += [(before, f"fc{i}"), (f"fc{i}", f"lif{i}"), (f"lif{i}", f"rec{i}"), (f"rec{i}", f"lif{i}")]
        before = f"lif{i}"
    nodes["output"] = nir.Output({"output": np.array([WIDTH])})
    nir.write(path, nir.NIRGraph(nodes, edges + [(before, "output")], type_check=False))


def linear(w, bias=None):
    made = torch.nn.Linear(w.shape[1], w.shape[0], bias is not None)
    made.weight.copy_(torch.tensor(w))
    if bias is not None:
        made.bias.copy_(torch.tensor(bias))
    return made


def recurrent_net(weights, cell, reset):
    """cell() gives a function of the summed input that remembers, reset() makes all forget."""
    parts = [(linear(w), linear(u), cell()) for w, u in weights]

    def run(x):  # [steps, batch, inputs]
        reset([part[2] for part in parts])
        spikes, total = [torch.zeros(x.shape[1], WIDTH) for _ in parts], 0
        for step in x:
            value = step
            for i, (w, u, neurons) in enumerate(parts):
                value = spikes[i] = neurons(w(value) + u(spikes[i]))
            total = total + value
        return total
    return run


def conv_net(graph, cell, reset):
    def conv(node):
        out, inner, k, _ = node.weight.shape
        made = torch.nn.Conv2d(inner, out, k, int(node.stride[0]), int(node.padding[0]))
        made.weight.copy_(torch.tensor(node.weight))
        made.bias.copy_(torch.tensor(node.bias))
        return made
    first, second, last = conv(graph.nodes["0"]), conv(graph.nodes["2"]), linear(graph.nodes["6"].weight, graph.nodes["6"].bias)
    cells = [cell(), cell(), cell()]

    def run(x):
        reset(cells)
        total = 0
        for step in x:
            value = cells[1](second(cells[0](first(step))))
            value = torch.nn.functional.avg_pool2d(value, 2, divisor_override=1).flatten(1)
            total = total + cells[2](last(value))
        return total
    return run


def snntorch_cells(beta):
    cells = lambda: snn.Leaky(beta=beta, reset_mechanism="zero", reset_delay=False, init_hidden=True)  # noqa: E731
    return cells, lambda made: [cell.reset_mem() for cell in made]


def spikingjelly_cells(beta):
    if beta == 1.0:
        cells = lambda: neuron.IFNode(step_mode="s")  # noqa: E731
    else:
        cells = lambda: neuron.LIFNode(1 / (1 - beta), decay_input=False, step_mode="s")  # noqa: E731
    return cells, lambda made: [cell.reset() for cell in made]


class NorseCell:
    def __init__(self, beta):
        self.cell = norse.IAFCell() if beta == 1.0 else norse.LIFBoxCell(
            norse.LIFBoxParameters(tau_mem_inv=torch.tensor((1 - beta) / 1e-3)))
        self.state = None
        self.gain = 1 if beta == 1.0 else 1 / (1 - beta)  # LIFBoxCell makes 1 - beta of what arrives

    def __call__(self, x):
        z, self.state = self.cell(x if self.gain == 1 else x * self.gain, self.state)
        return z


def norse_cells(beta):
    def forget(made):
        for cell in made:
            cell.state = None
    return lambda: NorseCell(beta), forget


LIBRARIES = {"snnTorch": snntorch_cells, "SpikingJelly": spikingjelly_cells, "Norse": norse_cells}


def library_seconds(run, frames, batch):
    """Processor time for all samples, [samples, steps, ...]."""
    start = resource.getrusage(resource.RUSAGE_SELF)
    for first in range(0, len(frames), batch):
        run(torch.from_numpy(frames[first:first + batch]).transpose(0, 1))
    end = resource.getrusage(resource.RUSAGE_SELF)
    return end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime


def own_seconds(program, folder, net, frames, batch):
    np.save(folder / "x.npy", frames.astype(np.float32))
    (folder / "a.toml").write_text(
        f'[model]\nfamily = "nir"\npath = "{net}"\ndt = 1e-4\nif_gain = "unit"\nrecurrent_start = "zero"\n'
        '[dataset]\nkind = "npy"\npath = "x.npy"\nevents = true\n'
        f'[run]\nthreads = 2\nbatch = {batch}\n[trace]\nlayers = "none"\n')
    start = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([program, "run", "a.toml", "-q"], cwd=folder, check=True)
    end = resource.getrusage(resource.RUSAGE_CHILDREN)
    return end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime


def differences(run, folder, one):
    """Output neurons whose number of spikes differs from that of the run in `folder`, and all spikes of the latter."""
    own = np.load(folder / "out/logits.npy")[0]
    theirs = run(torch.from_numpy(one[:, None]))[0].numpy()
    return int((own != theirs).sum()), int(own.sum())


def main():
    program, rounds = os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 5
    with tempfile.TemporaryDirectory() as name:
        folder, weights = Path(name), recurrent_weights()
        write_recurrent(folder / "recurrent.nir", weights)
        golden = np.load(GOLDEN / "conv_if.npz")["input"].astype(np.float32)
        events = (np.random.default_rng(2).random((STEPS, INPUTS)) < 0.05).astype(np.float32)
        nets = {"golden conv net": (GOLDEN / "conv_if.nir", golden, 1.0, 64,
                                    lambda *cells: conv_net(nir.read(GOLDEN / "conv_if.nir", type_check=False), *cells)),
                "3 x 1,000 recurrent": (folder / "recurrent.nir", events, 0.9, 32, lambda *cells: recurrent_net(weights, *cells))}
        print("| net | batch | " + " | ".join(f"{library} ms" for library in LIBRARIES) + " | Spikeloom ms | fastest / Spikeloom |")
        print("|---|---|" + "---|" * (len(LIBRARIES) + 2))
        for title, (path, one, beta, samples, build) in nets.items():
            frames = np.repeat(one[None], samples, 0)
            runs = {library: build(*cells(beta)) for library, cells in LIBRARIES.items()}
            own_seconds(program, folder, path, frames[:1], 1)
            for library, run in runs.items():
                print("%s, %s: %d output neurons differ, of %d spikes" % (title, library, *differences(run, folder, one)),
                      file=sys.stderr)
            for batch in (1, 32):
                times = {library: [] for library in [*LIBRARIES, "Spikeloom"]}
                for _ in range(rounds):
                    for library, run in runs.items():
                        times[library].append(library_seconds(run, frames, batch) / samples)
                    more, less = (own_seconds(program, folder, path, np.repeat(one[None], count, 0), batch)
                                  for count in (9 * samples, samples))
                    times["Spikeloom"].append((more - less) / (8 * samples))
                middle = {library: 1e3 * statistics.median(values) for library, values in times.items()}
                own = middle.pop("Spikeloom")
                cells = " | ".join(f"{value:.2f}" for value in middle.values())
                print(f"| {title} | {batch} | {cells} | {own:.3f} | {min(middle.values()) / own:.0f} |", flush=True)


main()
