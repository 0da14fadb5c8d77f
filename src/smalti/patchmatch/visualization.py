"""Visualize fields and distances as pictures."""

from __future__ import annotations

import numpy as np

from smalti.core.errors import UserError
from smalti.patchmatch.result import Match

# The color wheel of Baker et al. 2011 ("A Database and Evaluation Methodology for Optical Flow"):
# corners in RGB, and the number of its 55 colors from each corner to the next.
WHEEL_CORNERS = np.array(
    [(255, 0, 0), (255, 255, 0), (0, 255, 0), (0, 255, 255), (0, 0, 255), (255, 0, 255)]
)
WHEEL_SHARES = np.array([15, 6, 4, 11, 13, 6])

HEAT_COLORS = np.array([(0, 0, 0), (60, 15, 110), (190, 55, 85), (250, 140, 10), (255, 255, 165)])
"""Black, violet, red, orange, light yellow, in equal steps."""


def flow_to_picture(field: np.ndarray | Match, furthest: float | None = None) -> np.ndarray:
    """Draw a field like optical flow: hue is the direction of a match, saturation its distance.

    field: (H, W, 2) rows and columns in b, or a Match.  White: the same position in b; red: to
    the right, yellow-green: below, cyan: to the left, violet: above.  furthest: displacement in
    pixels at which colors are saturated.  Default: the 95th percentile.
    Returns uint8 (H, W, 3).  Raises `UserError`.
    """
    positions = read_field(field)
    H, W = positions.shape[:2]
    down, right = positions[..., 0] - np.arange(H)[:, None], positions[..., 1] - np.arange(W)
    length = np.hypot(down, right)
    most = check_positive(
        np.quantile(length, 0.95) or length.max() if furthest is None else furthest,
        "furthest",
        furthest is None,
    )
    strength = np.minimum(length / most, 1)[..., None]
    pure = compute_wheel_colors(np.arctan2(down, right) / (2 * np.pi) % 1)  # (H, W, 3)
    return np.rint(255 - strength * (255 - pure)).astype(np.uint8)


def distance_to_picture(distance: np.ndarray | Match, largest: float | None = None) -> np.ndarray:
    """Draw distances as a heat map: black for 0, over violet, red and orange to light yellow.

    distance: (H, W) mean squared differences, or a Match; their square root is drawn, so that
    small ones are visible.  largest: the distance that is light yellow.  Default: the 99th
    percentile.
    Returns uint8 (H, W, 3).  Raises `UserError`.
    """
    d = np.asarray(distance.distance if isinstance(distance, Match) else distance)
    if d.ndim != 2 or d.size == 0 or not (np.isfinite(d).all() and d.min() >= 0):
        raise UserError(f"distance has shape {d.shape}; give (H, W) finite numbers of 0 or more")
    top = np.quantile(d, 0.99) or d.max() if largest is None else largest
    heat = np.sqrt(d / check_positive(top, "largest", largest is None)).clip(0, 1)
    steps = np.linspace(0, 1, len(HEAT_COLORS))
    channels = [np.interp(heat, steps, HEAT_COLORS[:, c]) for c in range(3)]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)


def compute_wheel_colors(turns: np.ndarray) -> np.ndarray:
    """Colors of the wheel at angles in turns from red: (..., 3) in 0 .. 255."""
    corners = np.append(0, np.cumsum(WHEEL_SHARES)) / WHEEL_SHARES.sum()
    ends = np.vstack([WHEEL_CORNERS, WHEEL_CORNERS[:1]])
    return np.stack([np.interp(turns, corners, ends[:, c]) for c in range(3)], axis=-1)


def check_positive(value: float, name: str, is_default: bool) -> float:
    """A divisor; a computed 0 becomes 1. UserError if a given one is not positive."""
    if is_default:
        return float(value) or 1.0
    if not 0 < value < np.inf:
        raise UserError(f"{name} is {value}; give a number above 0")
    return float(value)


def read_field(value: object, name: str = "field") -> np.ndarray:
    """(H, W, 2) int64 rows and columns, from a Match or an array."""
    field = np.asarray(value.field if isinstance(value, Match) else value)
    if field.ndim != 3 or field.shape[2] != 2 or field.size == 0 or field.dtype.kind not in "iu":
        raise UserError(
            f"{name} is {field.dtype} {field.shape}; give integers (H, W, 2), rows and columns"
        )
    return field.astype(np.int64)
