"""Pictures to be compressed: read as they are, or refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from smalti.coding.names import names_of
from smalti.core.errors import UserError
from smalti.data.decode import BadPicture, look_of
from smalti.data.files import open_image, promises_picture
from smalti.data.gather import Progress, gathered
from smalti.data.pictures import Pictures
from smalti.data.reading import opened_source
from smalti.data.source import Source

KEPT = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")
"""Pillow's modes of pictures whose 8-bit pixels are read as they stand."""


def read_exact(
    path: str | Path, shape: tuple[int, int, int], progress: Progress | None = None
) -> tuple[Pictures, tuple[str, ...]]:
    """All pictures at `path`, and names for their files.

    path: as `smalti.data.read` takes it, or one picture file. shape: (C, H, W) of the model.
    UserError, naming the file, for a picture of another size, with transparent parts or of more
    than 8 bits, and for a coloured one where C is 1: it would not come back as it was.
    """
    C, H, W = shape
    with source_of(path) as source:
        exact = replace(source, opened=lambda k: opened_exactly(source, k, (H, W)))
        look = look_of(None, "rgb" if C == 3 else "keep", "white", crop=False)
        pictures, kept = gathered(exact, look, progress=progress)
        root = Path(path).expanduser()
        names = names_of(source, kept.rows, root.parent if alone(root) else root)
    if pictures.shape != shape:
        raise UserError(
            f"{path} holds pictures of shape {pictures.shape}, and this model's are {shape}; "
            "nothing is resized or made grey here, for that would lose something"
        )
    return pictures, names


@contextmanager
def source_of(path: str | Path) -> Iterator[Source]:
    """What lies at `path`, or one picture by itself."""
    place = Path(path).expanduser()
    if alone(place):
        yield Source(place.stem, [str(place)], lambda k: open_image(place))
        return
    with opened_source(path) as source:
        yield source


def alone(place: Path) -> bool:
    """Whether one picture file lies there."""
    return place.is_file() and promises_picture(place.name, lambda: place)


def opened_exactly(source: Source, k: int, size: tuple[int, int]) -> Image.Image:
    """Picture k; BadPicture when reading it would change it."""
    image = source.opened(k)
    try:
        if fault := fault_of(image, None if source.array is not None else size):
            raise BadPicture(f"{source.titles[k]} {fault}")
    except BaseException:
        image.close()
        raise
    return image


def fault_of(image: Image.Image, size: tuple[int, int] | None) -> str | None:
    """What would be lost of a picture."""
    W, H = image.size
    if size and {H, W} != {*size}:  # EXIF may yet turn it
        return f"is {W} x {H} pixels, and this model's pictures are {size[1]} x {size[0]}"
    if image.mode not in KEPT:
        return f"is of mode {image.mode}; 8-bit grey or RGB can be kept exactly"
    if image.has_transparency_data and np.asarray(image.convert("RGBA"))[..., 3].min() < 255:
        return "has transparent parts, which would be lost; flatten it"
    return None
