#!/usr/bin/env python3
"""from_torch, and a recording's reports through the package: spikes are those of PyTorch, every one.

Needs the package as it lies in the build folder and torch; exit code 77 where one is missing. Neurons have the names and the
equations of SpikingJelly's, which need not be there."""
import sys

try:
    import numpy as np
    import torch
    from torch import nn

    import spikeloom as sl
except ImportError as error:
    print("SKIP:", error)
    sys.exit(77)


class BaseNode(nn.Module):
    step_mode = "s"

    def __init__(self, tau=2.0, v_threshold=1.0, v_reset=0.0):
        super().__init__()
        self.v, self.tau, self.v_threshold, self.v_reset, self.decay_input = None, tau, v_threshold, v_reset, True

    def reset(self):
        self.v = None

    def forward(self, x):
        v = torch.zeros_like(x) if self.v is None else self.v
        h = self.charge(v, x)
        z = (h >= self.v_threshold).to(x)
        self.v = h - z * self.v_threshold if self.v_reset is None else h * (1 - z) + self.v_reset * z
        return z


class IFNode(BaseNode):
    def charge(self, v, x):
        return v + x


class LIFNode(BaseNode):
    def charge(self, v, x):
        return v + (x - v) / self.tau


for node in (BaseNode, IFNode, LIFNode):
    node.__module__ = "spikingjelly.activation_based.neuron"


def weights_of_eighths(net):
    """Sums in any order are the same."""
    for parameter in net.parameters():
        parameter.data = (parameter.data * 8).round() / 8
    return net


def conv_net():
    return weights_of_eighths(nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), LIFNode(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3, stride=2), IFNode(v_reset=None),
        nn.AvgPool2d(1), nn.Flatten(), nn.Linear(6, 5), IFNode(v_threshold=.5)))


def images():
    x = (torch.rand(3, 1, 8, 8) * 24).round() / 8
    net = sl.from_torch(conv_net(), x, steps=4)
    result = net.run(x.numpy())
    assert result.spikes["1"].shape == (3, 4, 4, 8, 8)


def frames():
    x = (torch.rand(5, 2, 1, 8, 8) < .5).float()
    model = conv_net()
    net = sl.from_torch(model, x, each_step=True)
    assert net.config["dataset"]["events"] is True
    more = (torch.rand(5, 3, 1, 8, 8) < .5).float()
    recording = sl.record(model, more, each_step=True)
    result = net.run(np.ascontiguousarray(np.moveaxis(more.numpy(), 0, 1)))
    counted = recording.count()
    assert counted.counts["totals"] == result.counts["totals"]
    assert counted.signature and "nothing was run here" in counted.verdict
    assert "trace.h5" in counted.files and counted.spikes["1"].numpy().sum() == result.spikes["1"].numpy().sum()


class Shortcut(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.lif = nn.Conv2d(1, 4, 3, padding=1), LIFNode()
        self.b, self.bn = nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.lif2, self.fc = LIFNode(), nn.Linear(4 * 36, 3)

    def forward(self, x):
        x = self.a(x)
        return self.fc(self.lif2(self.bn(self.b(self.lif(x))) + x).flatten(1))


def a_shortcut():
    sl.from_torch(Shortcut(), torch.rand(2, 1, 6, 6) * 3, steps=3)


def refusals():
    class Cell(IFNode):
        def charge(self, v, x):
            return v + x * x

    for net, name in ((nn.Sequential(nn.Linear(4, 3), Cell()), "1 (Cell)"),
                      (nn.Sequential(nn.Linear(4, 3), nn.Softmax(1), LIFNode()), "softmax")):
        try:
            sl.from_torch(net, torch.rand(2, 4), neurons=[Cell] if name.startswith("1") else None, steps=2)
        except sl.NotConvertible as error:
            assert name in str(error), error
        else:
            raise AssertionError("no error")
    wrong = conv_net()
    wrong[1].v_threshold = torch.tensor([.7] * 8)  # an array: no number
    try:
        sl.from_torch(wrong, torch.rand(2, 1, 8, 8), steps=2)
    except sl.NotConvertible as error:
        assert "1 (LIFNode)" in str(error), error
    else:
        raise AssertionError("no error")


def a_difference_is_told():
    class LIFNode(BaseNode):  # another equation under the name
        def charge(self, v, x):
            return v * 0.25 + x

    LIFNode.__module__ = "spikingjelly.activation_based.neuron"
    try:
        sl.from_torch(nn.Sequential(nn.Linear(6, 5), LIFNode(v_threshold=.1)), torch.rand(4, 6), steps=5)
    except sl.NotConvertible as error:
        assert "spikes differ" in str(error) and "the first: sample" in str(error), error
    else:
        raise AssertionError("no error")


def counting_files():
    for wrong in ({}, {"network": "a.json"}, {"trace": "a.h5", "network": "b", "spikes": "c"}):
        try:
            sl.count(**wrong)
        except sl.UsageError:
            continue
        raise AssertionError("no error")
    try:
        sl.count("nowhere.h5")
    except sl.DataError:
        return
    raise AssertionError("no error")


for test in (images, frames, a_shortcut, refusals, a_difference_is_told, counting_files):
    torch.manual_seed(4)
    test()
    print("ok  ", test.__name__)
