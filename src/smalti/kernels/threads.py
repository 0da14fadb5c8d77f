"""Multithreading: a batch split into one chunk per thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Barrier
from typing import Any

MIN_COST_PER_THREAD = 1_000_000
"""Multiply-adds per chunk below which a thread costs more than it saves."""


@cache
def start_threads(n: int) -> ThreadPoolExecutor:
    """Start n threads besides the caller's, once; they sleep when idle."""
    return ThreadPoolExecutor(n, thread_name_prefix="walker")


def split_batch(n: int, n_chunks: int) -> list[slice]:
    """Split n pictures into at most n_chunks slices, in multiples of eight if n is large enough."""
    step = max(-(-n // n_chunks), 1)
    step = step if n < 8 * n_chunks else -(-step // 8) * 8
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]


def run_in_threads(work: Callable[[Any], None], chunks: Sequence[Any], cost: int) -> None:
    """Call work(chunk) for each chunk, in threads if each costs enough multiply-adds."""
    if len(chunks) < 2 or cost < MIN_COST_PER_THREAD * len(chunks):
        for chunk in chunks:
            work(chunk)
        return
    others = [start_threads(len(chunks) - 1).submit(work, chunk) for chunk in chunks[1:]]
    work(chunks[0])
    for other in others:
        other.result()


def run_in_torch_threads(work: Callable[[Any], None], chunks: Sequence[Any], cost: int) -> None:
    """Call work(chunk) for each chunk, as run_in_threads, where PyTorch has one thread in each."""
    if len(chunks) < 2 or cost < MIN_COST_PER_THREAD * len(chunks):
        for chunk in chunks:
            work(chunk)
        return
    for _ in start_torch_threads(len(chunks)).map(work, chunks):
        pass  # raises what a thread raised


@cache
def start_torch_threads(n: int) -> ThreadPoolExecutor:
    """Start n threads, once, in which PyTorch's operators use one thread; they sleep when idle."""
    import torch

    before, started = torch.get_num_threads(), Barrier(n)

    def start() -> None:
        torch.set_num_threads(1)  # of this thread, and of those that begin later
        started.wait()

    pool = ThreadPoolExecutor(n, thread_name_prefix="searcher", initializer=start)
    for _ in pool.map(int, range(n)):  # starts all of them
        pass
    torch.set_num_threads(before)
    return pool
