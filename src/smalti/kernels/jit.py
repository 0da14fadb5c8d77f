"""How kernels are compiled, logged and cached, outside read-only packages."""

from __future__ import annotations

import logging
import os
import stat
import tempfile
import warnings
from functools import cache
from pathlib import Path
from typing import Any

from numba.core import config, event
from numba.misc.appdirs import AppDirs

from smalti.core.errors import Notice

SETTINGS: Any = config
PACKAGE = Path(__file__).parents[1]
KERNEL_FOLDERS = [
    PACKAGE / name
    for name in ("kernels", "patchmatch", "autoregressive/pixelcnn", "autoregressive/mixing")
]
"""Folders that contain kernels."""


@cache
def can_cache() -> bool:
    """Whether compiled kernels can be cached, with a Notice if not. For `njit(cache=...)`.

    Numba itself raises on import when it finds no writable folder, and as root it writes into
    read-only packages.
    """
    if SETTINGS.CACHE_DIR:  # of $NUMBA_CACHE_DIR
        writable = can_write(Path(SETTINGS.CACHE_DIR))
    elif all(
        map(
            can_write,
            (PACKAGE, *KERNEL_FOLDERS, *(folder / "__pycache__" for folder in KERNEL_FOLDERS)),
        )
    ):
        writable = True
    else:
        user_cache = Path(AppDirs(appname="numba", appauthor=False).user_cache_dir)
        if writable := can_write(user_cache):
            SETTINGS.CACHE_DIR = str(user_cache)
    if not writable:
        warnings.warn(
            Notice(
                "compiled code cannot be cached, so kernels are recompiled in every process; "
                "set NUMBA_CACHE_DIR to a writable folder"
            ),
            stacklevel=2,
        )
    return writable


def can_write(folder: Path) -> bool:
    """Whether a folder is writable; it is created if missing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not folder.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH):
            return False  # root could write, but should not
        with tempfile.TemporaryFile(dir=folder):
            return os.access(folder, os.W_OK)
    except (OSError, RuntimeError):  # also without a home folder
        return False


JIT_OPTIONS: dict[str, Any] = {"nogil": True, "cache": can_cache(), "error_model": "numpy"}
"""For functions called from Python."""
INNER_JIT_OPTIONS: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    "_nrt": False,
}
"""For functions called only from compiled code that neither allocate nor return arrays: no Python
wrapper and no reference counting, which take longer to compile than the loops themselves."""


class CompilationLogger(event.Listener):
    """Logs once that a kernel is being compiled. Later processes use the cache."""

    announced = False

    def on_start(self, event: Any) -> None:
        if not self.announced and event.data["dispatcher"].py_func.__module__.startswith("smalti."):
            self.announced = True
            often = "once" if can_cache() else "in every process"
            logging.getLogger(__name__).info(
                f"compiling for this machine, {often}: takes a few seconds"
            )

    def on_end(self, event: Any) -> None:
        """Ignores the event."""


event.register("numba:compile", CompilationLogger())
