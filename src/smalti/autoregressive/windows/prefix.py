"""What stands in front of a window's codes: tokens that are always the same, and cuts of maps."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from smalti.autoregressive.windows.layout import Place, WindowLayout


@dataclass(frozen=True, eq=False)
class WindowPrefix:
    """Tokens in front, in the order of `parts`."""

    parts: tuple[Tensor, ...]
    """(n, c): c tokens before each window, such as a class; (n, H, W): a map of tokens on the
    canvas, of which each window gets its own cut, row by row; (n, H', W', C): a map with a grid of
    its own, C tokens a place, over the same canvas."""
    grids: tuple[tuple[int, int] | None, ...] = ()
    """Of each part: rows and columns that a window sees of a map with its own grid."""

    def measure_parts(self, layout: WindowLayout) -> list[int]:
        """Count the tokens of each part in front of a window."""
        own = layout.height, layout.width
        grids = self.grids or (None,) * len(self.parts)
        return [
            part.shape[1] if part.ndim == 2 else math.prod((*(grid or own), *part.shape[3:]))
            for part, grid in zip(self.parts, grids, strict=True)
        ]

    def count_tokens(self, layout: WindowLayout) -> int:
        """c, all tokens in front of a window."""
        return sum(self.measure_parts(layout))

    def cut_tokens(self, layout: WindowLayout, window: Place, wraps: bool = False) -> Tensor:
        """(n, c) for the window that starts there. wraps: it may reach beyond the borders."""
        own = layout.height, layout.width
        grids = self.grids or (None,) * len(self.parts)
        cuts: list[Tensor] = []
        for part, grid in zip(self.parts, grids, strict=True):
            if part.ndim > 2:
                seen = grid or own
                first = [start * a // b for start, a, b in zip(window, seen, own, strict=True)]
                if not wraps:  # a map may be shorter than the canvas by a part of a token
                    sides = zip(first, part.shape[1:3], seen, strict=True)
                    first = [min(start, side - a) for start, side, a in sides]
                part = cut_wrapped(part, (first[0], first[1]), seen)
            cuts.append(part.flatten(1))
        return torch.cat(cuts, dim=1)

    def place_tokens(self, layout: WindowLayout, keeps_grid: bool) -> Tensor:
        """(c + h w,) which of the network's positions each token of a window has.

        They count up. Where the canvas is smaller than the window and `keeps_grid` is true, codes
        have the places that they would have in the top left of a whole window.
        """
        (h, w), (H, W) = (layout.height, layout.width), layout.window
        if not keeps_grid:
            H, W = h, w
        grid = (torch.arange(h)[:, None] * W + torch.arange(w)).flatten()
        places, first = [], 0
        for part, count in zip(self.parts, self.measure_parts(layout), strict=True):
            places.append(first + (grid if part.ndim == 3 else torch.arange(count)))
            first += H * W if part.ndim == 3 else count
        return torch.cat([*places, first + grid])


def cut_wrapped(x: Tensor, start: Place, size: Place) -> Tensor:
    """`size` rows and columns of x (n, H, W, ...) from `start` on, around its borders."""
    rows, columns = (
        (torch.arange(count, device=x.device) + first) % side
        for first, count, side in zip(start, size, x.shape[1:3], strict=True)
    )
    return x[:, rows][:, :, columns]
