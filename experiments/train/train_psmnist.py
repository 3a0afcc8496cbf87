"""Train the spiking psMNIST LMUFormer: handwritten digits, one pixel a step, in a fixed random order.

usage: train_psmnist.py DATA OUT.pt ORDER.npy [--epochs N]
DATA holds train10k-*-ubyte(.gz); the first 9,000 images train, the last 1,000 validate. ORDER.npy receives the order
of the pixels, which belongs to the weights. The network answers after the last step, and a membrane forgets half of
its past in a step: training and validation compute h on the last 24 steps alone, check_lmuformer.py on all.
"""
import argparse
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from data import augment, load
from lmuformer import SpikingPsmnist

KEEP = 24


def as_sequences(padded, order):
    """[N, 1, 32, 32] in 0..1, as data.py pads them, to [N, 784, 1]."""
    return padded[:, 0, 2:30, 2:30].flatten(1)[:, order, None]


@torch.no_grad()
def accuracy(model, x, y, batch=100):
    model.eval()
    return torch.cat([model(part, KEEP).argmax(1) for part in x.split(batch)]).eq(y).float().mean().item()


def start(model, x):
    """Bright pixels make u fire, and the currents of h are as large as its threshold: neither learns otherwise."""
    cell = model.lmu_fft
    with torch.no_grad():
        cell.W_u.weight.fill_(2.5)
        cell.W_u.bias.zero_()
        cell.W_h.bias.zero_()
        cell.W_h.weight *= 1.5 / model.current(x, KEEP).std()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("data", type=Path)
    p.add_argument("out", type=Path)
    p.add_argument("order", type=Path)
    p.add_argument("--hidden", type=int, default=346)
    p.add_argument("--memory", type=int, default=468)
    p.add_argument("--epochs", type=int, default=60)
    p.add_argument("--batch", type=int, default=100)
    p.add_argument("--lr", type=float, default=3e-3)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--threads", type=int, default=1)
    args = p.parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    order = np.random.RandomState(args.seed).permutation(784).astype(np.int32)
    np.save(args.order, order)
    order = torch.from_numpy(order).long()
    images, labels = load(args.data / "train10k-images-idx3-ubyte", args.data / "train10k-labels-idx1-ubyte")
    held_x, held_y = as_sequences(images[9000:], order), labels[9000:]
    model = SpikingPsmnist(args.hidden, args.memory, dropout=0.2)
    start(model, as_sequences(images[:200], order))
    print(f"{sum(a.numel() for a in model.parameters()):,} parameters", flush=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, args.lr, total_steps=args.epochs * (9000 // args.batch),
                                                   pct_start=0.1)
    best, begin = -1.0, time.process_time()
    for epoch in range(1, args.epochs + 1):
        model.train()
        total = 0.0
        for pick in torch.randperm(9000).split(args.batch):
            x = as_sequences(augment(images[pick]).clamp(0, 1), order)
            loss = F.cross_entropy(model(x, KEEP), labels[pick], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += loss.item()
        found = accuracy(model, held_x, held_y)
        if found >= best:
            best = found
            torch.save({"weights": model.state_dict(), "hidden": args.hidden, "memory": args.memory}, args.out)
        print(f"epoch {epoch} loss {total / 90:.4f} validation {found:.4f}, "
              f"{time.process_time() - begin:.0f} s of processor time", flush=True)
    print(f"kept: validation {best:.4f}")


if __name__ == "__main__":
    main()
