"""Find the pictures below a folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Literal

from smalti.core.errors import UserError
from smalti.data.file_selection import (
    Entry,
    FileSelection,
    is_hidden,
    require_pictures,
    select_pictures,
)
from smalti.data.folder_layout import make_file_source
from smalti.data.picture_formats import escape_name, open_image, read_first_bytes
from smalti.data.source import Source


def find_pictures(root: Path) -> list[Path]:
    """Find the pictures in and below `root`, sorted by relative path.

    Raises UserError if root is missing, is not a folder or has no pictures.
    """
    return [root.joinpath(*entry.parts) for entry in select_folder_pictures(root).pictures]


def select_folder_pictures(root: Path) -> FileSelection:
    """Select the pictures in and below `root`, sorted by path; skipped files are counted."""
    if not root.exists():
        raise UserError(f"{root} does not exist; give a folder of pictures")
    if not root.is_dir():
        raise UserError(f"{root} is a file; give a folder of pictures")
    return require_pictures(
        select_pictures(sorted(_walk_entries(root), key=lambda entry: entry.parts)), root
    )


def open_folder_source(root: Path, *, labels: bool = True) -> Source:
    """Open the pictures below `root` as a source. Raises UserError if there are none."""
    return make_file_source(
        select_folder_pictures(root),
        root.resolve().name,
        lambda parts: escape_name(join_path(root, parts)),
        lambda parts: open_image(Path(join_path(root, parts))),
        labels=labels,
    )


def join_path(root: Path, parts: tuple[str, ...]) -> str:
    """Join like str(root.joinpath(*parts)), but faster."""
    return os.path.join("" if str(root) == "." else str(root), *parts)


def _walk_entries(root: Path) -> Iterator[Entry]:
    seen = {os.path.realpath(root)}  # followed links may form a cycle
    for folder, subfolders, names in os.walk(root, followlinks=True, onerror=_raise_listing_error):
        parts = () if folder == str(root) else Path(folder).relative_to(root).parts
        yield from (Entry((*parts, n), kind="folder") for n in subfolders if is_hidden(n))
        shown = [n for n in sorted(subfolders) if not is_hidden(n)]
        new = {n: os.path.realpath(os.path.join(folder, n)) for n in shown}
        subfolders[:] = [n for n, real in new.items() if real not in seen]
        seen.update(new[n] for n in subfolders)
        for name in names:
            path = os.path.join(folder, name)
            yield Entry((*parts, name), partial(read_first_bytes, path), _classify_path(path))


def _classify_path(path: str) -> Literal["file", "device"]:
    try:
        return "file" if stat.S_ISREG(os.stat(path).st_mode) else "device"
    except OSError:
        return "file"  # a broken link or no permission: reading reports it


def _raise_listing_error(error: OSError) -> None:
    raise UserError(f"{error.filename} cannot be listed ({error.strerror}); check its permissions")
