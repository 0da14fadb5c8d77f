"""Pictures to be compressed: read as they are, or refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from smalti.coding.faults import fault_of
from smalti.coding.names import names_of
from smalti.core.errors import UserError
from smalti.data.decode import BadPicture, look_of
from smalti.data.files import SIGNATURE, open_image, promises_picture, read_start
from smalti.data.gather import Progress, gathered
from smalti.data.npz import PIXELS, place_of
from smalti.data.pictures import Pictures
from smalti.data.reading import opened_source
from smalti.data.source import Source

BLOCK = 1024
"""Pictures looked at together."""
NEAR = {np.dtype(np.float16): 0.1}
"""How near to a level counts as it: float16 has 255ths to 0.06 of one, others much nearer."""


def read_exact(
    path: str | Path,
    shape: tuple[int, int, int],
    progress: Progress | None = None,
    tell: Callable[[str], None] | None = None,
) -> tuple[Pictures, tuple[str, ...]]:
    """All pictures at `path`, and names for their files.

    path: as `smalti.data.read` takes it, or one picture file. shape: (C, H, W) of the model.
    tell: called with a line for what lies there, too, and is passed over.
    UserError, naming the file, for what would not come back as it was: a picture of another size,
    with transparent parts, of more than 8 bits or of several frames, or in colours where C is 1.
    """
    C, H, W = shape
    with source_of(path) as source:
        if tell is not None and str(source.passed):
            tell(f"passed over: {source.passed}")
        if source.array is not None and Path(path).suffix.lower() == ".npz":
            check_arrays(Path(path).expanduser())
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
    return place.is_file() and promises_picture(place.name, lambda: read_start(place, SIGNATURE))


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


def check_arrays(place: Path) -> None:
    """UserError for pictures in a .npz whose numbers lie between 8-bit levels."""
    with np.load(place, allow_pickle=False) as arrays:
        for name in arrays.files:
            if place_of(name, PIXELS):
                check_levels(f"{place}: {name}", arrays[name])


def check_levels(title: str, array: np.ndarray) -> None:
    for k in range(0, len(array) if np.issubdtype(array.dtype, np.floating) else 0, BLOCK):
        scaled = array[k : k + BLOCK].astype(np.float64) * 255
        if (np.abs(scaled - scaled.round()) > NEAR.get(array.dtype, 1e-3)).any():
            raise UserError(
                f"{title} holds values between 8-bit levels; give uint8, or levels over 255"
            )
