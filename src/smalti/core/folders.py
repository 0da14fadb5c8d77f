"""Folders of results: made whole or not at all, and never over somebody else's files."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from smalti.core.errors import UserError


def check_free(out: Path, names: str) -> None:
    """UserError unless `out` is new, empty, or holds only files that match `names`, as ours do."""
    if out.is_dir():
        foreign = sorted(p.name for p in out.iterdir() if not re.fullmatch(names, p.name))
        if foreign:
            raise UserError(f"{out} holds {foreign[0]!r}, which is not ours; choose another --out")
    elif out.exists():
        raise UserError(f"{out} is a file; choose a folder with --out")


@contextmanager
def folder_for(out: Path, names: str) -> Iterator[Path]:
    """A temporary folder that takes `out`'s place when all went well, and goes when not.

    names: a regular expression of the files that we write; an `out` of such files is replaced.
    """
    out = Path(os.path.abspath(out))
    check_free(out, names)
    temporary = out.with_name(out.name + ".tmp")
    missing = [p for p in out.parents if not p.exists()]  # nearest first
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        check_free(out, names)  # again: what came meanwhile is not ours to remove
        replace_directory(temporary, out)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        for parent in missing:
            remove_empty(parent)
        raise


def remove_empty(folder: Path) -> None:
    with suppress(OSError):  # somebody put something there meanwhile: it stays
        folder.rmdir()


def replace_directory(temporary: Path, to: Path) -> None:
    """Put a finished directory in its place; what stood there goes only after.

    A crash between the two renames leaves it as NAME.old, where a checkpoint is looked for, too.
    """
    old = set_aside(to)
    if to.exists():
        shutil.rmtree(old, ignore_errors=True)
        os.rename(to, old)
    os.rename(temporary, to)
    shutil.rmtree(old, ignore_errors=True)


def set_aside(to: Path) -> Path:
    """Where a directory stands while another takes its place."""
    return to.with_name(to.name + ".old")
