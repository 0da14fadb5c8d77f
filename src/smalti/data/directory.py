"""A folder of pictures of any format, size and colour, read into memory once."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
import torch

from smalti.core.errors import UserError
from smalti.data.decode import Colour, Look, parse_background, read_picture
from smalti.data.files import find_classes, find_pictures
from smalti.data.pictures import Pictures

THREADS = 2  # decoders let go of the interpreter lock


def folder(
    path: str | Path,
    *,
    size: int | tuple[int, int] | None = 32,
    colour: Colour = "keep",
    background: str | tuple[int, ...] = "white",
    crop: bool = True,
    labels: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Pictures:
    """All pictures in a folder and its subfolders, sorted by path.

    size: (H, W) in pixels, one number for a square, None to keep a size that all share.
    colour: "keep" gives one channel when every picture is grey and three otherwise.
    background: what shows through transparent pixels: a colour's name or bytes (r, g, b).
    crop: cut the centre to the aspect ratio of `size`; False squeezes the whole picture.
    labels: when the pictures lie in two or more subfolders and nowhere else, those are the classes.
    progress: called as progress(done, all) after each picture.
    EXIF orientation is applied, animations give their first frame, 16-bit grey is scaled.
    Raises UserError, naming the file, for whatever cannot be used.
    """
    root = Path(path).expanduser()
    if colour not in get_args(Colour):
        raise UserError(f"colour is {colour!r}; give 'keep', 'grey' or 'rgb'")
    look = Look(_parse_size(size), colour, parse_background(background), crop)
    with warnings.catch_warnings():
        # Pillow's warnings name no file, and read_picture refuses what matters.  Filters belong to
        # the process, not to a thread, so this one is set around all threads.
        warnings.filterwarnings("ignore", module="PIL")
        paths = find_pictures(root)
        with closing(_read_all(paths, look)) as pictures:
            pixels = _stack(paths, pictures, progress)
    if colour == "rgb" and pixels.shape[1] == 1:
        pixels = np.repeat(pixels, 3, axis=1)
    numbers, classes = find_classes(root, paths) if labels else (None, ())
    return Pictures(
        torch.from_numpy(pixels),
        None if numbers is None else torch.tensor(numbers),
        classes,
        name=root.resolve().name,
    )


def _parse_size(size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    sides = size if isinstance(size, tuple) else (size, size)
    if len(sides) != 2 or not all(type(side) is int and side > 0 for side in sides):
        raise UserError(f"size is {size!r}; give pixels as one positive integer or as (H, W)")
    return sides


def _read_all(paths: list[Path], look: Look) -> Generator[np.ndarray, None, None]:
    """Pictures in the order of their paths; the first faulty one raises and stops the rest."""
    with ThreadPoolExecutor(THREADS) as pool:
        try:
            yield from pool.map(partial(read_picture, look=look), paths)
        finally:
            pool.shutdown(cancel_futures=True)


def _stack(
    paths: list[Path],
    pictures: Iterable[np.ndarray],
    progress: Callable[[int, int], None] | None,
) -> np.ndarray:
    """One array (N, C, H, W), grey until the first coloured picture comes."""
    stacked: np.ndarray = np.empty((0, 1, 0, 0), np.uint8)
    for k, picture in enumerate(pictures):
        if k == 0:
            stacked = np.empty((len(paths), *picture.shape), np.uint8)
        if picture.shape[1:] != stacked.shape[2:]:
            raise UserError(
                f"{paths[k]} is {_measure(picture)} pixels where {paths[0].name} is "
                f"{_measure(stacked)}; give a size, such as 32, to bring all to"
            )
        if len(picture) > stacked.shape[1]:
            stacked = np.repeat(stacked, len(picture), axis=1)
        stacked[k] = picture
        if progress is not None:
            progress(k + 1, len(paths))
    return stacked


def _measure(pixels: np.ndarray) -> str:
    return f"{pixels.shape[-1]} x {pixels.shape[-2]}"
