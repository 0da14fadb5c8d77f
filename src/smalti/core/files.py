"""Files of results: made whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from smalti.core.errors import UserError
from smalti.core.staging import (
    make_folders,
    name_full_disk,
    remove_empty_on_error,
    temporary_folder,
)


@contextmanager
def stage_file(path: str | Path) -> Iterator[Path]:
    """A temporary name for a file that takes its place at `path` when all went well.

    A link is followed and stays. Where nothing can be written, entering says so, before any work.
    Raises UserError for a path that is a folder, a device or a pipe.
    """
    place = Path(os.path.realpath(path))
    if place.is_dir():
        raise UserError(f"{path} is a folder; name a file")
    if place.exists() and not place.is_file():
        raise UserError(f"{path} is a device or a pipe; name a file")
    made = make_folders(place.parent)
    with remove_empty_on_error(made), temporary_folder(place.parent) as folder:
        with name_full_disk(path):
            yield folder / "new"
        os.replace(folder / "new", place)


def write_atomically(path: str | Path, write: Callable[[Path], object]) -> Path:
    """Write a file under a temporary name, then rename. Raises as `file_for` does."""
    with stage_file(path) as temporary:
        write(temporary)
    return Path(path)


def write_text(path: str | Path, text: str) -> Path:
    """Write a text file in UTF-8, on the disk before it takes its place. Raises as `file_for`."""

    def write(temporary: Path) -> None:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())

    return write_atomically(path, write)
