"""The orders in which a GPT predicts the positions of a grid.

In taming-transformers these are the permuters of `taming/modules/transformer/permuter.py`: RowMajor
is Identity, Alternate is AlternateParsing, Spiral is SpiralIn, Spiral(outward=True) is SpiralOut.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from smalti.core.config import check_fields


@dataclass(frozen=True)
class RowMajor:
    """Row by row, each from left to right."""

    is_raster: ClassVar[bool] = True

    def list_places(self, h: int, w: int) -> Tensor:
        """List the pixel i w + j that comes at each position: (h w,)."""
        return torch.arange(h * w)


@dataclass(frozen=True)
class Alternate:
    """Row by row, every second row from right to left (boustrophedon)."""

    is_raster: ClassVar[bool] = False

    def list_places(self, h: int, w: int) -> Tensor:
        """List the pixel i w + j that comes at each position: (h w,)."""
        places = torch.arange(h * w).view(h, w)
        places[1::2] = places[1::2].flip(1)
        return places.flatten()


@dataclass(frozen=True)
@check_fields
class Spiral:
    """From the bottom right corner up, left, down and right, inwards.

    The reference has square grids of even size alone; here any grid has a spiral.
    """

    outward: bool = False
    """Start in the middle."""

    is_raster: ClassVar[bool] = False

    def list_places(self, h: int, w: int) -> Tensor:
        """List the pixel i w + j that comes at each position: (h w,)."""
        rest, sides = torch.arange(h * w).view(h, w), []
        while rest.numel():
            sides.append(rest[:, -1].flip(0))  # the right side upwards
            rest = rest[:, :-1].rot90(-1)  # the top becomes the right side
        places = torch.cat(sides)
        return places.flip(0) if self.outward else places


Order = RowMajor | Alternate | Spiral
"""The order of a grid's positions."""
