"""Safe file names for compressed pictures."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePath, PurePosixPath

import numpy as np

from smalti.core.errors import UserError
from smalti.data.picture_formats import list_picture_suffixes
from smalti.data.source import Source

EXTENSION = ".png"
UNSAFE_CHARACTERS = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\]|[. ]$')
INVALID_UTF8 = re.compile("[\ud800-\udfff]")
"""Surrogates by which Python represents bytes that are not UTF-8."""
RESERVED_NAME = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)
"""Device names on Windows, with any extension."""
MAX_PART_BYTES, MAX_NAME_BYTES = 255, 2048
"""Bytes of one part of a path, as in most file systems, and of a whole path, at most."""
MAX_NAME_LENGTH = 1 << 16
"""Characters of a recorded name, at most."""
PART_PATTERN = r'(?!\.)[^\x00-\x1f\x7f<>:"|?*\\/\ud800-\udc7f\udd00-\udfff]{1,255}(?<![. ])'
SAFE_NAME = re.compile(f"{PART_PATTERN}(?:/{PART_PATTERN})*")
"""Relative paths that stay inside a folder."""


def make_file_names(source: Source, rows: np.ndarray, root: Path) -> tuple[str, ...]:
    """Name a PNG for every row: by its path below `root`, or else by its number and class.

    Names are distinct. Characters that file systems do not allow are replaced by underscores.
    """
    numbers = [int(row) for row in rows]
    names = [
        make_relative_name(source.titles[k], root) or make_numbered_name(source, k) for k in numbers
    ]
    short = [strip_extension(name) for name in names]
    counts = Counter(map(normalize_name, short))
    # a.jpg next to a.png becomes a.jpg.png
    kept = [s if counts[normalize_name(s)] == 1 else n for s, n in zip(short, names, strict=True)]
    png_names = tuple(to_png_name(name) for name in kept)
    try:
        check_writable(png_names)
    except UserError:  # names that are equal after sanitization
        return tuple(f"{k:05d}{EXTENSION}" for k in numbers)
    return png_names


def make_relative_name(title: str, root: Path) -> str | None:
    """The sanitized path of a picture below `root`; None if it has no file there."""
    path = PurePath(title)
    if not path.is_relative_to(root):
        return None
    parts = [sanitize_part(part) for part in path.relative_to(root).parts]
    return "/".join(part for part in parts if part) or None


def make_numbered_name(source: Source, row: int) -> str:
    if source.labels is None:
        return f"{row:05d}"
    name = source.classes[int(source.labels[row])].replace("/", "_")
    return f"{sanitize_part(name) or '_'}/{row:05d}"


def sanitize_part(part: str) -> str:
    """Make one part of a path safe for any file system, except for its length."""
    plain = INVALID_UTF8.sub("_", UNSAFE_CHARACTERS.sub("_", part.lstrip("./")))
    return f"_{plain}" if RESERVED_NAME.match(plain) else plain


def to_png_name(name: str) -> str:
    """Append .png, and truncate parts that are too long."""
    *folders, last = name.split("/")
    short = [truncate_part(part, MAX_PART_BYTES) for part in folders]
    return "/".join([*short, truncate_part(last, MAX_PART_BYTES - len(EXTENSION)) + EXTENSION])


def truncate_part(part: str, size: int) -> str:
    """Truncate to `size` bytes of UTF-8, without an unsafe ending."""
    return part.encode()[:size].decode(errors="ignore").rstrip(". ") or "_"


def strip_extension(name: str) -> str:
    path = PurePosixPath(name)
    return str(path.with_suffix("")) if path.suffix.lower() in list_picture_suffixes() else name


def check_names(names: Sequence[str]) -> None:
    """UserError unless all are distinct, safe, relative paths of PNGs."""
    for name in names:
        if not (
            name.endswith(EXTENSION) and len(name) <= MAX_NAME_LENGTH and SAFE_NAME.fullmatch(name)
        ):
            raise UserError(f"{name[:80]!r} is not a safe file name for a PNG; rename it")
    check_different([name.casefold() for name in names])


def check_writable(names: Sequence[str]) -> None:
    """UserError unless file systems can hold them. Files being read need only `check_names`."""
    check_names(names)
    for name in names:
        sizes = [len(part.encode(errors="surrogateescape")) for part in name.split("/")]
        if max(sizes) > MAX_PART_BYTES or sum(sizes) + len(sizes) > MAX_NAME_BYTES:
            raise UserError(
                f"file name {name[:80]!r} ... is too long; give at most {MAX_PART_BYTES} bytes of "
                f"UTF-8 per part and {MAX_NAME_BYTES} in total"
            )
    check_different([normalize_name(name) for name in names])


def check_different(names: Sequence[str]) -> None:
    """UserError if two names are equal, or one is a folder of another."""
    folders: set[str] = set()
    for name in names:
        while (name := name.rpartition("/")[0]) and name not in folders:
            folders.add(name)
    if len({*names}) < len(names) or folders & {*names}:
        raise UserError("two pictures have the same file name; rename one")


def normalize_name(name: str) -> str:
    """Normalize case and Unicode: equal for names that collide on some file systems."""
    return unicodedata.normalize("NFC", name.casefold())


def is_writable(name: str) -> bool:
    """Whether this system can create a file of that name."""
    try:
        return all(len(os.fsencode(part)) <= MAX_PART_BYTES for part in name.split("/"))
    except UnicodeEncodeError:  # a locale without these characters
        return False
