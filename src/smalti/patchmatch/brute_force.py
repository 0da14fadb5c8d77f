"""Exact nearest patches by exhaustive search, as the reference for the approximate methods."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numba
import numpy as np

from smalti.kernels.jit import JIT_OPTIONS
from smalti.patchmatch import checks
from smalti.patchmatch.result import Match

FASTMATH = {"reassoc", "contract", "nsz"}


def match_brute_force(
    a: np.ndarray,
    b: np.ndarray,
    patch: int = 3,
    mask: np.ndarray | None = None,
    threads: int | None = None,
) -> Match:
    """Find the nearest patch of b for every patch of a; ties go to the first in raster order.

    Arguments as in `match`.  Takes Ha Wa Hb Wb steps, for any patch width.  Raises `UserError`.
    """
    pictures = checks.to_picture_pair(a, b)
    p = checks.check_patch(patch, [pictures.a.shape, pictures.b.shape])
    excluded, workers = (
        checks.read_excluded(mask, pictures.b.shape),
        checks.resolve_threads(threads),
    )
    height, width = pictures.a.shape[:2]
    x, y = to_padded_planes(pictures.a, p), to_padded_planes(pictures.b, p)
    best = np.full((height, width), np.inf, np.float32)
    best_index = np.zeros((height, width), np.int32)
    penalty = np.zeros(pictures.b.shape[:2], np.float32)
    if excluded.size:
        penalty[excluded] = np.inf
    cuts = np.linspace(0, height, min(4 * workers, height) + 1).astype(int)
    with ThreadPoolExecutor(workers) as pool:
        bands = [
            pool.submit(scan_rows, x, y, penalty, best, best_index, top, bottom)
            for top, bottom in pairwise(cuts)
        ]
        for band in bands:
            band.result()
    field = np.stack(np.divmod(best_index, pictures.b.shape[1]), axis=-1).astype(np.int32)
    return Match(
        field, (best * (pictures.scale**2 / (p * p * pictures.a.shape[2]))).astype(np.float32)
    )


def to_padded_planes(picture: np.ndarray, patch: int) -> np.ndarray:
    """(C, H + 2r, W + 2r) float32, with repeated edges."""
    padded = checks.repeat_edges(picture, patch).transpose(2, 0, 1)
    return np.ascontiguousarray(padded, dtype=np.float32)


@numba.njit(**JIT_OPTIONS)
def scan_rows(a, b, penalty, best, best_index, top, bottom):
    """Compare rows top .. bottom - 1 of a with b at every offset, all columns at once."""
    height, width = penalty.shape
    patch = b.shape[1] - height + 1
    squared_rows = np.empty((patch, a.shape[2]), np.float32)
    column_sums = np.empty(a.shape[2], np.float32)
    for dy in range(-bottom + 1, height - top):
        first, last = max(top, -dy), min(bottom, height - dy)
        for dx in range(1 - best.shape[1], width):
            for y in range(first, last + patch - 1):
                square_differences(a[:, y], b[:, y + dy], dx, squared_rows[y % patch])
                i = y - patch + 1
                if i >= first:
                    sum_rows(squared_rows, column_sums)
                    update_best(
                        column_sums, penalty[i + dy], dx, (i + dy) * width, best[i], best_index[i]
                    )


@numba.njit(fastmath=FASTMATH, **JIT_OPTIONS)
def square_differences(a, b, dx, squared_row):
    """squared_row[x] = sum over channels of (a[:, x] - b[:, x + dx])**2, where both exist."""
    first, last = max(0, -dx), min(a.shape[1], b.shape[1] - dx)
    squared_row[first:last] = np.float32(0)
    for c in range(a.shape[0]):
        x, y = a[c, first:last], b[c, first + dx : last + dx]
        out = squared_row[first:last]
        for k in range(out.size):
            d = x[k] - y[k]
            out[k] += d * d


@numba.njit(fastmath=FASTMATH, **JIT_OPTIONS)
def sum_rows(rows, column_sums):
    for k in range(column_sums.size):
        total = rows[0, k]
        for t in range(1, rows.shape[0]):
            total += rows[t, k]
        column_sums[k] = total


@numba.njit(**JIT_OPTIONS)
def update_best(column_sums, penalty, dx, start, best, best_index):
    """Sum the columns of each patch, and keep what is nearer than the best so far."""
    patch = column_sums.size - best.size + 1
    first, last = max(0, -dx), min(best.size, penalty.size - dx)
    for j in range(first, last):
        total = penalty[j + dx]
        for u in range(patch):
            total += column_sums[j + u]
        q = start + j + dx
        nearer = total < best[j] or (total == best[j] and q < best_index[j])
        best[j] = total if nearer else best[j]
        best_index[j] = q if nearer else best_index[j]
