#!/usr/bin/env python3
"""make_maps.py FILE.npz: convolutions, pools and flattening as PyTorch computes them, on whole numbers, whose sums are
exact in any order. Inputs <case>.x [H, W, C], weights <case>.w as PyTorch stores them, results <case>.y [H, W, C] or [N].
Made with PyTorch 1.13.1; maps_test.cpp has the same list of cases."""
import sys

import numpy as np
import torch
import torch.nn.functional as F

CONVS = {  # kernel, stride, padding, dilation, groups
    "rectangular": ((3, 2), (2, 1), (1, 0), (1, 1), 1),
    "dilated": ((3, 3), (1, 2), (2, 1), (2, 1), 1),
    "grouped": ((2, 3), (1, 1), (0, 1), (1, 1), 3),
    "depthwise": ((3, 3), (2, 2), (1, 1), (1, 1), 6),
    "same_even": ((4, 2), (1, 1), "same", (1, 1), 1),
    "same_dilated": ((2, 3), (1, 1), "same", (3, 2), 2),
}
POOLS = {  # kernel, stride, padding
    "max": ((3, 2), (2, 1), (1, 1)),
    "average": ((3, 2), (2, 1), (1, 1)),
    "average_plain": ((2, 2), (2, 2), (0, 0)),
    "sum": ((2, 3), (1, 2), (1, 0)),
}


def last(tensor):
    return tensor[0].permute(1, 2, 0).contiguous().numpy()


def main():
    torch.manual_seed(7)
    arrays = {}

    def whole(*shape):
        return torch.randint(-4, 5, shape).float()

    for name, (kernel, stride, padding, dilation, groups) in CONVS.items():
        x, w = whole(1, 6, 9, 7), whole(12, 6 // groups, *kernel)
        y = F.conv2d(x, w, None, stride, padding, dilation, groups)
        arrays.update({f"{name}.x": last(x), f"{name}.w": w.numpy(), f"{name}.y": last(y)})
    for name, (kernel, stride, padding) in POOLS.items():
        x = whole(1, 5, 9, 7)
        if name == "max":
            y = F.max_pool2d(x, kernel, stride, padding)
        elif name == "sum":
            y = F.avg_pool2d(x, kernel, stride, padding, divisor_override=1)
        else:
            y = F.avg_pool2d(x, kernel, stride, padding)
        arrays.update({f"{name}.x": last(x), f"{name}.y": last(y)})
    x = whole(1, 5, 3, 4)
    arrays.update({"flatten.x": last(x), "flatten.y": torch.flatten(x, 1)[0].numpy()})
    np.savez(sys.argv[1], **arrays)


if __name__ == "__main__":
    main()
