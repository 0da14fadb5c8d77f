"""PixelCNN: masked convolutions in residual blocks."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from smalti.autoregressive.pixelcnn import receptive_field as reach
from smalti.autoregressive.pixelcnn.head import Head, StackConfig, condition_of, embed_symbols
from smalti.autoregressive.pixelcnn.masks import Above, Mask, Point, Row
from smalti.core.config import checked
from smalti.core.ranges import Amount, Count, ExtraDepth, Width


@dataclass(frozen=True)
@checked
class PlainConfig(StackConfig):
    """A PixelCNN."""

    channels: Width = 1
    """Channels of the pictures."""
    outputs: Count = 256
    """Numbers put out for each of a picture's numbers: the levels, of a categorical output."""
    width: Width = 32
    """Features inside a block, twice as many between them; a multiple of the channels."""
    blocks: ExtraDepth = 8
    """Residual blocks."""
    first: Width = 7
    """Width of the first convolution's window; odd. The others' is 3."""
    head: Width = 64
    """Features of the layer before the output; a multiple of the channels."""
    condition: Amount = 0
    """Length of the condition, or number of classes; 0 for none."""
    norm: bool = False
    """Batch norm after each convolution, as in the article."""
    codes: bool = False
    """Take symbols, embedded as vectors of `width`, in place of their values."""

    def __post_init__(self) -> None:
        self.check_sizes()

    def build(self) -> Plain:
        return Plain(self)


class Masked(nn.Module):
    """A k x k convolution behind a mask, as two: of the rows above, and of the pixel's own row."""

    def __init__(self, i: int, o: int, k: int, mask: Mask, bias: bool, groups: int):
        super().__init__()
        self.above = Above(i, o, k // 2, k, bias=False)
        self.row = Row(i, o, k, mask, bias, groups)

    def forward(self, x: Tensor) -> Tensor:
        """x (N, i, H, W) to (N, o, H, W)."""
        rows = self.above.weight.shape[2]
        return self.row(x).add_(self.above(F.pad(x, (0, 0, rows, -1))))


class PlainBlock(nn.Module):
    """Figure 5 of arXiv:1601.06759: ReLU before each of 1x1, 3x3 and 1x1, around them a sum."""

    def __init__(self, c: PlainConfig):
        super().__init__()
        p, C, bias = c.width, c.channels, not c.norm
        self.conv1 = Point(2 * p, p, bias, C)
        self.conv2 = Masked(p, p, 3, "B", bias, C)
        self.conv3 = Point(p, 2 * p, bias, C)
        self.condition = nn.Linear(c.condition, p, bias=False) if c.condition else None
        self.norms = nn.ModuleList(
            nn.BatchNorm2d(n) if c.norm else nn.Identity() for n in (p, p, 2 * p)
        )

    def forward(self, x: Tensor, y: Tensor | None) -> Tensor:
        """x (N, 2p, H, W); y (N, D) is added, as a bias, to what the 3x3 puts out."""
        norm1, norm2, norm3 = self.norms
        h = norm1(self.conv1(x.relu()))
        h = norm2(self.conv2(h.relu_()))
        if y is not None and self.condition is not None:
            h = h + self.condition(y)[:, :, None, None]
        return x + norm3(self.conv3(h.relu_()))


class Plain(nn.Module):
    """The PixelCNN of arXiv:1601.06759, conditioned on a vector in every block.

    It has a blind spot, right above: `reach` leaves it out.
    """

    range = (0.0, 1.0)

    def __init__(self, config: PlainConfig):
        super().__init__()
        self.config = c = config
        self.conv1 = Masked(c.inputs, 2 * c.width, c.first, "A", not c.norm, c.channels)
        self.norm1 = nn.BatchNorm2d(2 * c.width) if c.norm else nn.Identity()
        self.blocks = nn.ModuleList(PlainBlock(c) for _ in range(c.blocks))
        self.head = Head(2 * c.width, c.head, c.outputs, c.channels)
        self.embedding = nn.Embedding(c.outputs, c.width) if c.codes else None

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Logits of every level: (N, levels, H, W) of one channel, (N, levels, C, H, W) of more.

        x: (N, C, H, W) in [0, 1], or with `codes` integers; (N, H, W) of one channel will do.
        y: (N,) integers, or (N, D) floats; None is the zero vector.
        """
        x = embed_symbols(self.embedding, x)
        y = condition_of(y, self.config.condition, x)
        x = self.norm1(self.conv1(x.contiguous(memory_format=torch.channels_last)))
        for block in self.blocks:
            x = block(x, y)
        return self.head(x)

    def reach(self, place: tuple[int, int, int], size: tuple[int, int]) -> Tensor:
        """What the logits at row, column, channel are told from, (C, H, W) booleans."""
        c = self.config
        return reach.plain(reach.at(size, c.channels, place), c.first, c.blocks)
