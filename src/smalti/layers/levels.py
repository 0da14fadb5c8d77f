"""Levels: between a picture's values in [0, 1] and whole numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from smalti.core.config import checked
from smalti.core.errors import UserError
from smalti.core.ranges import Shape


@dataclass(frozen=True)
@checked
class Levels:
    """The codec of pixels: the nearest of `count` values, evenly spaced from 0 to 1.

    Levels written as 8-bit pixels and read again are the same, for every count up to 256.
    """

    count: int = 256
    """Values that a pixel may take, 2 to 256."""
    shape: Shape = (1, 28, 28)
    """Channels, height and width of the pictures."""

    def __post_init__(self) -> None:
        if not 2 <= self.count <= 256:
            raise UserError(f"levels is {self.count}; give 2 to 256")

    @cached_property
    def values(self) -> Tensor:
        """(count,) float64: what each level means."""
        return torch.arange(self.count, dtype=torch.float64, device="cpu") / (self.count - 1)

    def grid(self, size: tuple[int, int]) -> tuple[int, int, int]:
        """(H, W) -> (C, H, W): every number of a picture is a symbol."""
        return (self.shape[0], *size)

    def encode(self, x: Tensor) -> Tensor:
        """Floats in [0, 1] to int64 in 0 .. count-1."""
        return (x * (self.count - 1) + 0.5).floor().clamp(0, self.count - 1).long()

    def decode(self, codes: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """Levels to floats in [0, 1], float32; size is theirs already."""
        return codes.float() / (self.count - 1)
