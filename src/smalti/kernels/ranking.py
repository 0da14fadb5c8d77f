"""The best continuations of beams: one pass over the logits of a step."""

from __future__ import annotations

import math

import numba
import numpy as np

from smalti.kernels.jit import INNER_JIT_OPTIONS, JIT_OPTIONS
from smalti.kernels.loops import FASTMATH_FLAGS, fast_exp


@numba.njit(**JIT_OPTIONS)
def rank_continuations(logits, scores, first, last, best, parents, symbols):
    """Find the best of scores[i, j] + log softmax(logits[i k + j])[symbol], in order.

    logits (m k, more), C-contiguous, of which symbols `first` to last - 1 count; scores (m, k).
    Writes best, parents j and symbols, each (m, c); -inf where there are fewer. Of equals, the
    first wins.
    """
    m, k = scores.shape
    for i in range(m):
        for c in range(best.shape[1]):
            best[i, c], parents[i, c], symbols[i, c] = -np.inf, 0, 0
        for j in range(k):
            if scores[i, j] > -np.inf:
                line = logits[i * k + j, first:last]
                base = scores[i, j] - sum_log_exp(line)
                insert_row(line, base, j, first, best[i], parents[i], symbols[i])


@numba.njit(**INNER_JIT_OPTIONS)
def insert_row(line, base, parent, first, best, parents, symbols):
    """Insert base + line[s] for each s where they are among the best."""
    last = best.shape[0] - 1
    limit = best[last] - base
    for s in range(line.shape[0]):
        if line[s] > limit:
            c = last
            value = base + line[s]
            while c > 0 and best[c - 1] < value:
                best[c], parents[c], symbols[c] = best[c - 1], parents[c - 1], symbols[c - 1]
                c -= 1
            best[c], parents[c], symbols[c] = value, parent, first + s
            limit = best[last] - base


@numba.njit(**INNER_JIT_OPTIONS, fastmath=FASTMATH_FLAGS | {"reassoc"})
def sum_log_exp(x):
    """log sum exp(x)."""
    top = x[0]
    for k in range(x.size):
        top = max(top, x[k])
    total = x[0] - x[0]
    for k in range(x.size):
        total += fast_exp(max(x[k] - top, x[0] - x[0] - 80))
    return top + math.log(total)
