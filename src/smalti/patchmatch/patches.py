"""A memory layout in which a patch is few contiguous runs, and its vectorized distance."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from smalti.kernels.jit import JIT_OPTIONS
from smalti.patchmatch.checks import repeat_edges

LANES = 32
"""Values that are compared at once."""
MAX_WHOLE_PATCH = 9
"""Patches of up to this many rows are one run of memory; larger ones are one run per row."""


class PatchPair(NamedTuple):
    """All patches of two pictures.

    A picture is stored as overlapping strips of `strip_height` rows, column by column from left to
    right, so that horizontally neighboring patches share memory.  The patch at (i, j) of a begins
    at p = i * a_row_stride + j * column_stride; its runs begin at x[p + a_runs[t]].
    """

    x: np.ndarray
    """a, flat: uint8 or float32."""
    y: np.ndarray
    """b, likewise."""
    a_runs: np.ndarray
    """(T,) offsets of a patch's runs of LANES values."""
    b_runs: np.ndarray
    valid: np.ndarray
    """(T, LANES) float32: 1 for values of the patch, 0 for padding after it."""
    a_row_stride: int
    b_row_stride: int
    column_stride: int
    b_height: int
    b_width: int


def build_patch_pair(a: np.ndarray, b: np.ndarray, patch: int) -> PatchPair:
    """a, b: (H, W, C), both uint8 or both float32; edges are repeated."""
    strip_height = patch if patch <= MAX_WHOLE_PATCH else 1
    (x, a_row_stride), (y, b_row_stride) = (
        to_strips(a, patch, strip_height),
        to_strips(b, patch, strip_height),
    )
    column_stride = strip_height * a.shape[2]
    size = patch * column_stride  # values in a run
    pieces = np.arange(0, size, LANES)
    starts = np.arange(patch // strip_height)[:, None]
    valid = (np.arange(LANES) + pieces[:, None] < size).astype(np.float32)  # (pieces, LANES)
    return PatchPair(
        x,
        y,
        (starts * a_row_stride + pieces).ravel(),
        (starts * b_row_stride + pieces).ravel(),
        np.tile(valid, (patch // strip_height, 1)),
        a_row_stride,
        b_row_stride,
        column_stride,
        *b.shape[:2],
    )


def to_strips(picture: np.ndarray, patch: int, strip_height: int) -> tuple[np.ndarray, int]:
    """The picture as flat strips, and the stride from one strip to the next."""
    padded = repeat_edges(picture, patch)  # (H + 2r, W + 2r, C)
    count = padded.shape[0] + 1 - strip_height
    columns = np.stack([padded[t : t + count] for t in range(strip_height)], axis=2)
    padding = np.zeros(LANES, picture.dtype)  # the last patch's last run extends beyond the end
    return np.concatenate([columns.ravel(), padding]), columns[0].size


@numba.njit(fastmath={"reassoc", "contract", "nsz"}, **JIT_OPTIONS)
def compute_distance(x, y, a_runs, b_runs, valid, p, q, best):
    """Sum of squared differences of the patches that begin at x[p] and y[q].

    May stop early at `best`.  Takes arrays instead of a PatchPair, and unsigned indices: Numba
    would count references to the pair's arrays and handle negative indices; both take longer than
    all the arithmetic.
    """
    total = np.float32(0)
    for t in range(a_runs.size):
        u, v = p + a_runs[np.uintp(t)], q + b_runs[np.uintp(t)]
        part = np.float32(0)
        for k in range(LANES):
            d = np.float32(x[np.uintp(u + k)]) - np.float32(y[np.uintp(v + k)])
            d *= valid[np.uintp(t), np.uintp(k)]
            part += d * d
        total += part
        if total >= best:
            return total
    return total
