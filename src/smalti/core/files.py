"""Write result files atomically."""

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
    """Yield a temporary path; on success the file is renamed to `path`.

    A symbolic link is followed and kept. Entering fails, before any work, if `path` is not
    writable. Raises UserError for a path that is a folder, a device or a pipe.
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise UserError(f"{path} is a folder; give a file")
    if target.exists() and not target.is_file():
        raise UserError(f"{path} is a device or a pipe; give a file")
    made = make_folders(target.parent)
    with remove_empty_on_error(made), temporary_folder(target.parent) as folder:
        with name_full_disk(path):
            yield folder / "new"
        os.replace(folder / "new", target)


def write_atomically(path: str | Path, write: Callable[[Path], object]) -> Path:
    """Write a file under a temporary name, then rename it. Raises as `stage_file` does."""
    with stage_file(path) as temporary:
        write(temporary)
    return Path(path)


def write_text(path: str | Path, text: str) -> Path:
    """Write a UTF-8 text file atomically, with fsync. Raises as `stage_file` does."""

    def write(temporary: Path) -> None:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())

    return write_atomically(path, write)
