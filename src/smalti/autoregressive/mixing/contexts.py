"""Exact contexts: hashes of the causal neighbors of a symbol.

A context of order m is the m nearest pixels before a pixel, with all their channels, and the
earlier channels of the pixel itself. Pixels outside the picture count as 0.
"""

from __future__ import annotations

import numba
import numpy as np

from smalti.kernels.jit import INNER_JIT_OPTIONS, JIT_OPTIONS

NEIGHBORS = np.array(
    [(0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0), (-2, -1), (-1, -2), (-2, 1), (-1, 2)]
)
"""Rows and columns of the neighbors relative to a pixel, the nearest first."""
HASH_BITS = 26
"""Bits of a hash: with 100,000 contexts, one unknown context in 700 is taken for a known one."""


@numba.njit(**INNER_JIT_OPTIONS)
def add_to_hash(h, value):
    """Add a number to a hash: a step of FNV-1a with 64 bits, and a shift."""
    h = (h ^ np.uint64(value + 1)) * np.uint64(0x9E3779B97F4A7C15)
    return h ^ (h >> np.uint64(29))


@numba.njit(**JIT_OPTIONS)
def hash_contexts(canvas, i, j, c, orders, neighbors, hashes):
    """Hash the contexts of channel c of pixel (i, j) of n pictures: hashes (n, O) uint32.

    canvas: (n, C, H, W) symbols, of which only those before this one are read. orders: (O,)
    increasing numbers of neighbors.
    """
    n, C, _, W = canvas.shape
    for s in range(n):
        h, m = np.uint64(c + 1) << np.uint64(40), 0
        for d in range(c):
            h = add_to_hash(h, canvas[s, d, i, j])
        for o in range(orders.size):
            while m < orders[o]:
                y, x = i + neighbors[m, 0], j + neighbors[m, 1]
                for d in range(C):
                    h = add_to_hash(h, canvas[s, d, y, x] if y >= 0 and 0 <= x < W else 0)
                m += 1
            hashes[s, o] = np.uint32(add_to_hash(h, o) >> np.uint64(64 - HASH_BITS))


@numba.njit(**JIT_OPTIONS)
def hash_all_contexts(canvas, orders, neighbors, hashes):
    """Hash the contexts of all symbols: hashes (H W C, n, O), the positions row by row."""
    _, C, H, W = canvas.shape
    for i in range(H):
        for j in range(W):
            for c in range(C):
                k = (i * W + j) * C + c
                hash_contexts(canvas, i, j, c, orders, neighbors, hashes[k])
