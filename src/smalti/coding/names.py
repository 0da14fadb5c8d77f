"""What the files of compressed pictures are called, on both sides."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePath, PurePosixPath

import numpy as np

from smalti.core.errors import UserError
from smalti.data.files import picture_suffixes
from smalti.data.source import Source

ENDING = ".png"
UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\]|[. ]$')
LONGEST = 200
"""Characters of a name between two slashes."""


def names_of(source: Source, rows: np.ndarray, root: Path) -> tuple[str, ...]:
    """A PNG's name for every row: its own below `root`, or else its number, in its class's folder.

    No two are the same. What no file system takes is replaced by underscores.
    """
    numbers = [int(row) for row in rows]
    names = [own_name(source.titles[k], root) or numbered(source, k) for k in numbers]
    short = [without_ending(name) for name in names]
    seen: dict[str, int] = {}
    for name in short:
        seen[name.casefold()] = seen.get(name.casefold(), 0) + 1
    # a.jpg beside a.png becomes a.jpg.png
    kept = [s if seen[s.casefold()] == 1 else n for s, n in zip(short, names, strict=True)]
    chosen = tuple(name + ENDING for name in kept)
    try:
        check_names(chosen)
    except UserError:  # names that differ in nothing that is left of them
        return tuple(f"{k:05d}{ENDING}" for k in numbers)
    return chosen


def own_name(title: str, root: Path) -> str | None:
    """The path of a picture below `root`, made safe; None for what lies in no file of its own."""
    path = PurePath(title)
    if not path.is_relative_to(root):
        return None
    parts = [safe(part) for part in path.relative_to(root).parts]
    return "/".join(part for part in parts if part) or None


def numbered(source: Source, row: int) -> str:
    if source.labels is None:
        return f"{row:05d}"
    return f"{safe(source.classes[int(source.labels[row])].replace('/', '_')) or '_'}/{row:05d}"


def safe(part: str) -> str:
    """One part of a path as any file system takes it."""
    return UNSAFE.sub("_", part.lstrip("./"))[:LONGEST]


def without_ending(name: str) -> str:
    path = PurePosixPath(name)
    return str(path.with_suffix("")) if path.suffix.lower() in picture_suffixes() else name


def check_names(names: Sequence[str]) -> None:
    """UserError unless all are different PNGs in or below one folder."""
    for name in names:
        parts = name.split("/")
        if not name.endswith(ENDING) or any(not is_safe(part) for part in parts):
            raise UserError(f"a picture is called {name!r}, which is no safe name of a PNG")
    folded = [name.casefold() for name in names]
    folders = {str(parent) for name in folded for parent in PurePosixPath(name).parents}
    if len({*folded}) < len(folded) or folders & {*folded}:
        raise UserError("two pictures have one name")


def is_safe(part: str) -> bool:
    return bool(part) and part[0] != "." and not UNSAFE.search(part) and len(part) <= LONGEST + 8
