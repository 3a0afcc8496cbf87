"""Write a checkpoint of train.py as fp16 safetensors (I64 for num_batches_tracked).

usage: export.py CHECKPOINT.pt OUT.safetensors [--dense | --T STEPS]
"""
import argparse

import numpy as np
import torch

import tensors
from arch import ARCH


def main():
    p = argparse.ArgumentParser()
    p.add_argument("checkpoint")
    p.add_argument("out")
    p.add_argument("--dense", action="store_true")
    p.add_argument("--T", type=int, default=4)
    args = p.parse_args()
    # Integers (num_batches_tracked) first: 8-byte entries stay aligned.
    state = torch.load(args.checkpoint, map_location="cpu")
    out = {}
    for name, t in sorted(state.items(), key=lambda e: e[1].dtype != torch.int64):
        a = t.detach().contiguous().numpy()
        out[name] = a if a.dtype == np.int64 else a.astype(np.float16)
        assert np.isfinite(out[name]).all(), name
        if name.endswith("running_var"):
            assert a.min() > 1e-6, f"{name}: smallest variance {a.min()}"
            if a.min() < 1e-3:
                print(f"{name}: smallest variance {a.min():.2e}")
    arch = {k: ",".join(map(str, v)) if isinstance(v, tuple) else str(v) for k, v in ARCH.items()}
    tensors.save(args.out, out, arch | {"model": "dense_twin" if args.dense else "meta_spikeformer",
                                        "T": "1" if args.dense else str(args.T)})
    print(f"{len(out)} entries, {sum(a.size for a in out.values())} numbers")


if __name__ == "__main__":
    main()
