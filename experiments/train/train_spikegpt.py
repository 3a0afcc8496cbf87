"""Train a character-level SpikeGPT, or RWKV-4 of the same shape, on a text.

usage: train_spikegpt.py TEXT OUT.pt [--dense] [--minutes M] ...
The first 90 % of the text train, the next 5 % validate, the last 5 % test. Windows start at random places; the state
starts at zero in each. Keeps the weights with the lowest validation loss.
"""
import argparse
import math
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from spikegpt import SpikeGPT


def split(path):
    text = Path(path).read_text()
    vocabulary = sorted(set(text[: len(text) * 90 // 100]))
    ids = {c: i for i, c in enumerate(vocabulary)}
    tokens = torch.tensor([ids[c] for c in text])
    a, b = len(text) * 90 // 100, len(text) * 95 // 100
    return vocabulary, tokens[:a], tokens[a:b], tokens[b:]


def bits_per_character(model, tokens, window=1024):
    """Every token but the first is predicted once; the state starts at zero in every window."""
    total, rates = 0.0, None
    whole = (len(tokens) - 1) // window
    parts = [(tokens[:whole * window].view(whole, window), tokens[1:whole * window + 1].view(whole, window))]
    if whole * window + 1 < len(tokens):
        parts.append((tokens[None, whole * window:-1], tokens[None, whole * window + 1:]))
    for x, y in parts:
        logits, part_rates, _ = model.stream(x)
        total += F.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="sum").item()
        rates = part_rates if rates is None else rates
    return total / (len(tokens) - 1) / math.log(2), rates


def main():
    p = argparse.ArgumentParser()
    p.add_argument("text")
    p.add_argument("out", type=Path)
    p.add_argument("--dense", action="store_true", help="RWKV-4: no neurons, real embedding")
    p.add_argument("--layers", type=int, default=4)
    p.add_argument("--width", type=int, default=160)
    p.add_argument("--context", type=int, default=128)
    p.add_argument("--batch", type=int, default=16)
    p.add_argument("--steps", type=int, default=4000)
    p.add_argument("--lr", type=float, default=3e-3)
    p.add_argument("--dropout", type=float, default=0.03)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--threads", type=int, default=1)
    args = p.parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    vocabulary, train, validation, test = split(args.text)
    model = SpikeGPT(len(vocabulary), args.layers, args.width, not args.dense, args.dropout)
    print(f"{sum(a.numel() for a in model.parameters()):,} parameters, {len(vocabulary)} characters", flush=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr, betas=(0.9, 0.99), eps=4e-9)
    best, start, mean = math.inf, time.time(), None
    for step in range(args.steps):
        progress = step / args.steps
        lr = args.lr * min(1, (step + 1) / 100) * (0.505 + 0.495 * math.cos(math.pi * progress))
        for group in optimizer.param_groups:
            group["lr"] = lr
        at = torch.randint(len(train) - args.context - 1, (args.batch,))
        x = torch.stack([train[i:i + args.context] for i in at])
        y = torch.stack([train[i + 1:i + args.context + 1] for i in at])
        loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        mean = loss.item() if mean is None else 0.98 * mean + 0.02 * loss.item()
        if (step + 1) % 200 == 0 or step + 1 == args.steps:
            model.eval()
            held, _ = bits_per_character(model, validation)
            model.train()
            if held < best:
                best = held
                torch.save({"weights": model.state_dict(), "vocabulary": vocabulary, "layers": args.layers,
                            "width": args.width, "spiking": not args.dense}, args.out)
            print(f"step {step + 1} train {mean / math.log(2):.4f} validation {held:.4f} bits per character, "
                  f"{time.time() - start:.0f} s", flush=True)
    model.load_state_dict(torch.load(args.out)["weights"])
    model.eval()
    bits, rates = bits_per_character(model, test)
    print(f"test {bits:.4f} bits per character; firing rates {' '.join(f'{r:.4f}' for r in rates)}")


if __name__ == "__main__":
    main()
