"""Pictures for the tour of `make_gallery`: two mosaics, a hole, and digits.

The mosaics are computed, so that the tour needs no picture of the user and no network.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from smalti.core.pictures import save_png, to_image
from smalti.data import digit_pictures

SIZE = (192, 288)
"""Height and width of the mosaics."""
SIDE = 8
"""Pixels from one piece of glass to the next."""
GROUT = (92, 88, 84)
GROUT_WIDTH = 1.6
HOLE_GRAY = 160


def write_pictures(folder: Path, n_digits: int) -> None:
    """Write morning.png, evening.png, broken.png, hole.png, and digits/ with test digits."""
    (folder / "digits").mkdir(parents=True)
    morning, hole = draw_mosaic(0), draw_hole()
    levels = {
        "morning": morning,
        "evening": draw_mosaic(1, mirrored=True),
        "broken": np.where(hole[..., None], HOLE_GRAY, morning).astype(np.uint8),
        "hole": hole.astype(np.uint8) * 255,
    }
    for name, picture in levels.items():
        save_png(Image.fromarray(picture), folder / f"{name}.png")
    digits = digit_pictures("test").take_floats(slice(0, n_digits))
    for k, digit in enumerate(digits):
        save_png(to_image(digit), folder / "digits" / f"{k:02d}.png")


def draw_mosaic(seed: int, mirrored: bool = False) -> np.ndarray:
    """Draw a landscape of pieces of glass: (H, W, 3) uint8.

    The pieces are the Voronoi cells of a jittered grid; grout fills the places near two of them.
    mirrored: whether the landscape, not its pieces, is mirrored.
    """
    rng = np.random.default_rng(seed)
    (H, W), rows, columns = SIZE, SIZE[0] // SIDE + 3, SIZE[1] // SIDE + 3
    shifts = rng.uniform(-0.3, 0.3, (2, rows, columns)) - 0.5
    v, u = (np.mgrid[:rows, :columns] + shifts) * SIDE  # centers of the pieces
    scene = paint_scene(v / H, (W - u if mirrored else u) / W)
    glass = scene * rng.uniform(0.84, 1.12, (rows, columns, 1))
    y, x = np.mgrid[:H, :W]
    cells = [(y // SIDE + i, x // SIDE + j) for i in range(3) for j in range(3)]  # around a pixel
    distances = np.stack([np.hypot(v[cell] - y, u[cell] - x) for cell in cells])  # (9, H, W)
    first, second = np.sort(distances, axis=0)[:2]
    nearest = distances.argmin(0)[None, ..., None]  # (1, H, W, 1)
    color = np.take_along_axis(np.stack([glass[cell] for cell in cells]), nearest, 0)[0]
    is_grout = (second - first < GROUT_WIDTH)[..., None]
    return np.where(is_grout, GROUT, color.clip(0, 255)).astype(np.uint8)


def paint_scene(v: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Paint sky, sun, hills and sea at heights v and places u, in shares: colors (..., 3)."""
    color = mix((64, 132, 196), (250, 206, 140), (v / 0.6).clip(0, 1))
    sun = np.hypot(v - 0.27, (u - 0.7) * SIZE[1] / SIZE[0]) < 0.13
    color[sun] = (252, 196, 60)
    hills = v > 0.52 - 0.09 * np.sin(7 * u + 1) - 0.05 * np.sin(17 * u)
    color[hills] = mix((92, 148, 84), (50, 104, 70), (3 * v - 1.2).clip(0, 1))[hills]
    waves = 0.5 + 0.5 * np.sin(24 * v + 2 * np.sin(6 * u))
    sea = v > 0.68
    color[sea] = mix((24, 96, 140), (96, 178, 190), waves)[sea]
    return color


def mix(a: tuple[int, int, int], b: tuple[int, int, int], share: np.ndarray) -> np.ndarray:
    """Mix colors: a where the share is 0, b where it is 1; (..., 3)."""
    return np.array(a, float) + share[..., None] * (np.array(b, float) - np.array(a, float))


def draw_hole() -> np.ndarray:
    """Draw a crack from top to bottom and three missing pieces: (H, W) bool."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] / SIZE[0]
    crack = abs(x - 0.42 - 0.07 * np.sin(9 * y) - 0.03 * np.sin(31 * y)) < 0.028
    pieces = [(0.72, 0.95, 0.1), (0.4, 1.3, 0.075), (0.86, 0.25, 0.06)]  # y, x, radius
    return crack | np.any([np.hypot(y - v, x - u) < r for v, u, r in pieces], axis=0)
