"""Read pictures and videos for patch matching: a file, an animation, or a folder of frames."""

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
"""Formats with frames; TIFF, MPO, ICO ... contain pages or sizes."""


def read_still(picture: object) -> np.ndarray:
    """Read uint8 (H, W, 3) from what `read_pixels` accepts; the first frame of an animation."""
    return to_rgb(read_pixels(picture, PREPROCESSING))


def to_rgb(pixels: np.ndarray) -> np.ndarray:
    """Convert (1 or 3, H, W) to (H, W, 3)."""
    return np.ascontiguousarray(np.broadcast_to(pixels, (3, *pixels.shape[1:])).transpose(1, 2, 0))


def is_video(source: object) -> bool:
    """Whether a source is a folder of frames, an animation, or several pictures."""
    if not isinstance(source, str | Path):
        return isinstance(source, list | tuple) or getattr(source, "ndim", 0) == 4
    if not Path(source).exists():
        raise UserError(f"{source} does not exist; give a picture, an animation or a folder")
    return Path(source).is_dir() or count_frames(source) > 1


def count_frames(source: object) -> int:
    """Count the frames of a folder, an animation or several pictures; 1 for a picture."""
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
    """Yield frames uint8 (H, W, 3) in order; a folder's are sorted by numbers in their names."""
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
    """List the files of a folder sorted by their numbers; or the given pictures."""
    if isinstance(source, str | Path):
        return sorted(find_pictures(Path(source)), key=natural_sort_key)
    return source if isinstance(source, Iterable) else [source]


def natural_sort_key(path: Path) -> list[tuple[int, str]]:
    """Key that sorts frame2 before frame10."""
    words = re.findall(r"\d+|\D+", str(path))
    return [(int(w), "") if w.isdigit() and w.isascii() else (-1, w) for w in words]
