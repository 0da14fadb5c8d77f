"""Levels: between a picture's values in [0, 1] and whole numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Annotated

import torch
from torch import Tensor

from smalti.core.config import check_fields
from smalti.core.ranges import PictureShape, Range


@dataclass(frozen=True)
@check_fields
class Levels:
    """The codec of pixels: the nearest of `vocab_size` values, evenly spaced from 0 to 1.

    Levels written as 8-bit pixels and read again are the same, for every count up to 256.
    """

    vocab_size: Annotated[int, Range(2, 256)] = 256
    """Values that a pixel may take."""
    shape: PictureShape = (1, 28, 28)
    """Channels, height and width of the pictures."""

    lossless = True
    has_pictures = True

    def load(self) -> Levels:
        """Itself: this config is the codec."""
        return self

    @property
    def symbol_values(self) -> Tensor:
        """(count,) float64: what each level means."""
        return space_evenly(self.vocab_size)

    def compute_code_shape(self, size: tuple[int, int]) -> tuple[int, int, int]:
        """(H, W) -> (C, H, W): every number of a picture is a symbol."""
        return (self.shape[0], *size)

    def encode(self, x: Tensor) -> Tensor:
        """Floats in [0, 1] to int64 in 0 .. count-1."""
        return (x * (self.vocab_size - 1) + 0.5).floor().clamp(0, self.vocab_size - 1).long()

    def decode(self, codes: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """Levels to floats in [0, 1], float32; size is theirs already."""
        return codes.float() / (self.vocab_size - 1)


@cache
def space_evenly(count: int) -> Tensor:
    """(count,) float64, from 0 to 1."""
    return torch.arange(count, dtype=torch.float64, device="cpu") / (count - 1)
