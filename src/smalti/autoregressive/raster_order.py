"""Positions: the symbols of a grid one after the other, and back.

A position k counts row by row, column by column, channels innermost: k = (i w + j) C + c.
"""

from __future__ import annotations

from torch import Tensor


def to_sequence(z: Tensor) -> Tensor:
    """(N, C, h, w) -> (N, T), T = h w C."""
    return z.permute(0, 2, 3, 1).flatten(1)


def to_grid(sequence: Tensor, grid: tuple[int, int, int]) -> Tensor:
    """(N, T, ...) -> (N, C, h, w, ...)."""
    C, h, w = grid
    return sequence.unflatten(1, (h, w, C)).movedim(3, 1)


def unravel_position(k: int, C: int, w: int) -> tuple[int, int, int]:
    """Row, column and channel of position k."""
    return k // (w * C), k // C % w, k % C
