"""Photographs included in scikit-image, and holes in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from smalti.core.errors import UserError

NAMES = ("astronaut", "chelsea", "coffee", "rocket", "motorcycle_left", "camera", "retina", "ihc")
CROP_SIDE = 512
"""Rows and columns that very large photographs are center-cropped to."""


def find_folder() -> Path:
    """Find the folder of scikit-image's photographs."""
    try:
        import skimage  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise UserError("scikit-image is not installed; `pip install scikit-image`") from error
    return Path(str(skimage.__file__)).parent / "data"


def read_photograph(name: str, crop: bool = True) -> np.ndarray:
    """uint8 (H, W, 3)."""
    (path,) = find_folder().glob(f"{name}.*")
    with Image.open(path) as image:
        x = np.asarray(image.convert("RGB"))
    if not crop or min(x.shape[:2]) <= 2 * CROP_SIDE:
        return x
    top, left = ((n - CROP_SIDE) // 2 for n in x.shape[:2])
    return x[top : top + CROP_SIDE, left : left + CROP_SIDE]


def draw_block(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Draw a hole of 120 x 150 pixels in 512 x 512, scaled for other sizes."""
    H, W = shape[:2]
    h, w = 120 * H // 512, 150 * W // 512
    top, left = rng.integers(H // 8, H - h - H // 8), rng.integers(W // 8, W - w - W // 8)
    mask = np.zeros((H, W), bool)
    mask[top : top + h, left : left + w] = True
    return mask


def draw_blobs(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Draw five ellipses."""
    H, W = shape[:2]
    i, j = np.indices((H, W))
    mask = np.zeros((H, W), bool)
    for _ in range(5):
        middle, radii = rng.uniform(0.1, 0.9, 2) * (H, W), rng.uniform(0.04, 0.09, 2) * min(H, W)
        mask |= ((i - middle[0]) / radii[0]) ** 2 + ((j - middle[1]) / radii[1]) ** 2 < 1
    return mask


def draw_strokes(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Draw ten lines, 4 to 10 pixels wide."""
    H, W = shape[:2]
    i, j = np.indices((H, W))
    mask = np.zeros((H, W), bool)
    for _ in range(10):
        (y, x), turn = rng.uniform(0.05, 0.95, 2) * (H, W), rng.uniform(0, np.pi)
        half, width = rng.uniform(0.1, 0.3) * min(H, W), rng.uniform(2, 5)
        along = (i - y) * np.sin(turn) + (j - x) * np.cos(turn)
        aside = (i - y) * np.cos(turn) - (j - x) * np.sin(turn)
        mask |= (abs(along) < half) & (abs(aside) < width)
    return mask


HOLES = {"block": draw_block, "blobs": draw_blobs, "strokes": draw_strokes}
