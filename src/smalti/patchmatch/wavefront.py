"""Wavefront parallelism: independent tiles along a diagonal are swept in parallel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

Tile = tuple[int, int, int, int]
"""Top, bottom, left and right; bottom and right are exclusive."""
TILE_HEIGHT, TILE_WIDTH = 64, 64
"""Approximate rows and columns of a tile; smaller ones cost more than they save."""


class Wavefront:
    """A picture's tiles and the threads that work on them.

    A patch depends on the ones to the left, above, and diagonally above-left.  So a tile can be
    swept once these three neighbors are done, and the result is bit-identical to that of one
    thread sweeping the whole picture row by row.
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
        """Call function on every tile, in raster order for step 1, in reverse for -1."""
        if self.pool is None:
            function((0, self.size[0], 0, self.size[1]))
            return
        waves = list(list_diagonals(self.size))
        for wave in waves[::step]:
            list(self.pool.map(function, wave))


def list_diagonals(size: tuple[int, int]) -> Iterator[list[Tile]]:
    """The tiles of a picture (H, W), one diagonal at a time."""
    rows, columns = (
        [*pairwise(split_evenly(n, side))]
        for n, side in zip(size, (TILE_HEIGHT, TILE_WIDTH), strict=True)
    )
    for wave in range(len(rows) + len(columns) - 1):
        first, last = max(0, wave - len(columns) + 1), min(wave, len(rows) - 1)
        yield [(*rows[k], *columns[wave - k]) for k in range(first, last + 1)]


def split_evenly(length: int, side: int) -> list[int]:
    """Bounds that split 0 .. length into equal parts of about `side`."""
    parts = max(1, round(length / side))
    return [length * k // parts for k in range(parts + 1)]
