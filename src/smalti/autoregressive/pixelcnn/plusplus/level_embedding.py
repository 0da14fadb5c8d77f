"""Levels as vectors: what a network sees of a number besides its value."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LevelEmbedding(nn.Module):
    """A trained vector of `width` numbers for each of `levels` levels.

    A value alone says how bright a pixel is; which of 256 levels it is exactly, a convolution of
    values can hardly tell.
    """

    def __init__(self, levels: int, width: int):
        super().__init__()
        self.levels, self.width = levels, width
        self.table = nn.Embedding(levels, width)

    def lookup(self, x: Tensor) -> Tensor:
        """The vectors of values in [-1, 1], of any shape (...): (..., width)."""
        index = ((x.float() + 1) / 2 * (self.levels - 1)).round().long()
        return self.table(index.clamp(0, self.levels - 1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C + C width, H, W): the values, then each channel's vector."""
        vectors = self.lookup(x).movedim(-1, 2).flatten(1, 2)  # (N, C width, H, W)
        return torch.cat([x, vectors.to(x.dtype)], dim=1)
