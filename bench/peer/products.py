# products.py - how frozen linear layers and attention are computed in PyTorch: the ways there are, and the choice of the fastest.
# SPDX-License-Identifier: Apache-2.0
#
# PyTorch sends f32 matrix products to the BLAS it was built with.  Debian's has the netlib BLAS unless OpenBLAS is installed: 2 to 5 GFLOP/s
# on a machine whose oneDNN reaches 170, and even with OpenBLAS a batch of products is done one by one (25 GFLOP/s).  Its convolutions go to
# oneDNN, so a linear layer as a convolution of size 1 and attention as a grouped convolution have oneDNN's speed; with another PyTorch
# (MKL, fused attention) the ordinary way may be the faster one.  Milliseconds per prompt of a text block forward and backward, two busy cores:
# linear layers 316 with netlib and 20 with OpenBLAS, 8 to 14 as convolutions; attention 26 plain, 21 baddbmm, 13 grouped; between 5 and
# 50 prompts at a time 20 % at most, within the noise.  Every process tries them all on the text tower's shapes and keeps the fastest.
import time

import torch
import torch.nn.functional as F


def rows_conv(x, w, b=None):
    """x W^T + b as a convolution of size 1 over an image of one row, channels last: no copy of x."""
    y = F.conv2d(x.reshape(1, 1, -1, x.shape[-1]).permute(0, 3, 1, 2), w[:, :, None, None], b)
    return y.permute(0, 2, 3, 1).reshape(*x.shape[:-1], -1)


class ConvLinear(torch.autograd.Function):
    """Frozen weights: as in F.linear, nothing of x is kept for the backward pass."""

    @staticmethod
    def forward(ctx, x, layer):
        ctx.layer = layer
        return rows_conv(x, layer.w, layer.b)

    @staticmethod
    def backward(ctx, g):
        return rows_conv(g, ctx.layer.transposed()), None


class Linear:
    """A frozen linear layer."""
    way = "conv"

    def __init__(self, w, b=None):
        self.w, self.b, self.wt = w, b, None

    def transposed(self):
        if self.wt is None:
            self.wt = self.w.t().contiguous()
        return self.wt

    def __call__(self, x):
        if Linear.way == "conv":
            return ConvLinear.apply(x, self)
        return F.linear(x.reshape(-1, x.shape[-1]), self.w, self.b).reshape(*x.shape[:-1], -1)


def products(a, b):
    """a [G, m, k] times b [G, k, n] as a convolution of size 1 with G groups."""
    n_groups, m, k = a.shape
    return F.conv1d(b.reshape(1, n_groups * k, -1), a.reshape(n_groups * m, k, 1), groups=n_groups).reshape(n_groups, m, -1)


class GroupedAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx, q, k, v, mask):
        s = products(q, k.transpose(1, 2))
        p = (s if mask is None else s.add_(mask)).softmax(-1)
        ctx.save_for_backward(q, k, v, p)
        return products(p, v)

    @staticmethod
    def backward(ctx, g):
        q, k, v, p = ctx.saved_tensors
        dp = products(g, v.transpose(1, 2))
        ds = dp.sub_((dp * p).sum(-1, keepdim=True)).mul_(p)
        return products(ds, k), products(ds.transpose(1, 2), q), products(p.transpose(1, 2), g), None


def plain(q, k, v, mask):
    s = q @ k.transpose(1, 2)
    return (s if mask is None else s + mask).softmax(-1) @ v


def baddbmm(q, k, v, mask):
    """As PyTorch's own multi-head attention does, which OpenAI's CLIP calls."""
    zero = q.new_zeros(1, 1, 1) if mask is None else mask
    return torch.bmm(torch.baddbmm(zero.expand(len(q), q.shape[1], k.shape[1]), q, k.transpose(1, 2)).softmax(-1), v)


def fused(q, k, v, mask):
    return F.scaled_dot_product_attention(q * q.shape[-1] ** 0.5, k, v, mask)  # it divides again; not every version lets one say no


ATTENTION = {"grouped": lambda *a: GroupedAttention.apply(*a), "plain": plain, "baddbmm": baddbmm}
if hasattr(F, "scaled_dot_product_attention"):
    ATTENTION["fused"] = fused
way = {"attention": "grouped", "prompts": 10}


def attention(q, k, v, mask):
    """q [G, T, d] is already divided by sqrt(d); mask [T, T] is added to the scores, or None."""
    return ATTENTION[way["attention"]](q, k, v, mask)


def seconds(f, repeats=3):
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        f()
        best = min(best, time.perf_counter() - start)
    return best


def choose(block, width, tokens):
    """Forward and backward of a text block in every way; the fastest of each kind stays.  -> milliseconds per prompt of all of them."""
    tried = {}

    def trial(n):
        x = torch.randn(n, tokens, width, requires_grad=True)
        return seconds(lambda: block(x).sum().backward()) / n * 1e3

    trial(1)  # the first pass of a process is slow
    for name in ATTENTION:
        way["attention"] = name
        tried["attention", name] = trial(10)
    way["attention"] = min(ATTENTION, key=lambda n: tried["attention", n])
    for name in ("torch", "conv"):
        Linear.way = name
        tried["linear", name] = trial(10)
    Linear.way = min(("torch", "conv"), key=lambda n: tried["linear", n])
    for n in (5, 10, 25, 50):
        tried["prompts", n] = trial(n)
    way["prompts"] = min((5, 10, 25, 50), key=lambda n: tried["prompts", n])
    chosen = {"linear": Linear.way, **way}
    return chosen, {f"{kind} {name}": round(ms, 3) for (kind, name), ms in tried.items()}
