"""Compiled kernels of PatchMatch (Barnes et al. 2009)."""

from __future__ import annotations

import numba
import numpy as np

from smalti.kernels.jit import JIT_OPTIONS
from smalti.patchmatch.patches import compute_distance

FAR = np.float32(np.inf)
N_NEIGHBORS = 3


@numba.njit(**JIT_OPTIONS)
def splitmix64(key):
    """Hash 64 bits to 64 pseudorandom bits (SplitMix64)."""
    z = np.uint64(key) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@numba.njit(**JIT_OPTIONS)
def draw_integer(low, high, bits):
    """An integer in low .. high from 32 random bits."""
    return low + np.int64((np.uint64(high - low + 1) * bits) >> np.uint64(32))


@numba.njit(**JIT_OPTIONS)
def compute_costs(pair, excluded, field, cost, tile):
    """Compute the costs of a field in a tile; excluded matches cost infinity."""
    top, bottom, left, right = tile
    x, y, a_runs, b_runs, valid = pair.x, pair.y, pair.a_runs, pair.b_runs, pair.valid
    for i in range(top, bottom):
        for j in range(left, right):
            r, c = field[i, j, 0], field[i, j, 1]
            p, q = (
                i * pair.a_row_stride + j * pair.column_stride,
                r * pair.b_row_stride + c * pair.column_stride,
            )
            cost[i, j] = compute_distance(x, y, a_runs, b_runs, valid, p, q, FAR)
            if excluded.size and excluded[r, c]:
                cost[i, j] = FAR


@numba.njit(**JIT_OPTIONS)
def propagate_match(field, i, j, n, step):
    """The match of neighbor n, shifted by our offset from it; -1 outside the field.

    n: 0 is the previous pixel in the row, 1 the one above, 2 the diagonal one.
    """
    down, right = step * (n != 0), step * (n != 1)
    u, v = i - down, j - right
    if u < 0 or v < 0 or u >= field.shape[0] or v >= field.shape[1]:
        return np.int64(-1), np.int64(-1)
    return np.int64(field[u, v, 0]) + down, np.int64(field[u, v, 1]) + right


@numba.njit(**JIT_OPTIONS)
def draw_in_window(r, c, radius, bits, size):
    """A random position of b in the window of `radius` around (r, c)."""
    (height, width), low, half = size, np.uint64(0xFFFFFFFF), np.uint64(32)
    row = draw_integer(max(r - radius, 0), min(r + radius, height - 1), bits & low)
    return row, draw_integer(max(c - radius, 0), min(c + radius, width - 1), bits >> half)


@numba.njit(**JIT_OPTIONS)
def is_allowed(row, column, excluded, size):
    height, width = size
    inside = 0 <= row < height and 0 <= column < width
    return inside and not (excluded.size and excluded[row, column])


@numba.njit(**JIT_OPTIONS)
def improve_match(pair, excluded, field, cost, position, key, step):
    """Propagation and random search for one patch, in windows from all of b down to 1 pixel."""
    (i, j), size = position, (pair.b_height, pair.b_width)
    x, y, a_runs, b_runs, valid = pair.x, pair.y, pair.a_runs, pair.b_runs, pair.valid
    r, c, best = np.int64(field[i, j, 0]), np.int64(field[i, j, 1]), cost[i, j]
    p, radius = i * pair.a_row_stride + j * pair.column_stride, max(size)
    n, state = 0, splitmix64(key + np.uint64(i * field.shape[1] + j))
    while radius > 0:
        if n < N_NEIGHBORS:
            row, column = propagate_match(field, i, j, n, step)
        else:
            state = splitmix64(state)
            row, column = draw_in_window(r, c, radius, state, size)
            radius >>= 1
        n += 1
        if is_allowed(row, column, excluded, size) and not (row == r and column == c):
            q = row * pair.b_row_stride + column * pair.column_stride
            d = compute_distance(x, y, a_runs, b_runs, valid, p, q, best)
            if d < best:
                r, c, best = row, column, d
    field[i, j, 0], field[i, j, 1], cost[i, j] = r, c, best


@numba.njit(**JIT_OPTIONS)
def sweep(pair, excluded, field, cost, tile, key, step):
    """One iteration in a tile, in raster order for step 1, in reverse for -1."""
    top, bottom, left, right = tile
    for u in range(bottom - top):
        i = top + u if step > 0 else bottom - 1 - u
        for v in range(right - left):
            j = left + v if step > 0 else right - 1 - v
            improve_match(pair, excluded, field, cost, (i, j), key, step)
