"""Work in threads: a batch cut into one part a thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

MIN_COST_PER_THREAD = 1_000_000
"""Multiply-adds of a part below which handing it to a thread takes longer than doing it."""


@cache
def start_threads(n: int) -> ThreadPoolExecutor:
    """Threads besides the caller's; they are started once and sleep when idle."""
    return ThreadPoolExecutor(n, thread_name_prefix="walker")


def split_batch(n: int, n_chunks: int) -> list[slice]:
    """n pictures in at most so many parts, of whole eights where that is even enough."""
    step = -(-n // n_chunks)
    step = step if n < 8 * n_chunks else -(-step // 8) * 8
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]


def run_in_threads(work: Callable[[Any], None], chunks: Sequence[Any], cost: int) -> None:
    """work(part) for each part, in threads when each costs enough multiply-adds."""
    if len(chunks) == 1 or cost < MIN_COST_PER_THREAD * len(chunks):
        for part in chunks:
            work(part)
        return
    others = [start_threads(len(chunks) - 1).submit(work, part) for part in chunks[1:]]
    work(chunks[0])
    for other in others:
        other.result()
