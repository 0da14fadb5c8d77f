"""When a step does not fit into memory: how that is told, and in how many parts it may fit."""

from __future__ import annotations

import gc
import math
import os

import torch

OOM_MESSAGES = ("out of memory", "not enough memory", "can't allocate memory", "alloc_failed")
"""What devices without an error of its own say: the CPU's allocator, CUDA's libraries."""


def is_out_of_memory(error: Exception) -> bool:
    """Whether it says that memory is used up."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(
        word in str(error).lower() for word in OOM_MESSAGES
    )


def find_finer_split(parts: int, pictures: int) -> int | None:
    """Twice as many parts of `pictures`, or the next number that divides them.

    None when a part is one picture already.
    """
    return next((n for n in range(2 * parts, pictures + 1) if pictures % n == 0), None)


def release_memory() -> None:
    """Return what nobody holds any more, so that larger pieces are free."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def read_memory_bytes() -> float:
    """Of this machine, used or not; infinite where the system does not tell."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (ValueError, OSError, AttributeError):
        return math.inf
