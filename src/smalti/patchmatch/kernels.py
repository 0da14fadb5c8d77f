"""Compiled pieces of PatchMatch (Barnes et al. 2009)."""

from __future__ import annotations

import numba
import numpy as np

from smalti.patchmatch.patches import JIT, LANES

FAR = np.float32(np.inf)


@numba.njit(fastmath={"reassoc", "contract", "nsz"}, **JIT)
def distance(a, b, p, q, best):
    """Sum of squared differences of patch p of a and patch q of b; it may stop from `best` on."""
    total = np.float32(0)
    for t in range(a.rows):
        x, y = a.blocks[p + t * a.width], b.blocks[q + t * b.width]
        for start in range(0, x.size, LANES):
            part = np.float32(0)
            for k in range(LANES):
                d = np.float32(x[start + k]) - np.float32(y[start + k])
                part += d * d
            total += part
            if total >= best:
                return total
    return total


@numba.njit(**JIT)
def scatter(key):
    """64 bits that look random, from 64 that may be anything (SplitMix64)."""
    z = np.uint64(key) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@numba.njit(**JIT)
def between(low, high, bits):
    """A whole number in low .. high, from 32 bits."""
    return low + np.int64((np.uint64(high - low + 1) * bits) >> np.uint64(32))


@numba.njit(**JIT)
def measure(a, b, field, cost, closed):
    """Distances of a field; a match that is closed counts as infinitely far."""
    for i in range(a.height):
        for j in range(a.width):
            r, c = field[i, j, 0], field[i, j, 1]
            cost[i, j] = distance(a, b, i * a.width + j, r * b.width + c, FAR)
            if closed.size and closed[r, c]:
                cost[i, j] = FAR


@numba.njit(**JIT)
def attempt(a, b, closed, field, cost, here, there):
    """Match the patch `here` with the one `there` if that is nearer."""
    (i, j), (r, c) = here, there
    if r < 0 or r >= b.height or c < 0 or c >= b.width or (closed.size and closed[r, c]):
        return
    d = distance(a, b, i * a.width + j, r * b.width + c, cost[i, j])
    if d < cost[i, j]:
        cost[i, j], field[i, j, 0], field[i, j, 1] = d, r, c


@numba.njit(**JIT)
def search(a, b, closed, field, cost, here, key):
    """Random candidates around the best match, in windows from the whole of b down to 1 pixel."""
    i, j = here
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    radius = max(b.height, b.width)
    state = key
    while radius >= 1:
        state = scatter(state)
        r, c = field[i, j, 0], field[i, j, 1]
        row = between(max(r - radius, 0), min(r + radius, b.height - 1), state & low)
        column = between(max(c - radius, 0), min(c + radius, b.width - 1), state >> half)
        attempt(a, b, closed, field, cost, here, (row, column))
        radius //= 2


@numba.njit(**JIT)
def sweep(a, b, closed, field, cost, key, forward):
    """One iteration: propagation and random search, row by row, from either end."""
    step = 1 if forward else -1
    for u in range(a.height):
        i = u if forward else a.height - 1 - u
        for v in range(a.width):
            j = v if forward else a.width - 1 - v
            if v > 0:  # the neighbour's match, shifted as we are
                there = field[i, j - step, 0], field[i, j - step, 1] + step
                attempt(a, b, closed, field, cost, (i, j), there)
            if u > 0:
                there = field[i - step, j, 0] + step, field[i - step, j, 1]
                attempt(a, b, closed, field, cost, (i, j), there)
            search(a, b, closed, field, cost, (i, j), scatter(key + np.uint64(i * a.width + j)))
