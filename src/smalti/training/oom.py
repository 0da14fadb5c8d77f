"""Running out of memory: detect it, and choose smaller parts of a batch."""

from __future__ import annotations

import gc
import math
import os

import torch

OOM_MESSAGES = ("out of memory", "not enough memory", "can't allocate memory", "alloc_failed")
"""Messages of errors without a class: of the CPU's allocator and CUDA's libraries."""


def is_out_of_memory(error: Exception) -> bool:
    """Whether the error means out of memory."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(
        word in str(error).lower() for word in OOM_MESSAGES
    )


def find_finer_split(parts: int, pictures: int) -> int | None:
    """Find the next number of parts, at least twice `parts`, that divides `pictures`.

    None if a part is one picture already.
    """
    return next((n for n in range(2 * parts, pictures + 1) if pictures % n == 0), None)


def release_memory() -> None:
    """Free unused memory, so that larger blocks are available."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def read_memory_bytes() -> float:
    """Total memory of this machine; infinite if unknown."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (ValueError, OSError, AttributeError):
        return math.inf
