"""Work in threads: a batch cut into one part a thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

WORTH_A_THREAD = 1_000_000
"""Multiply-adds of a part below which handing it to a thread takes longer than doing it."""


@cache
def threads(n: int) -> ThreadPoolExecutor:
    """Threads besides the caller's; they are started once and sleep when idle."""
    return ThreadPoolExecutor(n, thread_name_prefix="walker")


def parts_of(n: int, parts: int) -> list[slice]:
    """n pictures in at most so many parts, of whole eights where that is even enough."""
    step = -(-n // parts)
    step = step if n < 8 * parts else -(-step // 8) * 8
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]


def at_once(work: Callable[[Any], None], parts: Sequence[Any], cost: int) -> None:
    """work(part) for each part, in threads when each costs enough multiply-adds."""
    if len(parts) == 1 or cost < WORTH_A_THREAD * len(parts):
        for part in parts:
            work(part)
        return
    others = [threads(len(parts) - 1).submit(work, part) for part in parts[1:]]
    work(parts[0])
    for other in others:
        other.result()
