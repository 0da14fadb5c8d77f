"""Pictures and videos for patches: a file, an animation, or a folder of frames."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sized
from pathlib import Path

import numpy as np

from smalti.core.errors import UserError
from smalti.data.decode import (
    check_picture_size,
    make_preprocessing,
    raise_as_bad_picture,
    to_pixels,
)
from smalti.data.picture_folder import find_pictures
from smalti.data.picture_formats import escape_name, open_image, suppress_pillow_warnings
from smalti.data.single_picture import read_pixels

PREPROCESSING = make_preprocessing(None, "keep", "white", crop=False)
ANIMATIONS = ("GIF", "PNG", "WEBP", "AVIF", "FLI")
"""Formats whose pictures follow each other; TIFF, MPO, ICO ... hold pages or sizes of one."""


def read_still(picture: object) -> np.ndarray:
    """(H, W, 3) uint8, of what `read_levels` takes; of an animation the first frame."""
    return to_rgb(read_pixels(picture, PREPROCESSING))


def to_rgb(pixels: np.ndarray) -> np.ndarray:
    """(1 or 3, H, W) as (H, W, 3)."""
    return np.ascontiguousarray(np.broadcast_to(pixels, (3, *pixels.shape[1:])).transpose(1, 2, 0))


def is_video(source: object) -> bool:
    """A folder of frames, an animation, or several pictures."""
    if not isinstance(source, str | Path):
        return isinstance(source, list | tuple) or getattr(source, "ndim", 0) == 4
    if not Path(source).exists():
        raise UserError(f"{source} does not exist; give a picture, an animation or a folder")
    return Path(source).is_dir() or count_frames(source) > 1


def count_frames(source: object) -> int:
    """Frames of a folder, an animation or several pictures; 1 for any other picture."""
    if not isinstance(source, str | Path):
        return len(source) if isinstance(source, Sized) else 1
    if Path(source).is_dir():
        return len(find_pictures(Path(source)))
    with (
        suppress_pillow_warnings(),
        raise_as_bad_picture(escape_name(str(source))),
        open_image(Path(source)) as image,
    ):
        return getattr(image, "n_frames", 1) if image.format in ANIMATIONS else 1


def read_frames(source: object) -> Iterator[np.ndarray]:
    """Each (H, W, 3) uint8, in time; a folder's in the order of the numbers in their names."""
    if not isinstance(source, str | Path) or Path(source).is_dir():
        yield from map(read_still, list_frames(source))
        return
    title, count = escape_name(str(source)), count_frames(source)
    with suppress_pillow_warnings(), raise_as_bad_picture(title), open_image(Path(source)) as image:
        check_picture_size(title, image)
        for number in range(count):
            image.seek(number)
            yield to_rgb(to_pixels(image.copy(), PREPROCESSING))


def list_frames(source: object) -> Iterable[object]:
    """The files of a folder in the order of their numbers; several pictures as they are."""
    if isinstance(source, str | Path):
        return sorted(find_pictures(Path(source)), key=natural_sort_key)
    return source if isinstance(source, Iterable) else [source]


def natural_sort_key(path: Path) -> list[tuple[int, str]]:
    """frame2 before frame10."""
    words = re.findall(r"\d+|\D+", str(path))
    return [(int(w), "") if w.isdigit() and w.isascii() else (-1, w) for w in words]
