"""The state of every model that puts symbols down one after the other."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Canvas:
    """Symbols of n samples, of which the first `step` rows, or symbols, are there."""

    symbols: Tensor
    """int64; those to come are 0, or not yet there."""
    step: int
    """Steps done."""
    steps: int
    """Steps in all; of sentences at most."""
    unit: str = "row"
    """What a step puts down."""

    def __repr__(self) -> str:
        return f"Canvas({tuple(self.symbols.shape)}, {self.unit} {self.step}/{self.steps})"
