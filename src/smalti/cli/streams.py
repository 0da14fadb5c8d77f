"""Standard output and error that are closed, full or no longer read."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TextIO


def open_closed_streams() -> None:
    """Redirect streams that a shell has closed (`>&-`) to the null device.

    Otherwise the next file that is opened would get their number.
    """
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            redirect_to_null(fd)
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)


def redirect_to_null(fd: int) -> None:
    """Discard what is written to this descriptor."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere != fd:
        os.dup2(nowhere, fd)
        os.close(nowhere)


def flush_streams() -> None:
    """Flush both; what cannot be written is dropped, so that Python exits silently."""
    for fd, stream in ((1, sys.stdout), (2, sys.stderr)):
        if not try_flush(stream):
            redirect_to_null(fd)
            try_flush(stream)


def try_flush(stream: TextIO) -> bool:
    with suppress(OSError):
        stream.flush()
        return True
    return False
