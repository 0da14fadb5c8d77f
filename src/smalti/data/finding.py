"""The files below a folder: which are pictures, and which are passed over."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Literal

from smalti.core.errors import UserError
from smalti.data.arrangement import file_source
from smalti.data.files import open_image, printable, read_start
from smalti.data.sifting import Entry, Sifted, check_any, is_hidden, sift
from smalti.data.source import Source


def find_pictures(root: Path) -> list[Path]:
    """The pictures in and below `root`, sorted by their path from there, as `sift` tells them.

    UserError when root is missing, is no folder or holds no picture.
    """
    return [root.joinpath(*entry.parts) for entry in sift_folder(root).pictures]


def sift_folder(root: Path) -> Sifted:
    """The pictures in and below `root` and what is passed over there, sorted by path."""
    if not root.exists():
        raise UserError(f"{root} does not exist; give a folder of pictures")
    if not root.is_dir():
        raise UserError(f"{root} is a file; give the folder that holds the pictures")
    return check_any(sift(sorted(_entries(root), key=lambda entry: entry.parts)), root)


def folder_source(root: Path, *, labels: bool = True) -> Source:
    """The pictures below `root`, found and not yet opened. UserError when there are none."""
    return file_source(
        sift_folder(root),
        root.resolve().name,
        lambda parts: printable(join(root, parts)),
        lambda parts: open_image(Path(join(root, parts))),
        labels=labels,
    )


def join(root: Path, parts: tuple[str, ...]) -> str:
    """As str(root.joinpath(*parts)), which takes long for many."""
    return os.path.join("" if str(root) == "." else str(root), *parts)


def _entries(root: Path) -> Iterator[Entry]:
    seen = {os.path.realpath(root)}  # links are followed, so one may lead back
    for folder, subfolders, names in os.walk(root, followlinks=True, onerror=_refuse):
        parts = () if folder == str(root) else Path(folder).relative_to(root).parts
        yield from (Entry((*parts, n), kind="folder") for n in subfolders if is_hidden(n))
        shown = [n for n in sorted(subfolders) if not is_hidden(n)]
        new = {n: os.path.realpath(os.path.join(folder, n)) for n in shown}
        subfolders[:] = [n for n, real in new.items() if real not in seen]
        seen.update(new[n] for n in subfolders)
        for name in names:
            path = os.path.join(folder, name)
            yield Entry((*parts, name), partial(read_start, path), _kind(path))


def _kind(path: str) -> Literal["file", "device"]:
    try:
        return "file" if stat.S_ISREG(os.stat(path).st_mode) else "device"
    except OSError:
        return "file"  # a broken link, or no permission: reading it will say so


def _refuse(error: OSError) -> None:
    raise UserError(f"{error.filename} cannot be listed ({error.strerror}); check its permissions")
