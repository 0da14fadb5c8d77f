"""Cross-entropy of a softmax with its gradient in one pass, compiled for CPUs.

Over a vocabulary of thousands, PyTorch's log-softmax, its losses and their gradients pass over the
logits about ten times, which takes a tenth of a translator's training step.
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
    COMPUTE_DTYPES,
    has_kernel,
    read_row,
    run_over_batch,
    select_output,
    write_back,
)
from smalti.kernels.jit import INNER_JIT_OPTIONS, JIT_OPTIONS
from smalti.kernels.loops import fast_exp
from smalti.kernels.softmax_draw import find_max

SUM_FLAGS = {"contract", "arcp", "reassoc", "nsz"}
"""Sums may be reordered; NaN stays NaN, so that training notices it."""


def compute_cross_entropy(
    logits: Tensor, symbols: Tensor, label_smoothing: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Compute -log p of every row's symbol, and the same with label smoothing, the loss.

    logits (M, K), symbols (M,) int64 -> (M,) nats, without gradients, and (M,) losses, in float32
    (float64 for such logits). A symbol's target is 1 - e + e / K, that of others e / K, as in
    `F.cross_entropy`. Gradients can be computed once.
    """
    if has_kernel(logits) and logits.requires_grad and torch.is_grad_enabled():
        apply: Any = SmoothedCrossEntropy.apply
        return apply(logits, symbols, label_smoothing)
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    nats = F.cross_entropy(wide, symbols, reduction="none")
    if not label_smoothing:
        return nats.detach(), nats
    losses = F.cross_entropy(wide, symbols, reduction="none", label_smoothing=label_smoothing)
    return nats.detach(), losses


class SmoothedCrossEntropy(torch.autograd.Function):
    """`compute_cross_entropy`, by the kernel; the gradient is computed in the forward pass."""

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, symbols: Tensor, label_smoothing: float
    ) -> tuple[Tensor, Tensor]:
        logits, (M, K) = logits.contiguous(), logits.shape
        if M and not 0 <= int(symbols.min()) <= int(symbols.max()) < K:
            raise IndexError(f"symbols are {int(symbols.min())} .. {int(symbols.max())} of {K}")
        gradient, out = torch.empty_like(logits), np.empty((2, M), COMPUTE_DTYPES[logits.dtype])
        x, to, gold = view_array(logits), view_array(gradient), symbols.numpy()

        def work(rows: slice) -> None:
            workspace = np.empty((2, 1, K), out.dtype)
            compute_rows(x[rows], gold[rows], label_smoothing, out[:, rows], to[rows], workspace)

        run_over_batch(M, M * K, work)
        ctx.gradient = gradient
        nats, losses = torch.from_numpy(out)
        ctx.mark_non_differentiable(nats)
        return nats, losses

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, _: Tensor, by_loss: Tensor) -> tuple[Tensor | None, ...]:
        if (gradient := ctx.gradient) is None:
            raise RuntimeError("the gradient of this cross-entropy was computed and freed already")
        ctx.gradient = None  # scaled in place, so that there is no third array of this size
        return gradient.mul_(by_loss.to(gradient.dtype)[:, None]), None, None


def view_array(x: Tensor) -> np.ndarray:
    x = x.detach()
    return (x.view(torch.uint16) if x.dtype == torch.bfloat16 else x).numpy()


@numba.njit(**JIT_OPTIONS)
def compute_rows(x, symbols, smoothing, out, gradient, workspace):
    """out[0], out[1] (M,) = nats and losses, gradient (M, K) = that of the losses, of x (M, K).

    workspace: two rows (1, K) to widen bf16 into.
    """
    M, K = x.shape
    for s in range(M):
        row = read_row(x[s : s + 1], workspace[0])
        to = select_output(gradient[s : s + 1], workspace[1])
        top, gold = find_max(row[0]), symbols[s]
        total, mean = exponentiate(row[0], top, to[0])
        log_total = np.log(total)
        out[0, s] = log_total - (row[0, gold] - top)
        out[1, s] = (1 - smoothing) * out[0, s] + smoothing * (log_total - mean)
        scale_and_shift(to[0], 1 / total, smoothing / K)
        to[0, gold] -= 1 - smoothing
        write_back(gradient[s : s + 1], to)


@numba.njit(**INNER_JIT_OPTIONS, fastmath=SUM_FLAGS)
def exponentiate(x, top, to):
    """to (K,) = e^(x - top); returns its sum, and the mean of x - top."""
    total, sums = x.dtype.type(0), x.dtype.type(0)
    lowest = x.dtype.type(-80)
    for k in range(x.size):
        d = x[k] - top
        e = fast_exp(max(d, lowest))
        to[k] = e
        total += e
        sums += d
    return total, sums / x.size


@numba.njit(**INNER_JIT_OPTIONS, fastmath=SUM_FLAGS)
def scale_and_shift(x, scale, shift):
    """x = scale x - shift, in place."""
    a, b = x.dtype.type(scale), x.dtype.type(shift)
    for k in range(x.size):
        x[k] = a * x[k] - b
