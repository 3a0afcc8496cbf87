#!/usr/bin/env python3
"""make_counts.py NIR_FOLDER: counts.json, what NeuroBench's harness (neurobench 2.3.0) and syops-counter (syops 0.0.5)
count of three golden networks. Layers are PyTorch's, neurons the equations of the files, held against the golden
spikes; counting is the two programs' own.

pip install neurobench==2.3.0 syops==0.0.5 snntorch torch nir"""
import json
import sys

import nir
import numpy as np
import snntorch as snn
import syops.engine
import torch
from neurobench.metrics.static import ConnectionSparsity, Footprint, ParameterCount
from neurobench.metrics.workload import MembraneUpdates, SynapticOperations
from neurobench.models import SNNTorchModel
from syops.ops import LIF_syops_counter_hook
from torch import nn

# Network, its arrays of spikes and the step, s; at or above the threshold a neuron fires.
NETS = {"conv_if": ("norse", 1.0, False), "lif_beta": ("snntorch", 1e-4, False),
        "cuba_rec_nobias": ("spikingjelly", 1e-4, True)}


class Cell(snn.SpikingNeuron):
    """IF, LIF or CubaLIF of a file, Euler, one step a call."""

    def __init__(self, node, dt, at):
        super().__init__()
        self.at, self.kind, self.init_hidden, self.output = at, type(node).__name__, True, False
        self.values = {k: torch.tensor(np.asarray(v), dtype=torch.float64) for k, v in vars(node).items()
                       if isinstance(v, np.ndarray)}
        self.dt = dt
        self.reset_state()

    def reset_state(self):
        self.mem, self.current, self.spikes = torch.zeros(()), torch.zeros(()), []

    def one(self, x):
        v, mem = {k: value.to(torch.float32) for k, value in self.values.items()}, self.mem
        rate = {k: (self.dt / value).to(torch.float32) for k, value in self.values.items() if k.startswith("tau")}
        if self.kind == "IF":
            h = mem + x
        elif self.kind == "LIF":
            h = mem + rate["tau"] * ((v["v_leak"] - mem) + v["r"] * x)
        else:
            self.current = self.current + rate["tau_syn"] * (v["w_in"] * x - self.current)
            h = mem + rate["tau_mem"] * ((v["v_leak"] - mem) + v["r"] * self.current)
        fired = h >= v["v_threshold"] if self.at else h > v["v_threshold"]
        self.mem = torch.where(fired, v["v_reset"] if "v_reset" in v else torch.zeros(()), h)
        self.spikes.append(fired[0])
        return fired.to(torch.float32)

    def forward(self, x):
        return self.one(x)


class SumPool(nn.Module):
    def __init__(self, k):
        super().__init__()
        self.k = k

    def forward(self, x):
        return nn.functional.avg_pool2d(x, self.k, divisor_override=1)


def layer_of(node, dt, at):
    name = type(node).__name__
    if name == "Conv2d":
        out, inner, ky, kx = node.weight.shape
        layer = nn.Conv2d(inner, out, (ky, kx), tuple(map(int, node.stride)), tuple(map(int, node.padding)))
    elif name in ("Linear", "Affine"):
        layer = nn.Linear(node.weight.shape[1], node.weight.shape[0], name == "Affine")
    elif name == "SumPool2d":
        return SumPool(tuple(map(int, node.kernel_size)))
    elif name == "Flatten":
        return nn.Flatten()
    else:
        return Cell(node, dt, at)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(node.weight))
        if layer.bias is not None:
            layer.bias.copy_(torch.tensor(node.bias))
    return layer


class Net(nn.Module):
    """A chain of layers; a layer that leads back to its neuron reads the step before."""

    def __init__(self, graph, dt, at):
        super().__init__()
        self.names, after, self.back = [], {}, {}
        for a, b in graph.edges:
            back = (b, a) in graph.edges and type(graph.nodes[a]).__name__ == "Linear"
            if back:
                self.back[b] = a
            elif (b, a) not in graph.edges or type(graph.nodes[b]).__name__ != "Linear":
                after[a] = b
        name = after["input"]
        while name != "output":
            self.names.append(name)
            name = after[name]
        self.layers = nn.ModuleDict({n.replace(".", "_"): layer_of(graph.nodes[n], dt, at)
                                     for n in self.names + list(self.back.values())})
        self.reset()

    def at(self, name):
        return self.layers[name.replace(".", "_")]

    def reset(self):
        for layer in self.layers.values():
            if isinstance(layer, Cell):
                layer.reset_state()
        self.before = {}

    def forward(self, x):
        for name in self.names:
            if name in self.back:
                width = self.at(self.back[name]).in_features
                before = self.before.get(name, torch.zeros(x.shape[0], width))
                x = x + self.at(self.back[name])(before)
            x = self.at(name)(x)
            if name in self.back:
                self.before[name] = x
        return x, None

    def all_steps(self, x):
        """As multi-step programs do it: every layer sees all steps of the sample in one call."""
        for name in self.names:
            layer = self.at(name)
            x = torch.cat([layer.one(step[None]) for step in x]) if isinstance(layer, Cell) else layer(x)
        return x


class MultiStep(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        if self.net.back:
            return torch.cat([self.net(step[None])[0] for step in x])
        for name in self.net.names:
            layer = self.net.at(name)
            x = self.all_of(layer, x) if isinstance(layer, Cell) else layer(x)
        return x

    @staticmethod
    def all_of(cell, x):
        step = cell.forward
        cell.forward = lambda whole: torch.cat([cell.one(one[None]) for one in whole])
        try:
            return cell(x)
        finally:
            cell.forward = step


def check(net, golden, prefix):
    for name in net.names:
        if isinstance(net.at(name), Cell):
            z = golden[f"{prefix}/{name.replace('.', '_')}/z"].astype(bool)
            assert np.array_equal(torch.stack(net.at(name).spikes).numpy(), z), name


def neurobench_counts(net, frames, golden, prefix):
    model = SNNTorchModel(net)
    result = {"ConnectionSparsity": ConnectionSparsity()(model), "Footprint": Footprint()(model),
              "ParameterCount": ParameterCount()(model)}
    from neurobench.hooks.layer import LayerHook
    from neurobench.hooks.neuron import NeuronHook
    model.connection_hooks = [LayerHook(layer) for layer in model.connection_layers()]
    model.activation_hooks = [NeuronHook(entry["layer"], entry["layer_name"]) for entry in model.activation_layers()]
    batch = frames[None]
    with torch.no_grad():
        preds = model(batch)
        check(net, golden, prefix)
        result["SynapticOperations"] = SynapticOperations()(model, preds, (batch, torch.zeros(1)))
        result["MembraneUpdates"] = MembraneUpdates()(model, preds, (batch, torch.zeros(1)))
    model.close_hooks()
    return result


def syops_counts(net, frames, golden, prefix):
    net.reset()
    wrapped = MultiStep(net)
    syops.engine.CUSTOM_MODULES_MAPPING = {Cell: LIF_syops_counter_hook}
    counted = syops.engine.add_syops_counting_methods(wrapped)
    counted.eval()
    counted.start_syops_count(ost=sys.stdout, verbose=False, ignore_list=[])
    with torch.no_grad():
        counted(frames)
    check(net, golden, prefix)
    lines = {}
    for name in net.names + list(net.back.values()):
        layer = net.at(name)
        if hasattr(layer, "__syops__"):
            _, acs, macs, _ = (float(value) for value in layer.__syops__)
            lines[name] = {"ac": acs, "mac": macs}
    counted.stop_syops_count()
    return lines


def main():
    folder, result = sys.argv[1], {}
    for name, (prefix, dt, at) in NETS.items():
        golden = np.load(f"{folder}/{name}.npz")
        graph = nir.read(f"{folder}/{name}.nir", type_check=False)
        net = Net(graph, dt, at).eval()
        frames = torch.tensor(golden["input"])
        net.reset()
        result[name] = {"neurobench": neurobench_counts(net, frames, golden, prefix),
                        "syops": syops_counts(net, frames, golden, prefix)}
    with open("counts.json", "w") as file:
        json.dump(result, file, indent=1)
        file.write("\n")


main()
