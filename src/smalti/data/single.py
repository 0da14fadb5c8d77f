"""One picture or one mask, by its file."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from smalti.core.errors import UserError
from smalti.data.decode import Look, look_of, read_picture
from smalti.data.files import check_plain, open_image, printable, quiet_pillow

AS_IT_IS = look_of(None, "grey", "black", crop=False)
BLACK, WHITE = 48, 207
"""A mask's levels up to the one are black, from the other on white."""
GREY, SOFT = 0.1, 0.01
"""Shares of grey: of a mask that has soft edges, at most; of one that has none."""


def read_file(path: Path, look: Look) -> np.ndarray:
    """A picture as uint8 (C, H, W). UserError, naming the file, for what is none."""
    check_file(path)
    with quiet_pillow():
        return read_picture(printable(str(path)), partial(open_image, path), look)


def check_file(path: Path) -> None:
    """UserError unless a plain file lies there."""
    if not path.exists():
        raise UserError(f"{path} does not exist; give a picture file")
    if path.is_dir():
        raise UserError(f"{path} is a folder; give a picture file")
    check_plain(path)


def read_mask(
    path: Path,
    picture: Path,
    levels: np.ndarray | None = None,
    size: tuple[int, int] | None = None,
) -> np.ndarray:
    """(H, W) bool, true where a mask is white: that is what is meant.

    levels: those of the picture, (H, W) or (H, W, 3) bytes, where they are at hand.
    size: (H, W) that the mask is cropped and resized to, as its picture is; None: as it is.
    UserError when the mask is of another size than the picture, when nothing in it is white, and
    when it is no mask: neither black nor white in many places, as photographs are.
    """
    mask = read_file(path, AS_IT_IS)[0]
    seen = read_file(picture, AS_IT_IS)[0] if levels is None else levels  # (H, W), (H, W, 3)
    if mask.shape != seen.shape[:2]:
        (h, w), (H, W) = mask.shape, seen.shape[:2]
        raise UserError(
            f"{path} is {h} x {w} pixels and {picture} {H} x {W}; give a mask of the picture's size"
        )
    check_mask(path, mask, picture, seen)
    if size is not None:
        mask = read_file(path, look_of(size, "grey", "black", crop=True))[0]
    hole = mask > 127
    if not hole.any():
        raise UserError(f"{path} has nothing white in it; paint white what is meant")
    return hole


def check_mask(path: Path, mask: np.ndarray, picture: Path, levels: np.ndarray) -> None:
    """UserError for what is no mask, or stands in the picture's place."""
    grey = grey_share(mask)
    swapped = grey_share(levels) <= SOFT and levels.min() <= BLACK and levels.max() >= WHITE
    if grey > GREY or (grey > SOFT and swapped):
        hint = f"; {picture} looks like one: are the two swapped?" if swapped else ""
        raise UserError(
            f"{path} is no mask, for {grey:.0%} of it are neither black nor white; paint white "
            f"what is meant and black what is not{hint}"
        )


def grey_share(levels: np.ndarray) -> float:
    """Of all pixels, those that are neither black nor white."""
    return float(((levels > BLACK) & (levels < WHITE)).mean())
