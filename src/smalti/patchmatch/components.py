"""Patches in few numbers that tell most of how far they are apart."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

WAVES = 3
"""A patch is first told by its cosines of fewer half waves than this, down and across together."""
COMPONENTS = 8
ENOUGH = 20_000
"""Patches to find the components by."""


def components(a: np.ndarray, b: np.ndarray, patch: int) -> tuple[np.ndarray, np.ndarray]:
    """(Ha * Wa, K) and (Hb * Wb, K) float32: principal components of the patches' slow cosines.

    a, b: (H, W, C).  The cosines are orthonormal, so that components are never further apart than
    the patches are.
    """
    slow_a, slow_b = (cosines(x.astype(np.float32), patch) for x in (a, b))
    some = slow_b[:: -(-len(slow_b) // ENOUGH)].astype(np.float64)
    some -= some.mean(0)
    _, axes = np.linalg.eigh(some.T @ some)
    largest = np.zeros((len(axes), COMPONENTS), np.float32)
    largest[:, : len(axes)] = axes[:, ::-1][:, :COMPONENTS]
    return slow_a @ largest, slow_b @ largest


def cosines(picture: np.ndarray, patch: int) -> np.ndarray:
    """(H * W, 6 C): of every patch and channel the mean, two slopes, three curvatures."""
    turns = np.pi * (np.arange(patch) + 0.5) / patch
    found = []
    for down in range(min(WAVES, patch)):
        rows = ndimage.correlate1d(picture, wave(turns, down), axis=0, mode="nearest")
        for across in range(min(WAVES - down, patch)):
            found.append(ndimage.correlate1d(rows, wave(turns, across), axis=1, mode="nearest"))
    return np.concatenate(found, axis=-1).reshape(-1, len(found) * picture.shape[2])


def wave(turns: np.ndarray, frequency: int) -> np.ndarray:
    """A cosine (patch,) of length 1."""
    cosine = np.cos(frequency * turns)
    return cosine / np.sqrt((cosine**2).sum())
