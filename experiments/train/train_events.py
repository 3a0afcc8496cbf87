"""Train the networks of events that ship as NIR files.

usage: train_events.py conv TRAIN_FRAMES.npz TEST_FRAMES.npz OUT.nir
       train_events.py recurrent|small SPIKES.h5 OUT.nir
options: --epochs N  --seed S  --lr X

conv       two convolutions of LIF neurons on moving digits, ten steps of counts
recurrent  128 recurrent CubaLIF neurons on spoken digits, 50 steps (tonic.n_time_bins=50)
small      128 LIF neurons with weights of four bits on spoken digits, made for chips of 256 neurons

Digits: the last 1,000 training images validate, the test set is read once at the end. Spoken: recordings 0 to 4 of each speaker
and digit are the test set, as its authors split, 5 to 9 validate. The weights with the best validation accuracy (the first of
equals) are kept. Answers are the mean over the steps: of spikes, or of the readout's membranes.
"""
import argparse
import copy
import time

import h5py
import numpy as np
import torch
from torch import nn

from snn import FewBits, Neuron, Steps, write_nir

STEPS = 50


def conv():
    return nn.Sequential(
        Steps(nn.Conv2d(2, 8, 5, stride=2, padding=1)), Neuron(2),
        Steps(nn.Conv2d(8, 16, 3, stride=2, padding=1)), Neuron(2),
        Steps(nn.AvgPool2d(2)), Steps(nn.Flatten()), Steps(nn.Linear(256, 10)), Neuron(4))


def recurrent():
    return nn.Sequential(Steps(nn.Linear(64, 128)), Neuron(10, 4, recurrent=128), Steps(nn.Linear(128, 10)),
                         Neuron(20, fires=False))


def small():
    return nn.Sequential(Steps(FewBits(64, 128, bias=False)), Neuron(8), Steps(FewBits(128, 10, bias=False)), Neuron(8))


def digits(path):
    with np.load(path) as file:
        return torch.from_numpy(file["frames"]), torch.from_numpy(file["labels"]).long()


def spoken(path):
    """Counts [N, STEPS, 64] by Tonic's rule n_time_bins, in whole microseconds; labels; recording numbers."""
    with h5py.File(path) as file:
        labels = torch.from_numpy(file["labels"][:].astype(np.int64))
        take = torch.tensor([int(name.decode().split("_")[2][:-4]) for name in file["names"][:]])
        frames = torch.zeros(len(labels), STEPS, 64)
        for row, (times, units) in enumerate(zip(file["spikes/times"], file["spikes/units"])):
            t = (times * 1e6).astype(np.int64)
            width = (t[-1] - t[0]) // STEPS
            step = torch.from_numpy((t - t[0]) // width)
            keep = step < STEPS
            keep[-1] = False  # the last event is behind the last bin
            at = (step[keep], torch.from_numpy(units.astype(np.int64))[keep])
            frames[row].index_put_(at, torch.ones(len(at[0])), accumulate=True)
    return frames, labels, take


def moved(x):
    """Digits: shifted by up to two pixels. Sounds: bands shifted by up to two."""
    axes = (-2, -1) if x.dim() == 5 else (-1,)
    return torch.roll(x, [int(torch.randint(-2, 3, ())) for _ in axes], axes)


def accuracy(network, x, y):
    network.eval()
    with torch.no_grad():
        right = sum(int((network(part.float().transpose(0, 1)).mean(0).argmax(1) == label).sum())
                    for part, label in zip(x.split(250), y.split(250)))
    return right / len(y)


def train(network, data, epochs, lr, scale):
    (x, y), (held_x, held_y) = data
    optimiser = torch.optim.AdamW(network.parameters(), lr, weight_decay=1e-3)
    batches = (len(x) + 63) // 64
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, epochs * batches)
    best, kept = -1.0, None
    for epoch in range(1, epochs + 1):
        start, total = time.time(), 0.0
        network.train()
        for batch in torch.randperm(len(x)).split(64):
            out = network(moved(x[batch].float()).transpose(0, 1)).mean(0) * scale
            loss = nn.functional.cross_entropy(out, y[batch], label_smoothing=0.05)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1)
            optimiser.step()
            rate.step()
            total += loss.item() * len(batch)
        held = accuracy(network, held_x, held_y)
        if held > best:
            best, kept = held, copy.deepcopy(network.state_dict())
        print(f"epoch {epoch}: loss {total / len(x):.4f}, validation {100 * held:.2f} %, {time.time() - start:.0f} s", flush=True)
    network.load_state_dict(kept)
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", choices=("conv", "recurrent", "small"))
    parser.add_argument("files", nargs="+")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lr", type=float, default=2e-3)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    network = {"conv": conv, "recurrent": recurrent, "small": small}[options.network]()
    if options.network == "conv":
        (x, y), test = digits(options.files[0]), digits(options.files[1])
        data = ((x[:-1000], y[:-1000]), (x[-1000:], y[-1000:]))
        shape = (2, 34, 34)
    else:
        x, y, take = spoken(options.files[0])
        part = lambda low, high: (x[(take >= low) & (take < high)], y[(take >= low) & (take < high)])  # noqa: E731
        test, data, shape = part(0, 5), (part(10, 50), part(5, 10)), (64,)
    spiking = network[-1].fires
    best = train(network, data, options.epochs, options.lr, 10 if spiking else 2)
    measured = accuracy(network, *test)
    print(f"{sum(p.numel() for p in network.parameters())} parameters, best validation {100 * best:.2f} %, "
          f"test {100 * measured:.2f} % of {len(test[1])}")
    write_nir(options.files[-1], network, shape, {"dt": 1e-3, "program": "PyTorch " + torch.__version__,
                                                  "test_accuracy": measured})


if __name__ == "__main__":
    main()
