"""Write a checkpoint of train_lmuformer.py or train_psmnist.py as fp16 safetensors, the memory's tables left out:
they follow from the dimensions.

usage: export_lmuformer.py CHECKPOINT.pt OUT.safetensors
"""
import sys

import numpy as np
import torch

import tensors


def main():
    source, target = sys.argv[1:]
    state = torch.load(source, map_location="cpu")
    out = {name: t.numpy().astype(np.float16) for name, t in state["weights"].items()
           if not name.endswith("num_batches_tracked")}
    for name, a in out.items():
        assert np.isfinite(a).all(), name
        assert not name.endswith("running_var") or a.min() > 1e-4, f"{name}: smallest variance {a.min()}"
    kind = "psmnist" if "hidden" in state else "spiking" if state["spiking"] else "dense"
    tensors.save(target, out, {"model": "lmuformer", "network": kind})
    print(f"{len(out)} tensors, {sum(a.size for a in out.values())} numbers")


if __name__ == "__main__":
    main()
