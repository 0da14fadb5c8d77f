"""What stands in front of a window's codes: tokens that are always the same, and cuts of maps."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from smalti.autoregressive.windows.layout import Place, WindowLayout


@dataclass(frozen=True, eq=False)
class WindowPrefix:
    """Tokens in front, in the order of `parts`."""

    parts: tuple[Tensor, ...]
    """(n, c): c tokens before each window, such as a class; (n, H, W): a map of tokens on the
    canvas, of which each window gets its own cut, row by row."""

    def count_tokens(self, layout: WindowLayout) -> int:
        """c, all tokens in front of a window."""
        cut = layout.height * layout.width
        return sum(part.shape[1] if part.ndim == 2 else cut for part in self.parts)

    def cut_tokens(self, layout: WindowLayout, window: Place) -> Tensor:
        """(n, c) for the window that starts there."""
        (top, left), (h, w) = window, (layout.height, layout.width)
        return torch.cat(
            [
                part if part.ndim == 2 else part[:, top : top + h, left : left + w].flatten(1)
                for part in self.parts
            ],
            dim=1,
        )

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
        for part in self.parts:
            own = torch.arange(part.shape[1]) if part.ndim == 2 else grid
            places.append(first + own)
            first += part.shape[1] if part.ndim == 2 else H * W
        return torch.cat([*places, first + grid])
