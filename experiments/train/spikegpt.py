"""SpikeGPT and, without its neurons, RWKV-4, in PyTorch: parallel over a window for training, token by
token for evaluation.

Written from a description of the network (paper arXiv 2302.13939 and its equations); parameter names
follow the official state_dict. Values are [B, T, E].
"""
import math

import torch
from torch import nn
import torch.nn.functional as F


class Spike(torch.autograd.Function):
    """1 where x >= 0; backward the derivative of atan(pi x) / pi."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return (x >= 0).to(x.dtype)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad / (1 + (math.pi * x).square())


class LIF(torch.autograd.Function):
    """h = v + (x - v)/2, fires at h >= 1, hard reset to 0 (detached in backward); [B, T, E] along T."""

    @staticmethod
    def forward(ctx, x):
        h, v = torch.empty_like(x), torch.zeros_like(x[:, 0])
        for t in range(x.shape[1]):
            h[:, t] = v + (x[:, t] - v) * 0.5
            v = h[:, t] * (h[:, t] < 1)
        ctx.save_for_backward(h)
        return (h >= 1).to(x.dtype)

    @staticmethod
    def backward(ctx, grad):
        (h,) = ctx.saved_tensors
        g = grad / (1 + (math.pi * (h - 1)).square())
        keep = (h < 1).to(h.dtype) * 0.5
        for t in range(h.shape[1] - 2, -1, -1):
            g[:, t] += g[:, t + 1] * keep[:, t]
        return g * 0.5


def shift(x):
    """The previous token's vector; zeros at the first."""
    return F.pad(x, (0, 0, 1, -1))


def mix(x, previous, m):
    return x * m + previous * (1 - m)


class TimeMix(nn.Module):
    def __init__(self, layer, layers, width):
        super().__init__()
        depth, falling = layer / max(1, layers - 1), 1 - layer / layers
        c = torch.arange(width) / max(1, width - 1)
        self.time_decay = nn.Parameter(-5 + 8 * c ** (0.7 + 1.3 * depth))
        self.time_first = nn.Parameter(torch.full((width,), math.log(0.3)) +
                                       0.5 * ((torch.arange(width) + 1) % 3 - 1))
        base = (torch.arange(width) / width).view(1, 1, -1)
        self.time_mix_k = nn.Parameter(base ** falling)
        self.time_mix_v = nn.Parameter(base ** falling + 0.3 * depth)
        self.time_mix_r = nn.Parameter(base ** (0.5 * falling))
        self.key, self.value, self.receptance, self.output = (
            nn.Linear(width, width, bias=False) for _ in range(4))

    def forward(self, x):
        p = shift(x)
        k, v = self.key(mix(x, p, self.time_mix_k)), self.value(mix(x, p, self.time_mix_v))
        r = torch.sigmoid(self.receptance(mix(x, p, self.time_mix_r)))
        return self.output(r * self.wkv(k, v))

    def wkv(self, k, v):
        """The closed form of the recurrence, one T x T matrix of decays per channel."""
        steps = k.shape[1]
        w, u = -torch.exp(self.time_decay), self.time_first
        t = torch.arange(steps)
        age = (t[:, None] - 1 - t[None, :]).clamp(min=0).to(k.dtype)
        decay = torch.exp(w[:, None, None] * age) * (t[None, :] < t[:, None])  # [E, T, T]
        top = k.detach().amax(1, keepdim=True)
        e = torch.exp(k - top)
        now = torch.exp(u + k - top)
        past = lambda a: torch.bmm(decay, a.permute(2, 1, 0)).permute(2, 1, 0)  # noqa: E731
        return (past(e * v) + now * v) / (past(e) + now)

    def step(self, x, state, i):
        p = state[5 * i + 1]
        k, v = self.key(mix(x, p, self.time_mix_k[0])), self.value(mix(x, p, self.time_mix_v[0]))
        r = torch.sigmoid(self.receptance(mix(x, p, self.time_mix_r[0])))
        w, u = -torch.exp(self.time_decay), self.time_first
        num, den, top = state[5 * i + 2], state[5 * i + 3], state[5 * i + 4]
        n = torch.maximum(top, u + k)
        a, b = torch.exp(top - n), torch.exp(u + k - n)
        wkv = (a * num + b * v) / (a * den + b)
        n = torch.maximum(top + w, k)
        a, b = torch.exp(top + w - n), torch.exp(k - n)
        state[5 * i + 1], state[5 * i + 2], state[5 * i + 3], state[5 * i + 4] = (
            x, a * num + b * v, a * den + b, n)
        return self.output(r * wkv)


class ChannelMix(nn.Module):
    def __init__(self, layer, layers, width):
        super().__init__()
        base = (torch.arange(width) / width).view(1, 1, -1) ** (1 - layer / layers)
        self.time_mix_k, self.time_mix_r = nn.Parameter(base.clone()), nn.Parameter(base.clone())
        self.key = nn.Linear(width, 4 * width, bias=False)
        self.value = nn.Linear(4 * width, width, bias=False)
        self.receptance = nn.Linear(width, width, bias=False)

    def forward(self, x, previous=None):
        p = shift(x) if previous is None else previous
        h = torch.relu(self.key(mix(x, p, self.time_mix_k))).square()
        return torch.sigmoid(self.receptance(mix(x, p, self.time_mix_r))) * self.value(h)


class Block(nn.Module):
    def __init__(self, layer, layers, width):
        super().__init__()
        if layer == 0:
            self.ln0 = nn.LayerNorm(width)
        self.ln1, self.ln2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.att, self.ffn = TimeMix(layer, layers, width), ChannelMix(layer, layers, width)


class SpikeGPT(nn.Module):
    def __init__(self, vocabulary, layers, width, spiking=True, dropout=0.0):
        super().__init__()
        self.spiking, self.dropout = spiking, dropout
        self.emb = nn.Embedding(vocabulary, width)
        self.blocks = nn.ModuleList(Block(i, layers, width) for i in range(layers))
        self.ln_out = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        nn.init.uniform_(self.emb.weight, -0.5, 0.5)

    def embed(self, tokens):
        e = self.emb(tokens)
        return self.blocks[0].ln0(Spike.apply(e) if self.spiking else e)

    def forward(self, tokens):
        """[B, T] -> logits [B, T, V]; every row is a sequence of its own."""
        x = self.embed(tokens)
        fire = LIF.apply if self.spiking else (lambda y: y)
        for block in self.blocks:
            x = x + fire(block.att(block.ln1(x)))
            x = x + fire(block.ffn(block.ln2(x)))
            x = F.dropout(x, self.dropout, self.training)
        return self.head(self.ln_out(x))

    @torch.no_grad()
    def stream(self, tokens):
        """The same logits through the recurrence, token by token; also the firing rates of both neurons of every
        block, and the smallest distance of a membrane to its threshold at every token [B, T]."""
        batch, steps = tokens.shape
        width, layers = self.emb.weight.shape[1], len(self.blocks)
        state = torch.zeros(5 * layers, batch, width)
        state[4::5] = -1e30
        membranes = torch.zeros(2 * layers, batch, width)
        rates = torch.zeros(2 * layers)
        margins = torch.full((batch, steps), math.inf)

        def fire(y, n):
            if not self.spiking:
                return y
            h = membranes[n] + (y - membranes[n]) * 0.5
            s = (h >= 1).to(h.dtype)
            membranes[n] = h * (1 - s)
            rates[n] += s.mean() / steps
            margins[:, t] = torch.minimum(margins[:, t], (h - 1).abs().amin(1))
            return s

        logits = []
        for t in range(steps):
            x = self.embed(tokens[:, t])
            for i, block in enumerate(self.blocks):
                x = x + fire(block.att.step(block.ln1(x), state, i), 2 * i)
                f = block.ln2(x)
                y = block.ffn(f, state[5 * i].clone())[0]
                state[5 * i] = f
                x = x + fire(y, 2 * i + 1)
            logits.append(self.head(self.ln_out(x)))
        return torch.stack(logits, 1), rates, margins
