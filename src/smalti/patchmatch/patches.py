"""Patches laid out so that comparing two of them reads few, whole blocks of memory."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

JIT: dict[str, Any] = {"nogil": True, "cache": True, "error_model": "numpy"}
LANES = 32
"""Numbers that are compared at once; blocks are padded to multiples of it with zeros."""
WHOLE = 96
"""A patch of at most so many numbers lies in one block; a larger one has a block for each row."""


class Patches(NamedTuple):
    """All patches of a picture: that at (i, j) is blocks[(i + t) * width + j] for t < rows."""

    blocks: np.ndarray  # (at least height * width, a multiple of LANES)
    height: int
    width: int
    rows: int


def patches_of(picture: np.ndarray, patch: int) -> Patches:
    """picture: (H, W, C) uint8 or float32; its edges are repeated for patches that reach out."""
    height, width, channels = picture.shape
    r = patch // 2
    padded = np.pad(picture, ((r, r), (r, r), (0, 0)), mode="edge")  # (H + 2r, W + 2r, C)
    tall = patch if patch * patch * channels <= WHOLE else 1
    size = -(-tall * patch * channels // LANES) * LANES
    count = (height + 2 * r + 1 - tall) * width
    blocks = np.zeros((count, size), picture.dtype)
    lay(padded, tall, width, blocks)
    return Patches(blocks, height, width, patch // tall)


@numba.njit(**JIT)
def lay(padded, tall, width, blocks):
    """Fill blocks with windows of `tall` rows of padded (H, W, C), one after the other."""
    span = (padded.shape[1] - width + 1) * padded.shape[2]  # numbers in a row of a patch
    step = padded.shape[2]
    flat = padded.reshape(padded.shape[0], -1)
    for n in range(blocks.shape[0]):
        i, j = n // width, n % width
        for t in range(tall):
            for k in range(span):
                blocks[n, t * span + k] = flat[i + t, j * step + k]
