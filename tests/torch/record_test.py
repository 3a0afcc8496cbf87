#!/usr/bin/env python3
"""What `record` says of networks, held against sums made by PyTorch itself: forward hooks on every layer, matrices of
ones in place of the weights.

usage: record_test.py PROGRAM SOURCE_DIR [NAME-PART...]. Hand-written networks need torch alone; those of SpikingJelly,
snnTorch, Norse and Sinabs are skipped, by name, where the package is missing.
"""
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import types
import warnings

warnings.filterwarnings("ignore")
try:
    import torch
    import torch.nn.functional as F
    from torch import nn
except ImportError:
    print("SKIP: no torch")
    sys.exit(77)

PROGRAM, SOURCE = os.path.abspath(sys.argv[1]), sys.argv[2]
sys.path.insert(0, os.path.join(SOURCE, "python"))
try:
    from spikeloom.torch import record
except ImportError:  # the package is not built: its part for PyTorch stands alone
    package = types.ModuleType("spikeloom")
    package.__path__ = [os.path.join(SOURCE, "python", "spikeloom")]
    sys.modules["spikeloom"] = package
    from spikeloom.torch import record
from spikeloom._errors import DataError, UsageError  # noqa: E402


class IF(nn.Module):
    """One step a call."""

    def __init__(self, threshold=1.0):
        super().__init__()
        self.v, self.threshold = None, threshold

    def reset(self):
        self.v = None

    def forward(self, x):
        self.v = x if self.v is None else self.v + x
        z = (self.v >= self.threshold).float()
        self.v = self.v * (1 - z)
        return z


class Steps(IF):
    """[steps, samples, ...]."""
    step_mode = "m"

    def forward(self, x):
        return torch.stack([IF.forward(self, frame) for frame in x])


class Levels(IF):
    """Several spikes a step."""

    def forward(self, x):
        self.v = x if self.v is None else self.v + x
        z = self.v.clamp(min=0).floor()
        self.v = self.v - z
        return z


def is_binary(x):
    return bool(((x == 0) | (x == 1)).all())


class Sums:
    """Additions and products of every layer, by hooks."""

    def __init__(self, model):
        self.adds, self.macs, self.handles = {}, {}, []
        for path, module in model.named_modules():
            if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Linear)):
                self.handles.append(module.register_forward_hook(
                    lambda m, x, y, p=path: self.layer(p, m, x[0].detach(), y.detach())))

    def layer(self, path, module, x, y):
        macs = y.numel() * module.weight[0].numel()
        if isinstance(module, nn.Conv2d) and x.dim() == 5:  # steps along an axis
            x = x.flatten(0, 1)
        if isinstance(module, nn.Linear):
            reach = F.linear(x, torch.ones_like(module.weight))
        else:
            function = F.conv2d if isinstance(module, nn.Conv2d) else F.conv1d
            reach = function(x, torch.ones_like(module.weight), None, module.stride, module.padding, module.dilation,
                             module.groups)
        whole = bool((x == x.round()).all())
        self.macs[path] = self.macs.get(path, 0) + macs
        entry = self.adds.setdefault(path, [0, True])
        entry[0] += int(reach.double().sum().item())
        entry[1] = entry[1] and whole

    def close(self):
        for handle in self.handles:
            handle.remove()


def count(recording, folder):
    files = [str(f) for f in recording.save(folder)]
    words = files if files[0].endswith(".h5") else ["--network", files[0], "--spikes", files[1]]
    done = subprocess.run([PROGRAM, "count", *words, "--out", folder, "-q"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with open(os.path.join(folder, "report.json"), encoding="utf-8") as file:
        return json.load(file)


def run_plain(model, loader, steps, each_step, reset):
    for batch in loader:
        x = batch[0] if isinstance(batch, (tuple, list)) else batch
        for module in model.modules():
            if module is not model and callable(getattr(module, "reset", None)):
                module.reset()
        if reset is not None:
            reset()
        frames = list(x) if each_step else [x] * (steps or 1)
        with torch.no_grad():
            for frame in frames:
                model(frame)


def check(model, loader, neurons=None, steps=None, each_step=False, reset=None, events=None):
    model.eval()
    recording = record(model, loader, neurons, steps=steps, each_step=each_step, reset=reset, events=events)
    sums = Sums(model)
    run_plain(model, loader, steps, each_step, reset)
    sums.close()
    with tempfile.TemporaryDirectory() as folder:
        report = count(recording, folder)
    layers = {row["name"]: row for row in report["counts"]["as_written"]["layers"]}
    times = 1
    for path, macs in sums.macs.items():
        row = layers.get(path)
        assert row is not None, f"{path} is missing of {list(layers)}"
        # An image that is shown again and again is computed once and charged at every step.
        times = row["dense_macs"] // macs
        assert row["dense_macs"] == macs * times and times in (1, recording.steps), (path, row, macs)
        adds, whole = sums.adds[path]
        if row["operand"] != "real":
            assert row["event_adds"] == adds * times, (path, row["event_adds"], adds)
        else:
            assert row["real_macs"] == row["dense_macs"], path
    return recording, report, layers


def operands(layers):
    return {name: row["operand"] for name, row in layers.items()}


# --- networks ----------------------------------------------------------------------------------------------------------
def conv_net():
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), IF(), nn.MaxPool2d(2),
                         nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2), IF(.3), nn.Flatten(), nn.Linear(24, 5), IF(.2))


def hand_written_conv():
    x = torch.rand(3, 1, 8, 8) * 3
    recording, report, layers = check(conv_net(), [(x, torch.tensor([1, 0, 2])), (x[:1], torch.tensor([4]))], [IF],
                                      steps=4)
    assert operands(layers) == {"0": "real", "4": "spikes", "7": "spikes"}
    assert report["run"]["samples"] == 4 and report["run"]["steps"] == 4
    assert report["accuracy_counts"]["known"] and report["accuracy_counts"]["total"] == 4
    assert not any("no operator" in w for w in report["warnings"])
    assert recording.graph["outputs"][0]["node"] == "8"


def one_sample_first():
    """A batch of one sample, then more."""
    x = torch.rand(5, 1, 8, 8) * 3
    check(conv_net(), [x[:1], x], [IF], steps=3)


def frames_of_events():
    x = (torch.rand(6, 2, 1, 8, 8) < .3).float()
    recording, _, layers = check(conv_net(), [x], ["IF"], each_step=True)
    assert operands(layers)["0"] == "spikes"
    assert any("0 and 1" in note for note in recording.notes)
    _, _, layers = check(conv_net(), [x], ["IF"], each_step=True, events=False)
    assert operands(layers)["0"] == "real"


class Residual(nn.Module):
    """Spikes added to spikes: levels; steps along an axis; a branch that is read twice."""

    def __init__(self):
        super().__init__()
        self.stem, self.lif = nn.Conv2d(2, 4, 3, padding=1), Steps(.4)
        self.conv, self.lif2, self.next = nn.Conv2d(4, 4, 3, padding=1), Steps(.2), nn.Conv2d(4, 3, 1)
        self.lif3, self.head = Steps(.3), nn.Linear(3, 4)

    def forward(self, x):
        x = x.unsqueeze(0).repeat(4, 1, 1, 1, 1)
        t, n = x.shape[:2]
        x = self.lif(self.stem(x.flatten(0, 1)).reshape(t, n, 4, 6, 6))
        y = self.lif2(self.conv(x.flatten(0, 1)).view(t, n, 4, 6, 6))
        y = self.lif3(self.next((x + y).flatten(0, 1)).unflatten(0, (t, n)))
        return self.head(y.mean((-1, -2))).mean(0)


def residual_of_spikes():
    recording, report, layers = check(Residual(), [torch.rand(2, 2, 6, 6) * 2], [Steps])
    assert operands(layers) == {"stem": "real", "conv": "spikes", "next": "levels", "head": "real"}
    assert layers["stem"]["dense_macs_once"] * 4 == layers["stem"]["dense_macs"]
    assert report["run"]["steps"] == 4


class Attention(nn.Module):
    """Q K^T V by hand, tokens behind a patch embedding."""

    def __init__(self, first="qk"):
        super().__init__()
        self.first, self.embed = first, nn.Conv2d(1, 8, 2, 2)
        self.lif = Steps(.2)
        self.q, self.k, self.v = (nn.Linear(8, 8) for _ in range(3))
        self.q_lif, self.k_lif, self.v_lif, self.a_lif = (Steps(.1) for _ in range(4))
        self.proj = nn.Conv1d(8, 8, 1)

    def forward(self, x):
        x = self.embed(x).flatten(2).transpose(1, 2)
        x = self.lif(x.unsqueeze(0).expand(3, -1, -1, -1))
        t, n, tokens, c = x.shape

        def heads(y):
            return y.reshape(t, n, tokens, 2, c // 2).permute(0, 1, 3, 2, 4).contiguous()

        q, k, v = (heads(lif(layer(x))) for layer, lif in ((self.q, self.q_lif), (self.k, self.k_lif),
                                                           (self.v, self.v_lif)))
        self.seen = q, k, v
        if self.first == "qk":
            y = (q @ k.transpose(-2, -1) @ v) * 0.25
        else:
            y = torch.matmul(q, k.transpose(-2, -1) @ v) * 0.25
        y = self.a_lif(y.transpose(2, 3).reshape(t, n, tokens, c))
        return self.proj(y.transpose(-1, -2).flatten(0, 1)).reshape(t, n, c, tokens).mean(0)


def attention_as_it_is_written():
    model = Attention()
    _, report, layers = check(model, [torch.rand(2, 1, 6, 6)], [Steps])
    q, k, v = model.seen
    assert set(operands(layers).values()) == {"real", "spikes"} and operands(layers)["proj"] == "spikes"
    products = [row for name, row in layers.items() if "matmul" in name]
    assert [row["event_adds"] for row in products] == [int(q.sum()) * 9, int(v.sum()) * 9]
    assert all(row["dense_macs"] == 2 * 3 * 2 * 9 * 9 * 4 for row in products)
    assert sum("no operator here" in w for w in report["warnings"]) == 2


def attention_keys_first():
    model = Attention("kv")
    _, report, _ = check(model, [torch.rand(2, 1, 6, 6)], [Steps])
    q, k, v = model.seen
    attention, = report["counts"]["as_written"]["attention"]
    assert attention["kv_k_gated_adds"] == int(k.sum()) * 4 and attention["qkv_q_gated_adds"] == int(q.sum()) * 4
    both = (k.sum(-1) * v.sum(-1)).sum()
    assert attention["kv_coincidences"] == int(both)
    assert not any("no operator here" in w for w in report["warnings"])


class Recurrent(nn.Module):
    """A loop over frames; spikes of the step before come back."""

    def __init__(self):
        super().__init__()
        self.fc, self.back, self.lif, self.out, self.lif2 = nn.Linear(6, 9), nn.Linear(9, 9), IF(.5), nn.Linear(9, 3), IF(.3)

    def forward(self, x):
        spikes, total = torch.zeros(x.shape[1], 9), 0
        for t in range(x.shape[0]):
            spikes = self.lif(self.fc(x[t]) + self.back(spikes))
            total = total + self.lif2(self.out(spikes))
        return total


def recurrent_loop():
    recording, _, layers = check(Recurrent(), [(torch.rand(7, 3, 6) < .4).float()], [IF])
    assert set(operands(layers).values()) == {"spikes"} and recording.steps == 7


def several_spikes_a_step():
    model = nn.Sequential(nn.Linear(6, 9), Levels(), nn.Linear(9, 3), Levels())
    recording, _, layers = check(model, [torch.rand(4, 6) * 6], {Levels: "step"}, steps=5)
    assert operands(layers)["2"] == "levels"
    assert recording.spikes("1").max() > 1


class Odd(nn.Module):
    """Functions without an operator, a neuron nobody declared, a volume, products by a constant."""

    def __init__(self):
        super().__init__()
        self.fc, self.lif, self.conv = nn.Linear(8, 8), IF(.3), nn.Conv3d(1, 2, 3, padding=1)
        self.table = nn.Parameter(torch.rand(8, 8))
        self.head = nn.Linear(16, 3)

    def forward(self, x):
        z = self.lif(self.fc(x))
        y = torch.einsum("nc,cd->nd", z, self.table)
        y = (y > 1).float() @ self.table
        y = self.conv(torch.cumsum(y, 1).reshape(-1, 1, 2, 2, 2)).flatten(1)
        return self.head(y)


def nothing_is_dropped():
    model = Odd()
    recording, report, layers = check(model, [torch.rand(4, 8)], [IF], steps=3)
    rows = {name: row for name, row in layers.items() if row["op"].startswith("recorded")}
    assert {row["op"] for row in rows.values()} == {"recorded: einsum", "recorded: matmul", "recorded: conv3d"}
    assert rows["conv.conv3d"]["dense_macs"] == 4 * 3 * 2 * 8 * 27 and rows["conv.conv3d"]["real_macs"] > 0
    z = recording.spikes("lif")
    assert rows["network.einsum"]["event_adds"] == int(z.sum()) * 8
    assert any("gt" in note for note in recording.notes)
    assert any("cumsum" in w for w in report["warnings"])


class Whole(nn.Module):
    """Functions that hide their layers, and parts of tensors."""

    def __init__(self):
        super().__init__()
        self.fc, self.lif, self.out = nn.Linear(8, 8), IF(.1), nn.Linear(6, 3)
        self.mha, self.lstm = nn.MultiheadAttention(8, 2, batch_first=True), nn.LSTM(8, 6, batch_first=True)

    def forward(self, x):
        z = self.lif(self.fc(x))
        y, _ = self.mha(z, z, z)
        y, _ = self.lstm(y)
        a, b = self.out(y).split([1, 2], -1)
        return torch.cat([a, b], -1)


def hidden_products_are_measured():
    _, report, layers = check(Whole(), [torch.rand(2, 5, 8)], [IF], steps=3)
    hidden = {name: row for name, row in layers.items() if row["op"].startswith("recorded")}
    each = 5 * 8 * 24 + 2 * 2 * 5 * 5 * 4 + 5 * 64, 5 * (8 + 6) * 24
    assert sorted(row["real_macs"] for row in hidden.values()) == sorted(2 * 3 * n for n in each)
    assert sum("all taken as MACs" in w for w in report["warnings"]) == 2


def another_way_is_refused():
    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.lif = nn.Linear(4, 4), IF()

        def forward(self, x):
            x = self.lif(self.fc(x))
            return x * 2 if x.shape[0] > 3 else self.fc(x)

    refused(DataError, "took another way", Branches(), [torch.rand(2, 4), torch.rand(5, 4)], [IF], steps=2)


def refused(kind, words, *arguments, **settings):
    try:
        record(*arguments, **settings)
    except kind as error:
        assert words in str(error), error
    else:
        raise AssertionError("no error: " + words)


def a_network_that_remembers_is_told():
    """Neurons that nobody named keep what the pass that found the graph left: two samples in place of one."""
    refused(DataError, "name its neurons", conv_net(), [torch.rand(1, 1, 8, 8)], steps=2)


def wrong_arguments_are_told():
    net, x = conv_net(), torch.rand(2, 1, 8, 8)
    for words, arguments, settings in [
            ("no module of the network is 'LIF'", (nn.Linear(3, 3), torch.rand(2, 3), ["LIF"]), {}),
            ("expected classes, names or modules, got 3", (net, x, 3), {}),
            ("is none of step", (net, x, {IF: "sideways"}), {}),
            ("steps: expected a number of at least 1, got 0", (net, x, [IF]), {"steps": 0}),
            ("steps: expected a number of at least 1, got 'four'", (net, x, [IF]), {"steps": "four"}),
            ("limit: expected a number", (net, x, [IF]), {"steps": 2, "limit": -1}),
            ("loader: it gave no samples", (net, [], [IF]), {"steps": 2}),
            ("loader: expected batches, got int", (net, 3, [IF]), {"steps": 2}),
            ("loader: expected tensors or (inputs, labels), got str", (net, ["x"], [IF]), {"steps": 2}),
            ("model: expected a torch.nn.Module, got int", (3, x), {})]:
        refused(UsageError, words, *arguments, **settings)


def model_is_left_as_it_was():
    model = conv_net()
    model.train()
    model[0].eval()  # one that is frozen
    forward = [m.forward for m in model.modules()]
    x = torch.rand(2, 1, 8, 8)
    record(model, x, [IF], steps=2)
    assert model.training and not model[0].training and all(m.v is None for m in model.modules() if isinstance(m, IF))
    assert [m.forward for m in model.modules()] == forward
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def without_h5py():
    held = sys.modules.get("h5py")
    sys.modules["h5py"] = None
    try:
        check(conv_net(), [torch.rand(2, 1, 8, 8)], [IF], steps=2)
    finally:
        sys.modules.pop("h5py")
        if held is not None:
            sys.modules["h5py"] = held


def lines_of_the_docs():
    """docs/record.md: the code runs and prints what stands behind it."""
    with open(os.path.join(SOURCE, "docs", "record.md"), encoding="utf-8") as file:
        text = file.read()
    code = text.split("```python\n")[1].split("```")[0]
    shown = text.split("```\n")[2].split("```")[0]
    with tempfile.TemporaryDirectory() as folder:
        here = os.getcwd()
        os.chdir(folder)
        try:
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                exec(code, {})  # a text of this project
        finally:
            os.chdir(here)
        assert printed.getvalue() == shown, (printed.getvalue(), shown)
        assert os.listdir(os.path.join(folder, "recorded"))


# --- networks of packages ----------------------------------------------------------------------------------------------
def recorded_once(name):
    """A network of which tests/golden/torch has a recording."""
    sys.path.insert(0, os.path.join(SOURCE, "tests", "golden", "torch"))
    import make
    return getattr(make, name)()


def spikingjelly_conv():
    from spikingjelly.activation_based import functional, layer, neuron
    net = nn.Sequential(layer.Conv2d(1, 8, 3, padding=1, bias=False), layer.BatchNorm2d(8), neuron.IFNode(),
                        layer.MaxPool2d(2, 2), layer.Conv2d(8, 8, 3, padding=1), layer.BatchNorm2d(8),
                        neuron.LIFNode(v_threshold=.2), layer.AvgPool2d(2, 2), layer.Flatten(), layer.Linear(128, 10),
                        neuron.ParametricLIFNode(v_threshold=.05))
    functional.set_step_mode(net, "m")

    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x):
            return self.net(x.unsqueeze(0).repeat(4, 1, 1, 1, 1)).mean(0)

    _, report, layers = check(Whole(), [torch.rand(3, 1, 16, 16) * 3], reset=lambda: functional.reset_net(net))
    assert operands(layers) == {"net.0": "real", "net.4": "spikes", "net.9": "real"}
    assert not any("no operator" in w for w in report["warnings"])


def snntorch_recurrent():
    net, x = recorded_once("snntorch_recurrent")
    recording, report, layers = check(net, [x])
    assert operands(layers) == {"fc": "spikes", "lif.recurrent": "spikes", "out": "spikes"}
    assert recording.steps == 6 and not any("no operator" in w for w in report["warnings"])


def norse_cells():
    import norse.torch as norse
    net = norse.SequentialState(nn.Conv2d(1, 4, 3), norse.LIFBoxCell(), nn.Flatten(), nn.Linear(144, 5), norse.LIFCell())
    _, _, layers = check(net, [torch.rand(2, 1, 8, 8) * 40], steps=5)
    assert set(operands(layers)) == {"0", "3"}


def sinabs_squeezed():
    net, x = recorded_once("sinabs_squeezed")
    recording, report, layers = check(net, [x])
    assert operands(layers)["0"] == "spikes" and recording.steps == 5 and report["run"]["samples"] == 2


TESTS = [hand_written_conv, one_sample_first, frames_of_events, residual_of_spikes, attention_as_it_is_written,
         attention_keys_first, recurrent_loop, several_spikes_a_step, nothing_is_dropped, hidden_products_are_measured,
         another_way_is_refused, wrong_arguments_are_told, a_network_that_remembers_is_told,
         model_is_left_as_it_was, without_h5py, lines_of_the_docs, spikingjelly_conv, snntorch_recurrent, norse_cells, sinabs_squeezed]


def main():
    parts, failed = sys.argv[3:], 0
    for test in TESTS:
        if parts and not any(part in test.__name__ for part in parts):
            continue
        torch.manual_seed(3)
        try:
            test()
            print("ok  ", test.__name__)
        except ImportError as error:
            print("SKIP", test.__name__, error)
        except Exception:  # noqa: BLE001
            import traceback
            failed += 1
            print("FAIL", test.__name__)
            traceback.print_exc()
    sys.exit(1 if failed else 0)


main()
