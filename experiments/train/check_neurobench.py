"""NeuroBench's rules applied literally in PyTorch, against what the program counted.

usage: check_neurobench.py WEIGHTS.safetensors IMAGES LABELS REPORT.json
REPORT.json comes from `spikeloom run` on the same images, as_written, with report.neurobench =
true. A call is one image at one step; inputs and weights become 0 and 1, biases 0, and the layer
itself is run. Images are processed one by one.
"""
import argparse
import json

import torch
from torch import nn

from data import load, normalise
from evaluate import load_model
from model import LIF

WEIGHTED = (nn.Conv1d, nn.Conv2d, nn.Linear)


def ones(a):
    return (a != 0).double()


def run(module, x, weight):
    """The layer with other weights and no bias; its input has steps first."""
    if isinstance(module, nn.Linear):
        return nn.functional.linear(x, weight)
    f = nn.functional.conv1d if isinstance(module, nn.Conv1d) else nn.functional.conv2d
    return f(x, weight, None, module.stride, module.padding, module.dilation, module.groups)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("weights")
    p.add_argument("images")
    p.add_argument("labels")
    p.add_argument("report")
    args = p.parse_args()
    report = json.load(open(args.report))
    samples = report["run"]["samples"]
    model = load_model(args.weights)
    total = {"Effective_MACs": 0.0, "Effective_ACs": 0.0, "Dense": 0.0}
    neurons = [0, 0, 0]  # spikes, outputs, membrane updates

    def count_layer(m, inputs, _):
        x = inputs[0].double()  # steps (of one image) first
        if len(x) == 1:  # our model convolves the static image once, the authors' at every step
            x = x.expand(model.T, *x.shape[1:])
        binary = ((x == 0) | (x.abs() == 1)).flatten(1).all(1)
        effective = run(m, ones(x), ones(m.weight)).flatten(1).sum(1)
        total["Effective_ACs"] += effective[binary].sum().item()
        total["Effective_MACs"] += effective[~binary].sum().item()
        total["Dense"] += run(m, torch.ones_like(x), torch.ones_like(m.weight).double()).sum().item()

    def count_neurons(m, inputs, out):
        x, v = inputs[0], torch.zeros_like(inputs[0][0])
        for t in range(len(x)):
            before = v
            h = v + (x[t] - v) * 0.5
            v = torch.where(out[t] > 0, torch.zeros_like(h), h)
            neurons[2] += v.numel() if t == 0 else (v != before).sum().item()
        neurons[0] += int(out.sum().item())
        neurons[1] += out.numel()

    for m in model.modules():
        if isinstance(m, WEIGHTED):
            m.register_forward_hook(count_layer)
        if isinstance(m, LIF):
            m.register_forward_hook(count_neurons)
    images, _ = load(args.images, args.labels)
    with torch.no_grad():
        for image in images[:samples]:
            model(normalise(image[None]))

    bytes_ = sum(a.numel() * a.element_size() for a in [*model.parameters(), *model.buffers()])
    weights = [m.weight for m in model.modules() if isinstance(m, WEIGHTED)]
    zero = sum((w == 0).sum().item() for w in weights) / sum(w.numel() for w in weights)
    found = report["neurobench"]
    expected = {"Footprint": bytes_, "ParameterCount": sum(a.numel() for a in model.parameters()),
                "ConnectionSparsity": round(zero, 4), "ActivationSparsity": 1 - neurons[0] / neurons[1],
                "MembraneUpdates": neurons[2] / samples, **{k: v / samples for k, v in total.items()}}
    found = {**found, **found["SynapticOperations"]}
    differ = 0
    for key, value in expected.items():
        same = abs(value - found[key]) <= 1e-12 * abs(value)
        differ += not same
        print(f"{key:20} {value:22.6f} {found[key]:22.6f} {'' if same else 'DIFFERS'}")
    raise SystemExit(1 if differ else 0)


if __name__ == "__main__":
    main()
