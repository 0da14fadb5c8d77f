"""Levels: between a picture's values in [0, 1] and whole numbers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from smalti.core.errors import UserError


@dataclass(frozen=True)
class Levels:
    """The nearest of `count` values, evenly spaced from 0 to 1.

    Levels written as 8-bit pixels and read again are the same, for every count up to 256.
    """

    count: int = 256

    def __post_init__(self) -> None:
        if not 2 <= self.count <= 256:
            raise UserError(f"levels is {self.count}; give 2 to 256")

    def encode(self, x: Tensor) -> Tensor:
        """Floats in [0, 1] to int64 in 0 .. count-1."""
        return (x * (self.count - 1) + 0.5).floor().clamp(0, self.count - 1).long()

    def decode(self, levels: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Levels to floats in [0, 1]."""
        return levels.to(dtype) / (self.count - 1)
