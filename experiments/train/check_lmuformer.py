"""Does the engine answer as PyTorch does with the same fp16-rounded weights, sample by sample?

usage: check_lmuformer.py WEIGHTS.safetensors FEATURES LOGITS.npy [--rates]
FEATURES is what `spikeloom convert EXPERIMENT.toml FEATURES --features` wrote, LOGITS.npy the output of `spikeloom run`
on the same experiment. Lists every sample that is answered differently, with how close a membrane came to its
threshold, and fails if there is one.
"""
import argparse
from pathlib import Path

import numpy as np
import torch

import tensors
from lmuformer import LMUFormer, SpikingPsmnist, neurons


def load_model(path, steps, channels):
    """From the shapes of the weights; theta is the length of the sequences, as in training."""
    weights, meta = tensors.load(path)
    if meta["network"] == "psmnist":
        hidden, inputs = weights["lmu_fft.W_h.weight"].shape
        model = SpikingPsmnist(hidden, inputs - 1, len(weights["classifier.bias"]), steps)
    else:
        dim, classes = len(weights["block.0.attn.proj_bn.weight"]), len(weights["head.bias"])
        model = LMUFormer(channels, dim, classes, steps, steps, meta["network"] == "spiking")
    state = {name: torch.tensor(a.astype(np.float32)) for name, a in weights.items()}
    missing, surplus = model.load_state_dict(state, strict=False)
    assert not surplus and all(name.endswith("num_batches_tracked") for name in missing), (missing, surplus)
    return model.eval()


@torch.no_grad()
def evaluate(model, x, batch):
    """Logits, the smallest |h - threshold| of every sample, the firing rate of every layer."""
    logits, margins, rates = [], [], {name: 0.0 for name in neurons(model)}
    for m in neurons(model).values():
        m.watch = True
    for part in x.split(batch):
        out = model(part)
        logits.append(out.mean(0) if isinstance(model, LMUFormer) else out)
        for name, m in neurons(model).items():
            rates[name] += m.rate.sum().item() / len(x)
        seen = [m.margin for m in neurons(model).values()]
        margins.append(torch.stack(seen).amin(0) if seen else torch.full((len(part),), torch.inf))
    return torch.cat(logits).numpy(), torch.cat(margins).numpy(), rates


def main():
    p = argparse.ArgumentParser()
    p.add_argument("weights")
    p.add_argument("features", type=Path)
    p.add_argument("logits")
    p.add_argument("--rates", action="store_true", help="print the firing rate of every layer")
    p.add_argument("--batch", type=int, default=50)
    p.add_argument("--threads", type=int, default=1)
    args = p.parse_args()
    torch.set_num_threads(args.threads)
    x = torch.from_numpy(np.load(args.features / "features.npy"))
    labels = np.load(args.features / "labels.npy")
    names = (args.features / "names.txt").read_text().splitlines()
    engine = np.load(args.logits)
    assert len(engine) == len(x), f"{len(engine)} rows of logits, {len(x)} samples"
    logits, margins, rates = evaluate(load_model(args.weights, *x.shape[1:]), x, args.batch)
    ours, theirs = engine.argmax(1), logits.argmax(1)
    difference = np.abs(engine - logits).max(1)
    near = difference <= 1e-4
    print(f"{len(x)} samples: engine {np.mean(ours == labels):.2%} ({np.sum(ours == labels)}), "
          f"PyTorch {np.mean(theirs == labels):.2%}; {np.sum(ours != theirs)} answered differently")
    print(f"logits within 1e-4 on {near.sum()} samples (largest difference there {difference[near].max(initial=0):.1e})")
    if not near.all():
        print(f"on the other {np.sum(~near)} some membrane comes within {margins[~near].max():.1e} of its threshold "
              f"(median of all samples {np.median(margins):.1e})")
    for i in np.nonzero(ours != theirs)[0]:
        print(f"  {names[i]}: label {labels[i]}, engine {ours[i]}, PyTorch {theirs[i]}, margin {margins[i]:.1e}")
    if args.rates:
        for name, rate in rates.items():
            print(f"  {rate:.4f}  {name}")
    raise SystemExit(1 if (ours != theirs).any() else 0)


if __name__ == "__main__":
    main()
