"""MNIST IDX files, preprocessing and augmentation."""
import gzip
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

MEAN, STD = 0.1307, 0.3081
VALIDATION = 1000  # the last images of the training file


def read_idx(path):
    path = Path(path)
    if not path.exists():
        path = Path(str(path) + ".gz")
    raw = path.read_bytes()
    raw = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    assert raw[:3] == b"\0\0\x08", f"{path}: not an IDX file of bytes"
    shape = np.frombuffer(raw, ">u4", raw[3], 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape).copy()


def load(images, labels):
    """Zero-padded images [N, 1, 32, 32] in 0..1, and labels."""
    x = torch.from_numpy(read_idx(images)).float().div(255).unsqueeze(1)
    return F.pad(x, [2] * 4), torch.from_numpy(read_idx(labels)).long()


def normalise(x):
    return (x - MEAN) / STD


def augment(x, rotate=12, shift=2, scale=(0.9, 1.1), shear=8, elastic=0.06):
    """Random affine map and a smooth displacement, on images in 0..1."""
    b = x.shape[0]
    uniform = lambda lo, hi: torch.empty(b).uniform_(lo, hi)
    a, s = uniform(-1, 1) * math.radians(rotate), torch.tan(uniform(-1, 1) * math.radians(shear))
    zx, zy = uniform(*scale), uniform(*scale)
    cos, sin = torch.cos(a), torch.sin(a)
    theta = torch.stack([
        torch.stack([cos / zx, (s * cos - sin) / zx, uniform(-shift, shift) / 16], 1),
        torch.stack([sin / zy, (s * sin + cos) / zy, uniform(-shift, shift) / 16], 1)], 1)
    grid = F.affine_grid(theta, x.shape, align_corners=False)
    bend = F.interpolate(torch.randn(b, 2, 6, 6) * elastic, size=x.shape[2:], mode="bicubic", align_corners=False)
    return F.grid_sample(x, grid + bend.permute(0, 2, 3, 1), align_corners=False)
