"""Meta-SpikeFormer (Spike-driven Transformer V2) and its dense twin, in PyTorch.

Written from a description of the network; parameter names follow the official
state_dict. Tensors carry time first: [T, B, C, H, W].
"""
import math

import torch
from torch import nn
import torch.nn.functional as F


class LIFFunction(torch.autograd.Function):
    """h = v + (x - v)/2, fires at h >= v_th, hard reset to 0 (detached in backward)."""

    @staticmethod
    def forward(ctx, x, v_th, surrogate):
        h = torch.empty_like(x)
        s = torch.empty_like(x)
        v = None
        for t in range(x.shape[0]):
            if v is None:
                torch.mul(x[t], 0.5, out=h[t])
            else:
                torch.add(v, (x[t] - v).mul_(0.5), out=h[t])
            s[t] = h[t] >= v_th
            if t + 1 < x.shape[0]:
                v = h[t] * (1 - s[t])
        ctx.save_for_backward(h)
        ctx.v_th, ctx.surrogate = v_th, surrogate
        return s

    @staticmethod
    def backward(ctx, grad):
        (h,) = ctx.saved_tensors
        d = h - ctx.v_th
        if ctx.surrogate == "sigmoid":  # derivative of sigmoid(4 d)
            y = torch.sigmoid(d.mul_(4))
            d = (1 - y).mul_(y).mul_(4)
        else:  # derivative of atan(pi d)/pi
            d = d.mul_(math.pi).square_().add_(1).reciprocal_()
        gh = d.mul_(grad)
        for t in range(h.shape[0] - 2, -1, -1):
            gh[t].addcmul_(gh[t + 1], (h[t] < ctx.v_th).to(h.dtype), value=0.5)
        return gh.mul_(0.5), None, None


class LIF(nn.Module):
    """Spiking neuron; `margin`, when set to a list, collects min |h - v_th| per image."""

    def __init__(self, v_th=1.0, surrogate="sigmoid"):
        super().__init__()
        self.v_th, self.surrogate, self.margin = v_th, surrogate, None

    def forward(self, x):
        s = LIFFunction.apply(x, self.v_th, self.surrogate)
        if self.margin is not None:
            v = torch.zeros_like(x[0])
            for t in range(x.shape[0]):
                h = v + (x[t] - v) * 0.5
                v = h * (1 - s[t])
                self.margin.append((h - self.v_th).abs().flatten(1).amin(1))
        return s


def over_time(module, x):
    """Apply a module without state to [T, B, ...]."""
    y = module(x.flatten(0, 1))
    return y.reshape(*x.shape[:2], *y.shape[1:])  # unflatten, which ONNX lacks


class Downsampling(nn.Module):
    def __init__(self, neuron, c_in, c_out, kernel, stride, first=False):
        super().__init__()
        if not first:
            self.encode_lif = neuron()
        self.first = first
        self.encode_conv = nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2)
        self.encode_bn = nn.BatchNorm2d(c_out)

    def forward(self, x):
        if self.first:  # the same image at every step: convolve it once
            return over_time(lambda y: self.encode_bn(self.encode_conv(y)), x[:1]).expand(x.shape[0], -1, -1, -1, -1)
        return over_time(lambda y: self.encode_bn(self.encode_conv(y)), self.encode_lif(x))


class SepConv(nn.Module):
    def __init__(self, neuron, dim, expansion=2):
        super().__init__()
        mid = dim * expansion
        self.lif1 = neuron()
        self.pwconv1 = nn.Conv2d(dim, mid, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(mid)
        self.lif2 = neuron()
        self.dwconv = nn.Conv2d(mid, mid, 7, padding=3, groups=mid, bias=False)
        self.pwconv2 = nn.Conv2d(mid, dim, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(dim)

    def forward(self, x):
        x = over_time(lambda y: self.bn1(self.pwconv1(y)), self.lif1(x))
        return over_time(lambda y: self.bn2(self.pwconv2(self.dwconv(y))), self.lif2(x))


class ConvBlock(nn.Module):
    def __init__(self, neuron, dim, ratio=4):
        super().__init__()
        self.Conv = SepConv(neuron, dim)
        self.lif1 = neuron()
        self.conv1 = nn.Conv2d(dim, dim * ratio, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(dim * ratio)
        self.lif2 = neuron()
        self.conv2 = nn.Conv2d(dim * ratio, dim, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(dim)

    def forward(self, x):
        x = x + self.Conv(x)
        y = over_time(lambda z: self.bn1(self.conv1(z)), self.lif1(x))
        return x + over_time(lambda z: self.bn2(self.conv2(z)), self.lif2(y))


class BNAndPad(nn.Module):
    """BatchNorm, then a ring of one pixel holding what BatchNorm makes of 0."""

    def __init__(self, dim):
        super().__init__()
        self.bn = nn.BatchNorm2d(dim)

    def forward(self, x):
        bn = self.bn
        x = bn(x)
        with torch.no_grad():
            ring = bn.bias - bn.running_mean * bn.weight / torch.sqrt(bn.running_var + bn.eps)
            ring = ring.view(1, -1, 1, 1)
            border = F.pad(torch.zeros_like(x[:1, :1]), [1] * 4, value=1.0)
        return F.pad(x, [1] * 4) + ring * border


class RepConv(nn.Module):
    def __init__(self, c_in, c_out):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(c_in, c_in, 1, bias=False),
            BNAndPad(c_in),
            nn.Sequential(
                nn.Conv2d(c_in, c_in, 3, groups=c_in, bias=False),
                nn.Conv2d(c_in, c_out, 1, bias=False),
                nn.BatchNorm2d(c_out),
            ),
        )

    def forward(self, x):
        return self.body(x)


class Attention(nn.Module):
    def __init__(self, neuron, dim, heads, dense):
        super().__init__()
        assert dim % heads == 0
        self.heads, self.dense = heads, dense
        inner = nn.Identity if dense else neuron
        self.head_lif = neuron()
        for name in "qkv":
            setattr(self, name + "_conv", nn.Sequential(RepConv(dim, dim), nn.BatchNorm2d(dim)))
        self.proj_conv = nn.Sequential(RepConv(dim, dim), nn.BatchNorm2d(dim))
        self.q_lif, self.k_lif, self.v_lif = inner(), inner(), inner()
        self.attn_lif = nn.Identity() if dense else neuron(0.5)

    def forward(self, x):
        t, b, c, h, w = x.shape
        x = self.head_lif(x)
        # [T, B, heads, d_h, N]
        q, k, v = (
            lif(over_time(conv, x)).reshape(t * b * self.heads, c // self.heads, h * w)
            for conv, lif in ((self.q_conv, self.q_lif), (self.k_conv, self.k_lif), (self.v_conv, self.v_lif))
        )
        if self.dense:
            a = torch.softmax(q.transpose(1, 2) @ k / math.sqrt(q.shape[1]), dim=-1)  # [N, N]
            y = v @ a.transpose(1, 2)
        else:
            y = (v @ k.transpose(1, 2)) @ q * 0.125  # (Q (K^T V))^T
        y = self.attn_lif(y.reshape(t, b, c, h * w))
        return over_time(self.proj_conv, y.reshape(t, b, c, h, w))


class MLP(nn.Module):
    def __init__(self, neuron, dim, ratio=4):
        super().__init__()
        self.fc1_lif = neuron()
        self.fc1_conv = nn.Conv1d(dim, dim * ratio, 1)
        self.fc1_bn = nn.BatchNorm1d(dim * ratio)
        self.fc2_lif = neuron()
        self.fc2_conv = nn.Conv1d(dim * ratio, dim, 1)
        self.fc2_bn = nn.BatchNorm1d(dim)

    def forward(self, x):
        y = self.fc1_lif(x.flatten(3))
        y = over_time(lambda z: self.fc1_bn(self.fc1_conv(z)), y)
        y = over_time(lambda z: self.fc2_bn(self.fc2_conv(z)), self.fc2_lif(y))
        return y.reshape(x.shape)


class Block(nn.Module):
    def __init__(self, neuron, dim, heads, dense):
        super().__init__()
        self.attn = Attention(neuron, dim, heads, dense)
        self.mlp = MLP(neuron, dim)

    def forward(self, x):
        x = x + self.attn(x)
        return x + self.mlp(x)


class MetaSpikeFormer(nn.Module):
    """dense=True builds the twin: ReLU for LIF, softmax attention, one pass."""

    def __init__(self, embed_dim, num_heads=8, in_channels=3, num_classes=10, depth3=6, depth4=2,
                 strides=(2, 2, 2, 2, 1), T=4, dense=False, surrogate="sigmoid"):
        super().__init__()
        e0, e1, e2, e3 = embed_dim
        self.T, self.dense = 1 if dense else T, dense
        neuron = (lambda v_th=1.0: nn.ReLU()) if dense else (lambda v_th=1.0: LIF(v_th, surrogate))
        self.downsample1_1 = Downsampling(neuron, in_channels, e0 // 2, 7, strides[0], first=True)
        self.ConvBlock1_1 = nn.ModuleList([ConvBlock(neuron, e0 // 2)])
        self.downsample1_2 = Downsampling(neuron, e0 // 2, e0, 3, strides[1])
        self.ConvBlock1_2 = nn.ModuleList([ConvBlock(neuron, e0)])
        self.downsample2 = Downsampling(neuron, e0, e1, 3, strides[2])
        self.ConvBlock2_1 = nn.ModuleList([ConvBlock(neuron, e1)])
        self.ConvBlock2_2 = nn.ModuleList([ConvBlock(neuron, e1)])
        self.downsample3 = Downsampling(neuron, e1, e2, 3, strides[3])
        self.block3 = nn.ModuleList([Block(neuron, e2, num_heads, dense) for _ in range(depth3)])
        self.downsample4 = Downsampling(neuron, e2, e3, 3, strides[4])
        self.block4 = nn.ModuleList([Block(neuron, e3, num_heads, dense) for _ in range(depth4)])
        self.lif = neuron()
        self.head = nn.Linear(e3, num_classes)
        self.reset_parameters()

    def reset_parameters(self):
        """Batch norms that feed a LIF directly start wide enough for it to fire."""
        if self.dense:
            return
        for name, m in self.named_modules():
            if name.endswith((".bn1", "fc1_bn")):
                nn.init.constant_(m.weight, 2.0)
            if name.endswith(("q_conv.1", "k_conv.1", "v_conv.1")):
                nn.init.constant_(m.weight, 2.0)
                nn.init.constant_(m.bias, 1.0)

    def forward(self, x):
        """x: [B, C, H, W] (same image every step) -> logits [B, classes]."""
        x = x.unsqueeze(0).expand(self.T, -1, -1, -1, -1)
        for stage in (self.downsample1_1, *self.ConvBlock1_1, self.downsample1_2, *self.ConvBlock1_2,
                      self.downsample2, *self.ConvBlock2_1, *self.ConvBlock2_2, self.downsample3,
                      *self.block3, self.downsample4, *self.block4):
            x = stage(x)
        return self.head(self.lif(x.flatten(3).mean(3))).mean(0)
