"""Fill holes with patches of the rest of the picture, from coarse to fine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from scipy import ndimage

from smalti.core.errors import UserError
from smalti.patchmatch import checks
from smalti.patchmatch.inpainting_level import InpaintingLevel
from smalti.patchmatch.multiscale import compute_depth, downsample, fill_smoothly
from smalti.patchmatch.reconstruction import to_dtype

MIN_PATCHES_ACROSS = 4
"""Smallest side of the coarsest level, in patches."""
ROUNDS = (4, 6, 10)
"""Rounds of matching and voting at full size, at half size, and at each smaller size."""


def inpaint(
    picture: np.ndarray,
    mask: np.ndarray,
    patch: int = 7,
    seed: int = 0,
    threads: int | None = None,
) -> np.ndarray:
    """Fill a hole with patches of the rest of the picture (Wexler et al. 2007; Barnes et al. 2009).

    picture: (H, W) or (H, W, C), uint8 or float, in any units; pixels in the hole are ignored.
    mask: (H, W), true where to fill.  patch: patch width in pixels, odd.  seed: different seeds
    give different fillings.  threads: number of threads, at most; does not affect the result.
    Returns a new picture of the same shape, dtype and units, bit-identical outside the hole.
    Raises `UserError`.

    From coarse to fine: match all patches that touch the hole with patches that do not, by
    PatchMatch; set each missing pixel to the weighted mean over the patches that cover it; repeat.
    """
    start, workers = checks.check_seed(seed), checks.resolve_threads(threads)
    out = np.array(picture)
    known, hole = split_hole(out, mask)
    p = checks.check_patch(patch, [known.shape, known.shape])
    if hole.any():
        low, high = float(known[~hole].min()), float(known[~hole].max())
        size = (high - low) or 1.0  # in [0, 1] no square overflows or underflows
        levels = build_pyramid(((known - low) / size).astype(np.float32), hole, p)
        pixels = (
            fill_pyramid(levels, p, start, workers)[hole].astype(np.float64) * size + low
        )  # (n, C)
        out[hole] = to_dtype(pixels, out.dtype).reshape(out[hole].shape)
    return out


def split_hole(picture: np.ndarray, mask: object) -> tuple[np.ndarray, np.ndarray]:
    """The picture as (H, W, C) with 0 in the hole, and the hole (H, W)."""
    if picture.ndim not in (2, 3) or picture.dtype.kind not in "buif":
        checks.to_picture(picture, "picture")  # raises the error
    words = "the picture", "to fill", "there are no pixels to fill from"
    hole = checks.read_mask(mask, picture.shape, *words)
    known = picture.copy()
    known[hole] = 0
    return checks.to_picture(known, "picture"), hole


def build_pyramid(
    picture: np.ndarray, hole: np.ndarray, patch: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Halve the picture and its hole until a patch spans the hole; fill the coarsest smoothly."""
    levels = [(picture, hole)]
    while measure_thickness(levels[-1][1]) >= patch / 2:
        small, lack = downsample(*levels[-1])
        if (
            min(lack.shape) < MIN_PATCHES_ACROSS * patch
            or not find_source_patches(lack, patch).any()
        ):
            break
        levels.append((small, lack))
    small, lack = levels[-1]
    if not find_source_patches(lack, patch).any():
        raise UserError(
            f"no patch of {patch} x {patch} pixels is outside the mask; give a smaller mask"
        )
    levels[-1] = (fill_smoothly(small, lack), lack)
    return levels


def measure_thickness(hole: np.ndarray) -> float:
    """Distance in pixels from the innermost missing pixel to the nearest known one."""
    return float(compute_depth(hole).max())


def find_source_patches(hole: np.ndarray, patch: int) -> np.ndarray:
    """(H, W) bool: the patches without missing pixels."""
    touched = np.asarray(ndimage.maximum_filter(hole, patch, mode="nearest"))
    return np.logical_not(touched)


def fill_pyramid(
    levels: list[tuple[np.ndarray, np.ndarray]], patch: int, seed: int, threads: int
) -> np.ndarray:
    """Fill all levels, coarsest first; returns the finest, (H, W, C) float32."""
    with ThreadPoolExecutor(threads) as pool:
        coarse: InpaintingLevel | None = None
        for depth in reversed(range(len(levels))):
            picture, hole = levels[depth]
            level = InpaintingLevel(
                picture.copy(), hole, find_source_patches(hole, patch), patch, (seed, depth), pool
            )
            level.start_from(coarse)
            for n in range(ROUNDS[min(depth, len(ROUNDS) - 1)]):
                level.update_matches(n)
                level.update_picture(threads)
            coarse = level
    assert coarse is not None
    return coarse.picture
