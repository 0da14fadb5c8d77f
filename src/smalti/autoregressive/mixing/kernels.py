"""Geometric mixing of a network's distribution with what followed the same contexts.

The network's log-probabilities are scaled, and weights are added for the symbols that followed:

    log p(s) = a log q(s) + sum over orders o of w(o, state of the context, count of s) + const.

This is geometric mixing (Mattern, "Mixing Strategies in Data Compression", DCC 2012; for bits it is
the logistic mixing of PAQ7), with a learned number for each pair of counts in place of their
logarithm.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from smalti.kernels.jit import INNER_JIT_OPTIONS, JIT_OPTIONS
from smalti.kernels.loops import FASTMATH_FLAGS, fast_exp

SHARPNESS_EDGES = np.log([0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9, 0.98])
"""Bins of the log-probability of the network's likeliest symbol; each has its scale a."""
CERTAIN = math.log(0.999)
"""Where the network's likeliest symbol has more, its distribution is kept."""


@numba.njit(**INNER_JIT_OPTIONS)
def find_key(keys, low, high, key):
    """Return the index of a key in the increasing keys[low:high], or -1."""
    end = high
    while low < high:
        middle = (low + high) // 2
        if keys[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low if low < end and keys[low] == key else -1


@numba.njit(**JIT_OPTIONS, fastmath=FASTMATH_FLAGS)
def mix_rows(log_q, hashes, tables, scales, weights, out):
    """out (n, K): the mixed log-probabilities of log_q (n, K) float64, which sum to 1.

    hashes: (n, O) of the contexts. tables: `CountTables`. scales: (S,), weights: (cells,).
    """
    n, K = log_q.shape
    for s in range(n):
        top = log_q[s, 0]
        for k in range(K):
            top = max(top, log_q[s, k])
            out[s, k] = log_q[s, k]
        if top > CERTAIN:
            continue
        scale = scales[np.searchsorted(SHARPNESS_EDGES, top, "right")]
        for k in range(K):
            out[s, k] *= scale
        for o in range(hashes.shape[1]):
            start, end = tables.order_starts[o], tables.order_starts[o + 1]
            at = find_key(tables.keys, start, end, hashes[s, o])
            if at >= 0:
                for e in range(tables.firsts[at], tables.firsts[at + 1]):
                    out[s, tables.symbols[e]] += weights[tables.cells[e]]
        top = out[s, 0]
        for k in range(K):
            top = max(top, out[s, k])
        total = 0.0
        for k in range(K):
            total += fast_exp(max(out[s, k] - top, -700.0))
        top += math.log(total)
        for k in range(K):
            out[s, k] -= top


@numba.njit(**JIT_OPTIONS)
def list_entries(hashes, tables, rows, symbols, cells):
    """List what followed the contexts (n, O); returns how many entries there are.

    Entry e adds weight cells[e] to symbol symbols[e] of row rows[e]; empty arrays only count.
    """
    m = 0
    for s in range(hashes.shape[0]):
        for o in range(hashes.shape[1]):
            start, end = tables.order_starts[o], tables.order_starts[o + 1]
            at = find_key(tables.keys, start, end, hashes[s, o])
            if at >= 0:
                for e in range(tables.firsts[at], tables.firsts[at + 1]):
                    if m < rows.size:
                        rows[m], symbols[m], cells[m] = s, tables.symbols[e], tables.cells[e]
                    m += 1
    return m
