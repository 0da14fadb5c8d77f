"""Raster order: between grids of symbols and sequences.

Position k counts rows, then columns, then channels innermost: k = (i w + j) C + c.
"""

from __future__ import annotations

from torch import Tensor


def to_sequence(z: Tensor) -> Tensor:
    """Flatten (N, C, h, w) to (N, T), T = h w C."""
    return z.permute(0, 2, 3, 1).flatten(1)


def to_grid(sequence: Tensor, grid: tuple[int, int, int]) -> Tensor:
    """Unflatten (N, T, ...) to (N, C, h, w, ...)."""
    C, h, w = grid
    return sequence.unflatten(1, (h, w, C)).movedim(3, 1)


def unravel_position(k: int, C: int, w: int) -> tuple[int, int, int]:
    """Return the row, column and channel of position k."""
    return k // (w * C), k // C % w, k % C
