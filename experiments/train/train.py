"""Train the spiking network or its dense twin on 9,000 MNIST images.

usage: train.py DATA_DIR OUT.pt [--dense | --T STEPS] [--init FILE.pt] [--teacher TWIN.pt] ...
DATA_DIR holds train10k-images-idx3-ubyte(.gz) and train10k-labels-idx1-ubyte(.gz).
"""
import argparse
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from arch import ARCH
from data import VALIDATION, augment, load, normalise
from model import MetaSpikeFormer


def accuracy(model, x, y, batch=250):
    model.eval()
    with torch.no_grad():
        hits = sum((model(normalise(a)).argmax(1) == b).sum().item() for a, b in zip(x.split(batch), y.split(batch)))
    return 100 * hits / len(y)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("data", type=Path)
    p.add_argument("out", type=Path)
    p.add_argument("--dense", action="store_true")
    p.add_argument("--T", type=int, default=1)
    p.add_argument("--init", type=Path)
    p.add_argument("--teacher", type=Path)
    p.add_argument("--epochs", type=int, default=36)
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--lr", type=float, default=3e-3)
    p.add_argument("--warmup", type=float, default=0.15, help="share of the steps")
    p.add_argument("--decay", type=float, default=0.05)
    p.add_argument("--smoothing", type=float, default=0.1)
    p.add_argument("--alpha", type=float, default=0.5, help="weight of the teacher")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--threads", type=int, default=1)
    args = p.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)

    x, y = load(args.data / "train10k-images-idx3-ubyte", args.data / "train10k-labels-idx1-ubyte")
    (x, xv), (y, yv) = (z.split([len(z) - VALIDATION, VALIDATION]) for z in (x, y))
    model = MetaSpikeFormer(**ARCH, T=args.T, dense=args.dense).to(memory_format=torch.channels_last)
    if args.init:
        model.load_state_dict(torch.load(args.init))
    teacher = None
    if args.teacher:
        teacher = MetaSpikeFormer(**ARCH, dense=True).eval()
        teacher.load_state_dict(torch.load(args.teacher))
    params = list(model.parameters())
    print(" ".join(f"{k}={v.name if isinstance(v, Path) else v}" for k, v in vars(args).items()))
    print(f"parameters {sum(q.numel() for q in params)}", flush=True)

    groups = [{"params": [q for q in params if q.dim() > 1], "weight_decay": args.decay},
              {"params": [q for q in params if q.dim() <= 1], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=args.lr)
    steps = len(x) // args.batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, args.lr, total_steps=args.epochs * steps, pct_start=args.warmup, final_div_factor=100)
    best, start = 0.0, time.time()
    for epoch in range(args.epochs):
        model.train()
        loss_sum = hits = 0
        for idx in torch.randperm(len(x))[: steps * args.batch].view(steps, -1):
            image, label = normalise(augment(x[idx])), y[idx]
            logits = model(image)
            loss = F.cross_entropy(logits, label, label_smoothing=args.smoothing)
            if teacher is not None:
                with torch.no_grad():
                    target = teacher(image).softmax(1)
                loss = (1 - args.alpha) * loss + args.alpha * F.cross_entropy(logits, target)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(params, 5.0)
            optimizer.step()
            schedule.step()
            loss_sum += loss.item()
            hits += (logits.argmax(1) == label).sum().item()
        val = accuracy(model, xv, yv)
        if val >= best:
            best = val
            torch.save(model.state_dict(), args.out)
        print(f"epoch {epoch + 1}/{args.epochs} loss {loss_sum / steps:.4f} train {100 * hits / (steps * args.batch):.2f} "
              f"val {val:.2f} best {best:.2f} time {time.time() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
