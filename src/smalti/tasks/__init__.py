"""What a user can ask for: one function for each verb, with typed arguments and a typed result.

Each says how far it is to an `OnProgress`, which may end it by raising `Cancelled`.  A task that
makes files takes `out`, where they appear when all of them are whole; without it nothing is
written.  None prints: the command line and the web page parse, call a task and show its result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalti.core.lazy import on_first_use

if TYPE_CHECKING:
    from smalti.tasks._audit import Audited, audit
    from smalti.tasks._compare import Comparison, compare
    from smalti.tasks._compress import Compressed, compress
    from smalti.tasks._decompress import Decompressed, decompress
    from smalti.tasks._evaluate import evaluate
    from smalti.tasks._fetch import fetch
    from smalti.tasks._pack import pack

__all__ = [
    "Audited",
    "Comparison",
    "Compressed",
    "Decompressed",
    "audit",
    "compare",
    "compress",
    "decompress",
    "evaluate",
    "fetch",
    "pack",
]

HOMES = {
    "Audited": "smalti.tasks._audit",
    "Comparison": "smalti.tasks._compare",
    "Compressed": "smalti.tasks._compress",
    "Decompressed": "smalti.tasks._decompress",
    "audit": "smalti.tasks._audit",
    "compare": "smalti.tasks._compare",
    "compress": "smalti.tasks._compress",
    "decompress": "smalti.tasks._decompress",
    "evaluate": "smalti.tasks._evaluate",
    "fetch": "smalti.tasks._fetch",
    "pack": "smalti.tasks._pack",
}

__getattr__ = on_first_use(__name__, HOMES)
