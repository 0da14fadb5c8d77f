"""`inpaint`: holes filled with what the rest of a picture looks like."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from scipy import ndimage

from smalti.core.errors import UserError
from smalti.patchmatch import checks
from smalti.patchmatch.levels import depth_in, halved, seamless
from smalti.patchmatch.mending import Level
from smalti.patchmatch.reconstruction import as_type

SMALLEST = 4
"""The coarsest level has room for so many patches side by side."""
ROUNDS = (4, 6, 10)
"""Turns of matching and voting at full size, at half, and at each size below."""


def inpaint(
    picture: np.ndarray,
    mask: np.ndarray,
    patch: int = 7,
    seed: int = 0,
    threads: int | None = None,
) -> np.ndarray:
    """Fill a hole with patches of the rest of the picture (Wexler et al. 2007; Barnes et al. 2009).

    picture: (H, W) or (H, W, C), uint8 or float, in any units; what lies in the hole is not looked
    at.  mask: (H, W), true where to fill.  patch: an odd width in pixels.  seed: other seeds fill
    in other ways.  threads: at most so many at once; the result does not depend on it.
    Returns a new picture of the same shape, type and units; outside the hole it is the same to the
    bit.  Raises `UserError`.

    From coarse to fine: match all patches that touch the hole with patches that do not, by
    PatchMatch; set each missing pixel to the weighted mean of what the patches over it say; repeat.
    """
    start, workers = checks.check_seed(seed), checks.thread_count(threads)
    out = np.array(picture)
    known, hole = parted(out, mask)
    p = checks.patch_size(patch, [known.shape, known.shape])
    if hole.any():
        low, high = float(known[~hole].min()), float(known[~hole].max())
        size = (high - low) or 1.0  # around [0, 1] no square overflows or vanishes
        levels = pyramid(((known - low) / size).astype(np.float32), hole, p)
        pixels = filled(levels, p, start, workers)[hole].astype(np.float64) * size + low  # (n, C)
        out[hole] = as_type(pixels, out.dtype).reshape(out[hole].shape)
    return out


def parted(picture: np.ndarray, mask: object) -> tuple[np.ndarray, np.ndarray]:
    """The picture as (H, W, C) with 0 in the hole, whatever lay there, and the hole (H, W)."""
    if picture.ndim not in (2, 3) or picture.dtype.kind not in "buif":
        checks.picture(picture, "picture")  # says why not
    words = "the picture", "to fill", "nothing is left to fill from"
    hole = checks.part_of(mask, picture.shape, *words)
    known = picture.copy()
    known[hole] = 0
    return checks.picture(known, "picture"), hole


def pyramid(
    picture: np.ndarray, hole: np.ndarray, patch: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The picture and its hole at full size, half and so on, until a patch reaches across the hole.

    There the hole is filled smoothly.
    """
    levels = [(picture, hole)]
    while thickness(levels[-1][1]) >= patch / 2:
        small, lack = halved(*levels[-1])
        if min(lack.shape) < SMALLEST * patch or not sources(lack, patch).any():
            break
        levels.append((small, lack))
    small, lack = levels[-1]
    if not sources(lack, patch).any():
        raise UserError(
            f"no patch of {patch} x {patch} pixels lies outside of the mask; give a smaller one"
        )
    levels[-1] = (seamless(small, lack), lack)
    return levels


def thickness(hole: np.ndarray) -> float:
    """Pixels from the innermost one to what is known; the picture's edge does not count as such."""
    return float(depth_in(hole).max())


def sources(hole: np.ndarray, patch: int) -> np.ndarray:
    """(H, W) bool: the patches that nothing is missing of."""
    touched = np.asarray(ndimage.maximum_filter(hole, patch, mode="nearest"))
    return np.logical_not(touched)


def filled(
    levels: list[tuple[np.ndarray, np.ndarray]], patch: int, seed: int, threads: int
) -> np.ndarray:
    """(H, W, C) float32, filled from the coarsest level to the finest."""
    with ThreadPoolExecutor(threads) as pool:
        coarse: Level | None = None
        for depth in reversed(range(len(levels))):
            picture, hole = levels[depth]
            at = Level(picture.copy(), hole, sources(hole, patch), patch, (seed, depth), pool)
            at.begin(coarse)
            for n in range(ROUNDS[min(depth, len(ROUNDS) - 1)]):
                at.search(n)
                at.vote(threads)
            coarse = at
    assert coarse is not None
    return coarse.picture
