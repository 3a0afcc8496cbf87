"""Write a checkpoint of train_spikegpt.py as fp16 safetensors, and its characters as a vocabulary.

usage: export_spikegpt.py CHECKPOINT.pt OUT.safetensors VOCABULARY.json
"""
import argparse
import json
from pathlib import Path

import numpy as np
import torch

import tensors


def main():
    p = argparse.ArgumentParser()
    p.add_argument("checkpoint")
    p.add_argument("out")
    p.add_argument("vocabulary", type=Path)
    args = p.parse_args()
    stored = torch.load(args.checkpoint, map_location="cpu")
    out = {name: t.detach().contiguous().numpy().astype(np.float16) for name, t in stored["weights"].items()}
    for name, a in out.items():
        assert np.isfinite(a).all(), name
    tensors.save(args.out, out, {"model": "spikegpt" if stored["spiking"] else "rwkv4"})
    characters = {str(i): c for i, c in enumerate(stored["vocabulary"])}
    args.vocabulary.write_text(json.dumps(characters, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
    print(f"{len(out)} arrays, {sum(a.size for a in out.values())} numbers, {len(characters)} characters")


if __name__ == "__main__":
    main()
