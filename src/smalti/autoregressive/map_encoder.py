"""Pictures as a map beside a PixelCNN: features at every position of its grid."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MAP_WIDTH = 32
"""Features of a picture at each position."""
KERNEL_SIZE = 5


class PictureMap(nn.Module):
    """Tokens of a picture to features of the model's grid, s = m(h) of arXiv:1606.05328.

    The paper's m is a deconvolutional network. Here it is embeddings, a convolution in the
    picture's own resolution, averages, and a convolution in the grid's. They are not masked, so
    that a position also sees what comes after it.
    """

    def __init__(self, n_symbols: int, grid: tuple[int, ...]):
        """grid: (C, h, w) of the tokens. Symbol n_symbols is "none"."""
        super().__init__()
        self.grid, E, pad = grid, MAP_WIDTH, KERNEL_SIZE // 2
        self.embedding = nn.Embedding(n_symbols + 1, E)
        self.fine = nn.Conv2d(grid[0] * E, E, KERNEL_SIZE, padding=pad)
        self.coarse = nn.Conv2d(E, E, KERNEL_SIZE, padding=pad)

    def forward(self, tokens: Tensor, size: tuple[int, int]) -> Tensor:
        """Tokens (n, h w C) -> (n, MAP_WIDTH, *size)."""
        C, h, w = self.grid
        s = self.embedding(tokens).unflatten(1, (h, w, C)).flatten(3).movedim(-1, 1)  # (n, C E, ..)
        s = F.interpolate(self.fine(s).relu(), size=size, mode="area")
        return self.coarse(s.relu())


class MapEncoder(nn.Module):
    """Joins the condition vector and the maps of all pictures, for networks that take maps."""

    def __init__(self, pictures: Sequence[tuple[int, tuple[int, ...]]], size: tuple[int, int]):
        """pictures: number of symbols and grid of each; size: of the model's grid."""
        super().__init__()
        self.size = size
        self.maps = nn.ModuleList(PictureMap(*picture) for picture in pictures)

    def forward(self, y: Tensor | None, tokens: Sequence[Tensor]) -> Tensor:
        """y (n, D) or None, tokens (n, c) of each picture -> (n, D + MAP_WIDTH .., h, w)."""
        maps = [one(t, self.size) for one, t in zip(self.maps, tokens, strict=True)]
        if y is not None:
            maps.insert(0, y.to(maps[0])[:, :, None, None].expand(-1, -1, *self.size))
        return torch.cat(maps, dim=1)
