"""One compiled step of a Transformer decoder: one token of each sequence through all blocks.

At a few sequences a step takes as long as reading the weights and the key-value cache, which may be
int8 and bfloat16. Called with addresses once a step, in every thread, it spends nothing on Python.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import overload

from smalti.kernels.cache_attention import ROWS as ROWS_OF_KEYS
from smalti.kernels.cache_attention import attend, write_number
from smalti.kernels.jit import INNER_JIT_OPTIONS, JIT_OPTIONS
from smalti.kernels.layer_norm import normalize_rows
from smalti.kernels.loops import (
    FASTMATH_FLAGS,
    cast_like,
    instructions,
    offset_pointer,
    to_pointer,
)
from smalti.kernels.weight_rows import (
    HAS_PAIR_SUMS,
    VECTOR_BYTES,
    WEIGHT_ROWS,
    multiply_rounded_rows,
    multiply_rows,
)

FIRST_NORM, QKV, OUT, SECOND_NORM, HIDDEN, SHRINK, KEYS, VALUES = 0, 2, 5, 8, 10, 13, 16, 17
"""Columns of a block's row of addresses: weight and bias of norms, weight, scale and bias of
matrices, the cache. The row after the blocks has the last norm, and the head at QKV."""
X, NORMED, ROWS, ATTENDED, HIDDEN_ROWS, SCORES, TILES, LOGITS, ROUNDED, BARRIER = range(10)
"""Columns of the last row, the workspace."""
SET, ADD, GELU = range(3)


@instructions
def add_atomically(typing, x, n):
    """x[0] += n as one atomic step; returns the sum."""

    def code(context, builder, signature, args):
        return builder.add(builder.atomic_rmw("add", args[0], args[1], "seq_cst"), args[1])

    return types.int64(x, types.int64), code


yield_processor = types.ExternalFunction("sched_yield", types.int32())


@numba.njit(**INNER_JIT_OPTIONS)
def wait(counter, round, threads):
    """Wait until each of the threads has called this `round` times; counter: 0 at first."""
    if threads > 1:
        seen, spins = add_atomically(counter, 1), 0
        while seen < round * threads:
            spins += 1
            if spins > 1000:
                yield_processor()
            seen = add_atomically(counter, 0)


def erf(x: Any) -> Any:
    """The error function."""
    return math.erf(x)


@overload(erf, jit_options={"fastmath": FASTMATH_FLAGS, "error_model": "numpy"})
def _erf(x):
    """In float32 a fraction that the compiler can vectorize, accurate to 3e-7 (as in Eigen)."""
    return _erf32 if x == types.float32 else lambda x: math.erf(x)  # noqa: PLW0108


def _erf32(x):
    x = min(max(x, np.float32(-4)), np.float32(4))
    z = x * x
    a = np.float32(-2.72614225801306e-10)
    a = a * z + np.float32(2.77068142495902e-08)
    a = a * z + np.float32(-2.10102402082508e-06)
    a = a * z + np.float32(-5.69250639462346e-05)
    a = a * z + np.float32(-7.34990630326855e-04)
    a = a * z + np.float32(-2.95459980854025e-03)
    a = a * z + np.float32(-1.60960333262415e-02)
    b = np.float32(-1.45660718464996e-05)
    b = b * z + np.float32(-2.13374055278905e-04)
    b = b * z + np.float32(-1.68282697438203e-03)
    b = b * z + np.float32(-7.37332916720468e-03)
    b = b * z + np.float32(-1.42647390514189e-02)
    return x * a / b


@numba.njit(**INNER_JIT_OPTIONS)
def attend_to_cache(sizes, qkv, keys, values, out, scores, thread, lanes):
    """Store this token's keys and values, and attend, for this thread's share of heads."""
    n, D, heads, position, capacity, threads = (
        sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[6],
    )  # fmt: skip
    d = D // heads
    for h in range(n * heads * thread // threads, n * heads * (thread + 1) // threads):
        q = offset_pointer(qkv, h // heads * 3 * D + h % heads * d)
        k, v = (
            offset_pointer(keys, h * capacity * d),
            offset_pointer(values, h * capacity * d),
        )
        for i in range(d):
            write_number(k, position * d + i, q[D + i])
            write_number(v, position * d + i, q[2 * D + i])
        attend(q, k, v, offset_pointer(out, h * d), scores, position + 1, d, lanes)


@numba.njit(**INNER_JIT_OPTIONS, fastmath=FASTMATH_FLAGS)
def finish(x, scale, bias, out, rows, columns, first, last, mode):
    """out = x scale + bias in columns first .. last - 1; or GELU of that; or add it to out."""
    half, root = cast_like(0.5, x), cast_like(math.sqrt(0.5), x)
    one = cast_like(1, x)
    for s in range(rows):
        line, to = offset_pointer(x, s * columns), offset_pointer(out, s * columns)
        if mode == ADD:
            for j in range(first, last):
                to[j] += line[j] * scale[j] + bias[j]
        elif mode == GELU:
            for j in range(first, last):
                v = line[j] * scale[j] + bias[j]
                to[j] = half * v * (one + erf(v * root))
        else:
            for j in range(first, last):
                to[j] = line[j] * scale[j] + bias[j]


@numba.njit(**INNER_JIT_OPTIONS)
def share(count, sizes, thread):
    """Return this thread's range of columns: whole tiles, but for the last."""
    tiles, threads = (count + WEIGHT_ROWS - 1) // WEIGHT_ROWS, sizes[6]
    end = min(WEIGHT_ROWS * (tiles * (thread + 1) // threads), count)
    return WEIGHT_ROWS * (tiles * thread // threads), end


def multiply(x, w, product, rounded, n, k, columns, first, end, tile):
    """product (n, columns) = x (n, k) w^T in columns first .. end - 1."""
    raise NotImplementedError  # only called from compiled code


@overload(multiply)
def _multiply(x, w, product, rounded, n, k, columns, first, end, tile):
    lanes = VECTOR_BYTES // (x.dtype.bitwidth // 8)

    def round_first(x, w, product, rounded, n, k, columns, first, end, tile):
        multiply_rounded_rows(x, w, product, rounded, n, k, columns, first, end, tile)

    def exact(x, w, product, rounded, n, k, columns, first, end, tile):
        multiply_rows(x, w, product, n, k, columns, first, end, lanes, tile)

    is_rounded = x.dtype == types.float32 and w.dtype == types.int8 and HAS_PAIR_SUMS
    return round_first if is_rounded else exact


@numba.njit(**JIT_OPTIONS)
def step(table, sizes, like, weight_like, cache_like, thread):
    """Compute the logits after one token of each sequence, whose embeddings are at X.

    table (layers + 2, 18) int64: addresses. sizes: n, D, heads, position, capacity, vocab_size,
    threads. The arrays `like` have the types of features, weights and cache. Every thread calls
    this, with its index.
    """
    n, D, vocab, threads = sizes[0], sizes[1], sizes[5], sizes[6]
    layers, room, lanes = table.shape[0] - 2, table[-1], VECTOR_BYTES // like.itemsize
    x, rows = to_pointer(room[X], like), to_pointer(room[ROWS], like)
    attended, hidden = to_pointer(room[ATTENDED], like), to_pointer(room[HIDDEN_ROWS], like)
    normed = offset_pointer(to_pointer(room[NORMED], like), thread * n * D)
    scores = offset_pointer(to_pointer(room[SCORES], like), thread * (sizes[4] + ROWS_OF_KEYS))
    tile = offset_pointer(to_pointer(room[TILES], like), thread * 64)
    rounded = offset_pointer(to_pointer(room[ROUNDED], like), thread * n * (2 * D + 1))
    counter, round = to_pointer(room[BARRIER], table), 0
    for part in range(4 * layers + 1):
        row, last = table[part // 4], part == 4 * layers
        if part % 4 == 0:
            norm, at, k, columns, mode = FIRST_NORM, QKV, D, vocab if last else 3 * D, SET
            source, product = normed, rows
            out = to_pointer(room[LOGITS], like) if last else rows
        elif part % 4 == 1:
            norm, at, k, columns, mode = -1, OUT, D, D, ADD
            source, product, out = attended, hidden, x
            keys, values = to_pointer(row[KEYS], cache_like), to_pointer(row[VALUES], cache_like)
            attend_to_cache(sizes, rows, keys, values, attended, scores, thread, lanes)
            round += 1
            wait(counter, round, threads)
        elif part % 4 == 2:
            norm, at, k, columns, mode = SECOND_NORM, HIDDEN, D, 4 * D, GELU
            source, product, out = normed, hidden, hidden
        else:
            norm, at, k, columns, mode = -1, SHRINK, 4 * D, D, ADD
            source, product, out = hidden, rows, x
        if norm >= 0:
            weight, bias = to_pointer(row[norm], like), to_pointer(row[norm + 1], like)
            normalize_rows(x, weight, bias, normed, n, D, D)
        first, end = share(columns, sizes, thread)
        matrix = to_pointer(row[at], weight_like)
        multiply(source, matrix, product, rounded, n, k, columns, first, end, tile)
        scale, bias = to_pointer(row[at + 1], like), to_pointer(row[at + 2], like)
        finish(product, scale, bias, out, n, columns, first, end, mode)
        round += 1
        wait(counter, round, threads)
