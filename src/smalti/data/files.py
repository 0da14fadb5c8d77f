"""Which files are pictures, and which class each belongs to."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from smalti.core.errors import UserError

# Pillow recognises these but cannot decode them by itself; EPS would start a PostScript program.
UNREADABLE = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}


@cache
def readable_formats() -> tuple[str, ...]:
    """The formats that are tried, by Pillow's names."""
    Image.init()
    return tuple(name for name in Image.ID if name not in UNREADABLE)


@cache
def picture_suffixes() -> frozenset[str]:
    """Endings that promise a picture, such as ".png", in lower case."""
    # PDF and other formats that Pillow only writes are not in Image.ID; MPO is read as JPEG.
    formats = {*readable_formats(), "MPO"}
    return frozenset(s for s, name in Image.registered_extensions().items() if name in formats)


def open_image(file: Path | BinaryIO) -> Image.Image:
    """A picture file, not yet decoded."""
    return Image.open(file, formats=readable_formats())


def find_pictures(root: Path) -> list[Path]:
    """The pictures in and below `root`, sorted by their path from there.

    A picture is a file whose ending promises one (whether it can be read shows later), or one
    without any ending in which Pillow recognises a picture.  Hidden files and folders are passed
    over.  Raises UserError when root is missing, is no folder or holds no picture.
    """
    if not root.exists():
        raise UserError(f"{root} does not exist; give a folder of pictures")
    if not root.is_dir():
        raise UserError(f"{root} is a file; give the folder that holds the pictures")
    files = sorted(_visible_files(root), key=lambda path: path.relative_to(root).parts)
    pictures = [path for path in files if _is_picture(path)]
    if not pictures:
        others = f" (only others, such as {files[0].name})" if files else ""
        raise UserError(f"{root} holds no pictures{others}; put PNG or JPEG files into it")
    return pictures


def find_classes(
    paths: Sequence[tuple[str, ...]],
) -> tuple[list[int] | None, tuple[str, ...]]:
    """A class for every picture, and the classes' names: the first folder on the way to each.

    paths: the parts of every picture's path.  There are no classes when a picture lies in no
    folder or all lie in one.  Names that are all numbers are sorted as numbers, so that the folders
    0 to 10 are the classes 0 to 10.
    """
    names = {parts[0] for parts in paths}
    if len(names) < 2 or any(len(parts) == 1 for parts in paths):
        return None, ()
    numbered = all(name.isascii() and name.isdigit() for name in names)
    classes = sorted(names, key=lambda name: (int(name) if numbered else 0, name))
    place = {name: k for k, name in enumerate(classes)}
    return [place[parts[0]] for parts in paths], tuple(classes)


def _visible_files(root: Path) -> Iterator[Path]:
    seen = {os.path.realpath(root)}  # links are followed, so one may lead back
    for folder, subfolders, names in os.walk(root, followlinks=True, onerror=_refuse):
        new = {n: os.path.realpath(os.path.join(folder, n)) for n in sorted(subfolders)}
        subfolders[:] = [n for n, real in new.items() if n[0] != "." and real not in seen]
        seen.update(new[n] for n in subfolders)
        yield from (Path(folder, name) for name in names if name[0] != ".")


def _is_picture(path: Path) -> bool:
    if not (path.is_file() or path.is_symlink()):  # a pipe would block; a broken link is an error
        return False
    return promises_picture(path.name, lambda: path)


def promises_picture(name: str, file: Callable[[], Path | BinaryIO]) -> bool:
    """Whether its ending says that it is a picture or, without any, its beginning does."""
    if suffix := Path(name).suffix:
        return suffix.lower() in picture_suffixes()
    try:
        with open_image(file()):
            return True
    except UnidentifiedImageError:
        return False
    except (OSError, ValueError, Image.DecompressionBombError):
        return True  # recognised, and faulty: reading it will say how


def _refuse(error: OSError) -> None:
    raise UserError(f"{error.filename} cannot be listed ({error.strerror}); check its permissions")
