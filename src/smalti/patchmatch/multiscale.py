"""Downsampling of pictures and upsampling of fields, for coarse-to-fine algorithms."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def downsample(picture: np.ndarray, missing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Halve height and width, rounded up: means over the known ones of each 2 x 2 pixels.

    picture: (H, W, C); missing: (H, W) bool.  Returns float32 and bool: a pixel is missing if
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
    """Upsample a field to a source of `shape` and a target of `target_shape`, both twice as large.

    field: (h, w, 2).  The four pixels made from one keep their relative positions.
    Returns int32 (H, W, 2).
    """
    grid = np.indices(shape[:2], np.int32)  # (2, H, W)
    i, j = np.minimum(grid // 2, np.array(field.shape[:2])[:, None, None] - 1)
    doubled = 2 * field[i, j] + (grid % 2).transpose(1, 2, 0)
    return np.minimum(doubled, np.array(target_shape[:2]) - 1).astype(np.int32)


def compute_depth(hole: np.ndarray) -> np.ndarray:
    """(H, W): distance in pixels to the nearest pixel outside the hole, where it is 0."""
    return np.asarray(ndimage.distance_transform_edt(hole))


def fill_smoothly(picture: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Fill missing pixels smoothly (pull-push).

    The half-size picture is filled first; its blurred upsampling fills the missing pixels.
    """
    if not missing.any():
        return picture
    small = fill_smoothly(*downsample(picture, missing))
    twice = small.repeat(2, 0).repeat(2, 1)[: missing.shape[0], : missing.shape[1]]
    soft = ndimage.gaussian_filter(twice, (1, 1, 0), mode="nearest")
    return np.where(missing[..., None], soft, picture)
