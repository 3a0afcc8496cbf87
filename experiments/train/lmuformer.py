"""LMUFormer and spiking LMUFormer in PyTorch: the Speech Commands networks and the spiking psMNIST network.

Written from a description of the network (paper arXiv 2402.04882 and its equations); parameter names follow the
official state_dict. Values are [steps, batch, channels] inside: a step of a neuron then reads memory in one piece.
"""
import math

import numpy as np
import torch
from torch import nn
import torch.nn.functional as F


class LIFStep(torch.autograd.Function):
    """h = v + (x - v)/2, fires at h >= threshold, hard reset to 0 (detached in backward); [T, B, C] along T."""

    @staticmethod
    def forward(ctx, x, threshold):
        h, v = torch.empty_like(x), torch.zeros_like(x[0])
        for t in range(len(x)):
            h[t] = v + (x[t] - v) * 0.5
            v = h[t] * (h[t] < threshold)
        ctx.save_for_backward(h)
        ctx.threshold = threshold
        return (h >= threshold).to(x.dtype)

    @staticmethod
    def backward(ctx, grad):
        (h,) = ctx.saved_tensors
        g = grad / (1 + (math.pi * (h - ctx.threshold)).square())
        keep = (h < ctx.threshold).to(h.dtype) * 0.5
        for t in range(len(h) - 2, -1, -1):
            g[t].addcmul_(g[t + 1], keep[t])
        return g * 0.5, None


class LIF(nn.Module):
    """With `watch`, keeps the firing rate and the smallest |h - threshold| of every sample of the last call."""

    def __init__(self, threshold=1.0):
        super().__init__()
        self.threshold, self.watch, self.rate, self.margin = threshold, False, None, None

    def forward(self, x):
        spikes = LIFStep.apply(x, self.threshold)
        if self.watch:
            v, margin = torch.zeros_like(x[0]), torch.full_like(x[0], math.inf)
            for t in range(len(x)):
                h = v + (x[t] - v) * 0.5
                margin = torch.minimum(margin, (h - self.threshold).abs())
                v = h * (h < self.threshold)
            self.rate, self.margin = spikes.mean((0, 2)), margin.amin(1)
        return spikes


def impulse_response(order, theta, steps):
    """H[:, k] = Abar^k Bbar of the Legendre memory, zero-order hold; float64 [order, steps]."""
    i = np.arange(order)
    sign = np.where(i[:, None] < i[None, :], -1.0, (-1.0) ** (i[:, None] - i[None, :] + 1))
    a, b = (2 * i[:, None] + 1) * sign / theta, (2 * i + 1) * (-1.0) ** i / theta
    both = np.zeros((order + 1, order + 1))
    both[:order, :order], both[:order, order] = a, b
    # Its norm is several hundred; torch scales and squares, here in double.
    both = torch.matrix_exp(torch.from_numpy(both)).numpy()
    column, columns = both[:order, order], []
    for _ in range(steps):
        columns.append(column)
        column = both[:order, :order] @ column
    return np.stack(columns, 1)


class Memory(nn.Module):
    """m[t] = sum_s H[:, t-s] u[s] for the last `keep` steps (all by default); u [T, B, 1] -> [keep, B, order]."""

    def __init__(self, order, theta, steps):
        super().__init__()
        self.register_buffer("response", torch.from_numpy(impulse_response(order, theta, steps)).float(),
                             persistent=False)
        t = torch.arange(steps)
        self.register_buffer("age", t[:, None] - t[None, :], persistent=False)

    def forward(self, u, keep=None):
        steps, batch, _ = u.shape
        age = self.age[steps - (keep or steps):steps, :steps]
        past = u.squeeze(2).t()  # [B, T]
        # Column k of `lagged` at step t is u[t - k].
        lagged = past[:, age.clamp(min=0).view(-1)].view(batch, *age.shape)
        lagged = lagged * (age >= 0)
        return torch.einsum("btk,mk->tbm", lagged, self.response[:, :steps])


class StepNorm(nn.BatchNorm1d):
    """Batch normalisation over steps and batch of [T, B, C]."""

    def forward(self, x):
        return super().forward(x.flatten(0, 1)).view_as(x)


class StepConv(nn.Conv1d):
    """Convolution along the steps of [T, B, C]; kernel 3 looks one step back and one ahead."""

    def __init__(self, channels, out, kernel, bias):
        super().__init__(channels, out, kernel, padding=kernel // 2, bias=bias)

    def forward(self, x):
        if self.kernel_size == (1,):
            return F.linear(x, self.weight.squeeze(2), self.bias)
        taps = [F.linear(F.pad(x, (0, 0, 0, 0, 1, 1))[k:k + len(x)], self.weight[:, :, k]) for k in range(3)]
        return sum(taps)


class SpikingEmbed(nn.Module):
    def __init__(self, channels, dim):
        super().__init__()
        for i in ("", "1", "2", "3"):
            setattr(self, "proj_conv" + i, StepConv(channels if i == "" else dim, dim, 3, False))
            setattr(self, "proj_bn" + i, StepNorm(dim))
            setattr(self, "proj_lif" + i, LIF())
        self.rpe_conv = StepConv(dim, dim, 3, False)

    def forward(self, x):
        for i in ("", "1", "2", "3"):
            y = getattr(self, "proj_conv" + i)(x)
            x = getattr(self, "proj_lif" + i)(getattr(self, "proj_bn" + i)(y))
        return y + self.rpe_conv(x)


class SpikingCell(nn.Module):
    def __init__(self, dim, order, theta, steps):
        super().__init__()
        self.W_u, self.W_h = nn.Linear(dim, 1), nn.Linear(order + dim, dim)
        self.bn_u, self.bn_m, self.bn_h = StepNorm(1), StepNorm(order), StepNorm(dim)
        self.f_u, self.f_m, self.f_h = LIF(), LIF(), LIF()
        self.memory = Memory(order, theta, steps)

    def forward(self, a):
        u = self.f_u(self.bn_u(self.W_u(a)))
        q = self.f_m(self.bn_m(self.memory(u)))
        return self.f_h(self.bn_h(self.W_h(torch.cat([q, a], 2))))


class SpikingAttn(nn.Module):
    def __init__(self, dim, order, theta, steps):
        super().__init__()
        self.prev_bn, self.prev_lif = StepNorm(dim), LIF(0.5)
        self.lmu = SpikingCell(dim, order, theta, steps)
        self.proj_conv, self.proj_bn = StepConv(dim, dim, 1, True), StepNorm(dim)

    def forward(self, r):
        return r + self.proj_bn(self.proj_conv(self.lmu(self.prev_lif(self.prev_bn(r)))))


class SpikingMixer(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.fc1_bn, self.fc1_lif, self.fc1_conv = StepNorm(dim), LIF(), StepConv(dim, hidden, 1, True)
        self.fc2_bn, self.fc2_lif, self.fc2_conv = StepNorm(hidden), LIF(), StepConv(hidden, dim, 1, True)

    def forward(self, r):
        x = self.fc1_conv(self.fc1_lif(self.fc1_bn(r)))
        return r + self.fc2_conv(self.fc2_lif(self.fc2_bn(x)))


class Embed(nn.Module):
    def __init__(self, channels, dim):
        super().__init__()
        self.conv_layers = nn.ModuleList(
            nn.Sequential(StepConv(channels if i == 0 else dim, dim, 3, False), nn.ReLU(), nn.Identity(), StepNorm(dim))
            for i in range(4))
        self.rpe_conv = StepConv(dim, dim, 3, False)

    def forward(self, x):
        for layer in self.conv_layers:
            x = layer(x)
        return x + self.rpe_conv(x)


class Cell(nn.Module):
    def __init__(self, dim, order, theta, steps):
        super().__init__()
        self.W_u, self.W_h = nn.Linear(dim, 1), nn.Linear(order + dim, dim)
        self.memory = Memory(order, theta, steps)

    def forward(self, x):
        return torch.relu(self.W_h(torch.cat([self.memory(torch.relu(self.W_u(x))), x], 2)))


class Attn(nn.Module):
    def __init__(self, dim, order, theta, steps):
        super().__init__()
        self.lmu = Cell(dim, order, theta, steps)
        self.proj_conv, self.proj_bn = StepConv(dim, dim, 1, True), StepNorm(dim)

    def forward(self, r):
        return r + self.proj_bn(self.proj_conv(self.lmu(r)))


class Mixer(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.fc1_conv, self.fc1_bn = StepConv(dim, hidden, 1, True), StepNorm(hidden)
        self.fc2_conv, self.fc2_bn = StepConv(hidden, dim, 1, True), StepNorm(dim)

    def forward(self, r):
        return r + torch.relu(self.fc2_bn(self.fc2_conv(F.gelu(self.fc1_bn(self.fc1_conv(r))))))


class LMUFormer(nn.Module):
    """The Speech Commands network; forward gives the head's logits of every step, [T, B, classes]. The network's
    answer is their mean."""

    def __init__(self, channels, dim, classes, theta, steps, spiking, mlp_ratio=4):
        super().__init__()
        embed, attn, mixer = (SpikingEmbed, SpikingAttn, SpikingMixer) if spiking else (Embed, Attn, Mixer)
        self.patch_embed = embed(channels, dim)
        self.block = nn.ModuleList([nn.ModuleDict({
            "attn": attn(dim, 2 * dim if spiking else dim, theta, steps), "mlp": mixer(dim, mlp_ratio * dim)})])
        self.spiking = spiking
        if spiking:
            self.head_bn, self.head_lif = StepNorm(dim), LIF()
        self.head = nn.Linear(dim, classes)
        for m in self.modules():
            if isinstance(m, nn.Linear):
                nn.init.trunc_normal_(m.weight, std=0.02)
                nn.init.zeros_(m.bias)

    def forward(self, x):
        """x: [B, T, channels]."""
        r = self.patch_embed(x.transpose(0, 1))
        for block in self.block:
            r = block["mlp"](block["attn"](r))
        return self.head(self.head_lif(self.head_bn(r)) if self.spiking else r)


class PsmnistCell(nn.Module):
    def __init__(self, hidden, order, steps):
        super().__init__()
        self.W_u, self.W_h = nn.Linear(1, 1), nn.Linear(order + 1, hidden)
        self.f_u, self.f_h = LIF(), LIF()
        self.memory = Memory(order, steps, steps)


class SpikingPsmnist(nn.Module):
    """One memory layer; the classifier reads h of the last step, so that m and h are needed there alone: `keep`
    steps before the end a membrane's past counts 2^-keep."""

    def __init__(self, hidden, order, classes=10, steps=784, dropout=0.0):
        super().__init__()
        self.lmu_fft = PsmnistCell(hidden, order, steps)
        self.classifier, self.dropout = nn.Linear(hidden, classes), dropout

    def current(self, x, keep):
        cell = self.lmu_fft
        x = x.transpose(0, 1)
        m = cell.memory(cell.f_u(cell.W_u(x)), keep)
        return cell.W_h(torch.cat([m, x[len(x) - len(m):]], 2))

    def forward(self, x, keep=None):
        """x: [B, T, 1] -> logits [B, classes]."""
        h = self.lmu_fft.f_h(self.current(x, keep))[-1]
        return self.classifier(F.dropout(h, self.dropout, self.training))


def neurons(model):
    return {name: m for name, m in model.named_modules() if isinstance(m, LIF)}
