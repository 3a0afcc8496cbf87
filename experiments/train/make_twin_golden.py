"""Golden data of the dense twins GPT and KWT: PyTorch's own transformer layers on random weights.

usage: make_twin_golden.py OUT_DIR   (writes gpt.npz and kwt.npz: weights, input, logits)
"""
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn


def stack(layers, width, heads, hidden, pre_norm, eps):
    return nn.ModuleList(
        nn.TransformerEncoderLayer(width, heads, hidden, 0.0, "gelu", eps, batch_first=True, norm_first=pre_norm)
        for _ in range(layers))


def names(blocks, qkv, proj, first, second, norm1, norm2, qkv_bias):
    """The weights of PyTorch's layers under the twin's names."""
    out = {}
    for i, block in enumerate(blocks):
        at, name = block.self_attn, f"blocks.{i}."
        for part, w, b in zip(qkv, at.in_proj_weight.chunk(3), at.in_proj_bias.chunk(3)):
            out[f"{name}attn.{part}.weight"] = w
            if qkv_bias:
                out[f"{name}attn.{part}.bias"] = b
        for ours, module in ((f"attn.{proj}", at.out_proj), (first, block.linear1), (second, block.linear2),
                             (norm1, block.norm1), (norm2, block.norm2)):
            out[f"{name}{ours}.weight"], out[f"{name}{ours}.bias"] = module.weight, module.bias
    return out


def save(path, arrays):
    np.savez_compressed(path, **{k: v.detach().numpy() for k, v in arrays.items()})


@torch.no_grad()
def main():
    out = Path(sys.argv[1])
    torch.manual_seed(3)
    spread = lambda *shape: torch.randn(*shape) * 0.7  # noqa: E731

    layers, width, heads, vocabulary, context, steps = 2, 24, 3, 17, 12, 11
    blocks = stack(layers, width, heads, 4 * width, True, 1e-5)
    norm = nn.LayerNorm(width)
    for p in (*blocks.parameters(), *norm.parameters()):
        p.copy_(spread(*p.shape))
    embedding, positions, head = spread(vocabulary, width), spread(1, context, width), spread(vocabulary, width)
    tokens = torch.randint(vocabulary, (steps,))
    x = (embedding[tokens] + positions[0, :steps])[None]
    mask = torch.full((steps, steps), float("-inf")).triu(1)
    for block in blocks:
        x = block(x, src_mask=mask)
    save(out / "gpt.npz", {
        **names(blocks, ("query", "key", "value"), "proj", "mlp.0", "mlp.2", "ln1", "ln2", True),
        "tok_emb.weight": embedding, "pos_emb": positions, "ln_f.weight": norm.weight, "ln_f.bias": norm.bias,
        "head.weight": head, "input": tokens.float()[:, None], "logits": norm(x)[0] @ head.T})

    frames, channels, classes, width, heads, hidden = 7, 5, 6, 24, 2, 40
    blocks = stack(layers, width, heads, hidden, False, 1e-6)
    for p in blocks.parameters():
        p.copy_(spread(*p.shape))
    for block in blocks:
        block.self_attn.in_proj_bias.zero_()
    patch, head = nn.Linear(channels, width), nn.Linear(width, classes)
    cls, positions, inputs = spread(1, 1, width), spread(1, frames + 1, width), spread(frames, channels)
    x = torch.cat((cls[0], patch(inputs)))[None] + positions
    for block in blocks:
        x = block(x)
    save(out / "kwt.npz", {
        **names(blocks, ("query", "key", "value"), "proj", "mlp.fc1", "mlp.fc2", "norm1", "norm2", False),
        "patch_embed.weight": patch.weight, "patch_embed.bias": patch.bias, "cls_token": cls, "pos_embed": positions,
        "head.weight": head.weight, "head.bias": head.bias, "input": inputs[None], "logits": head(x[0, 0])[None]})


if __name__ == "__main__":
    main()
