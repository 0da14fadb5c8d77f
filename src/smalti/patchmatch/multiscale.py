"""Pictures at half the size and fields at twice, for what works from coarse to fine."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def downsample(picture: np.ndarray, missing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Half as high and wide, rounded up: the means of the four pixels, of those that are known.

    picture: (H, W, C); missing: (H, W) bool.  Returns float32 and bool: a pixel is missing where
    all four are.
    """
    H, W = missing.shape
    edges = ((0, H % 2), (0, W % 2))
    x = np.pad(picture, (*edges, (0, 0)), mode="edge").astype(np.float32)
    known = np.pad(~missing, edges, mode="edge").astype(np.float32)[..., None]
    h, w = x.shape[0] // 2, x.shape[1] // 2
    sums = (x * known).reshape(h, 2, w, 2, -1).sum((1, 3))  # (h, w, C)
    counts = known.reshape(h, 2, w, 2, 1).sum((1, 3))
    return sums / np.maximum(counts, 1), counts[..., 0] == 0


def upsample_field(
    field: np.ndarray, shape: tuple[int, ...], target_shape: tuple[int, ...]
) -> np.ndarray:
    """A field for a picture of `shape`, twice as large, in one `target_shape` that is so, too.

    field: (h, w, 2).  The four pixels of one keep their places beside each other.
    Returns int32 (H, W, 2).
    """
    grid = np.indices(shape[:2], np.int32)  # (2, H, W)
    i, j = np.minimum(grid // 2, np.array(field.shape[:2])[:, None, None] - 1)
    doubled = 2 * field[i, j] + (grid % 2).transpose(1, 2, 0)
    return np.minimum(doubled, np.array(target_shape[:2]) - 1).astype(np.int32)


def compute_depth(hole: np.ndarray) -> np.ndarray:
    """(H, W): pixels to the nearest one outside of the hole, 0 there."""
    return np.asarray(ndimage.distance_transform_edt(hole))


def fill_smoothly(picture: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """The picture with what is missing filled smoothly: means of ever larger surroundings.

    Half the size is filled first, its blurred double fills the rest.
    """
    if not missing.any():
        return picture
    small = fill_smoothly(*downsample(picture, missing))
    twice = small.repeat(2, 0).repeat(2, 1)[: missing.shape[0], : missing.shape[1]]
    soft = ndimage.gaussian_filter(twice, (1, 1, 0), mode="nearest")
    return np.where(missing[..., None], soft, picture)
