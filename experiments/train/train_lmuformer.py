"""Train a spiking LMUFormer, or the one that does not spike, on features that `spikeloom convert --features` wrote.

usage: train_lmuformer.py FEATURES OUT.pt [--dense] [--epochs N] [--seed S]
FEATURES holds features.npy, labels.npy and names.txt of clips named {digit}_{speaker}_{index}.wav. Recordings 5 to 9
validate, all others train; the weights with the best validation accuracy (the latest of equals) are kept.
"""
import argparse
import copy
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from lmuformer import LMUFormer, neurons

FLOOR = (-15.942385 + 6.845978) / 11.1309052  # of an empty filter, normalised
PADDING = 6.845978 / 11.1309052               # of the frames behind the end: 0 before normalisation
DIM = 64


def load(folder):
    folder = Path(folder)
    x, y = np.load(folder / "features.npy"), np.load(folder / "labels.npy")
    names = (folder / "names.txt").read_text().splitlines()
    return torch.from_numpy(x), torch.from_numpy(y), names


def lengths(x):
    """Frames of sound: those in front of the padding."""
    sound = (x - PADDING).abs().amax(2) > 1e-5
    return sound.shape[1] - sound.flip(1).float().argmax(1)


def uniform(low, high, *shape):
    return torch.empty(*shape).uniform_(low, high)


def warp(x, at, last):
    """Rows of x [B, N, C] at real positions at [B, M], linear between neighbours, at most row last [B]."""
    at = torch.minimum(at.clamp(min=0), last[:, None].float())
    i = at.long()
    j = torch.minimum(i + 1, last[:, None])
    take = lambda k: x.gather(1, k[:, :, None].expand(-1, -1, x.shape[2]))  # noqa: E731
    return torch.lerp(take(i), take(j), (at - i)[:, :, None])


def augment(x, n):
    """Other voices, rooms and microphones: speed, pitch, level, band width, noise, silence around the word, masks."""
    batch, steps, bins = x.shape
    # Pitch: the mel axis moves. The recordings end at 4 kHz (bin 97); others have something above.
    bin_at = torch.arange(bins) + uniform(-4, 4, batch, 1)
    x = warp(x.transpose(1, 2), bin_at, torch.full((batch,), bins - 1)).transpose(1, 2).contiguous()
    wide = torch.rand(batch, 1, 1) < 0.5
    above = x[:, :, 66:97].flip(2) + uniform(-0.6, 0.1, batch, 1, 1)
    x[:, :, 97:] = torch.where(wide, above, x[:, :, 97:])
    x = x + uniform(-0.15, 0.15, batch, 1, 1)
    x = (x + uniform(0, 0.1, batch, 1, 1) * torch.rand(x.shape)).clamp(min=FLOOR)
    # Speed, place, and what is before and behind: padding as in the data, or silence as in a stream.
    speed, shift = uniform(0.85, 1.2, batch, 1), uniform(-5, 12, batch, 1)
    at = (torch.arange(steps) - shift) * speed
    silence = uniform(FLOOR, -0.3, batch, 1, 1) + uniform(0, 0.15, batch, 1, 1) * torch.rand(x.shape)
    behind = torch.where(torch.rand(batch, 1, 1) < 0.7, torch.full_like(x, PADDING), silence)
    x = warp(x, at, n - 1)
    x = torch.where((at < 0)[:, :, None], silence, x)
    x = torch.where((at >= n[:, None])[:, :, None], behind, x)
    for axis, most, size in ((1, 6, steps), (2, 16, bins)):
        width, start = uniform(0, most, batch, 1), uniform(0, size, batch, 1)
        k = torch.arange(size)
        mask = (k >= start) & (k < start + width) & (torch.rand(batch, 1) < 0.5)
        x = torch.where(mask[:, :, None] if axis == 1 else mask[:, None, :], torch.full_like(x, PADDING), x)
    end = (n[:, None] / speed + shift).round().long().clamp(8, steps)
    return x, end[:, 0]


def loss_of(logits, y, n):
    """Of the answer after all steps, and, as a stream would ask, after the last frame of sound."""
    steps = torch.arange(len(logits))[:, None]
    sound = (steps < n[None, :]).to(logits.dtype)[:, :, None]
    at_end = (logits * sound).sum(0) / sound.sum(0)
    return F.cross_entropy(logits.mean(0), y, label_smoothing=0.1) + 0.5 * F.cross_entropy(at_end, y, label_smoothing=0.1)


@torch.no_grad()
def answers(model, x, batch=100):
    model.eval()
    return torch.cat([model(part).mean(0) for part in x.split(batch)])


def main():
    p = argparse.ArgumentParser()
    p.add_argument("features")
    p.add_argument("out", type=Path)
    p.add_argument("--dense", action="store_true", help="the network that does not spike")
    p.add_argument("--epochs", type=int, default=60)
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--lr", type=float, default=3e-3)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--threads", type=int, default=1)
    args = p.parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    x, y, names = load(args.features)
    held = torch.tensor([5 <= int(name.rsplit("_", 1)[1].split(".")[0]) < 10 for name in names])
    train_x, train_y, held_x, held_y = x[~held], y[~held], x[held], y[held]
    train_n = lengths(train_x)
    steps, classes = x.shape[1], int(y.max()) + 1
    model = LMUFormer(x.shape[2], DIM, classes, steps, steps, not args.dense)
    print(f"{sum(a.numel() for a in model.parameters()):,} parameters; {len(train_x)} clips train, {len(held_x)} validate",
          flush=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr, weight_decay=0.01)
    batches = len(train_x) // args.batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, args.lr, total_steps=args.epochs * batches, pct_start=0.15)
    best, kept, start = -1.0, None, time.process_time()
    for epoch in range(1, args.epochs + 1):
        model.train()
        total = 0.0
        for pick in torch.randperm(len(train_x))[: batches * args.batch].split(args.batch):
            seen, n = augment(train_x[pick], train_n[pick])
            loss = loss_of(model(seen), train_y[pick], n)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 2.0)
            optimizer.step()
            schedule.step()
            total += loss.item()
        accuracy = (answers(model, held_x).argmax(1) == held_y).float().mean().item()
        if accuracy >= best:
            best, kept = accuracy, copy.deepcopy(model.state_dict())
            torch.save({"weights": kept, "steps": steps, "classes": classes, "spiking": not args.dense}, args.out)
        print(f"epoch {epoch} loss {total / batches:.4f} validation {accuracy:.4f}, "
              f"{time.process_time() - start:.0f} s of processor time", flush=True)
    model.load_state_dict(kept)
    for m in neurons(model).values():
        m.watch = True
    answers(model, held_x, len(held_x))
    print(f"kept: validation {best:.4f}")
    for name, m in neurons(model).items():
        print(f"  {m.rate.mean():.4f}  {name}")


if __name__ == "__main__":
    main()
