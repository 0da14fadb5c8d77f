"""Compiled argmin over rows. Its naive twin is in `tests/naive/codes.py`."""

from __future__ import annotations

import numba
import numpy as np

from smalti.kernels.jit import JIT_OPTIONS

LANES = 32
"""Columns compared at once, in two registers of AVX-512 or four of AVX2."""


@numba.njit(**JIT_OPTIONS, fastmath={"nnan", "nsz"})
def find_argmin(products, half_norms, out):
    """out (N,) = argmin over k of half_norms (K,) - products (N, K), the first of equals.

    Lane j keeps the best of columns j, j + LANES, ...: one comparison and two selections for 32
    columns. Within a lane the first of equals is kept; across lanes the indices are compared.
    """
    N, K = products.shape
    whole = K // LANES
    best, step = np.empty(LANES, half_norms.dtype), np.empty(LANES, np.int32)
    for n in range(N):
        row = products[n]
        best[:], step[:] = np.inf, 0
        for s in range(whole):
            part, h = row[s * LANES : (s + 1) * LANES], half_norms[s * LANES : (s + 1) * LANES]
            for j in range(LANES):
                d = h[j] - part[j]
                less = d < best[j]
                step[j] = s if less else step[j]
                best[j] = d if less else best[j]
        least, index = half_norms.dtype.type(np.inf), 0
        for j in range(LANES):
            k = step[j] * LANES + j
            if best[j] < least or (best[j] == least and k < index):
                least, index = best[j], k
        for k in range(whole * LANES, K):
            if half_norms[k] - row[k] < least:
                least, index = half_norms[k] - row[k], k
        out[n] = index
