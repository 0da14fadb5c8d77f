"""Pictures and videos for patches: a file, an animation, or a folder of frames."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sized
from pathlib import Path

import numpy as np

from smalti.core.errors import UserError
from smalti.data.decode import check_size, faults, look_of, to_pixels
from smalti.data.files import open_image, printable, quiet_pillow
from smalti.data.finding import find_pictures
from smalti.data.single import read_levels

LOOK = look_of(None, "keep", "white", crop=False)
ANIMATIONS = ("GIF", "PNG", "WEBP", "AVIF", "FLI")
"""Formats whose pictures follow each other; TIFF, MPO, ICO ... hold pages or sizes of one."""


def still(picture: object) -> np.ndarray:
    """(H, W, 3) uint8, of what `read_levels` takes; of an animation the first frame."""
    return rgb(read_levels(picture, LOOK))


def rgb(levels: np.ndarray) -> np.ndarray:
    """(1 or 3, H, W) as (H, W, 3)."""
    return np.ascontiguousarray(np.broadcast_to(levels, (3, *levels.shape[1:])).transpose(1, 2, 0))


def is_video(source: object) -> bool:
    """A folder of frames, an animation, or several pictures."""
    if not isinstance(source, str | Path):
        return isinstance(source, list | tuple) or getattr(source, "ndim", 0) == 4
    if not Path(source).exists():
        raise UserError(f"{source} does not exist; give a picture, an animation or a folder")
    return Path(source).is_dir() or length(source) > 1


def length(source: object) -> int:
    """Frames of a folder, an animation or several pictures; 1 for any other picture."""
    if not isinstance(source, str | Path):
        return len(source) if isinstance(source, Sized) else 1
    if Path(source).is_dir():
        return len(find_pictures(Path(source)))
    with quiet_pillow(), faults(printable(str(source))), open_image(Path(source)) as image:
        return getattr(image, "n_frames", 1) if image.format in ANIMATIONS else 1


def frames(source: object) -> Iterator[np.ndarray]:
    """Each (H, W, 3) uint8, in time; a folder's in the order of the numbers in their names."""
    if not isinstance(source, str | Path) or Path(source).is_dir():
        yield from map(still, list_frames(source))
        return
    title, count = printable(str(source)), length(source)
    with quiet_pillow(), faults(title), open_image(Path(source)) as image:
        check_size(title, image)
        for number in range(count):
            image.seek(number)
            yield rgb(to_pixels(image.copy(), LOOK))


def list_frames(source: object) -> Iterable[object]:
    """The files of a folder in the order of their numbers; several pictures as they are."""
    if isinstance(source, str | Path):
        return sorted(find_pictures(Path(source)), key=natural)
    return source if isinstance(source, Iterable) else [source]


def natural(path: Path) -> list[tuple[int, str]]:
    """frame2 before frame10."""
    words = re.findall(r"\d+|\D+", str(path))
    return [(int(w), "") if w.isdigit() and w.isascii() else (-1, w) for w in words]
