"""Recognize picture files by suffix or signature, and classes by folder."""

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

# Pillow recognizes these but cannot decode them itself; EPS would run a PostScript program.
UNSUPPORTED_FORMATS = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}
SIGNATURE_BYTES = 32
"""First bytes of a file that identify a picture."""
CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
SIGNATURE_PATTERN = re.compile(
    rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|GIF8[79]a|RIFF....WEBP|II[*+]\0|MM\0[*+]|8BPS|qoif|DDS "
    rb"|....ftypavi[fs]|\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51"
    rb"|BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0|P[1-6]\s+(?:#|\d)",
    re.DOTALL,
)


@cache
def list_readable_formats() -> tuple[str, ...]:
    """List Pillow's names of the formats that are tried."""
    Image.init()
    return tuple(name for name in Image.ID if name not in UNSUPPORTED_FORMATS)


@cache
def list_picture_suffixes() -> frozenset[str]:
    """List the suffixes of pictures, such as ".png", in lower case."""
    # PDF and other formats that Pillow only writes are not in Image.ID; MPO is read as JPEG.
    formats = {*list_readable_formats(), "MPO"}
    return frozenset(s for s, name in Image.registered_extensions().items() if name in formats)


def open_image(file: Path | BinaryIO) -> Image.Image:
    """Open a picture file without decoding it. Raises UserError for a pipe or a device."""
    if isinstance(file, Path) and file.exists():
        check_not_device(file)
    return Image.open(file, formats=list_readable_formats())


def check_not_device(path: Path) -> None:
    """Raise UserError for a pipe, a socket or a device, which might never end."""
    if not (path.is_file() or path.is_dir()):
        raise UserError(f"{path} is not a regular file; give a file on a disk")


def escape_name(name: str) -> str:
    """Escape invalid UTF-8 bytes and control characters in a file name."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return CONTROL_CHARACTERS.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def parse_suffix(name: str) -> str:
    """Return the suffix with its dot, in lower case; faster than `PurePath.suffix`."""
    return os.path.splitext(name)[1].lower()


def find_classes(
    paths: Sequence[tuple[str, ...]],
) -> tuple[list[int] | None, tuple[str, ...]]:
    """Find the class index of every picture and the class names, from each path's first folder.

    paths: the parts of every picture's path.  There are no classes if a picture is in no folder or
    all are in one.  If all names are numbers, they are sorted as numbers, so that the folders 0 to
    10 are the classes 0 to 10.
    """
    names = {parts[0] for parts in paths}
    if len(names) < 2 or any(len(parts) == 1 for parts in paths):
        return None, ()
    numeric = all(is_number(name) for name in names)
    classes = sorted(names, key=lambda name: (int(name) if numeric else 0, name))
    index = {name: k for k, name in enumerate(classes)}
    return [index[parts[0]] for parts in paths], tuple(map(escape_name, classes))


def is_number(name: str) -> bool:
    return name.isascii() and name.isdigit() and len(name) < 20


def has_signature(first_bytes: bytes) -> bool:
    """Whether the first bytes of a file are a picture's signature."""
    return SIGNATURE_PATTERN.match(first_bytes) is not None


def looks_like_picture(name: str, read_start: Callable[[], bytes]) -> bool:
    """Whether the suffix is a picture's or, if there is none, the signature is."""
    if suffix := parse_suffix(name):
        return suffix in list_picture_suffixes()
    return has_signature(read_start())


def read_first_bytes(path: str | Path, n_bytes: int) -> bytes:
    """Read the first `n_bytes` of a file."""
    with open(path, "rb") as file:
        return file.read(n_bytes)


@contextmanager
def suppress_pillow_warnings() -> Iterator[None]:
    """Suppress Pillow's warnings, which name no file; `read_picture` raises errors instead.

    Filters are per process, so this must surround all threads.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        yield
