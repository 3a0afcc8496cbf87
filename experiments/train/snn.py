"""Spiking networks in the discretisation that NIR's `euler` form names, trainable, and their NIR files.

One step of LIF, S the summed input:         h = v + a (v_leak - v + r S),            a = dt / tau
of CubaLIF: i = i + a_syn (w_in S - i), then h = v + a_mem (v_leak - v + r i)
A neuron fires where h > v_threshold and is set to v_reset = 0 in the same step. A recurrent layer reads the spikes of
the step before. LI is a LIF that never fires: its output is h.

usage as a module only; train_events.py trains, and writes files with `write_nir`.
"""
import h5py
import numpy as np
import torch
from torch import nn

DT = 1e-3  # seconds a step: tau in a NIR file is in seconds


class Spike(torch.autograd.Function):
    """A step in the forward pass, the slope of a fast sigmoid (Zenke and Ganguli 2018) in the backward pass."""

    @staticmethod
    def forward(context, distance):
        context.save_for_backward(distance)
        return (distance > 0).float()

    @staticmethod
    def backward(context, gradient):
        (distance,) = context.saved_tensors
        return gradient / (1 + 5 * distance.abs()) ** 2


class Neuron(nn.Module):
    """`tau` (and `tau_syn`) in steps. The gain makes a step add S to v (LIF) or to i (CubaLIF): r = tau / dt."""

    def __init__(self, tau, tau_syn=None, fires=True, recurrent=0):
        super().__init__()
        self.tau, self.tau_syn, self.fires = float(tau), tau_syn and float(tau_syn), fires
        self.w_rec = nn.Linear(recurrent, recurrent, bias=False) if recurrent else None
        if recurrent:
            nn.init.orthogonal_(self.w_rec.weight, 0.2)

    def forward(self, current):
        """[T, N, ...] to spikes, or to membranes where it does not fire."""
        v = torch.zeros_like(current[0])
        i, z = v, v
        out = []
        for s in current:
            if self.w_rec is not None:
                s = s + self.w_rec(z)
            if self.tau_syn:
                i = i + 1 / self.tau_syn * (self.tau_syn * s - i)
                s = i
            h = v + 1 / self.tau * (self.tau * s - v)
            z = Spike.apply(h - 1) if self.fires else h
            v = torch.where(z > 0, torch.zeros_like(h), h) if self.fires else h
            out.append(z)
        return torch.stack(out)


class Steps(nn.Module):
    """A module without state on every step of [T, N, ...]."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x):
        return self.module(x.flatten(0, 1)).unflatten(0, x.shape[:2])


class FewBits(nn.Linear):
    """A Linear whose weights are whole multiples, -7 to 7, of one step: four bits, as ODIN stores."""

    def rounded(self):
        step = self.weight.abs().max() / 7
        return torch.round(self.weight / step) * step

    def forward(self, x):
        return nn.functional.linear(x, self.weight + (self.rounded() - self.weight).detach())


def nodes_of(module, shape):
    """[(name suffix, type, fields)] of one layer behind maps of `shape`, and the shape it makes."""
    vector = lambda x: np.full(shape, x, np.float32)  # noqa: E731
    if isinstance(module, Neuron):
        fields = {"r": vector(module.tau), "v_leak": vector(0)}
        kind = "CubaLI" if module.tau_syn else "LI"
        if module.tau_syn:
            fields |= {"tau_mem": vector(module.tau * DT), "tau_syn": vector(module.tau_syn * DT),
                       "w_in": vector(module.tau_syn)}
        else:
            fields["tau"] = vector(module.tau * DT)
        if module.fires:
            kind += "F"
            fields |= {"v_threshold": vector(1), "v_reset": vector(0)}
        return kind, fields, shape
    module = module.module
    if isinstance(module, nn.Conv2d):
        bias = np.zeros(module.out_channels, np.float32) if module.bias is None else module.bias.detach().numpy()
        fields = {"input_shape": np.array(shape[1:]), "weight": module.weight.detach().numpy(), "bias": bias,
                  "stride": np.array(module.stride), "padding": np.array(module.padding),
                  "dilation": np.array(module.dilation), "groups": module.groups}
        size = [(n + 2 * p - k) // s + 1
                for n, p, k, s in zip(shape[1:], module.padding, module.kernel_size, module.stride)]
        return "Conv2d", fields, (module.out_channels, *size)
    if isinstance(module, nn.AvgPool2d):
        k = module.kernel_size
        return "AvgPool2d", {"kernel_size": np.array([k, k]), "stride": np.array([k, k]),
                             "padding": np.array([0, 0])}, (shape[0], shape[1] // k, shape[2] // k)
    if isinstance(module, nn.Flatten):
        return "Flatten", {"start_dim": 0, "end_dim": -1, "input_type": np.array(shape)}, (int(np.prod(shape)),)
    weight = (module.rounded() if isinstance(module, FewBits) else module.weight).detach().numpy()
    if module.bias is None:
        return "Linear", {"weight": weight}, (module.out_features,)
    return "Affine", {"weight": weight, "bias": module.bias.detach().numpy()}, (module.out_features,)


def write_nir(path, network, shape, metadata):
    """The layers of an nn.Sequential of Steps and Neurons as a NIR 1.0 file, without the package nir."""
    text = h5py.string_dtype("utf-8")
    with h5py.File(path, "w") as file:
        file.create_dataset("version", data="1.0.8", dtype=text)
        graph = file.create_group("node")
        graph.create_dataset("type", data="NIRGraph", dtype=text)
        nodes, edges = graph.create_group("nodes"), []

        def put(name, kind, fields):
            group = nodes.create_group(name)
            group.create_dataset("type", data=kind, dtype=text)
            for key, value in fields.items():
                group.create_dataset(key, data=value)

        put("input", "Input", {"shape": np.array(shape)})
        last = "input"
        for index, module in enumerate(network):
            kind, fields, shape = nodes_of(module, shape)
            name = f"{index}_{kind.lower()}"
            put(name, kind, fields)
            edges.append((last, name))
            if isinstance(module, Neuron) and module.w_rec is not None:
                put(f"{name}_rec", "Linear", {"weight": module.w_rec.weight.detach().numpy()})
                edges += [(name, f"{name}_rec"), (f"{name}_rec", name)]
            last = name
        put("output", "Output", {"shape": np.array(shape)})
        edges.append((last, "output"))
        graph.create_dataset("edges", data=np.array(edges, object), dtype=text)
        notes = graph.create_group("metadata")
        for key, value in metadata.items():
            notes.create_dataset(key, data=value, dtype=text if isinstance(value, str) else None)
