"""The gated unit as one autograd function, which saves passes over memory on a CPU.

Features are in channels-last memory, where a 1x1 convolution is a matrix product.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable


class Gate(torch.autograd.Function):
    """tanh(a) sigmoid(b) of [a, b] = x + side + y: eq. 2 and 4 of arXiv:1606.05328."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, side: Tensor | None, y: Tensor | None, shift_down: bool
    ) -> Tensor:
        """x (N, 2p, H, W), side (N, 2p, H - 1, W) for rows 1 and on, y (N, 2p).

        Returns (N, p, H, W), or with `shift_down` a row of zeros on top, (N, p, H + 1, W).
        """
        N, p, H, W = len(x), x.shape[1] // 2, *x.shape[2:]
        twice = x.new_ones(2 * p, 1, 1)
        twice[:p] = 2  # tanh(a) = 2 sigmoid(2a) - 1, much faster on a CPU
        z = (
            x * twice
            if y is None
            else torch.addcmul((y * twice[:, 0, 0])[..., None, None], x, twice)
        )
        if side is not None:
            z[:, :, 1:].addcmul_(side, twice)
        z.sigmoid_()
        t, s = z.chunk(2, dim=1)
        t.mul_(2).sub_(1)
        ctx.save_for_backward(z)
        ctx.down, ctx.with_side, ctx.with_y = shift_down, side is not None, y is not None
        if not shift_down:
            return t * s
        out = empty_channels_last(z, (N, p, H + 1, W))
        out[:, :, 0] = 0
        torch.mul(t, s, out=out[:, :, 1:])
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        (z,) = ctx.saved_tensors
        t, s = z.chunk(2, dim=1)
        gs = (g[:, :, 1:] if ctx.down else g) * s
        gts = gs * t
        dz = empty_channels_last(z, z.shape)
        da, db = dz.chunk(2, dim=1)
        torch.addcmul(gs, gts, t, value=-1, out=da)  # g s (1 - t^2)
        torch.addcmul(gts, gts, s, value=-1, out=db)  # g t s (1 - s)
        side = dz[:, :, 1:] if ctx.with_side else None
        return dz, side, dz.sum((2, 3)) if ctx.with_y else None, None


def empty_channels_last(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    return torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)


def apply_gate(
    x: Tensor, side: Tensor | None, y: Tensor | None, shift_down: bool = False
) -> Tensor:
    """Apply `Gate` on a CPU; on other devices use plain PyTorch, which can be compiled."""
    if x.device.type != "cpu":
        return apply_gate_eagerly(x, side, y, shift_down)
    gate: Any = Gate.apply
    return gate(x, side, y, shift_down)


def apply_gate_eagerly(
    x: Tensor, side: Tensor | None, y: Tensor | None, shift_down: bool
) -> Tensor:
    """`Gate` in plain PyTorch."""
    if side is not None:
        x = x + F.pad(side, (0, 0, 1, 0))
    if y is not None:
        x = x + y[..., None, None]
    a, b = x.chunk(2, dim=1)
    out = torch.tanh(a) * torch.sigmoid(b)
    return F.pad(out, (0, 0, 1, 0)) if shift_down else out
