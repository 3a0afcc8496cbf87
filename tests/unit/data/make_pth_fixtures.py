#!/usr/bin/env python3
"""Writes the small PyTorch and NumPy fixtures of the io tests beside itself (made with PyTorch 1.13.1).

Every file holds tensors whose element i (in C order) is start + i, so that the tests need no second copy.
"""

import argparse
import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).resolve().parent


def ramp(*shape, start=0, dtype=torch.float32):
    count = 1
    for extent in shape:
        count *= extent
    return (torch.arange(count) + start).reshape(shape).to(dtype)


def plain():
    """All element types, a scalar, an empty tensor and a parameter."""
    state = OrderedDict()
    state["f32"] = ramp(2, 3)
    state["f64"] = ramp(3, start=1, dtype=torch.float64)
    state["f16"] = ramp(3, start=2, dtype=torch.float16)
    state["bf16"] = ramp(3, start=3, dtype=torch.bfloat16)
    state["i64"] = ramp(2, start=-1, dtype=torch.int64)
    state["i32"] = ramp(2, start=-1, dtype=torch.int32)
    state["i16"] = ramp(2, start=-1, dtype=torch.int16)
    state["i8"] = ramp(2, start=-1, dtype=torch.int8)
    state["u8"] = ramp(2, start=250, dtype=torch.uint8)
    state["bool"] = torch.tensor([False, True])
    state["scalar"] = torch.tensor(7.0)
    state["empty"] = torch.zeros(0, 4)
    state["parameter"] = torch.nn.Parameter(ramp(2, start=9))
    state["complex"] = torch.zeros(2, dtype=torch.complex64)
    return state


def views():
    """Transposed, sliced, expanded and shared tensors."""
    base = ramp(4, 6)
    return OrderedDict(base=base, transposed=base.t(), slice=base[1:3, 2:5], tied=base,
                       expanded=torch.tensor([5.0]).expand(3, 2), column=base[:, 3])


def checkpoint():
    """The layout of a training script: wrapped state dict, optimizer, Namespace, DataParallel names."""
    model = torch.nn.Linear(3, 2)
    with torch.no_grad():
        model.weight.copy_(ramp(2, 3))
        model.bias.copy_(ramp(2, start=6))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    state = OrderedDict(("module." + name, value) for name, value in model.state_dict().items())
    return {"model": state, "optimizer": optimizer.state_dict(), "epoch": 3, "big": 1 << 80,
            "args": argparse.Namespace(lr=0.1, name="test")}


class Evil:
    def __reduce__(self):
        return os.system, ("touch spikeloom_was_here",)


def main():
    torch.save(plain(), HERE / "plain.pth")
    torch.save(views(), HERE / "views.pth")
    torch.save(checkpoint(), HERE / "checkpoint.pth")
    torch.save(plain(), HERE / "plain_legacy.pth", _use_new_zipfile_serialization=False)
    torch.save(views(), HERE / "views_legacy.pth", _use_new_zipfile_serialization=False)
    torch.save({"state_dict": {"_orig_mod.module.w": ramp(2)}, "hook": Evil()}, HERE / "evil.pth")
    torch.save({"w": ramp(2)}, HERE / "protocol4.pth", pickle_protocol=4)
    torch.save({"w": torch.zeros(1).expand(1 << 20)}, HERE / "amplified.pth")
    with zipfile.ZipFile(HERE / "torchscript.pth", "w") as archive:  # the names are what counts
        for name in ("data.pkl", "code/__torch__/net.py", "constants.pkl", "version"):
            archive.writestr(zipfile.ZipInfo("torchscript/" + name), b"")
    arrays = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "a/b": np.asfortranarray(np.eye(2)),
              "big": np.zeros(64, np.int16), "c": np.zeros(2, np.complex64)}
    np.savez(HERE / "stored.npz", **arrays)
    np.savez_compressed(HERE / "deflated.npz", **arrays)
    np.savez(HERE / "object.npz", w=np.array([{}], dtype=object))
    (HERE / "protocol4_bare.pth").write_bytes(pickle.dumps({"w": 1}, protocol=4))


if __name__ == "__main__":
    main()
