"""Bits per character of exported weights on the last 5 % of a text, in PyTorch and in spikeloom.

usage: check_spikegpt.py WEIGHTS.safetensors VOCABULARY.json TEXT [--program build/release/cli/spikeloom]
Windows of 1024 characters. Where logits part by more than 1e-3, lists the first place in each window, with the smallest
distance of a membrane to its threshold at or before it: within rounding of it, either side is right.
"""
import argparse
import json
import math
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import tensors
from spikegpt import SpikeGPT

WINDOW = 1024


def load(path):
    arrays, metadata = tensors.load(path)
    vocabulary, width = arrays["emb.weight"].shape
    layers = 1 + max(int(name.split(".")[1]) for name in arrays if name.startswith("blocks."))
    model = SpikeGPT(vocabulary, layers, width, metadata["model"] == "spikegpt")
    model.load_state_dict({name: torch.from_numpy(a.astype(np.float32)) for name, a in arrays.items()})
    return model.eval(), metadata["model"]


def windows(tokens):
    """Rows of one length, then what is left over."""
    whole = len(tokens) // WINDOW
    rows = [tokens[:whole * WINDOW].view(whole, WINDOW)]
    if whole * WINDOW < len(tokens):
        rows.append(tokens[None, whole * WINDOW:])
    return rows


def by_pytorch(model, tokens):
    """Logits of all tokens, the smallest |h - 1| at each, mean firing rates of the whole windows."""
    logits, margins, rates = [], [], None
    for rows in windows(tokens):
        if rows.numel() == 0:
            continue
        got, rate, margin = model.stream(rows)
        logits.append(got.flatten(0, 1))
        margins.append(margin.flatten())
        rates = rate if rates is None else rates
    return torch.cat(logits), torch.cat(margins), rates


def bits(logits, tokens):
    nats = F.cross_entropy(logits[:-1].double(), tokens[1:], reduction="sum").item()
    return nats / (len(tokens) - 1) / math.log(2)


def by_spikeloom(program, family, weights, tokens):
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/tokens.npy", tokens.numpy())
        Path(f"{folder}/run.toml").write_text(f"""
model = {{ family = "{family}" }}
weights = {{ path = "{Path(weights).resolve()}" }}
dataset = {{ kind = "tokens", path = "tokens.npy", window = {WINDOW} }}
trace = {{ layers = "none" }}
output = {{ dir = "out" }}
""")
        subprocess.run([program, "run", f"{folder}/run.toml", "--quiet", "--set", f"output.dir={folder}/out"], check=True)
        report = json.loads(Path(f"{folder}/out/report.json").read_text())
        logits = torch.from_numpy(np.load(f"{folder}/out/logits.npy").reshape(len(tokens), -1))
    return logits, report["language"]["nats_per_token"] / math.log(2)


def list_differences(ours, theirs, margins):
    apart = (ours - theirs).abs().amax(1) > 1e-3
    for first in range(0, len(apart), WINDOW):
        places = apart[first:first + WINDOW].nonzero()
        if len(places):
            at = places[0].item()
            print(f"  window {first // WINDOW}: from position {at} on; smallest |h - 1| up to it "
                  f"{margins[first:first + at + 1].min():.1e}")
    print(f"{int(apart.sum())} of {len(apart)} positions differ by more than 1e-3")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("weights")
    p.add_argument("vocabulary")
    p.add_argument("text")
    p.add_argument("--program", help="spikeloom, to compare with")
    args = p.parse_args()
    model, family = load(args.weights)
    ids = {c: int(i) for i, c in json.loads(Path(args.vocabulary).read_text(encoding="utf-8")).items()}
    text = Path(args.text).read_bytes()
    text = text[len(text) * 95 // 100:].decode()
    tokens = torch.tensor([ids.get(c, ids[" "]) for c in text])
    logits, margins, rates = by_pytorch(model, tokens)
    expected = bits(logits, tokens)
    print(f"PyTorch {expected:.6f} bits per character on {len(tokens) - 1} characters; firing rates "
          f"{' '.join(f'{r:.4f}' for r in rates)}")
    if args.program:
        ours, measured = by_spikeloom(args.program, family, args.weights, tokens)
        print(f"spikeloom {measured:.6f}, difference {measured - expected:+.1e}, "
              f"largest of a logit {(ours - logits).abs().max():.1e}")
        list_differences(ours, logits, margins)


if __name__ == "__main__":
    main()
