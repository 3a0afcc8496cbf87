"""Compare the model with golden data: every spike equal, logits within 1e-5.

usage: check_golden.py GOLDEN_DIR
"""
import json
import sys
from pathlib import Path

import numpy as np
import torch

from model import LIF, MetaSpikeFormer


def main(folder):
    torch.set_num_threads(1)
    folder = Path(folder)
    cfg = json.loads((folder / "meta.json").read_text())["config"]
    model = MetaSpikeFormer(cfg["embed_dim"], cfg["num_heads"], cfg["in_channels"], cfg["num_classes"], T=cfg["T"])
    weights = np.load(folder / "weights.npz")
    if list(model.state_dict()) != weights.files:
        print("note: order of the entries differs from the file")
    model.load_state_dict({k: torch.from_numpy(weights[k]) for k in weights.files})
    model.eval()
    got = {}
    for name, m in model.named_modules():
        if isinstance(m, LIF):
            m.register_forward_hook(lambda _, __, out, name=name: got.__setitem__(name, out.numpy()))
    with torch.no_grad():
        logits = model(torch.from_numpy(np.load(folder / "input.npy"))).numpy()
    golden = np.load(folder / "spikes.npz")
    names = [k[7:] for k in golden.files if k.startswith("spikes/")]
    wrong = total = 0
    for name in names:
        shape = golden["shape/" + name]
        want = np.unpackbits(golden["spikes/" + name])[: np.prod(shape)]
        have = got[name].astype(np.uint8).ravel()
        if have.size != want.size:
            sys.exit(f"{name}: {got[name].shape} instead of {tuple(shape)}")
        wrong += int((have != want).sum())
        total += int(want.sum())
    diff = float(np.abs(logits - np.load(folder / "logits.npy")).max())
    ok = wrong == 0 and diff <= 1e-5 and set(names) == set(got)
    print(f"{len(names)} layers, {total} spikes, {wrong} wrong bits, largest logit difference {diff:.2e}: "
          + ("PASS" if ok else "FAIL"))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
