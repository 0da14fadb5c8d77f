"""Tiles swept at once where none needs what another has not finished: waves along the diagonals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

Tile = tuple[int, int, int, int]
"""Top, bottom, left and right, the bottom and right excluded."""
TILE_HEIGHT, TILE_WIDTH = 64, 64
"""Rows and columns of a tile, about: handing out smaller ones takes longer than they save."""


class Wavefront:
    """A picture's tiles and the threads that work on them.

    A patch takes from the ones to the left, above, and between those.  So a tile may be swept once
    its three neighbors there are done, and what comes out is, to the bit, what one thread finds
    that sweeps the whole picture row by row.
    """

    def __init__(self, size: tuple[int, int], threads: int):
        self.size, self.threads = size, threads

    def __enter__(self) -> Wavefront:
        self.pool = ThreadPoolExecutor(self.threads) if self.threads > 1 else None
        return self

    def __exit__(self, *_: object) -> None:
        if self.pool is not None:
            self.pool.shutdown()

    def run(self, function: Callable[[Tile], None], step: int = 1) -> None:
        """Do the work of every tile, from the top left for step 1, from the bottom right for -1."""
        if self.pool is None:
            function((0, self.size[0], 0, self.size[1]))
            return
        waves = list(list_diagonals(self.size))
        for wave in waves[::step]:
            list(self.pool.map(function, wave))


def list_diagonals(size: tuple[int, int]) -> Iterator[list[Tile]]:
    """The tiles of a picture (H, W), those of a wave together."""
    rows, columns = (
        [*pairwise(split_evenly(n, side))]
        for n, side in zip(size, (TILE_HEIGHT, TILE_WIDTH), strict=True)
    )
    for wave in range(len(rows) + len(columns) - 1):
        first, last = max(0, wave - len(columns) + 1), min(wave, len(rows) - 1)
        yield [(*rows[k], *columns[wave - k]) for k in range(first, last + 1)]


def split_evenly(length: int, side: int) -> list[int]:
    """0 .. length in equal parts of about `side`."""
    parts = max(1, round(length / side))
    return [length * k // parts for k in range(parts + 1)]
