"""Accuracy of an exported file on an IDX image/label pair (float32, evaluation mode).

usage: evaluate.py WEIGHTS.safetensors IMAGES LABELS [--first N | --last N] [--out FILE.npz] [--rates]
FILE.npz: logits, predictions, labels and, for the spiking network, margin = smallest
|h - v_th| per image over all neurons and steps except attn_lif.
"""
import argparse

import numpy as np
import torch

import tensors
from data import load, normalise
from model import LIF, MetaSpikeFormer


def load_model(path):
    weights, meta = tensors.load(path)
    numbers = {k: tuple(map(int, meta[k].split(","))) for k in ("embed_dim", "strides")}
    numbers |= {k: int(meta[k]) for k in ("num_heads", "in_channels", "num_classes", "depth3", "depth4", "T")}
    model = MetaSpikeFormer(**numbers, dense=meta["model"] == "dense_twin")
    model.load_state_dict({k: torch.tensor(a if a.dtype == np.int64 else a.astype(np.float32))
                           for k, a in weights.items()})
    return model.eval()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("weights")
    p.add_argument("images")
    p.add_argument("labels")
    p.add_argument("--first", type=int)
    p.add_argument("--last", type=int)
    p.add_argument("--batch", type=int, default=100)
    p.add_argument("--out")
    p.add_argument("--rates", action="store_true", help="print the firing rate of every LIF layer")
    p.add_argument("--threads", type=int, default=1)
    args = p.parse_args()
    torch.set_num_threads(args.threads)
    model = load_model(args.weights)
    x, y = load(args.images, args.labels)
    x, y = x[: args.first], y[: args.first]
    if args.last:
        x, y = x[-args.last:], y[-args.last:]

    lifs = {name: m for name, m in model.named_modules() if isinstance(m, LIF)}
    spikes = {name: [0, 0] for name in lifs}
    for name, m in lifs.items():
        def count(_, __, out, c=spikes[name]):
            c[0] += out.sum(dtype=torch.float64).item()
            c[1] += out.numel()
        if args.rates:
            m.register_forward_hook(count)
    logits, margins = [], []
    with torch.no_grad():
        for batch in x.split(args.batch):
            for name, m in lifs.items():
                m.margin = [] if args.out and not name.endswith("attn_lif") else None
            logits.append(model(normalise(batch)))
            seen = [a for m in lifs.values() for a in m.margin or ()]
            margins += [torch.stack(seen).amin(0)] if seen else []
    logits = torch.cat(logits)
    hits = (logits.argmax(1) == y).sum().item()
    print(f"accuracy {100 * hits / len(y):.2f} % ({hits}/{len(y)})")
    if args.rates:
        groups = {}
        for name, (ones, size) in spikes.items():
            print(f"  {ones / size:7.4f}  {name}")
            g = groups.setdefault(name.rsplit(".", 1)[-1] if ".Conv." not in name else "Conv." + name[-4:], [0, 0])
            g[0], g[1] = g[0] + ones, g[1] + size
        for name, (ones, size) in groups.items():
            print(f"{name:12s} {100 * ones / size:6.2f} %")
        print(f"{'all':12s} {100 * sum(c[0] for c in groups.values()) / sum(c[1] for c in groups.values()):6.2f} %")
    if args.out:
        extra = {"margin": torch.cat(margins).numpy()} if margins else {}
        np.savez_compressed(args.out, logits=logits.numpy(), predictions=logits.argmax(1).numpy(),
                            labels=y.numpy(), **extra)


if __name__ == "__main__":
    main()
