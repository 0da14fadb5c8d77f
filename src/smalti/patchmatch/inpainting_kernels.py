"""Compiled PatchMatch kernels for the patches that touch a hole."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from smalti.kernels.jit import JIT_OPTIONS
from smalti.patchmatch.kernels import draw_integer, splitmix64


class Hole(NamedTuple):
    """A picture with a provisionally filled hole, and the patches to match."""

    flat: np.ndarray
    """(H + 2r, (W + 2r) C) float32: the picture with repeated edges, channels interleaved."""
    confidence: np.ndarray
    """Same shape: weight of each value when patches are compared."""
    target: np.ndarray
    """(H, W) bool: the patches that touch the hole. Matches must be outside of it."""
    patch: int
    channels: int


@numba.njit(fastmath={"reassoc", "contract", "nsz"}, **JIT_OPTIONS)
def compute_distance(hole, i, j, r, c, best):
    """Weighted sum of squared differences of two patches; may stop early at `best`."""
    total, span = np.float32(0), hole.patch * hole.channels
    for t in range(hole.patch):
        x = hole.flat[i + t, j * hole.channels : j * hole.channels + span]
        y = hole.flat[r + t, c * hole.channels : c * hole.channels + span]
        w = hole.confidence[i + t, j * hole.channels : j * hole.channels + span]
        part = np.float32(0)
        for k in range(span):
            d = x[k] - y[k]
            part += w[k] * d * d
        total += part
        if total >= best:
            break
    return total


@numba.njit(**JIT_OPTIONS)
def compute_costs(hole, field, cost, top, bottom):
    """Compute the costs of a field in rows top .. bottom - 1."""
    for i in range(top, bottom):
        for j in range(cost.shape[1]):
            if hole.target[i, j]:
                r, c = np.int64(field[i, j, 0]), np.int64(field[i, j, 1])
                cost[i, j] = compute_distance(hole, i, j, r, c, np.float32(np.inf))


@numba.njit(**JIT_OPTIONS)
def try_candidate(hole, field, cost, position, candidate):
    """Match the patch at `position` with `candidate` if that is allowed and nearer.

    Both are int64: for another dtype, Numba would compile this and its callees again.
    """
    (i, j), (r, c) = position, candidate
    height, width = cost.shape
    if r < 0 or r >= height or c < 0 or c >= width or hole.target[r, c]:
        return
    d = compute_distance(hole, i, j, r, c, cost[i, j])
    if d < cost[i, j]:
        cost[i, j], field[i, j, 0], field[i, j, 1] = d, r, c


@numba.njit(**JIT_OPTIONS)
def search_randomly(hole, field, cost, position, key):
    """Try random candidates around the best match, in windows that halve each time."""
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    height, width = cost.shape
    i, j = position
    radius, state = max(height, width), key
    while radius >= 1:
        state = splitmix64(state)
        r, c = field[i, j]
        row = draw_integer(max(r - radius, 0), min(r + radius, height - 1), state & low)
        column = draw_integer(max(c - radius, 0), min(c + radius, width - 1), state >> half)
        try_candidate(hole, field, cost, position, (row, column))
        radius //= 2


@numba.njit(**JIT_OPTIONS)
def sweep(hole, field, cost, key, step, top, bottom):
    """Propagate and search in rows top .. bottom - 1: downwards for step 1, upwards for -1.

    Reads no other rows, so bands can be swept in parallel.
    """
    width = cost.shape[1]
    for u in range(bottom - top):
        i = top + u if step > 0 else bottom - 1 - u
        for v in range(width):
            j = v if step > 0 else width - 1 - v
            if not hole.target[i, j]:
                continue
            if v > 0 and hole.target[i, j - step]:
                candidate = np.int64(field[i, j - step, 0]), field[i, j - step, 1] + step
                try_candidate(hole, field, cost, (i, j), candidate)
            if u > 0 and hole.target[i - step, j]:
                candidate = field[i - step, j, 0] + step, np.int64(field[i - step, j, 1])
                try_candidate(hole, field, cost, (i, j), candidate)
            search_randomly(hole, field, cost, (i, j), splitmix64(key + np.uint64(i * width + j)))
