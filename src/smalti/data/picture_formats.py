"""Which files are pictures, and which class each belongs to."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from smalti.core.errors import UserError

# Pillow recognizes these but cannot decode them by itself; EPS would start a PostScript program.
UNSUPPORTED_FORMATS = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}
SIGNATURE_BYTES = 32
"""Bytes at a file's beginning that tell a picture."""
CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
SIGNATURE_PATTERN = re.compile(
    rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|GIF8[79]a|RIFF....WEBP|II[*+]\0|MM\0[*+]|8BPS|qoif|DDS "
    rb"|....ftypavi[fs]|\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51"
    rb"|BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0|P[1-6]\s+(?:#|\d)",
    re.DOTALL,
)


@cache
def list_readable_formats() -> tuple[str, ...]:
    """The formats that are tried, by Pillow's names."""
    Image.init()
    return tuple(name for name in Image.ID if name not in UNSUPPORTED_FORMATS)


@cache
def list_picture_suffixes() -> frozenset[str]:
    """Endings that promise a picture, such as ".png", in lower case."""
    # PDF and other formats that Pillow only writes are not in Image.ID; MPO is read as JPEG.
    formats = {*list_readable_formats(), "MPO"}
    return frozenset(s for s, name in Image.registered_extensions().items() if name in formats)


def open_image(file: Path | BinaryIO) -> Image.Image:
    """A picture file, not yet decoded. UserError for a pipe or a device, which might never end."""
    if isinstance(file, Path) and file.exists():
        check_not_device(file)
    return Image.open(file, formats=list_readable_formats())


def check_not_device(path: Path) -> None:
    """UserError for a pipe, a socket or a device, which might never end."""
    if not (path.is_file() or path.is_dir()):
        raise UserError(f"{path} is no plain file; give one that lies on a disk")


def escape_name(name: str) -> str:
    """A file's name with bytes that are no UTF-8, and line breaks and the like, spelled out."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return CONTROL_CHARACTERS.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def parse_suffix(name: str) -> str:
    """A name's ending with its dot, in lower case; `PurePath` tells the same more slowly."""
    return os.path.splitext(name)[1].lower()


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
    numbered = all(is_number(name) for name in names)
    classes = sorted(names, key=lambda name: (int(name) if numbered else 0, name))
    place = {name: k for k, name in enumerate(classes)}
    return [place[parts[0]] for parts in paths], tuple(map(escape_name, classes))


def is_number(name: str) -> bool:
    return name.isascii() and name.isdigit() and len(name) < 20


def has_signature(first_bytes: bytes) -> bool:
    """Whether a file that begins so is a picture."""
    return SIGNATURE_PATTERN.match(first_bytes) is not None


def looks_like_picture(name: str, read_start: Callable[[], bytes]) -> bool:
    """Whether its ending says that it is a picture or, without any, its beginning does."""
    if suffix := parse_suffix(name):
        return suffix in list_picture_suffixes()
    return has_signature(read_start())


def read_first_bytes(path: str | Path, n_bytes: int) -> bytes:
    """So many of a file's first bytes."""
    with open(path, "rb") as file:
        return file.read(n_bytes)


@contextmanager
def suppress_pillow_warnings() -> Iterator[None]:
    """Pillow's warnings name no file, and `read_picture` refuses what matters.

    Filters belong to the process, not to a thread, so this is set around all threads.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        yield
