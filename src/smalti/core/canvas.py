"""The sampling state of autoregressive models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor


class KnownPixels(NamedTuple):
    """Pixels of n pictures that do not change."""

    pictures: Tensor
    """(n, C, H, W) in [0, 1]."""
    mask: Tensor
    """(n, C, H, W) bool: True for the other pixels."""

    def paste(self, x: Tensor) -> Tensor:
        """Replace the known pixels of pictures (n, C, H, W)."""
        return x.where(self.mask, self.pictures)


@dataclass(frozen=True, eq=False)
class Canvas:
    """Symbols of n samples, of which the first `step` rows, or symbols, are drawn."""

    symbols: Tensor
    """int64; symbols not yet drawn are 0 or absent."""
    step: int
    """Steps done."""
    steps: int
    """Total steps; for sentences an upper bound."""
    unit: str = "row"
    """What one step draws."""
    known: KnownPixels | None = None
    """Pixels that replace the decoded ones."""
    size: tuple[int, int] | None = None
    """Height and width of the pictures; None for the model's own."""
    wraps: bool = False
    """Whether the pictures tile, so that they are decoded around their borders."""

    def __repr__(self) -> str:
        return f"Canvas({tuple(self.symbols.shape)}, {self.unit} {self.step}/{self.steps})"
