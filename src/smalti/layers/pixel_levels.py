"""Levels: quantizing pixel values in [0, 1] to integers."""

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
    """Pixels as `vocab_size` evenly spaced levels.

    Pixels are rounded to the nearest level. Levels written as 8-bit pixels and read again are the
    same, for every count up to 256.
    """

    vocab_size: Annotated[int, Range(2, 256)] = 256
    """Levels of a pixel."""
    shape: PictureShape = (1, 28, 28)
    """Channels, height, width of the pictures."""

    lossless = True
    has_pictures = True

    def load(self) -> Levels:
        """Return itself: this config is the codec."""
        return self

    @property
    def symbol_values(self) -> Tensor:
        """(vocab_size,) float64: the value of each level."""
        return space_evenly(self.vocab_size)

    def compute_code_shape(self, size: tuple[int, int]) -> tuple[int, int, int]:
        """(H, W) -> (C, H, W): one symbol per pixel and channel."""
        return (self.shape[0], *size)

    def encode(self, x: Tensor) -> Tensor:
        """Quantize floats in [0, 1] to int64 in 0 .. vocab_size-1."""
        return (x * (self.vocab_size - 1) + 0.5).floor().clamp(0, self.vocab_size - 1).long()

    def decode(self, codes: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """Convert levels to float32 in [0, 1]; size is ignored."""
        return codes.float() / (self.vocab_size - 1)


@cache
def space_evenly(count: int) -> Tensor:
    """Return (count,) float64, from 0 to 1."""
    return torch.arange(count, dtype=torch.float64, device="cpu") / (count - 1)
