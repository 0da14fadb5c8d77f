"""Exact reading of pictures: read losslessly, or refuse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from smalti.coding.faults import find_fault
from smalti.coding.file_names import make_file_names
from smalti.core.errors import UserError
from smalti.data.decode import BadPicture, make_preprocessing
from smalti.data.decode_all import ProgressCallback, load_pictures
from smalti.data.npz import PIXEL_NAMES, match_split
from smalti.data.picture_formats import (
    SIGNATURE_BYTES,
    looks_like_picture,
    open_image,
    read_first_bytes,
)
from smalti.data.pictures import Pictures
from smalti.data.reading import open_source
from smalti.data.source import Source

BLOCK_SIZE = 1024
"""Pictures checked at a time."""
LEVEL_TOLERANCE = {np.dtype(np.float16): 0.1}
"""Tolerance, in levels: float16 is within 0.06 of a multiple of 1/255, other dtypes far nearer."""


def read_exact(
    path: str | Path,
    shape: tuple[int, int, int],
    on_progress: ProgressCallback | None = None,
    on_notice: Callable[[str], None] | None = None,
) -> tuple[Pictures, tuple[str, ...]]:
    """Read all pictures at `path`, and choose file names for them.

    path: as in `smalti.data.read`, or one picture file. shape: (C, H, W) of the model.
    on_notice: called with a line about skipped files.
    Raises UserError, naming the file, for pictures that would lose information: of another size,
    with transparent parts, more than 8 bits or several frames, or in color if C is 1.
    """
    C, H, W = shape
    with open_pictures(path) as source:
        if on_notice is not None and str(source.skipped):
            on_notice(f"skipped: {source.skipped}")
        if source.pixels is not None and Path(path).suffix.lower() == ".npz":
            check_arrays(Path(path).expanduser())
        exact = replace(source, open_picture=lambda k: open_exact(source, k, (H, W)))
        preprocessing = make_preprocessing(None, "rgb" if C == 3 else "keep", "white", crop=False)
        pictures, kept = load_pictures(exact, preprocessing, progress=on_progress)
        root = Path(path).expanduser()
        names = make_file_names(source, kept.rows, root.parent if is_picture_file(root) else root)
    if pictures.shape != shape:
        raise UserError(
            f"{path} holds pictures of shape {pictures.shape}, but this model takes {shape}; they "
            "are not resized or converted to gray, because that is lossy"
        )
    return pictures, names


@contextmanager
def open_pictures(path: str | Path) -> Iterator[Source]:
    """Open the source at `path`, or a single picture file."""
    file_path = Path(path).expanduser()
    if is_picture_file(file_path):
        yield Source(file_path.stem, [str(file_path)], lambda k: open_image(file_path))
        return
    with open_source(path) as source:
        yield source


def is_picture_file(path: Path) -> bool:
    """Whether the path is one picture file."""
    return path.is_file() and looks_like_picture(
        path.name, lambda: read_first_bytes(path, SIGNATURE_BYTES)
    )


def open_exact(source: Source, k: int, size: tuple[int, int]) -> Image.Image:
    """Open picture k; BadPicture if decoding it would lose information."""
    image = source.open_picture(k)
    try:
        if fault := find_fault(image, None if source.pixels is not None else size):
            raise BadPicture(f"{source.titles[k]} {fault}")
    except BaseException:
        image.close()
        raise
    return image


def check_arrays(path: Path) -> None:
    """UserError if pictures in a .npz have values between 8-bit levels."""
    with np.load(path, allow_pickle=False) as arrays:
        for name in arrays.files:
            if match_split(name, PIXEL_NAMES):
                check_levels(f"{path}: {name}", arrays[name])


def check_levels(title: str, array: np.ndarray) -> None:
    for k in range(0, len(array) if np.issubdtype(array.dtype, np.floating) else 0, BLOCK_SIZE):
        scaled = array[k : k + BLOCK_SIZE].astype(np.float64) * 255
        if (np.abs(scaled - scaled.round()) > LEVEL_TOLERANCE.get(array.dtype, 1e-3)).any():
            raise UserError(
                f"{title} holds values between 8-bit levels; give uint8, or multiples of 1/255"
            )
