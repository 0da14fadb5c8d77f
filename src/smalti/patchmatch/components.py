"""Low-dimensional patch descriptors whose distances bound those of the patches from below."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

N_FREQUENCIES = 3
"""Cosines kept per patch: those whose vertical and horizontal frequencies sum to less than this."""
N_COMPONENTS = 8
MAX_PCA_PATCHES = 20_000
"""Number of patches that the principal components are computed from, at most."""


def compute_components(a: np.ndarray, b: np.ndarray, patch: int) -> tuple[np.ndarray, np.ndarray]:
    """Principal components of the patches' low-frequency cosines, float32.

    a, b: (H, W, C).  Returns (Ha * Wa, K) and (Hb * Wb, K).  The cosines are orthonormal, so the
    distance of two patches' components is at most that of the patches.
    """
    slow_a, slow_b = (compute_cosines(x.astype(np.float32), patch) for x in (a, b))
    some = slow_b[:: -(-len(slow_b) // MAX_PCA_PATCHES)].astype(np.float64)
    some -= some.mean(0)
    _, axes = np.linalg.eigh(some.T @ some)
    largest = np.zeros((len(axes), N_COMPONENTS), np.float32)
    largest[:, : len(axes)] = axes[:, ::-1][:, :N_COMPONENTS]
    return slow_a @ largest, slow_b @ largest


def compute_cosines(picture: np.ndarray, patch: int) -> np.ndarray:
    """(H * W, 6 C): the mean, two slopes and three curvatures of every patch and channel."""
    angles = np.pi * (np.arange(patch) + 0.5) / patch
    found = []
    for down in range(min(N_FREQUENCIES, patch)):
        rows = ndimage.correlate1d(picture, make_cosine(angles, down), axis=0, mode="nearest")
        for across in range(min(N_FREQUENCIES - down, patch)):
            found.append(
                ndimage.correlate1d(rows, make_cosine(angles, across), axis=1, mode="nearest")
            )
    return np.concatenate(found, axis=-1).reshape(-1, len(found) * picture.shape[2])


def make_cosine(angles: np.ndarray, frequency: int) -> np.ndarray:
    """A cosine (patch,) of unit norm."""
    cosine = np.cos(frequency * angles)
    return cosine / np.sqrt((cosine**2).sum())
