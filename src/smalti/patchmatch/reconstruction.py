"""Reconstruct a picture from a field, and measure fields: PSNR, forward-backward consistency."""

from __future__ import annotations

import numpy as np

from smalti.core.errors import UserError
from smalti.patchmatch import checks
from smalti.patchmatch.result import Match
from smalti.patchmatch.visualization import read_field
from smalti.patchmatch.votes import average_votes


def reconstruct(
    b: np.ndarray, field: np.ndarray | Match, patch: int = 1, threads: int | None = None
) -> np.ndarray:
    """Reconstruct a picture (H, W) or (H, W, C) from b, with b's dtype and units.

    field: (H, W, 2) rows and columns in b, or a Match.  patch: 1 copies the matched pixels; with
    the patch width of the search, each pixel is the mean over all patches that cover it (voting,
    Simakov et al. 2008, "Summarizing visual data"), which is more accurate and smoother.
    Raises `UserError`.
    """
    picture, positions = checks.to_picture(b, "b"), read_field(field)
    p = checks.check_patch(patch, [picture.shape, picture.shape])
    checks.check_inside(positions, picture.shape, "field", "b")
    if p == 1:
        taken = picture[positions[..., 0], positions[..., 1]]  # (H, W, C)
    else:
        taken = to_dtype(
            reconstruct_by_votes(picture, positions, p, checks.resolve_threads(threads)),
            picture.dtype,
        )
    return taken[..., 0] if np.ndim(b) == 2 else taken


def reconstruct_by_votes(
    picture: np.ndarray, field: np.ndarray, patch: int, threads: int = 1
) -> np.ndarray:
    """(H, W, C) float32: mean over the patches that cover each pixel. picture: (Hb, Wb, C)."""
    H, W = field.shape[:2]
    source = checks.repeat_edges(picture, patch).astype(np.float32)
    out = np.empty((H, W, picture.shape[2]), np.float32)
    everywhere = np.ones((H, W), np.bool_)
    weights = np.ones((H, W), np.float32)
    average_votes(source, field.astype(np.int32), weights, everywhere, out, patch, threads)
    return out


def to_dtype(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Convert floats to another dtype; for integers, round and clip to its range."""
    if dtype.kind == "b":
        return x >= 0.5
    if dtype.kind in "iu":
        ends = np.iinfo(dtype)
        return np.rint(x).clip(ends.min, ends.max).astype(dtype)
    return x.astype(dtype)


def psnr(x: np.ndarray, y: np.ndarray, peak: float | None = None) -> float:
    """Compute the peak signal-to-noise ratio of two pictures of one shape, in dB; inf if equal.

    peak: range of the values.  Default: 255 if both are uint8, else 1.
    Raises `UserError`.
    """
    x, y = np.asarray(x), np.asarray(y)
    if x.shape != y.shape or x.size == 0:
        raise UserError(f"the pictures have shapes {x.shape} and {y.shape}; give equal shapes")
    if peak is None:
        peak = 255.0 if x.dtype == y.dtype == np.uint8 else 1.0
    if not 0 < peak < np.inf:
        raise UserError(f"peak is {peak}; give a number above 0")
    error = float(np.mean((x.astype(np.float64) - y.astype(np.float64)) ** 2))
    return float(10 * np.log10(peak**2 / error)) if error > 0 else float("inf")


def compute_consistency(
    forward: np.ndarray | Match, backward: np.ndarray | Match, tolerance: float = 1.0
) -> np.ndarray:
    """Check forward-backward consistency: a -> b -> a returns within `tolerance` pixels.

    forward: a field of a in b, (Ha, Wa, 2); backward: one of b in a, (Hb, Wb, 2); or Matches.
    Returns bool (Ha, Wa).  Occluded and repetitive regions mostly fail.  Raises `UserError`.
    """
    there, back = read_field(forward, "forward"), read_field(backward, "backward")
    if not 0 <= tolerance < np.inf:
        raise UserError(f"tolerance is {tolerance}; give 0 pixels or more")
    checks.check_inside(there, back.shape, "forward", "the backward field")
    H, W = there.shape[:2]
    returned = back[there[..., 0], there[..., 1]]  # (Ha, Wa, 2)
    checks.check_inside(returned, there.shape, "backward", "the forward field")
    grid = np.stack(np.meshgrid(np.arange(H), np.arange(W), indexing="ij"), axis=-1)
    return ((returned - grid) ** 2).sum(-1) <= tolerance**2
