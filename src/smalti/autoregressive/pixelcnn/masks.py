"""Masked convolutions, cropped to the taps that the mask leaves.

The masks of arXiv:1601.06759, sec. 3.4. Mask A hides the pixel itself, mask B shows it. With RGB
the features form three groups; at the pixel itself a group sees the groups of earlier colors (A),
and with mask B its own as well. Kernels store no masked taps: one convolution covers the rows above
a pixel, another the pixels to its left.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Mask = Literal["A", "B"]


def initialize_weight(*shape: int, fan_in: int) -> nn.Parameter:
    """Initialize a weight as PyTorch's convolutions do: uniform within 1 / sqrt(fan_in)."""
    weight = torch.empty(shape).uniform_(-(fan_in**-0.5), fan_in**-0.5)
    if weight.ndim == 4:  # as the features, which saves each convolution a copy
        weight = weight.contiguous(memory_format=torch.channels_last)
    return nn.Parameter(weight)


class BlockTriangularWeight(nn.Module):
    """The weight (o, i) of the pixel's own tap, block triangular over color groups.

    parts: 2 if the outputs are the two halves of a gated unit, each with its own groups.
    """

    def __init__(self, i: int, o: int, groups: int, mask: Mask, fan_in: int, parts: int = 1):
        super().__init__()
        self.i, self.o = i, o
        self.unseen_shape = (parts, o // parts // groups, i)  # shape of rows without inputs
        seen = [(g + (mask == "B")) * i // groups for g in range(groups)]
        self.blocks = nn.ParameterList(
            initialize_weight(*self.unseen_shape[:2], n, fan_in=fan_in) for n in seen if n
        )
        self.n_unseen = len([n for n in seen if not n])

    def forward(self) -> Tensor:
        """The full weight (o, i), with zeros where it is masked."""
        like = self.blocks[0]
        rows = [like.new_zeros(self.unseen_shape)] * self.n_unseen
        rows += [F.pad(block, (0, self.i - block.shape[2])) for block in self.blocks]
        return torch.cat(rows, dim=1).reshape(self.o, self.i)


class PointwiseConv(nn.Module):
    """A 1x1 convolution; each color group sees the earlier ones and itself (mask B)."""

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
        """(N, i, H, W) -> (N, o, H, W); in channels-last memory a single matrix product."""
        return F.linear(x.movedim(1, -1), self.kernel()[:, :, 0, 0], self.bias).movedim(-1, 1)


class RowConv(nn.Module):
    """A convolution over the k // 2 pixels to the left, and over the pixel itself per the mask.

    parts: as in BlockTriangularWeight.
    """

    def __init__(
        self, i: int, o: int, k: int, mask: Mask, bias: bool = True, groups: int = 1, parts: int = 1
    ):
        super().__init__()
        own = mask == "B" and groups == 1  # with colors, it is a BlockTriangularWeight
        fan_in = i * (k // 2 + 1)
        self.left = initialize_weight(o, i, 1, k // 2 + own, fan_in=fan_in)
        self.center = (
            BlockTriangularWeight(i, o, groups, mask, fan_in, parts) if groups > 1 else None
        )
        self.bias = initialize_weight(o, fan_in=fan_in) if bias else None
        self.pad = (k // 2, 0) if own or groups > 1 else (k // 2, -1)

    def kernel(self) -> Tensor:
        """(o, i, 1, taps), left to right."""
        if self.center is None:
            return self.left
        return torch.cat([self.left, self.center()[:, :, None, None]], dim=3)

    def forward(self, x: Tensor) -> Tensor:
        """(N, i, H, W) -> (N, o, H, W)."""
        return F.conv2d(F.pad(x, self.pad), self.kernel(), self.bias)


class RowsAboveConv(nn.Module):
    """A k-wide convolution over several rows; x includes the rows above."""

    def __init__(self, i: int, o: int, rows: int, k: int, bias: bool = True):
        super().__init__()
        self.weight = initialize_weight(o, i, rows, k, fan_in=i * rows * k)
        self.bias = initialize_weight(o, fan_in=i * rows * k) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, i, H + rows - 1, W) -> (N, o, H, W)."""
        return F.conv2d(x, self.weight, self.bias, padding=(0, self.weight.shape[3] // 2))
