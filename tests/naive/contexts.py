"""Contexts and their counts, with tuples and dictionaries."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np

from smalti.autoregressive.mixing.contexts import NEIGHBORS

Context = tuple[int, ...]


def find_context(z: np.ndarray, k: int, order: int) -> Context:
    """The context of position k of symbols (C, H, W): channel, earlier channels, neighbors."""
    C, _, W = z.shape
    i, j, c = k // (W * C), k // C % W, k % C
    values = [c, *(int(z[d, i, j]) for d in range(c))]
    for di, dj in NEIGHBORS[:order].tolist():
        inside = i + di >= 0 and 0 <= j + dj < W
        values += [int(z[d, i + di, j + dj]) if inside else 0 for d in range(C)]
    return tuple(values)


def count_naively(pictures: np.ndarray, order: int) -> dict[Context, Counter[int]]:
    """Count the symbols that follow each context in pictures (N, C, H, W)."""
    counts: dict[Context, Counter[int]] = defaultdict(Counter)
    for z in pictures:
        C, _, W = z.shape
        for k in range(z.size):
            counts[find_context(z, k, order)][int(z[k % C, k // (W * C), k // C % W])] += 1
    return counts
