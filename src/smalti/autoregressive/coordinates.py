"""Coordinates as a condition: where on its canvas each pixel of a crop stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from smalti.core.config import check_fields
from smalti.core.ranges import CodebookSize, PictureShape, Range


@dataclass(frozen=True)
@check_fields
class CoordinateCodec:
    """Coordinates, averaged and rounded to symbols.

    CoordStage of taming-transformers (`taming/modules/misc/coord.py`): vocab_size is its n_embed,
    factor its down_factor.
    """

    vocab_size: CodebookSize = 1024
    """Number of coordinates that differ."""
    shape: PictureShape = (1, 28, 28)
    """Channels (1), height, width of the map."""
    factor: Annotated[int, Range(1, 1024)] = 4
    """Pixels per symbol and side."""

    symbol_values = None
    lossless = False
    has_pictures = True

    def load(self) -> CoordinateCodec:
        """Return itself: this config is the codec."""
        return self

    def compute_code_shape(self, size: tuple[int, int]) -> tuple[int, int]:
        """(H, W) -> (h, w)."""
        return -(-size[0] // self.factor), -(-size[1] // self.factor)

    def encode(self, x: Tensor) -> Tensor:
        """Round means of coordinates (N, 1, H, W) in [0, 1] to symbols (N, h, w)."""
        h, w = self.compute_code_shape((x.shape[2], x.shape[3]))
        means = F.interpolate(x, size=(h, w), mode="area")[:, 0]
        # the reference rounds 1 to n_embed, which its table of tokens does not have
        return (self.vocab_size * means).round().long().clamp(0, self.vocab_size - 1)

    def decode(self, codes: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """Convert symbols (N, h, w) to coordinates (N, 1, H, W)."""
        means = codes[:, None].float() / self.vocab_size
        H, W = size or (codes.shape[1] * self.factor, codes.shape[2] * self.factor)
        return F.interpolate(means, size=(H, W), mode="nearest")


def make_coordinates(n: int, size: tuple[int, int], device: torch.device | None = None) -> Tensor:
    """Make the map of a canvas: each pixel's place in row-major order, (n, 1, H, W) in [0, 1)."""
    H, W = size
    places = torch.arange(H * W, dtype=torch.float32, device=device) / (H * W)
    return places.view(1, 1, H, W).expand(n, -1, -1, -1)
