#!/usr/bin/env python3
"""What the authors' MS-ResNet18 fires, with narrow layers and random weights: weights.npz, expected.npz.

usage: generate.py MS_ResNet.py (models/MS_ResNet.py of GitHub Ariande1/MS-ResNet, commit 7c5f006; needs PyTorch)

Their program is run as it is, on the CPU, but for the widths 64 to 512, which are divided by 16.
"""
import os
import re
import sys

import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        program = re.sub(r"\b(64|128|256|512)\b", lambda width: str(int(width[0]) // 16), file.read())
    authors = {}
    exec(compile(program, sys.argv[1], "exec"), authors)
    torch.manual_seed(14)
    net = authors["ResNet_origin_18"](authors["BasicBlock_18"], [2, 2, 2, 2], num_classes=10).eval()
    for name, values in net.state_dict().items():
        if name.endswith("running_var"):
            values.uniform_(0.2, 0.6)
        elif name.endswith("running_mean"):
            values.normal_(0, 0.1)
        elif ".bn.weight" in name:
            values.uniform_(0.3, 0.8)
        elif ".bn.bias" in name:
            values.normal_(0.1, 0.2)
    spikes = {}

    def keep(name):
        return lambda module, inputs, output: spikes.update({name: output.detach().numpy()})

    for name, module in net.named_modules():
        if type(module).__name__ == "mem_update":
            module.register_forward_hook(keep(name))
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        logits = net(images)
    np.savez_compressed(os.path.join(HERE, "weights.npz"), **{k: v.numpy() for k, v in net.state_dict().items()})
    expected = {"input": images.numpy(), "logits": logits.numpy()}
    for name, fired in spikes.items():  # [T, B, C, H, W]
        print(name, fired.shape, "rate", fired.mean())
        expected["spikes/" + name] = np.packbits(fired.astype(np.uint8).reshape(-1))
        expected["shape/" + name] = np.array(fired.shape, np.int32)
    np.savez_compressed(os.path.join(HERE, "expected.npz"), **expected)


main()
