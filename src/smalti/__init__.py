"""smalti: generative models built of small pieces.

The names below load on first use, so that `import smalti` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from smalti import (
        autoregressive,
        codecs,
        coding,
        convert,
        data,
        diffusion,
        evaluation,
        patchmatch,
        pixelcnn,
        recipes,
        tasks,
        training,
        translation,
        vq,
    )
    from smalti.core.checkpoint import load
    from smalti.core.sampling import sample, stream
    from smalti.tasks import audit, compare, compress, decompress, evaluate, fetch, pack

__version__ = "0.1.0"

__all__ = [
    "__version__",
    "audit",
    "autoregressive",
    "codecs",
    "coding",
    "compare",
    "compress",
    "convert",
    "data",
    "decompress",
    "diffusion",
    "evaluate",
    "evaluation",
    "fetch",
    "load",
    "pack",
    "patchmatch",
    "pixelcnn",
    "recipes",
    "sample",
    "stream",
    "tasks",
    "training",
    "translation",
    "vq",
]

HOMES = {
    "audit": "smalti.tasks",
    "compare": "smalti.tasks",
    "compress": "smalti.tasks",
    "decompress": "smalti.tasks",
    "evaluate": "smalti.tasks",
    "fetch": "smalti.tasks",
    "load": "smalti.core.checkpoint",
    "pack": "smalti.tasks",
    "sample": "smalti.core.sampling",
    "stream": "smalti.core.sampling",
}


def __getattr__(name: str) -> Any:
    if name in HOMES:
        value = getattr(import_module(HOMES[name]), name)
        globals()[name] = value  # the next use does not come here
        return value
    if name in __all__:
        return import_module(f"smalti.{name}")
    raise AttributeError(f"module 'smalti' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
