"""Read one picture or mask, from a file or an array."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Union

import numpy as np
from PIL import Image

from smalti.core.errors import UserError
from smalti.data.decode import Preprocessing, make_preprocessing, read_picture
from smalti.data.picture_formats import (
    check_not_device,
    escape_name,
    open_image,
    suppress_pillow_warnings,
)

if TYPE_CHECKING:
    from torch import Tensor

PictureLike = Union[str, Path, Image.Image, np.ndarray, "Tensor"]
"""A path, a Pillow image, an array (H, W) or (H, W, 3), or a tensor (C, H, W); arrays and tensors
are uint8 or floats in [0, 1]."""
GRAY_AS_IS = make_preprocessing(None, "gray", "black", crop=False)
MAX_BLACK, MIN_WHITE = 48, 207
"""Mask levels up to the first are black, from the second on white."""
MAX_GRAY, MAX_HARD_GRAY = 0.1, 0.01
"""Largest fraction of gray pixels in a mask with soft edges, and with hard edges."""


def read_picture_file(path: Path, preprocessing: Preprocessing) -> np.ndarray:
    """Read a picture file as uint8 (C, H, W). Raises UserError, naming it, if it is invalid."""
    check_file(path)
    with suppress_pillow_warnings():
        return read_picture(escape_name(str(path)), partial(open_image, path), preprocessing)


def read_pixels(picture: object, preprocessing: Preprocessing) -> np.ndarray:
    """Read a picture, as in `PictureLike`, as uint8 (C, H, W). Raises UserError if invalid."""
    if isinstance(picture, str | Path):
        return read_picture_file(Path(picture), preprocessing)
    return read_picture(name_picture(picture), to_image(picture).copy, preprocessing)


def name_picture(picture: object, default: str = "the picture") -> str:
    """Return a picture's path, or `default` if it has none."""
    return str(picture) if isinstance(picture, str | Path) else default


def to_image(picture: object) -> Image.Image:
    """Convert an array of bytes, booleans, or floats in [0, 1] to a Pillow image."""
    if isinstance(picture, Image.Image):
        return picture
    detach = getattr(picture, "detach", None)
    x = detach().cpu().numpy() if detach else np.asarray(picture)
    shape = x.shape
    if x.ndim == 3 and detach:
        x = np.moveaxis(x, 0, -1)  # (H, W, C)
    if x.ndim == 3 and x.shape[2] == 1:
        x = x[..., 0]
    if not x.size or not (x.ndim == 2 or (x.ndim == 3 and x.shape[2] == 3)):
        expected = "a tensor (1 or 3, H, W)" if detach else "an array (H, W) or (H, W, 3)"
        raise UserError(f"the picture has shape {shape}; give {expected}")
    if x.dtype.kind in "fb":
        if not ((x >= 0) & (x <= 1)).all():
            raise UserError(
                f"the picture has values from {x.min():.4g} to {x.max():.4g}; give 0 to 1"
            )
        x = np.rint(x.astype(np.float64) * 255).astype(np.uint8)
    if x.dtype != np.uint8:
        raise UserError(f"the picture has dtype {x.dtype}; give uint8, or floats in 0 to 1")
    return Image.fromarray(np.ascontiguousarray(x))


def check_file(path: Path) -> None:
    """Raise UserError unless the path is a regular file."""
    if not path.exists():
        raise UserError(f"{path} does not exist; give a picture file")
    if path.is_dir():
        raise UserError(f"{path} is a folder; give a picture file")
    check_not_device(path)


def read_mask(
    mask: object,
    picture: object,
    pixels: np.ndarray | None = None,
    size: tuple[int, int] | None = None,
) -> np.ndarray:
    """Read a mask as bool (H, W), true where it is white.

    mask, picture: as in `PictureLike`.
    pixels: the picture's pixels, uint8 (H, W) or (H, W, 3), if already read.
    size: (H, W) that the mask is cropped and resized to, like its picture; None keeps its size.
    Raises UserError if mask and picture differ in size, if no pixel is white, or if many pixels
    are neither black nor white, as in photographs.
    """
    white = read_pixels(mask, GRAY_AS_IS)[0]
    picture_pixels = (
        read_pixels(picture, GRAY_AS_IS)[0] if pixels is None else pixels
    )  # (H, W), (H, W, 3)
    name, other = name_picture(mask, "the mask"), name_picture(picture)
    if white.shape != picture_pixels.shape[:2]:
        (h, w), (H, W) = white.shape, picture_pixels.shape[:2]
        raise UserError(
            f"{name} is {h} x {w} pixels and {other} {H} x {W}; give a mask of the picture's size"
        )
    check_mask(name, white, other, picture_pixels)
    if size is not None:
        white = read_pixels(mask, make_preprocessing(size, "gray", "black", crop=True))[0]
    hole = white > 127
    if not hole.any():
        raise UserError(f"{name} has no white pixels; paint the masked region white")
    return hole


def check_mask(name: str, mask: np.ndarray, picture: str, pixels: np.ndarray) -> None:
    """Raise UserError if a mask is not one, or swapped with its picture."""
    gray = compute_gray_fraction(mask)
    swapped = (
        compute_gray_fraction(pixels) <= MAX_HARD_GRAY
        and pixels.min() <= MAX_BLACK
        and pixels.max() >= MIN_WHITE
    )
    if gray > MAX_GRAY or (gray > MAX_HARD_GRAY and swapped):
        hint = f"; {picture} looks like one: are the two swapped?" if swapped else ""
        raise UserError(
            f"{name} is not a mask: {gray:.0%} of its pixels are neither black nor white; paint "
            f"the masked region white and the rest black{hint}"
        )


def compute_gray_fraction(pixels: np.ndarray) -> float:
    """Compute the fraction of pixels that are neither black nor white."""
    return float(((pixels > MAX_BLACK) & (pixels < MIN_WHITE)).mean())
