#!/usr/bin/env python3
"""make.py OUT [AUTHORS_MODELS_PY]: records networks of packages, and of the authors of Meta-SpikeFormer
(classification/models.py of github.com/BICLab/Spike-Driven-Transformer-V2; its neuron is the equation of SpikingJelly
0.0.0.0.12, given here, its weights are those of tests/golden/meta_spikeformer), as traces; expected.json: what PyTorch
says the layers of the others add and multiply, from hooks, with ones in place of the weights.

pip install torch==2.15 spikingjelly==2.0.0 snntorch==1.0.0 sinabs==3.1.3 h5py"""
import json
import os
import sys
import types

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))
package = types.ModuleType("spikeloom")
package.__path__ = [os.path.join(HERE, "..", "..", "..", "python", "spikeloom")]
sys.modules.setdefault("spikeloom", package)
from spikeloom.torch import record  # noqa: E402


def spikingjelly_conv():
    from spikingjelly.activation_based import functional, layer, neuron
    net = nn.Sequential(layer.Conv2d(1, 4, 3, padding=1, bias=False), layer.BatchNorm2d(4), neuron.IFNode(),
                        layer.MaxPool2d(2, 2), layer.Conv2d(4, 6, 3, padding=1), layer.BatchNorm2d(6),
                        neuron.LIFNode(v_threshold=.1), layer.Flatten(), layer.Linear(96, 5),
                        neuron.ParametricLIFNode(v_threshold=.05))
    functional.set_step_mode(net, "m")

    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x):
            functional.reset_net(self.net)
            return self.net(x.unsqueeze(0).repeat(4, 1, 1, 1, 1)).mean(0)

    return Whole(), torch.rand(3, 1, 8, 8) * 3


def snntorch_recurrent():
    import snntorch

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.lif = nn.Linear(10, 20), snntorch.RLeaky(beta=.9, linear_features=20)
            self.out, self.lif2 = nn.Linear(20, 4), snntorch.Synaptic(alpha=.8, beta=.9)

        def forward(self, x):
            spikes, mem = self.lif.init_rleaky()
            syn, mem2 = self.lif2.init_synaptic()
            outs = []
            for t in range(x.shape[0]):
                spikes, mem = self.lif(self.fc(x[t]), spikes, mem)
                out, syn, mem2 = self.lif2(self.out(spikes), syn, mem2)
                outs.append(out)
            return torch.stack(outs).sum(0)

    return Net(), (torch.rand(6, 3, 10) < .5).float()


def sinabs_squeezed():
    import sinabs.layers as sinabs

    class Net(nn.Sequential):
        def forward(self, x):
            for module in self:
                if hasattr(module, "reset_states"):
                    module.reset_states()
            return super().forward(x)

    net = Net(nn.Conv2d(2, 4, 3, bias=False), sinabs.IAFSqueeze(batch_size=2), nn.AvgPool2d(2),
              nn.Conv2d(4, 6, 3, bias=False), sinabs.IAFSqueeze(batch_size=2), nn.Flatten(), nn.Linear(6, 5, bias=False),
              sinabs.IAFSqueeze(batch_size=2))
    for module in (net[0], net[3], net[6]):
        module.weight.data *= 4
    return net, (torch.rand(10, 2, 8, 8) < .4).float()


def sums_of(net, x):
    """By layer: whether it reads whole numbers, its additions where it does, its products."""
    sums = {}

    def hook(path, module, inputs, out):
        inputs = inputs[0].detach()
        if isinstance(module, nn.Linear):
            reach = F.linear(inputs, torch.ones_like(module.weight))
        else:
            inputs = inputs.flatten(0, 1) if inputs.dim() == 5 else inputs
            reach = F.conv2d(inputs, torch.ones_like(module.weight), None, module.stride, module.padding)
        entry = sums.setdefault(path, {"whole": True, "adds": 0, "macs": 0})
        entry["whole"] &= bool((inputs == inputs.round()).all())
        entry["adds"] += int(reach.double().sum())
        entry["macs"] += out.numel() * module.weight[0].numel()

    for path, module in net.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.register_forward_hook(lambda m, i, o, p=path: hook(p, m, i, o))
    with torch.no_grad():
        net(x)
    return sums


class LIF(nn.Module):
    """SpikingJelly 0.0.0.0.12, MultiStepLIFNode: h = v + (x - v) / tau, fires at h >= threshold, v = 0 behind a spike."""

    def __init__(self, tau=2.0, v_threshold=1.0, detach_reset=True, backend="torch"):
        super().__init__()
        self.tau, self.v_threshold, self.v_reset, self.decay_input = tau, v_threshold, 0.0, True

    def forward(self, x):
        v, out = torch.zeros_like(x[0]), []
        for frame in x:
            h = v + (frame - v) / self.tau
            z = (h >= self.v_threshold).to(h)
            v = h * (1 - z)
            out.append(z)
        return torch.stack(out)


class BaseNode(nn.Module):
    pass


def authors_network(path):
    def module(name, **members):
        made = types.ModuleType(name)
        made.__dict__.update(members)
        sys.modules[name] = made
        if "." in name:
            parent, child = name.rsplit(".", 1)
            setattr(sys.modules.get(parent) or module(parent), child, made)
        return made

    MultiStepLIFNode = type("MultiStepLIFNode", (LIF, BaseNode), {"__module__": "spikingjelly.clock_driven.neuron"})
    BaseNode.__module__ = "spikingjelly.clock_driven.neuron"
    for name in [n for n in sys.modules if n.split(".")[0] == "spikingjelly"]:
        del sys.modules[name]
    module("spikingjelly.clock_driven.neuron", MultiStepLIFNode=MultiStepLIFNode,
           MultiStepParametricLIFNode=MultiStepLIFNode)
    module("spikingjelly.clock_driven.layer")
    module("torchinfo")
    module("timm.models.layers", to_2tuple=lambda x: (x, x), trunc_normal_=nn.init.trunc_normal_, DropPath=nn.Identity)
    module("timm.models.registry", register_model=lambda f: f)
    module("timm.models.vision_transformer", _cfg=lambda **k: {})
    module("einops.layers.torch", Rearrange=None)
    authors = types.ModuleType("authors")
    with open(path, encoding="utf-8") as file:
        exec(file.read().split("from timm.models import create_model")[0], authors.__dict__)  # the program to record
    golden = os.path.join(HERE, "..", "meta_spikeformer")
    net = authors.Spiking_vit_MetaFormer(embed_dim=[16, 32, 64, 80], num_heads=8, mlp_ratios=4, in_channels=3,
                                         num_classes=10, depths=8, sr_ratios=1)
    net.T = 4
    weights = np.load(os.path.join(golden, "weights.npz"))
    net.load_state_dict({k: torch.from_numpy(weights[k]) for k in weights.files})
    return net, torch.from_numpy(np.load(os.path.join(golden, "input.npy")))


def main():
    out = sys.argv[1]
    expected = {}
    for make in (spikingjelly_conv, snntorch_recurrent, sinabs_squeezed):
        torch.manual_seed(3)
        net, x = make()
        net.eval()
        file, = record(net, [x]).save(os.path.join(out, "part"))
        os.replace(file, os.path.join(out, make.__name__ + ".h5"))
        expected[make.__name__] = sums_of(net, x)
    with open(os.path.join(out, "expected.json"), "w", encoding="utf-8") as file:
        json.dump(expected, file, indent=1)
        file.write("\n")
    if len(sys.argv) > 2:
        net, x = authors_network(sys.argv[2])
        file, = record(net, [x]).save(os.path.join(out, "part"))
        os.replace(file, os.path.join(out, "meta_spikeformer.h5"))
    os.rmdir(os.path.join(out, "part"))


if __name__ == "__main__":
    main()
