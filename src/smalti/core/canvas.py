"""The sampling state of autoregressive models."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


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

    def __repr__(self) -> str:
        return f"Canvas({tuple(self.symbols.shape)}, {self.unit} {self.step}/{self.steps})"
