"""`exact`: nearest patches by trying every one, to measure the others by."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numba
import numpy as np

from smalti.kernels.jit import JIT
from smalti.patchmatch import checks
from smalti.patchmatch.result import Match

FAST = {"reassoc", "contract", "nsz"}


def exact(
    a: np.ndarray,
    b: np.ndarray,
    patch: int = 3,
    mask: np.ndarray | None = None,
    threads: int | None = None,
) -> Match:
    """The nearest patch of b for every patch of a; of equally near ones the first, row by row.

    Takes what `match` takes, and Ha Wa Hb Wb steps whatever the patch.  Raises `UserError`.
    """
    two = checks.pair(a, b)
    p = checks.patch_size(patch, [two.a.shape, two.b.shape])
    closed, workers = checks.closed(mask, two.b.shape), checks.thread_count(threads)
    height, width = two.a.shape[:2]
    x, y = planes(two.a, p), planes(two.b, p)
    best = np.full((height, width), np.inf, np.float32)
    where = np.zeros((height, width), np.int32)
    wall = np.zeros(two.b.shape[:2], np.float32)
    if closed.size:
        wall[closed] = np.inf
    cuts = np.linspace(0, height, min(4 * workers, height) + 1).astype(int)
    with ThreadPoolExecutor(workers) as pool:
        bands = [
            pool.submit(scan, x, y, wall, best, where, top, bottom)
            for top, bottom in pairwise(cuts)
        ]
        for band in bands:
            band.result()
    field = np.stack(np.divmod(where, two.b.shape[1]), axis=-1).astype(np.int32)
    return Match(field, (best * (two.scale**2 / (p * p * two.a.shape[2]))).astype(np.float32))


def planes(picture: np.ndarray, patch: int) -> np.ndarray:
    """(C, H + 2r, W + 2r) float32, with repeated edges."""
    padded = checks.repeat_edges(picture, patch).transpose(2, 0, 1)
    return np.ascontiguousarray(padded, dtype=np.float32)


@numba.njit(**JIT)
def scan(a, b, wall, best, where, top, bottom):
    """For the rows top .. bottom - 1 of a: every offset of b against a, all columns at once."""
    height, width = wall.shape
    patch = b.shape[1] - height + 1
    lines = np.empty((patch, a.shape[2]), np.float32)
    tower = np.empty(a.shape[2], np.float32)
    for down in range(-bottom + 1, height - top):
        first, last = max(top, -down), min(bottom, height - down)
        for right in range(1 - best.shape[1], width):
            for y in range(first, last + patch - 1):
                squares(a[:, y], b[:, y + down], right, lines[y % patch])
                i = y - patch + 1
                if i >= first:
                    stack(lines, tower)
                    lower(tower, wall[i + down], right, (i + down) * width, best[i], where[i])


@numba.njit(fastmath=FAST, **JIT)
def squares(a, b, right, line):
    """line[x] = sum over channels of (a[:, x] - b[:, x + right])**2, where both exist."""
    first, last = max(0, -right), min(a.shape[1], b.shape[1] - right)
    line[first:last] = np.float32(0)
    for c in range(a.shape[0]):
        x, y = a[c, first:last], b[c, first + right : last + right]
        out = line[first:last]
        for k in range(out.size):
            d = x[k] - y[k]
            out[k] += d * d


@numba.njit(fastmath=FAST, **JIT)
def stack(lines, tower):
    for k in range(tower.size):
        total = lines[0, k]
        for t in range(1, lines.shape[0]):
            total += lines[t, k]
        tower[k] = total


@numba.njit(**JIT)
def lower(tower, wall, right, start, best, where):
    """Sum the towers of a patch side by side, and keep what is nearer than the best so far."""
    patch = tower.size - best.size + 1
    first, last = max(0, -right), min(best.size, wall.size - right)
    for j in range(first, last):
        total = wall[j + right]
        for u in range(patch):
            total += tower[j + u]
        q = start + j + right
        nearer = total < best[j] or (total == best[j] and q < where[j])
        best[j] = total if nearer else best[j]
        where[j] = q if nearer else where[j]
