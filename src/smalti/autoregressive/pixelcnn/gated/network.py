"""Gated PixelCNN: a vertical and a horizontal stack of gated convolutions, with no blind spot."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from smalti.autoregressive.pixelcnn import receptive_field
from smalti.autoregressive.pixelcnn.gated.gate import apply_gate
from smalti.autoregressive.pixelcnn.head import (
    Head,
    StackConfig,
    embed_symbols,
    project_condition,
    to_condition_input,
)
from smalti.autoregressive.pixelcnn.masks import PointwiseConv, RowConv, RowsAboveConv
from smalti.core.config import check_fields
from smalti.core.ranges import Count, CountOrZero, ExtraDepth, FractionBelowOne, Width
from smalti.layers.dropout import Dropout


@dataclass(frozen=True)
@check_fields
class GatedPixelCNNConfig(StackConfig):
    """A Gated PixelCNN."""

    channels: Width = 1
    """Channels of the pictures."""
    outputs: Count = 256
    """Outputs per symbol: the levels if categorical."""
    width: Width = 32
    """Features of each stack. A multiple of the channels."""
    blocks: ExtraDepth = 8
    """Number of gated blocks after the first."""
    first_kernel_size: Width = 7
    """Kernel size of the first layer, odd. Other layers use 3."""
    head_width: Width = 64
    """Features of the hidden output layer. A multiple of the channels."""
    condition_width: CountOrZero = 0
    """Length of the condition vector; 0 for none. For a class, the number of classes."""
    batch_norm: bool = False
    """Batch norm after each convolution. As in the article."""
    dropout: FractionBelowOne = 0.0
    """Dropout of the horizontal stack's features."""
    embeds_symbols: bool = False
    """Embed symbols instead of using their values. Embeddings have `width` features."""

    def __post_init__(self) -> None:
        self.check_sizes()

    def build(self) -> GatedPixelCNN:
        return GatedPixelCNN(self)


class GatedBlock(nn.Module):
    """Figure 2 of arXiv:1606.05328. The vertical stack v is stored shifted down by one row: its row
    i depends on the rows above row i, and row 0 is 0.
    """

    def __init__(self, c: GatedPixelCNNConfig, first: bool):
        super().__init__()
        p, C, k = c.width, c.channels, c.first_kernel_size if first else 3
        i = c.inputs if first else p
        self.first, self.rows = first, k // 2 + 1
        bias = not c.batch_norm  # a norm has its own
        self.v_conv = RowsAboveConv(i, 2 * p, k // 2 + 1, k, bias)
        self.v_to_h = PointwiseConv(2 * p, 2 * p, bias=False)  # h_conv's is added to it
        self.h_conv = RowConv(i, 2 * p, k, "A" if first else "B", bias, groups=C, parts=2)
        self.h_out = PointwiseConv(p, p, bias, groups=C)
        self.condition = (
            nn.Linear(c.condition_width, 4 * p, bias=False) if c.condition_width else None
        )
        self.norms = nn.ModuleList(
            nn.BatchNorm2d(n) if c.batch_norm else nn.Identity() for n in (2 * p, 2 * p, 2 * p, p)
        )
        self.dropout = Dropout(c.dropout)

    def forward(self, v: Tensor, h: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        """v and h (N, p, H, W), both the picture in the first block; y (N, D) or (N, D, H, W)."""
        norm1, norm2, norm3, norm4 = self.norms
        for_v = for_h = None
        if y is not None and y.ndim == 2 and self.condition is not None:
            for_v, for_h = self.condition(y).chunk(2, dim=1)  # (N, 2p) each
        if self.first:
            v = F.pad(v, (0, 0, self.rows - 1, -1))
        a = norm1(self.v_conv(v))  # (N, 2p, H - 1, W): row 0 has none
        b = norm3(self.h_conv(h))
        side = self.v_to_h(a)
        if y is not None and y.ndim == 4 and self.condition is not None:
            map_v, map_h = project_condition(self.condition, y).chunk(2, dim=1)  # (N, 2p, H, W)
            a, b = a + map_v[:, :, 1:], b + map_h
        if isinstance(norm2, nn.BatchNorm2d):  # it shifts row 0, too
            b, side = b + norm2(F.pad(side, (0, 0, 1, 0))), None
        new = norm4(self.h_out(self.dropout(apply_gate(b, side, for_h))))
        return apply_gate(a, None, for_v, shift_down=True), new if self.first else h + new


class GatedPixelCNN(nn.Module):
    """The network of arXiv:1606.05328, conditioned on a vector or a map in every gate (eq. 4)."""

    range = (0.0, 1.0)

    def __init__(self, config: GatedPixelCNNConfig):
        super().__init__()
        self.config = config
        self.blocks = nn.ModuleList(GatedBlock(config, n == 0) for n in range(config.blocks + 1))
        self.embedding = (
            nn.Embedding(config.outputs, config.width) if config.embeds_symbols else None
        )
        self.head = Head(config.width, config.head_width, config.outputs, config.channels)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Logits (N, levels, H, W) for one channel, (N, levels, C, H, W) for more.

        x: (N, C, H, W) in [0, 1], or with embeds_symbols integers; (N, H, W) works for one channel.
        y: (N,) integers, (N, D) floats, or a map (N, D, H, W); None is the zero vector.
        """
        x = embed_symbols(self.embedding, x)
        H, y = x.shape[2], to_condition_input(y, self.config.condition_width, x)
        if H == 1:  # the vertical stack needs two rows
            x, y = F.pad(x, (0, 0, 0, 1)), y if y is None or y.ndim == 2 else F.pad(y, (0, 0, 0, 1))
        v = h = x.contiguous(memory_format=torch.channels_last)
        for block in self.blocks:
            v, h = block(v, h, y)
        return self.head(h[:, :, :H])

    def compute_receptive_field(
        self, position: tuple[int, int, int], size: tuple[int, int]
    ) -> Tensor:
        """Compute which inputs the logits at (row, column, channel) depend on: (C, H, W) bool."""
        c = self.config
        return receptive_field.trace_gated_pixelcnn(
            receptive_field.mark_position(size, c.channels, position), c.first_kernel_size, c.blocks
        )
