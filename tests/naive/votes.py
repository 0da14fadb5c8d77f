"""Votes, pixel by pixel and patch by patch."""

from __future__ import annotations

import numpy as np


def average_votes(b: np.ndarray, field: np.ndarray, weights: np.ndarray, patch: int) -> np.ndarray:
    """(H, W, C) float64: weighted means over the patches at each pixel, b (Hb, Wb, C)."""
    r, (H, W) = patch // 2, weights.shape
    out = np.zeros((H, W, b.shape[2]))
    for i in range(H):
        for j in range(W):
            total = 0.0
            for y in range(max(0, i - r), min(H, i + r + 1)):
                for x in range(max(0, j - r), min(W, j + r + 1)):
                    row = min(max(field[y, x, 0] + i - y, 0), b.shape[0] - 1)
                    column = min(max(field[y, x, 1] + j - x, 0), b.shape[1] - 1)
                    out[i, j] += weights[y, x] * b[row, column]
                    total += weights[y, x]
            out[i, j] /= total
    return out
