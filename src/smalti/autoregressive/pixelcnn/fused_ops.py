"""The passes over memory between PixelCNN++'s convolutions, each as one compiled loop on a CPU.

There they take as long as the convolutions themselves when PyTorch does them one by one. Features
are in channels-last memory, where the convolutions are faster, too. Elsewhere, and in other types
than float32, float64 and bfloat16 (which is worked on in float32), the same is said in PyTorch.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from smalti.kernels.bf16_rows import (
    bring,
    compiles,
    empty,
    fill,
    last,
    over,
    place,
    read,
    room,
    rows,
    settle,
)
from smalti.kernels.jit import INNER, JIT
from smalti.kernels.loops import add_gated, concat_elu, fast_exp, repeat, start

Padding = tuple[int, int, int, int]
"""Left, right, above, below, as `F.pad` has it."""
FAST = {"contract", "arcp"}


def opened(x: Tensor, padding: Padding, dropout: float = 0.0) -> Tensor:
    """Concat-ELU, padded with zeros, then dropout: (N, C, H, W) -> (N, 2C, H + .., W + ..).

    The draws come from torch's global generator.
    """
    if not compiles(x):
        x = F.pad(x, padding)
        return F.dropout(F.elu(torch.cat([x, -x], dim=1)), dropout)
    seed = int(torch.randint(2**31, ())) if dropout else 0
    step: Any = Opened.apply
    return step(x, padding, dropout, seed)


def gated(x: Tensor, t: Tensor) -> Tensor:
    """x + a sigmoid(b), [a, b] = t: x (N, C, H, W), t (N, 2C, H, W)."""
    if not (compiles(x) and t.dtype == x.dtype):
        a, b = t.chunk(2, dim=1)
        return x + a * torch.sigmoid(b)
    step: Any = Gated.apply
    return step(x, t)


class Opened(torch.autograd.Function):
    """`opened`, by the kernels."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, padding: Padding, dropout: float, seed: int) -> Tensor:
        left, right, above, below = padding
        (N, C, H, W), x = x.shape, last(x)
        out = empty(x, N, 2 * C, H + above + below, W + left + right)
        ctx.save_for_backward(x)
        at, draw = ctx.rest = (above, left), (int(dropout * 2**32), seed)

        def work(n: slice) -> None:
            open_rows(rows(x[n]), rows(out[n]), n.start, at, draw, room(x))

        over(N, x.numel(), work)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        (x,), g, (at, draw) = ctx.saved_tensors, last(g), ctx.rest
        dx = empty(x, *x.shape)

        def work(n: slice) -> None:
            open_rows_back(rows(x[n]), rows(g[n]), rows(dx[n]), n.start, at, draw, room(x))

        over(len(x), x.numel(), work)
        return dx, None, None, None


class Gated(torch.autograd.Function):
    """`gated`, by the kernels."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, t: Tensor) -> Tensor:
        x, t, out = last(x), last(t), empty(x, *x.shape)
        ctx.save_for_backward(t)
        over(len(t), t.numel(), lambda n: plus_gated(rows(x[n]), rows(t[n]), rows(out[n]), room(x)))
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor]:
        (t,), g = ctx.saved_tensors, last(g)
        dt = empty(t, *t.shape)
        over(len(t), t.numel(), lambda n: gate_back(rows(t[n]), rows(g[n]), rows(dt[n]), room(g)))
        return g, dt


@numba.njit(**JIT)
def open_rows(x, out, first, at, draw, room):
    """out (N, H', W', 2C) = E of x (N, H, W, C) at row and column `at`, and zeros around it.

    Of 2^32 numbers as many are zeros as `draw` says first; which, says its seed, and what place a
    picture has after `first`.
    """
    (N, H, W, C), (above, left), (drop, seed) = x.shape, at, draw
    opened, entered = room[0].reshape(W, 2 * C), room[1, : W * C].reshape(W, C)
    for n in range(N):
        for i in range(out.shape[1]):
            line = out[n, i]
            if i < above or i >= above + H:
                fill(line)
                continue
            fill(line[:left])
            fill(line[left + W :])
            within = place(line[left : left + W], opened)
            concat_elu(start(read(x[n, i - above], entered)), start(within), W, C)
            if drop:
                thin(within, ((first + n) * H + i - above) * W * 2 * C, drop, seed)
            settle(line[left : left + W], within)


@numba.njit(**INNER, fastmath=FAST)
def thin(x, start, drop, seed):
    """Dropout: what the place and the seed draw is 0, the rest larger by 1 / (1 - p)."""
    C = x.shape[1]
    scale = x.dtype.type(2.0**32 / (2.0**32 - drop))
    for s in range(x.shape[0]):
        line, base = x[s], np.uint32((start + s * C) & 0xFFFFFFFF)
        for k in range(C):
            h = mixed(base + np.uint32(k), np.uint32(seed))
            line[k] = line[k] * scale if h >= np.uint32(drop) else x.dtype.type(0)


@numba.njit(**INNER)
def mixed(place, seed):
    """32 bits of which any place and seed make other ones: twice the finaliser of MurmurHash3."""
    h = np.uint32(place * np.uint32(0x9E3779B1)) ^ seed
    for _ in range(2):
        h = np.uint32(h ^ (h >> np.uint32(16)))
        h = np.uint32(h * np.uint32(0x85EBCA6B))
        h = np.uint32(h ^ (h >> np.uint32(13)))
        h = np.uint32(h * np.uint32(0xC2B2AE35))
        h = np.uint32(h ^ (h >> np.uint32(16)))
        h = np.uint32(h + seed)
    return h


@numba.njit(**JIT)
def open_rows_back(x, g, dx, first, at, draw, room):
    """dx (N, H, W, C) from g (N, H', W', 2C)."""
    (N, H, W, C), (above, left), (drop, seed) = x.shape, at, draw
    given, kept = room[0].reshape(W, 2 * C), room[1].reshape(W, 2 * C)
    entered, result = room[2, : W * C].reshape(W, C), room[2, W * C :].reshape(W, C)
    for n in range(N):
        for i in range(H):
            within = read(g[n, i + above, left : left + W], given)
            if drop:
                repeat(start(within), start(kept), 1, kept.size)
                thin(kept, ((first + n) * H + i) * W * 2 * C, drop, seed)
                within = kept
            to = place(dx[n, i], result)
            concat_elu_back(read(x[n, i], entered), within, to)
            settle(dx[n, i], to)


@numba.njit(**INNER, fastmath=FAST)
def concat_elu_back(x, g, dx):
    """The gradient of [elu(x), elu(-x)]: x, dx (rows, C), g (rows, 2C)."""
    C = x.shape[1]
    zero, far = x.dtype.type(0), x.dtype.type(80)
    for s in range(x.shape[0]):
        value, plus, minus, to = x[s], g[s, :C], g[s, C:], dx[s]
        for k in range(C):
            v = value[k]
            e = fast_exp(-min(abs(v), far))
            to[k] = plus[k] - minus[k] * e if v > zero else plus[k] * e - minus[k]


@numba.njit(**JIT)
def plus_gated(x, t, out, room):
    """out = x + a sigmoid(b): x, out (N, H, W, C), t (N, H, W, 2C) = [a, b]."""
    N, H, W, C = x.shape
    given, result = room[0].reshape(W, 2 * C), room[1, : W * C].reshape(W, C)
    for n in range(N):
        for i in range(H):
            to = place(out[n, i], result)
            bring(x[n, i], to)
            add_gated(start(read(t[n, i], given)), start(to), W, C)
            settle(out[n, i], to)


@numba.njit(**JIT)
def gate_back(t, g, dt, room):
    """The gradient of a sigmoid(b): t, dt (N, H, W, 2C) = [a, b], g (N, H, W, C)."""
    N, H, W, C = g.shape
    given, result = room[0].reshape(W, 2 * C), room[1].reshape(W, 2 * C)
    entered = room[2, : W * C].reshape(W, C)
    for n in range(N):
        for i in range(H):
            to = place(dt[n, i], result)
            gate_line_back(read(t[n, i], given), read(g[n, i], entered), to)
            settle(dt[n, i], to)


@numba.njit(**INNER, fastmath=FAST)
def gate_line_back(t, g, dt):
    """Of one line: t, dt (W, 2C), g (W, C)."""
    C = g.shape[1]
    one, wide = t.dtype.type(1), t.dtype.type(40)
    for s in range(g.shape[0]):
        a, b, by, da, db = t[s, :C], t[s, C:], g[s], dt[s, :C], dt[s, C:]
        for k in range(C):
            sigmoid = one / (one + fast_exp(-min(max(b[k], -wide), wide)))
            da[k] = by[k] * sigmoid
            db[k] = by[k] * a[k] * sigmoid * (one - sigmoid)
