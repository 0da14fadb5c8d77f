"""Lock a folder for one writer at a time."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from smalti.core.errors import UserError

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None

NO_LOCKS = {
    errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.EBADF, errno.ENOLCK,
    errno.EACCES, errno.EPERM,
}  # fmt: skip
"""Errors of file systems without locks for folders (NFS, some FUSE)."""


@contextmanager
def lock_folder(folder: str | Path) -> Iterator[None]:
    """Lock an existing folder for this thread and process.

    The lock ends with its process, also by kill -9, and leaves no file in the folder.
    On a file system without locks nothing is locked.
    Raises UserError, without waiting, if the folder is locked.
    """
    try:
        descriptor = take_lock(folder)
    except BlockingIOError as error:
        raise UserError(
            f"{folder} is in use by another smalti{describe_lock_holder(folder)}"
        ) from error
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        yield
        return
    try:
        yield
    finally:
        release_lock(descriptor)


def take_lock(folder: str | Path) -> int:
    """Return a descriptor that holds the folder's lock.

    Raises BlockingIOError if it is locked, another OSError if locks are not available.
    """
    while True:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            if fcntl is None:
                raise OSError(errno.ENOSYS, "no locks")
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), os.stat(folder)):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # the folder was replaced meanwhile


def release_lock(descriptor: int) -> None:
    if fcntl is not None:
        fcntl.flock(
            descriptor, fcntl.LOCK_UN
        )  # a forked process may still have a copy of the descriptor
    os.close(descriptor)


def describe_lock_holder(folder: str | Path) -> str:
    """Describe the process that holds the lock; empty if the system does not say."""
    try:
        inode = os.stat(folder).st_ino
        with open("/proc/locks") as file:
            rows = [line.split() for line in file]
    except OSError:
        return ""
    found = [row[4] for row in rows if row[1] == "FLOCK" and row[5].endswith(f":{inode}")]
    return f" (process {found[0]})" if found else ""
