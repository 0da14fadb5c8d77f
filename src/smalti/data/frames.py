"""Pictures and videos for patches: a file, an animation, or a folder of frames."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from smalti.core.errors import UserError
from smalti.data.decode import check_size, faults, look_of, to_pixels
from smalti.data.files import open_image, printable, quiet_pillow
from smalti.data.finding import find_pictures
from smalti.data.single import read_file

LOOK = look_of(None, "keep", "white", crop=False)
ANIMATIONS = ("GIF", "PNG", "WEBP", "AVIF", "FLI")
"""Formats whose pictures follow each other; TIFF, MPO, ICO ... hold pages or sizes of one."""


def still(path: Path) -> np.ndarray:
    """(H, W, 3) uint8; of an animation the first frame. UserError for what is no picture."""
    return rgb(read_file(path, LOOK))


def rgb(levels: np.ndarray) -> np.ndarray:
    """(1 or 3, H, W) as (H, W, 3)."""
    return np.ascontiguousarray(np.broadcast_to(levels, (3, *levels.shape[1:])).transpose(1, 2, 0))


def is_video(path: Path) -> bool:
    """A folder of frames, or an animation."""
    if not path.exists():
        raise UserError(f"{path} does not exist; give a picture, an animation or a folder")
    return path.is_dir() or length(path) > 1


def length(path: Path) -> int:
    """Frames of a folder or an animation; 1 for any other picture."""
    if path.is_dir():
        return len(find_pictures(path))
    with quiet_pillow(), faults(printable(str(path))), open_image(path) as image:
        return getattr(image, "n_frames", 1) if image.format in ANIMATIONS else 1


def frames(path: Path) -> Iterator[np.ndarray]:
    """Each (H, W, 3) uint8, in time; a folder's in the order of the numbers in their names."""
    if path.is_dir():
        for file in sorted(find_pictures(path), key=natural):
            yield still(file)
        return
    title, count = printable(str(path)), length(path)
    with quiet_pillow(), faults(title), open_image(path) as image:
        check_size(title, image)
        for number in range(count):
            image.seek(number)
            yield rgb(to_pixels(image.copy(), LOOK))


def natural(path: Path) -> list[tuple[int, str]]:
    """frame2 before frame10."""
    words = re.findall(r"\d+|\D+", str(path))
    return [(int(w), "") if w.isdigit() and w.isascii() else (-1, w) for w in words]
