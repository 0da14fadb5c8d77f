"""How kernels are compiled, who is told, and where Numba keeps them: in no read-only package."""

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
KERNEL_FOLDERS = [PACKAGE / name for name in ("kernels", "patchmatch", "autoregressive/pixelcnn")]
"""Where kernels are."""


@cache
def can_cache() -> bool:
    """Whether compiled kernels can be kept; a Notice says so when not. For `njit(cache=...)`.

    Numba itself ends an import in an error where it finds no place, and as root it writes into
    packages that are set read-only.
    """
    if SETTINGS.CACHE_DIR:  # of $NUMBA_CACHE_DIR
        found = can_write(Path(SETTINGS.CACHE_DIR))
    elif all(
        map(
            can_write,
            (PACKAGE, *KERNEL_FOLDERS, *(room / "__pycache__" for room in KERNEL_FOLDERS)),
        )
    ):
        found = True
    else:
        own = Path(AppDirs(appname="numba", appauthor=False).user_cache_dir)
        if found := can_write(own):
            SETTINGS.CACHE_DIR = str(own)
    if not found:
        warnings.warn(
            Notice(
                "compiled code cannot be kept, so kernels are compiled anew each time; "
                "set NUMBA_CACHE_DIR to a folder that can be written"
            ),
            stacklevel=2,
        )
    return found


def can_write(folder: Path) -> bool:
    """Whether a file can be made in a folder, which is made if it is missing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not folder.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH):
            return False  # root could, and should not
        with tempfile.TemporaryFile(dir=folder):
            return os.access(folder, os.W_OK)
    except (OSError, RuntimeError):  # without a home folder, too
        return False


JIT_OPTIONS: dict[str, Any] = {"nogil": True, "cache": can_cache(), "error_model": "numpy"}
"""Of what Python calls."""
INNER_JIT_OPTIONS: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    "_nrt": False,
}
"""Of what compiled code alone calls and what neither makes nor returns arrays: no wrapper for
Python and no counting of references, which take longer to compile than the loops themselves."""


class CompilationLogger(event.Listener):
    """Says in the log, once, that a kernel has to be compiled. Later processes find it kept."""

    announced = False

    def on_start(self, event: Any) -> None:
        if not self.announced and event.data["dispatcher"].py_func.__module__.startswith("smalti."):
            self.announced = True
            often = "once" if can_cache() else "as each time"
            logging.getLogger(__name__).info(f"compiling for this machine, {often}: a few seconds")

    def on_end(self, event: Any) -> None:
        """Says nothing."""


event.register("numba:compile", CompilationLogger())
