"""Temporary folders: unique, locked while in use, and removed after a kill."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from errno import EDQUOT, EFBIG, ENOSPC, ENOTDIR
from pathlib import Path

from smalti.core.locks import NO_LOCKS, release_lock, take_lock

FULL_DISK_ERRORS = {ENOSPC, EDQUOT, EFBIG}
PREFIX = ".smalti-"
HOST = hashlib.sha256(platform.node().encode()).hexdigest()[:6]
"""Identifies this machine: machines that share a folder may not see each other's locks."""
NAME_PATTERN = re.compile(re.escape(PREFIX + HOST) + "[0-9a-f]{10}")
"""Names of our temporary folders; their length does not depend on what is written."""


@contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """Make a new folder in `parent`, and remove it at the end. OSError if that is impossible."""
    folder, descriptor = make_locked_folder(parent)
    try:
        with name_full_disk(parent):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if descriptor is not None:
            release_lock(descriptor)


def make_locked_folder(parent: Path) -> tuple[Path, int | None]:
    """Make a folder and lock it; the descriptor is None on a file system without locks."""
    while True:
        folder = parent / f"{PREFIX}{HOST}{secrets.token_hex(5)}"
        folder.mkdir()
        try:
            return folder, take_lock(folder)
        except (BlockingIOError, FileNotFoundError):
            continue  # another process took it for a leftover
        except OSError as error:
            if error.errno in NO_LOCKS:
                return folder, None
            remove_if_empty(folder)
            raise


def remove_leftovers(parent: Path) -> bool:
    """Remove this machine's temporary folders left in `parent` by a kill; return whether any were.

    Folders that are locked, or cannot be locked, are kept: they may be in use.
    """
    found = False
    with suppress(OSError):  # the folder cannot be listed
        for entry in [*os.scandir(parent)]:
            if NAME_PATTERN.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                found |= remove_if_unlocked(Path(entry.path))
    return found


def remove_if_unlocked(folder: Path) -> bool:
    try:
        descriptor = take_lock(folder)
    except OSError:
        return False
    shutil.rmtree(folder, ignore_errors=True)
    release_lock(descriptor)
    return True


def remove_if_empty(folder: Path) -> None:
    with suppress(OSError):  # it is not empty: keep it
        folder.rmdir()


@contextmanager
def name_full_disk(path: object) -> Iterator[None]:
    """Add the path to errors of a full disk, which have none."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL_DISK_ERRORS and error.filename is None:
            error.filename = str(path)
        raise
    except RuntimeError as error:  # from PyTorch's writer
        cause = error.__context__
        if isinstance(cause, OSError) and cause.errno in FULL_DISK_ERRORS:
            raise OSError(cause.errno, cause.strerror, str(path)) from error
        raise


def make_folders(folder: Path) -> list[Path]:
    """Make `folder` and its parents; return those that were missing, deepest first."""
    missing = [p for p in (folder, *folder.parents) if not p.exists()]
    with remove_empty_on_error(missing):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:  # a file, or a broken link
            raise NotADirectoryError(ENOTDIR, os.strerror(ENOTDIR), error.filename) from error
    return missing


@contextmanager
def remove_empty_on_error(folders: Iterable[Path]) -> Iterator[None]:
    """On an error, remove these folders if they are empty."""
    try:
        yield
    except BaseException:
        for folder in folders:
            remove_if_empty(folder)
        raise
