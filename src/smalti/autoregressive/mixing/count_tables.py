"""Counts of symbols in exact contexts, and how a checkpoint stores them.

For each order there is a sorted table of the contexts' hashes. Each context has a state, which
says how often it was seen and how many different symbols followed, and a list of symbols, each
with how often it followed. Both are coarse: a learned weight belongs to each pair
(`mixing/kernels.py`). Rare symbols are left out.
"""

from __future__ import annotations

import lzma
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from smalti.autoregressive.mixing.contexts import HASH_BITS, NEIGHBORS, hash_all_contexts
from smalti.core.errors import UserError

TOTAL_EDGES = np.array([2, 3, 5, 9, 17, 33, 129, 1025])
"""Bins of how often a context was seen."""
VARIETY_EDGES = np.array([0.35, 0.7])
"""Bins of the number of different symbols, as a fraction of that."""
COUNT_EDGES = np.array([2, 3, 4, 6, 9, 17, 33, 129, 513])
"""Bins of how often a symbol followed."""
N_STATES = (len(TOTAL_EDGES) + 1) * (len(VARIETY_EDGES) + 1)
N_COUNTS = len(COUNT_EDGES) + 1
MAX_BYTES = 1 << 28
"""Bytes of unpacked tables, at most."""


class CountTables(NamedTuple):
    """Tables of all orders, one after the other."""

    keys: np.ndarray
    """(contexts,) uint32 hashes, increasing within an order."""
    order_starts: np.ndarray
    """(O + 1,) int64: where each order begins in `keys`."""
    firsts: np.ndarray
    """(contexts + 1,) int64: where each context begins in `symbols`."""
    symbols: np.ndarray
    """(entries,) uint8."""
    cells: np.ndarray
    """(entries,) int64: which weight, (order N_STATES + state) N_COUNTS + count."""


class OrderTable(NamedTuple):
    """The table of one order."""

    keys: np.ndarray
    """(contexts,) uint32, increasing."""
    states: np.ndarray
    """(contexts,) uint8."""
    lengths: np.ndarray
    """(contexts,) uint8: symbols of each context, minus 1."""
    symbols: np.ndarray
    """(entries,) uint8."""
    counts: np.ndarray
    """(entries,) uint8: bin of each symbol's count."""


EMPTY = OrderTable(np.empty(0, np.uint32), *[np.empty(0, np.uint8)] * 4)


def count_contexts(
    symbols: np.ndarray, orders: Sequence[int], min_count: int, max_symbols: int
) -> tuple[OrderTable, ...]:
    """Count the symbols that follow each context in pictures: one table for each order.

    symbols: (N, C, H, W) uint8. min_count: the fewest times that a symbol must have followed.
    max_symbols: the most symbols of a context.
    """
    N, C, H, W = symbols.shape
    hashes = np.empty((H * W * C, N, len(orders)), np.uint32)
    hash_all_contexts(symbols, np.array(orders), NEIGHBORS, hashes)
    followers = symbols.transpose(2, 3, 1, 0).reshape(-1)
    return tuple(
        count_order(hashes[..., o].reshape(-1), followers, min_count, max_symbols)
        for o in range(len(orders))
    )


def count_order(
    hashes: np.ndarray, followers: np.ndarray, min_count: int, max_symbols: int
) -> OrderTable:
    """Count the symbols (M,) that follow the contexts of these hashes (M,)."""
    pairs = (hashes.astype(np.uint64) << np.uint64(8)) | followers
    pairs, counts = np.unique(pairs, return_counts=True)
    contexts = (pairs >> np.uint64(8)).astype(np.uint32)
    keys, first, variety = np.unique(contexts, return_index=True, return_counts=True)
    totals = np.add.reduceat(counts, first)
    states = np.digitize(totals, TOTAL_EDGES) * (len(VARIETY_EDGES) + 1)
    states += np.digitize(variety / totals, VARIETY_EDGES)
    owner = np.repeat(np.arange(len(keys)), variety)
    likeliest = np.lexsort((-counts, owner))  # by context, the most frequent first
    rank = np.arange(len(counts)) - first[owner]
    kept = likeliest[(rank < max_symbols) & (counts[likeliest] >= min_count)]
    lengths = np.bincount(owner[kept], minlength=len(keys))
    used = lengths > 0
    return OrderTable(
        keys[used],
        states[used].astype(np.uint8),
        (lengths[used] - 1).astype(np.uint8),
        (pairs[kept] & np.uint64(255)).astype(np.uint8),
        np.digitize(counts[kept], COUNT_EDGES).astype(np.uint8),
    )


def pack_tables(tables: Sequence[OrderTable]) -> np.ndarray:
    """Pack tables into bytes: uint8 (n,). Hashes become differences, byte by byte, then LZMA."""
    parts: list[bytes] = []
    for table in tables:
        parts.append(np.array([len(table.keys), len(table.symbols)], "<i8").tobytes())
        gaps = np.diff(table.keys, prepend=np.uint32(0)).astype("<u4")
        parts.append(np.ascontiguousarray(gaps.view(np.uint8).reshape(-1, 4).T).tobytes())
        parts.extend(part.tobytes() for part in table[1:])
    packed = lzma.compress(b"".join(parts), format=lzma.FORMAT_XZ, preset=6)
    return np.frombuffer(packed, np.uint8).copy()


def unpack_tables(packed: np.ndarray, n_orders: int, n_symbols: int) -> CountTables:
    """Unpack what `pack_tables` made; no bytes are no counts. UserError if they are damaged."""
    if not packed.size:
        packed = pack_tables([EMPTY] * n_orders)
    try:
        decoder = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=1 << 27)
        content = decoder.decompress(packed.tobytes(), max_length=MAX_BYTES)
        if not decoder.eof:
            raise ValueError("too short")
        tables = split_tables(content, n_orders)
    except (lzma.LZMAError, ValueError) as error:
        raise UserError(f"the model's counts are damaged: {error}; use another copy") from error
    for table in tables:
        if not is_valid(table, n_symbols):
            raise UserError("the model's counts are damaged: a number is too large")
    return join_tables(tables)


def split_tables(content: bytes, n_orders: int) -> list[OrderTable]:
    """Read the unpacked bytes of `pack_tables`. ValueError unless there are as many as needed."""
    tables, at = [], 0

    def take(n: int) -> np.ndarray:
        nonlocal at
        if n < 0 or at + n > len(content):
            raise ValueError("too short")
        at += n
        return np.frombuffer(content, np.uint8, n, at - n)

    for _ in range(n_orders):
        n, m = (int(x) for x in take(16).view("<i8"))
        gaps = np.ascontiguousarray(take(4 * n).reshape(4, n).T).view("<u4")[:, 0]
        keys = np.cumsum(gaps, dtype=np.uint64)
        tables.append(OrderTable(keys, take(n), take(n), take(m), take(m)))
    if at != len(content):
        raise ValueError("too long")
    return tables


def is_valid(table: OrderTable, n_symbols: int) -> bool:
    """Whether all numbers of a table are in their ranges, so that kernels stay within arrays."""
    limits: list[tuple[Any, int]] = [
        (table.keys, 1 << HASH_BITS),
        (table.states, N_STATES),
        (table.symbols, n_symbols),
        (table.counts, N_COUNTS),
    ]
    fits = all(not len(part) or int(part.max()) < limit for part, limit in limits)
    return fits and int(table.lengths.sum(dtype=np.int64)) + len(table.lengths) == len(
        table.symbols
    )


def join_tables(tables: Sequence[OrderTable]) -> CountTables:
    """Put the tables of all orders one after the other, with the cells of their entries."""
    lengths = [table.lengths.astype(np.int64) + 1 for table in tables]
    cells = [
        (o * N_STATES + np.repeat(table.states.astype(np.int64), n)) * N_COUNTS + table.counts
        for o, (table, n) in enumerate(zip(tables, lengths, strict=True))
    ]
    starts = np.cumsum([0, *(len(table.keys) for table in tables)])
    return CountTables(
        np.concatenate([table.keys for table in tables]).astype(np.uint32),
        starts.astype(np.int64),
        np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int64),
        np.concatenate([table.symbols for table in tables]),
        np.concatenate(cells),
    )
