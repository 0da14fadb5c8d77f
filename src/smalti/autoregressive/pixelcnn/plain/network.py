"""PixelCNN: masked convolutions in residual blocks."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from smalti.autoregressive.pixelcnn import receptive_field
from smalti.autoregressive.pixelcnn.head import (
    Head,
    StackConfig,
    embed_symbols,
    project_condition,
    to_condition_input,
)
from smalti.autoregressive.pixelcnn.masks import Mask, PointwiseConv, RowConv, RowsAboveConv
from smalti.core.config import check_fields
from smalti.core.ranges import Count, CountOrZero, ExtraDepth, Width


@dataclass(frozen=True)
@check_fields
class PixelCNNConfig(StackConfig):
    """A PixelCNN."""

    channels: Width = 1
    """Channels of the pictures."""
    outputs: Count = 256
    """Outputs per symbol: the levels if categorical."""
    width: Width = 32
    """Features inside a block. A multiple of the channels; twice as many between blocks."""
    blocks: ExtraDepth = 8
    """Number of residual blocks."""
    first_kernel_size: Width = 7
    """Kernel size of the first layer, odd. Other layers use 3."""
    head_width: Width = 64
    """Features of the hidden output layer. A multiple of the channels."""
    condition_width: CountOrZero = 0
    """Length of the condition vector; 0 for none. For a class, the number of classes."""
    batch_norm: bool = False
    """Batch norm after each convolution. As in the article."""
    embeds_symbols: bool = False
    """Embed symbols instead of using their values. Embeddings have `width` features."""

    def __post_init__(self) -> None:
        self.check_sizes()

    def build(self) -> PixelCNN:
        return PixelCNN(self)


class MaskedConv(nn.Module):
    """A masked k x k convolution, as two: over the rows above, and over the pixel's own row."""

    def __init__(self, i: int, o: int, k: int, mask: Mask, bias: bool, groups: int):
        super().__init__()
        self.above = RowsAboveConv(i, o, k // 2, k, bias=False)
        self.row = RowConv(i, o, k, mask, bias, groups)

    def forward(self, x: Tensor) -> Tensor:
        """(N, i, H, W) -> (N, o, H, W)."""
        rows = self.above.weight.shape[2]
        return self.row(x).add_(self.above(F.pad(x, (0, 0, rows, -1))))


class PixelCNNBlock(nn.Module):
    """Residual block of figure 5, arXiv:1601.06759: ReLU before each of 1x1, 3x3 and 1x1."""

    def __init__(self, c: PixelCNNConfig):
        super().__init__()
        p, C, bias = c.width, c.channels, not c.batch_norm
        self.conv1 = PointwiseConv(2 * p, p, bias, C)
        self.conv2 = MaskedConv(p, p, 3, "B", bias, C)
        self.conv3 = PointwiseConv(p, 2 * p, bias, C)
        self.condition = nn.Linear(c.condition_width, p, bias=False) if c.condition_width else None
        self.norms = nn.ModuleList(
            nn.BatchNorm2d(n) if c.batch_norm else nn.Identity() for n in (p, p, 2 * p)
        )

    def forward(self, x: Tensor, y: Tensor | None) -> Tensor:
        """x (N, 2p, H, W); y (N, D) or (N, D, H, W) is added to the output of the 3x3."""
        norm1, norm2, norm3 = self.norms
        h = norm1(self.conv1(x.relu()))
        h = norm2(self.conv2(h.relu_()))
        if y is not None and self.condition is not None:
            h = h + project_condition(self.condition, y)
        return x + norm3(self.conv3(h.relu_()))


class PixelCNN(nn.Module):
    """The PixelCNN of arXiv:1601.06759, conditioned on a vector or a map in every block.

    It has a blind spot above and to the right, see `compute_receptive_field`.
    """

    range = (0.0, 1.0)

    def __init__(self, config: PixelCNNConfig):
        super().__init__()
        self.config = c = config
        self.conv1 = MaskedConv(
            c.inputs, 2 * c.width, c.first_kernel_size, "A", not c.batch_norm, c.channels
        )
        self.norm1 = nn.BatchNorm2d(2 * c.width) if c.batch_norm else nn.Identity()
        self.blocks = nn.ModuleList(PixelCNNBlock(c) for _ in range(c.blocks))
        self.head = Head(2 * c.width, c.head_width, c.outputs, c.channels)
        self.embedding = nn.Embedding(c.outputs, c.width) if c.embeds_symbols else None

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Logits (N, levels, H, W) for one channel, (N, levels, C, H, W) for more.

        x: (N, C, H, W) in [0, 1], or with embeds_symbols integers; (N, H, W) works for one channel.
        y: (N,) integers, (N, D) floats, or a map (N, D, H, W); None is the zero vector.
        """
        x = embed_symbols(self.embedding, x)
        y = to_condition_input(y, self.config.condition_width, x)
        x = self.norm1(self.conv1(x.contiguous(memory_format=torch.channels_last)))
        for block in self.blocks:
            x = block(x, y)
        return self.head(x)

    def compute_receptive_field(
        self, position: tuple[int, int, int], size: tuple[int, int]
    ) -> Tensor:
        """Compute which inputs the logits at (row, column, channel) depend on: (C, H, W) bool."""
        c = self.config
        return receptive_field.trace_pixelcnn(
            receptive_field.mark_position(size, c.channels, position), c.first_kernel_size, c.blocks
        )
