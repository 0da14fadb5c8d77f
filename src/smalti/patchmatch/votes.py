"""Voting: every pixel is the mean over the matched patches that cover it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numba
import numpy as np

from smalti.kernels.jit import JIT_OPTIONS

MIN_VOTES_PER_THREAD = 500_000
"""Votes per thread below which threading costs more than it saves."""


def average_votes(
    source: np.ndarray,
    field: np.ndarray,
    weights: np.ndarray,
    mask: np.ndarray,
    out: np.ndarray,
    patch: int,
    threads: int = 1,
) -> None:
    """Set out (H, W, C), where mask (H, W) is true, to the weighted mean over the covering patches.

    source: (Hb + 2r, Wb + 2r, C) float32, b with its edges repeated r times.  field: (H, W, 2)
    int32 centers in b.  weights: (H, W) float32 per patch; pixels with zero total weight stay
    unchanged.  The result does not depend on the number of threads.
    """
    rows = np.flatnonzero(mask.any(1))
    if not rows.size:
        return
    votes = int(mask.sum()) * patch * patch
    parts = max(1, min(threads, votes // MIN_VOTES_PER_THREAD))
    cuts = np.linspace(rows[0], rows[-1] + 1, parts + 1).astype(int).tolist()
    bands = [(source, field, weights, mask, out, patch, *ends) for ends in pairwise(cuts)]
    if parts == 1:
        average_rows(*bands[0])
        return
    with ThreadPoolExecutor(parts) as pool:
        list(pool.map(lambda band: average_rows(*band), bands))


@numba.njit(**JIT_OPTIONS)
def average_rows(source, field, weights, mask, out, patch, top, bottom):
    """Average rows top .. bottom - 1 of out."""
    for i in range(top, bottom):
        for j in range(out.shape[1]):
            if mask[i, j]:
                average_pixel(source, field, weights, out[i, j], patch, i, j)


@numba.njit(fastmath={"contract", "nsz"}, **JIT_OPTIONS)
def average_pixel(source, field, weights, pixel, patch, i, j):
    """Set pixel (C,) to the weighted mean over the patches that cover (i, j)."""
    r, (height, width) = patch // 2, weights.shape
    first, last = max(i - r, 0), min(i + r, height - 1)
    left, right = max(j - r, 0), min(j + r, width - 1)
    total = np.float32(0)
    for y in range(first, last + 1):
        for x in range(left, right + 1):
            total += weights[y, x]
    if total <= 0:
        return
    pixel[:] = np.float32(0)
    for y in range(first, last + 1):
        for x in range(left, right + 1):
            share = weights[y, x] / total
            row, column = field[y, x, 0] + i - y + r, field[y, x, 1] + j - x + r
            for c in range(pixel.size):
                pixel[c] += share * source[row, column, c]


@numba.njit(**JIT_OPTIONS)
def add_votes(source, field, sums, counts, patch):
    """Add every patch of source at its match: sums (H + 2r, W + 2r, C), counts (H + 2r, W + 2r).

    source: (Ha + 2r, Wa + 2r, C), a with its edges repeated.  field: (Ha, Wa, 2) centers in b.
    """
    for i in range(field.shape[0]):
        for j in range(field.shape[1]):
            r, c = field[i, j]
            for t in range(patch):
                for u in range(patch):
                    counts[r + t, c + u] += 1
                    for k in range(sums.shape[2]):
                        sums[r + t, c + u, k] += source[i + t, j + u, k]
