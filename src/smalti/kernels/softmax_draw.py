"""Compiled draws from a softmax: one call instead of a dozen PyTorch calls per pixel."""

from __future__ import annotations

import numba
import numpy as np

from smalti.kernels.jit import INNER_JIT_OPTIONS, JIT_OPTIONS
from smalti.kernels.loops import FASTMATH_FLAGS, fast_exp


@numba.njit(**JIT_OPTIONS, fastmath=FASTMATH_FLAGS)
def draw_softmax(logits, u, temperature, p, out):
    """out (n,): inverse transform of softmax(logits / temperature) at u (n,); logits (n, L).

    Computed in float64; p (L,) is workspace.
    """
    L = logits.shape[1]
    for s in range(logits.shape[0]):
        top = np.float64(find_max(logits[s]))
        for k in range(L):
            x = (np.float64(logits[s, k]) - top) / temperature
            e = fast_exp(max(x, -700.0))
            p[k] = e if x > -700.0 else 0.0
        total = 0.0
        for k in range(L):
            total += p[k]
            p[k] = total
        out[s] = find_first_above(p, u[s] * total)


@numba.njit(**INNER_JIT_OPTIONS, fastmath={"nnan", "nsz", "reassoc"})
def find_max(x):
    """Return the largest number, with reordering allowed."""
    top = x[0]
    for k in range(x.size):
        top = max(top, x[k])
    return top


@numba.njit(**INNER_JIT_OPTIONS)
def find_first_above(sums, threshold):
    """Return the first index of increasing sums above `threshold`, which is below the last."""
    low, high = 0, sums.shape[0] - 1
    while low < high:
        middle = (low + high) // 2
        if sums[middle] > threshold:
            high = middle
        else:
            low = middle + 1
    return low
