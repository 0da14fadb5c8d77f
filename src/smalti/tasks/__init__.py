"""What a user can ask for: one function for each verb, with typed arguments and a typed result.

Each says how far it is to an `OnProgress`, which may end it by raising `Cancelled`.  A task that
makes files takes `out`, where they appear when all of them are whole; without it nothing is
written.  None prints: the command line and the web page parse, call a task and show its result.
"""

from __future__ import annotations

from smalti.core.lazy import on_first_use

HOMES: dict[str, str] = {}
"""Name -> the module that it loads from on first use."""

__all__ = list(HOMES)  # pyright: ignore[reportUnsupportedDunderAll]
__getattr__ = on_first_use(__name__, HOMES)
