"""What a pixel may see: convolutions cropped to the taps that a mask leaves.

The masks of arXiv:1601.06759, sec. 3.4. Mask A hides the pixel itself, mask B shows it. With RGB
the features come in three groups; at the pixel itself a group sees those of the colors before it
(A), and with mask B its own as well. Kernels hold no tap that a mask hides: what lies above a
pixel is one convolution, what lies left of it another.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Mask = Literal["A", "B"]


def initialize_weight(*shape: int, fan_in: int) -> nn.Parameter:
    """Weights as PyTorch's convolutions start: uniform within 1 / sqrt(fan_in)."""
    weight = torch.empty(shape).uniform_(-(fan_in**-0.5), fan_in**-0.5)
    if weight.ndim == 4:  # as the features are, which spares every convolution a copy
        weight = weight.contiguous(memory_format=torch.channels_last)
    return nn.Parameter(weight)


class BlockTriangularWeight(nn.Module):
    """The weight (o, i) of one tap, the pixel's own: the blocks that groups of colors may see.

    parts: 2 where the outputs are the two halves of a gated unit, each with its own groups.
    """

    def __init__(self, i: int, o: int, groups: int, mask: Mask, fan_in: int, parts: int = 1):
        super().__init__()
        self.i, self.o = i, o
        self.unseen_shape = (parts, o // parts // groups, i)  # shape of rows that see nothing
        seen = [(g + (mask == "B")) * i // groups for g in range(groups)]
        self.blocks = nn.ParameterList(
            initialize_weight(*self.unseen_shape[:2], n, fan_in=fan_in) for n in seen if n
        )
        self.n_unseen = len([n for n in seen if not n])

    def forward(self) -> Tensor:
        """The whole weight (o, i), zeros where a group sees nothing."""
        like = self.blocks[0]
        rows = [like.new_zeros(self.unseen_shape)] * self.n_unseen
        rows += [F.pad(block, (0, self.i - block.shape[2])) for block in self.blocks]
        return torch.cat(rows, dim=1).reshape(self.o, self.i)


class PointwiseConv(nn.Module):
    """A 1x1 convolution, each group of colors seeing those before it and itself (mask B)."""

    def __init__(self, i: int, o: int, bias: bool = True, groups: int = 1):
        super().__init__()
        self.center = (
            initialize_weight(o, i, fan_in=i)
            if groups == 1
            else BlockTriangularWeight(i, o, groups, "B", i)
        )
        self.bias = initialize_weight(o, fan_in=i) if bias else None

    def kernel(self) -> Tensor:
        """(o, i, 1, 1)"""
        center = self.center
        return (center() if isinstance(center, BlockTriangularWeight) else center)[:, :, None, None]

    def forward(self, x: Tensor) -> Tensor:
        """x (N, i, H, W) to (N, o, H, W): in channels-last memory one plain product."""
        return F.linear(x.movedim(1, -1), self.kernel()[:, :, 0, 0], self.bias).movedim(-1, 1)


class RowConv(nn.Module):
    """A convolution over the k // 2 pixels left of each one, and over itself as the mask has it.

    parts: as in Triangle.
    """

    def __init__(
        self, i: int, o: int, k: int, mask: Mask, bias: bool = True, groups: int = 1, parts: int = 1
    ):
        super().__init__()
        own = mask == "B" and groups == 1  # with colors, the pixel's own tap is a Triangle
        fan_in = i * (k // 2 + 1)
        self.left = initialize_weight(o, i, 1, k // 2 + own, fan_in=fan_in)
        self.center = (
            BlockTriangularWeight(i, o, groups, mask, fan_in, parts) if groups > 1 else None
        )
        self.bias = initialize_weight(o, fan_in=fan_in) if bias else None
        self.pad = (k // 2, 0) if own or groups > 1 else (k // 2, -1)

    def kernel(self) -> Tensor:
        """(o, i, 1, taps), from left to right."""
        if self.center is None:
            return self.left
        return torch.cat([self.left, self.center()[:, :, None, None]], dim=3)

    def forward(self, x: Tensor) -> Tensor:
        """x (N, i, H, W) to (N, o, H, W)."""
        return F.conv2d(F.pad(x, self.pad), self.kernel(), self.bias)


class RowsAboveConv(nn.Module):
    """A convolution over some rows, k wide; what stands above x comes with it."""

    def __init__(self, i: int, o: int, rows: int, k: int, bias: bool = True):
        super().__init__()
        self.weight = initialize_weight(o, i, rows, k, fan_in=i * rows * k)
        self.bias = initialize_weight(o, fan_in=i * rows * k) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """x (N, i, H + rows - 1, W) to (N, o, H, W)."""
        return F.conv2d(x, self.weight, self.bias, padding=(0, self.weight.shape[3] // 2))
