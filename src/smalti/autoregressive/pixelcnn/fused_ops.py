"""Fused elementwise operations between PixelCNN++'s convolutions, compiled for CPUs.

Run one by one in PyTorch, they take as long as the convolutions themselves. Features are in
channels-last memory, where convolutions are faster, too. On other devices, and for types other than
float32, float64 and bfloat16 (computed in float32), plain PyTorch is used.
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
    empty_channels_last,
    empty_workspace,
    fill_zeros,
    has_kernel,
    load_row,
    read_row,
    run_over_batch,
    select_output,
    to_channels_last,
    view_rows,
    write_back,
)
from smalti.kernels.jit import INNER_JIT_OPTIONS, JIT_OPTIONS
from smalti.kernels.loops import add_gated, concat_elu, data_pointer, fast_exp, repeat

Padding = tuple[int, int, int, int]
"""Left, right, above, below, as in `F.pad`."""
FASTMATH_FLAGS = {"contract", "arcp"}


def concat_elu_pad_dropout(x: Tensor, padding: Padding, dropout: float = 0.0) -> Tensor:
    """Apply concat-ELU, zero padding, then dropout: (N, C, H, W) -> (N, 2C, H + .., W + ..).

    Dropout is seeded by torch's global generator.
    """
    if not has_kernel(x):
        x = F.pad(x, padding)
        return F.dropout(F.elu(torch.cat([x, -x], dim=1)), dropout)
    seed = int(torch.randint(2**31, ())) if dropout else 0
    step: Any = ConcatEluPadDropout.apply
    return step(x, padding, dropout, seed)


def add_gated_residual(x: Tensor, t: Tensor) -> Tensor:
    """Return x + a sigmoid(b), [a, b] = t: x (N, C, H, W), t (N, 2C, H, W)."""
    if not (has_kernel(x) and t.dtype == x.dtype):
        a, b = t.chunk(2, dim=1)
        return x + a * torch.sigmoid(b)
    step: Any = GatedResidual.apply
    return step(x, t)


class ConcatEluPadDropout(torch.autograd.Function):
    """`concat_elu_pad_dropout`, by the kernels."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, padding: Padding, dropout: float, seed: int) -> Tensor:
        left, right, above, below = padding
        (N, C, H, W), x = x.shape, to_channels_last(x)
        out = empty_channels_last(x, N, 2 * C, H + above + below, W + left + right)
        ctx.save_for_backward(x)
        at, draw = ctx.rest = (above, left), (int(dropout * 2**32), seed)

        def work(n: slice) -> None:
            pad_concat_elu_rows(
                view_rows(x[n]), view_rows(out[n]), n.start, at, draw, empty_workspace(x)
            )

        run_over_batch(N, x.numel(), work)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        (x,), g, (at, draw) = ctx.saved_tensors, to_channels_last(g), ctx.rest
        dx = empty_channels_last(x, *x.shape)

        def work(n: slice) -> None:
            pad_concat_elu_rows_backward(
                view_rows(x[n]),
                view_rows(g[n]),
                view_rows(dx[n]),
                n.start,
                at,
                draw,
                empty_workspace(x),
            )

        run_over_batch(len(x), x.numel(), work)
        return dx, None, None, None


class GatedResidual(torch.autograd.Function):
    """`add_gated_residual`, by the kernels."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, t: Tensor) -> Tensor:
        x, t, out = to_channels_last(x), to_channels_last(t), empty_channels_last(x, *x.shape)
        ctx.save_for_backward(t)
        run_over_batch(
            len(t),
            t.numel(),
            lambda n: add_gated_rows(
                view_rows(x[n]), view_rows(t[n]), view_rows(out[n]), empty_workspace(x)
            ),
        )
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor]:
        (t,), g = ctx.saved_tensors, to_channels_last(g)
        dt = empty_channels_last(t, *t.shape)
        run_over_batch(
            len(t),
            t.numel(),
            lambda n: gate_rows_backward(
                view_rows(t[n]), view_rows(g[n]), view_rows(dt[n]), empty_workspace(g)
            ),
        )
        return g, dt


@numba.njit(**JIT_OPTIONS)
def pad_concat_elu_rows(x, out, first_index, origin, dropout_and_seed, workspace):
    """out (N, H', W', 2C) = concat-ELU of x (N, H, W, C) at row and column `origin`, 0 around it.

    dropout_and_seed: the dropout probability times 2^32, and the seed. first_index: the batch index
    of x[0], so that dropout does not depend on how the batch is split.
    """
    (N, H, W, C), (above, left), (drop, seed) = x.shape, origin, dropout_and_seed
    out_line, x_line = workspace[0].reshape(W, 2 * C), workspace[1, : W * C].reshape(W, C)
    for n in range(N):
        for i in range(out.shape[1]):
            line = out[n, i]
            if i < above or i >= above + H:
                fill_zeros(line)
                continue
            fill_zeros(line[:left])
            fill_zeros(line[left + W :])
            within = select_output(line[left : left + W], out_line)
            concat_elu(data_pointer(read_row(x[n, i - above], x_line)), data_pointer(within), W, C)
            if drop:
                apply_dropout(within, ((first_index + n) * H + i - above) * W * 2 * C, drop, seed)
            write_back(line[left : left + W], within)


@numba.njit(**INNER_JIT_OPTIONS, fastmath=FASTMATH_FLAGS)
def apply_dropout(x, offset, threshold, seed):
    """Dropout, hashed from position and seed; kept values are scaled by 1 / (1 - p)."""
    C = x.shape[1]
    scale = x.dtype.type(2.0**32 / (2.0**32 - threshold))
    for s in range(x.shape[0]):
        line, base = x[s], np.uint32((offset + s * C) & 0xFFFFFFFF)
        for k in range(C):
            h = hash_position(base + np.uint32(k), np.uint32(seed))
            line[k] = line[k] * scale if h >= np.uint32(threshold) else x.dtype.type(0)


@numba.njit(**INNER_JIT_OPTIONS)
def hash_position(position, seed):
    """Hash a position and a seed to 32 bits: MurmurHash3's finalizer, twice."""
    h = np.uint32(position * np.uint32(0x9E3779B1)) ^ seed
    for _ in range(2):
        h = np.uint32(h ^ (h >> np.uint32(16)))
        h = np.uint32(h * np.uint32(0x85EBCA6B))
        h = np.uint32(h ^ (h >> np.uint32(13)))
        h = np.uint32(h * np.uint32(0xC2B2AE35))
        h = np.uint32(h ^ (h >> np.uint32(16)))
        h = np.uint32(h + seed)
    return h


@numba.njit(**JIT_OPTIONS)
def pad_concat_elu_rows_backward(x, g, dx, first_index, origin, dropout_and_seed, workspace):
    """dx (N, H, W, C) from g (N, H', W', 2C)."""
    (N, H, W, C), (above, left), (drop, seed) = x.shape, origin, dropout_and_seed
    g_line, masked = workspace[0].reshape(W, 2 * C), workspace[1].reshape(W, 2 * C)
    x_line, dx_line = workspace[2, : W * C].reshape(W, C), workspace[2, W * C :].reshape(W, C)
    for n in range(N):
        for i in range(H):
            within = read_row(g[n, i + above, left : left + W], g_line)
            if drop:
                repeat(data_pointer(within), data_pointer(masked), 1, masked.size)
                apply_dropout(masked, ((first_index + n) * H + i) * W * 2 * C, drop, seed)
                within = masked
            to = select_output(dx[n, i], dx_line)
            concat_elu_backward(read_row(x[n, i], x_line), within, to)
            write_back(dx[n, i], to)


@numba.njit(**INNER_JIT_OPTIONS, fastmath=FASTMATH_FLAGS)
def concat_elu_backward(x, g, dx):
    """The gradient of [elu(x), elu(-x)]: x, dx (rows, C), g (rows, 2C)."""
    C = x.shape[1]
    zero, far = x.dtype.type(0), x.dtype.type(80)
    for s in range(x.shape[0]):
        value, plus, minus, to = x[s], g[s, :C], g[s, C:], dx[s]
        for k in range(C):
            v = value[k]
            e = fast_exp(-min(abs(v), far))
            to[k] = plus[k] - minus[k] * e if v > zero else plus[k] * e - minus[k]


@numba.njit(**JIT_OPTIONS)
def add_gated_rows(x, t, out, workspace):
    """out = x + a sigmoid(b): x, out (N, H, W, C), t (N, H, W, 2C) = [a, b]."""
    N, H, W, C = x.shape
    t_line, out_line = workspace[0].reshape(W, 2 * C), workspace[1, : W * C].reshape(W, C)
    for n in range(N):
        for i in range(H):
            to = select_output(out[n, i], out_line)
            load_row(x[n, i], to)
            add_gated(data_pointer(read_row(t[n, i], t_line)), data_pointer(to), W, C)
            write_back(out[n, i], to)


@numba.njit(**JIT_OPTIONS)
def gate_rows_backward(t, g, dt, workspace):
    """The gradient of a sigmoid(b): t, dt (N, H, W, 2C) = [a, b], g (N, H, W, C)."""
    N, H, W, C = g.shape
    t_line, dt_line = workspace[0].reshape(W, 2 * C), workspace[1].reshape(W, 2 * C)
    g_line = workspace[2, : W * C].reshape(W, C)
    for n in range(N):
        for i in range(H):
            to = select_output(dt[n, i], dt_line)
            gate_line_backward(read_row(t[n, i], t_line), read_row(g[n, i], g_line), to)
            write_back(dt[n, i], to)


@numba.njit(**INNER_JIT_OPTIONS, fastmath=FASTMATH_FLAGS)
def gate_line_backward(t, g, dt):
    """The gradient of a sigmoid(b) for one line: t, dt (W, 2C), g (W, C)."""
    C = g.shape[1]
    one, wide = t.dtype.type(1), t.dtype.type(40)
    for s in range(g.shape[0]):
        a, b, by, da, db = t[s, :C], t[s, C:], g[s], dt[s, :C], dt[s, C:]
        for k in range(C):
            sigmoid = one / (one + fast_exp(-min(max(b[k], -wide), wide)))
            da[k] = by[k] * sigmoid
            db[k] = by[k] * a[k] * sigmoid * (one - sigmoid)
