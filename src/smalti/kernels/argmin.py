"""The place of each row's smallest number, compiled. Its twin is `tests/naive/codes.py`."""

from __future__ import annotations

import numba
import numpy as np

from smalti.kernels.jit import JIT_OPTIONS

LANES = 32
"""Columns looked at together, in two registers of AVX-512 or four of AVX2."""


@numba.njit(**JIT_OPTIONS, fastmath={"nnan", "nsz"})
def find_argmin(products, half_norms, out):
    """found (N,) = the first place of the smallest of half (K,) - products (N, K), in each row.

    Lane j keeps the best of the columns j, j + LANES, ...: one comparison and two selections for
    32 columns. The first in a lane is the first of equals there; among lanes it is looked up.
    """
    N, K = products.shape
    whole = K // LANES
    best, step = np.empty(LANES, half_norms.dtype), np.empty(LANES, np.int32)
    for n in range(N):
        row = products[n]
        best[:], step[:] = np.inf, 0
        for s in range(whole):
            here, h = row[s * LANES : (s + 1) * LANES], half_norms[s * LANES : (s + 1) * LANES]
            for j in range(LANES):
                d = h[j] - here[j]
                less = d < best[j]
                step[j] = s if less else step[j]
                best[j] = d if less else best[j]
        least, place = half_norms.dtype.type(np.inf), 0
        for j in range(LANES):
            k = step[j] * LANES + j
            if best[j] < least or (best[j] == least and k < place):
                least, place = best[j], k
        for k in range(whole * LANES, K):
            if half_norms[k] - row[k] < least:
                least, place = half_norms[k] - row[k], k
        out[n] = place
