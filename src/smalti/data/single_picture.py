"""One picture or one mask: by its file, or as an array."""

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
"""By its path, of Pillow, an array (H, W) or (H, W, 3), or a tensor (C, H, W); the last two of
uint8 or floats in [0, 1]."""
GRAY_AS_IS = make_preprocessing(None, "gray", "black", crop=False)
MAX_BLACK, MIN_WHITE = 48, 207
"""A mask's levels up to the one are black, from the other on white."""
MAX_GRAY, MAX_HARD_GRAY = 0.1, 0.01
"""Shares of gray: of a mask that has soft edges, at most; of one that has none."""


def read_picture_file(path: Path, preprocessing: Preprocessing) -> np.ndarray:
    """A picture as uint8 (C, H, W). UserError, naming the file, for what is none."""
    check_file(path)
    with suppress_pillow_warnings():
        return read_picture(escape_name(str(path)), partial(open_image, path), preprocessing)


def read_pixels(picture: object, preprocessing: Preprocessing) -> np.ndarray:
    """A picture as uint8 (C, H, W): by its path, of Pillow, an array (H, W) or (H, W, 3), or a
    tensor (C, H, W). UserError for what is none.
    """
    if isinstance(picture, str | Path):
        return read_picture_file(Path(picture), preprocessing)
    return read_picture(name_picture(picture), to_image(picture).copy, preprocessing)


def name_picture(picture: object, default: str = "the picture") -> str:
    """What to call a picture: its path, where it has one."""
    return str(picture) if isinstance(picture, str | Path) else default


def to_image(picture: object) -> Image.Image:
    """A picture of Pillow, or made of an array of bytes, booleans, or numbers in [0, 1]."""
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
        wanted = "a tensor (1 or 3, H, W)" if detach else "an array (H, W) or (H, W, 3)"
        raise UserError(f"the picture has shape {shape}; give {wanted}")
    if x.dtype.kind in "fb":
        if not ((x >= 0) & (x <= 1)).all():
            raise UserError(
                f"the picture has values from {x.min():.4g} to {x.max():.4g}; give 0 to 1"
            )
        x = np.rint(x.astype(np.float64) * 255).astype(np.uint8)
    if x.dtype != np.uint8:
        raise UserError(f"the picture is of {x.dtype}; give uint8, or floats in 0 to 1")
    return Image.fromarray(np.ascontiguousarray(x))


def check_file(path: Path) -> None:
    """UserError unless a plain file lies there."""
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
    """(H, W) bool, true where a mask is white: that is what is meant. Both as `read_levels` has
    them.

    pixels: those of the picture, (H, W) or (H, W, 3) bytes, where they are at hand.
    size: (H, W) that the mask is cropped and resized to, as its picture is; None: as it is.
    UserError when the mask is of another size than the picture, when nothing in it is white, and
    when it is no mask: neither black nor white in many places, as photographs are.
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
        raise UserError(f"{name} has nothing white in it; paint white what is meant")
    return hole


def check_mask(name: str, mask: np.ndarray, picture: str, pixels: np.ndarray) -> None:
    """UserError for what is no mask, or stands in the picture's place."""
    gray = compute_gray_fraction(mask)
    swapped = (
        compute_gray_fraction(pixels) <= MAX_HARD_GRAY
        and pixels.min() <= MAX_BLACK
        and pixels.max() >= MIN_WHITE
    )
    if gray > MAX_GRAY or (gray > MAX_HARD_GRAY and swapped):
        hint = f"; {picture} looks like one: are the two swapped?" if swapped else ""
        raise UserError(
            f"{name} is no mask, for {gray:.0%} of it are neither black nor white; paint white "
            f"what is meant and black what is not{hint}"
        )


def compute_gray_fraction(pixels: np.ndarray) -> float:
    """Of all pixels, those that are neither black nor white."""
    return float(((pixels > MAX_BLACK) & (pixels < MIN_WHITE)).mean())
