"""Temporary folders: of our own, unique, locked while in use, and cleaned up after a kill."""

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
"""Of this machine: in a folder that several share, not all see each other's locks."""
NAME_PATTERN = re.compile(re.escape(PREFIX + HOST) + "[0-9a-f]{10}")
"""What our temporary folders are called. It does not grow with the name of what is written."""


@contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """A new folder in `parent`, removed at the end. OSError where none can be made."""
    folder, descriptor = make_locked_folder(parent)
    try:
        with name_full_disk(parent):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if descriptor is not None:
            release_lock(descriptor)


def make_locked_folder(parent: Path) -> tuple[Path, int | None]:
    """A new folder and the descriptor of its lock; None on a file system without locks."""
    while True:
        folder = parent / f"{PREFIX}{HOST}{secrets.token_hex(5)}"
        folder.mkdir()
        try:
            return folder, take_lock(folder)
        except (BlockingIOError, FileNotFoundError):
            continue  # another process has just taken it for a leftover
        except OSError as error:
            if error.errno in NO_LOCKS:
                return folder, None
            remove_if_empty(folder)
            raise


def remove_leftovers(parent: Path) -> bool:
    """Remove this machine's temporary folders that a kill left in `parent`; whether there were any.

    One that is locked is in use, and one that cannot be locked may be: both stay.
    """
    found = False
    with suppress(OSError):  # a folder that cannot be listed
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
    with suppress(OSError):  # somebody put something there meanwhile: it stays
        folder.rmdir()


@contextmanager
def name_full_disk(path: object) -> Iterator[None]:
    """A full disk is an error that names no file; say where it was."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL_DISK_ERRORS and error.filename is None:
            error.filename = str(path)
        raise
    except RuntimeError as error:  # PyTorch's writer, which met one
        met = error.__context__
        if isinstance(met, OSError) and met.errno in FULL_DISK_ERRORS:
            raise OSError(met.errno, met.strerror, str(path)) from error
        raise


def make_folders(folder: Path) -> list[Path]:
    """Make `folder` and its parents; those that were missing, nearest first."""
    missing = [p for p in (folder, *folder.parents) if not p.exists()]
    with remove_empty_on_error(missing):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:  # a file, or a link to nowhere
            raise NotADirectoryError(ENOTDIR, os.strerror(ENOTDIR), error.filename) from error
    return missing


@contextmanager
def remove_empty_on_error(folders: Iterable[Path]) -> Iterator[None]:
    """Where the work fails, these folders go again, if nothing lies in them."""
    try:
        yield
    except BaseException:
        for folder in folders:
            remove_if_empty(folder)
        raise
