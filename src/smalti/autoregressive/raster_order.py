"""Between grids of symbols and sequences.

Row by row, position k counts rows, then columns, then channels innermost: k = (i w + j) C + c.
Another order permutes the pixels (`orders.py`); a pixel's channels stay together.
"""

from __future__ import annotations

from torch import Tensor


def to_sequence(z: Tensor, places: Tensor | None = None) -> Tensor:
    """Flatten (N, C, h, w) to (N, T), T = h w C.

    places: (h w,) the pixel i w + j that comes at each position; None for row by row.
    """
    pixels = z.permute(0, 2, 3, 1).flatten(1, 2)  # (N, h w, C)
    return (pixels if places is None else pixels[:, places]).flatten(1)


def to_grid(sequence: Tensor, grid: tuple[int, int, int], places: Tensor | None = None) -> Tensor:
    """Unflatten (N, T, ...) to (N, C, h, w, ...). places: as in `to_sequence`."""
    C, h, w = grid
    if places is not None:
        pixels = sequence.unflatten(1, (h * w, C))
        sequence = pixels[:, places.argsort()].flatten(1, 2)
    return sequence.unflatten(1, (h, w, C)).movedim(3, 1)


def unravel_position(k: int, C: int, w: int) -> tuple[int, int, int]:
    """Return the row, column and channel of position k, row by row."""
    return k // (w * C), k // C % w, k % C
