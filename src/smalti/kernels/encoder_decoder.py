"""An encoder-decoder Transformer, compiled: one call encodes sentences, one decodes a step.

Rows are tokens of any sentences, without padding. Sums do not depend on the number of rows, so a
sentence's numbers are the same alone and in a batch. A product of a few rows takes as long as
reading the weights, and PyTorch's calls around it take as long again; here there are none.
"""

from __future__ import annotations

import math

import numba
from numba import types
from numba.extending import overload

from smalti.kernels.jit import INNER_JIT_OPTIONS, JIT_OPTIONS
from smalti.kernels.layer_norm import normalize_rows
from smalti.kernels.loops import (
    add,
    add_product,
    cast_like,
    fast_exp,
    offset_pointer,
    relu,
    repeat,
    to_pointer,
)
from smalti.kernels.weight_rows import SUM_FLAGS, TILE, multiply_rounded_rows

NORM, QKV, OUT, CROSS_NORM, CROSS_Q, CROSS_OUT, CROSS_KV, WIDE_NORM, INNER, OUTER = range(0, 20, 2)
"""Columns of a layer's addresses: a weight, then its bias. Matrices are packed."""
ENCODER_NORM, DECODER_NORM, HEAD = range(0, 6, 2)
"""Columns of the row after the layers."""
X, NORMED, ROWS, ATTENDED, HIDDEN, SCORES, LOGITS, TABLE, POSITIONS = range(9)
SYMBOLS, PLACES, STARTS, LENGTHS, ORDER, SLOTS, WORK, CACHES = range(9, 17)
"""Columns of the workspace: arrays with a row for each token; scores; the embedding; integers of
the step; and for each decoder layer the keys and values of the source, the keys, the values.

STARTS and LENGTHS: the sentence of each row. ORDER: 0, 1, 2 ... SLOTS (rows, capacity): where the
caches have the positions of each row."""
WIDTH, HEADS, PRE, ENCODER_LAYERS, FIRST, LAST, SCORES_AT, TIME, SLOT_COUNT, CAPACITY = range(10)
STRIDE, QKV_STRIDE, KV_STRIDE, HIDDEN_STRIDE, LOGITS_STRIDE, PANEL, WORK_STRIDE = range(10, 17)
"""Columns of the sizes. Rows are padded to whole panels, with zeros: their strides."""


SET, ADD = range(2)


@numba.njit(**INNER_JIT_OPTIONS)
def normalize(x, row, at, out, n, sizes):
    """out = LayerNorm of rows x."""
    weight, bias = to_pointer(row[at], x), to_pointer(row[at + 1], x)
    normalize_rows(x, weight, bias, out, n, sizes[WIDTH], sizes[STRIDE])


@numba.njit(**INNER_JIT_OPTIONS, fastmath=SUM_FLAGS)
def attend(q, keys, values, rows, T, stride, out, scores, sizes):
    """out = softmax(q k^T / sqrt(d)) v of each head, for keys and values at T of the rows.

    stride: of rows. T = 0 gives zeros.
    """
    d = sizes[WIDTH] // sizes[HEADS]
    zero, scale = cast_like(0, q), cast_like(1 / math.sqrt(d), q)
    for h in range(sizes[HEADS]):
        query, to = offset_pointer(q, h * d), offset_pointer(out, h * d)
        top, total = cast_like(-1e30, q), zero
        for t in range(T):
            k, score = offset_pointer(keys, rows[t] * stride + h * d), zero
            for i in range(d):
                score += query[i] * k[i]
            scores[t] = score * scale
            top = max(top, scores[t])
        for t in range(T):
            scores[t] = fast_exp(max(scores[t] - top, cast_like(-80, q)))
            total += scores[t]
        for i in range(d):
            to[i] = zero
        for t in range(T):
            v, weight = offset_pointer(values, rows[t] * stride + h * d), scores[t] / total
            for i in range(d):
                to[i] += weight * v[i]


def multiply(x, row, at, out, n, k, columns, sizes, mode, like, work):
    """out (n, columns) = x (n, k) w + b for the weights at row[at], or += that.

    like: an array of the type of weights: x's in panels; or int8 as (columns, k), whose scales are
    behind the bias. work: the thread's workspace for those.
    """
    raise NotImplementedError  # only called from compiled code


@overload(multiply)
def _multiply(x, row, at, out, n, k, columns, sizes, mode, like, work):
    def in_panels(x, row, at, out, n, k, columns, sizes, mode, like, work):
        w, bias = to_pointer(row[at], x), to_pointer(row[at + 1], x)
        if mode == SET:
            repeat(bias, out, n, columns)
        else:
            add(bias, out, n, columns)
        add_product(x, w, out, n, k, columns // sizes[PANEL], sizes[PANEL])

    def in_int8(x, row, at, out, n, k, columns, sizes, mode, like, work):
        w, bias = to_pointer(row[at], like), to_pointer(row[at + 1], x)
        scale, rounded = offset_pointer(bias, columns), offset_pointer(work, TILE)
        product = offset_pointer(rounded, n * (k // 2 + 1))
        multiply_rounded_rows(x, w, product, rounded, n, k, columns, 0, columns, work)
        for s in range(n):
            line, to = offset_pointer(product, s * columns), offset_pointer(out, s * columns)
            if mode == SET:
                for j in range(columns):
                    to[j] = line[j] * scale[j] + bias[j]
            else:
                for j in range(columns):
                    to[j] += line[j] * scale[j] + bias[j]

    return in_int8 if like.dtype == types.int8 else in_panels


@numba.njit(**INNER_JIT_OPTIONS)
def add_feed_forward(x, row, normed, hidden, n, sizes, like, work):
    """x += the feed-forward sub-layer of x, and norms."""
    source = normed if sizes[PRE] else x
    if sizes[PRE]:
        normalize(x, row, WIDE_NORM, normed, n, sizes)
    stride, wide = sizes[STRIDE], sizes[HIDDEN_STRIDE]
    multiply(source, row, INNER, hidden, n, stride, wide, sizes, SET, like, work)
    relu(hidden, hidden, n * wide)
    multiply(hidden, row, OUTER, x, n, wide, stride, sizes, ADD, like, work)
    if not sizes[PRE]:
        normalize(x, row, WIDE_NORM, x, n, sizes)


@numba.njit(**INNER_JIT_OPTIONS)
def embed(x, room, first, n, sizes):
    """x = the embeddings of symbols at their places, from row `first` on."""
    D = sizes[WIDTH]
    symbols, places = to_pointer(room[SYMBOLS], room), to_pointer(room[PLACES], room)
    table, positions = to_pointer(room[TABLE], x), to_pointer(room[POSITIONS], x)
    scale = cast_like(math.sqrt(D), x)
    for s in range(n):
        word = offset_pointer(table, symbols[first + s] * D)
        position = offset_pointer(positions, places[first + s] * D)
        to = offset_pointer(x, s * sizes[STRIDE])
        for k in range(D):
            to[k] = word[k] * scale + position[k]


@numba.njit(**JIT_OPTIONS)
def encode(table, room, sizes, like, weight_like):
    """Encode the tokens FIRST .. LAST - 1, whole sentences; leave decoder layers' keys and values.

    table (layers + 1, 20), room and sizes: int64. like: an array of the type of features.
    """
    first, n = sizes[FIRST], sizes[LAST] - sizes[FIRST]
    stride, wide = sizes[STRIDE], sizes[QKV_STRIDE]
    x = offset_pointer(to_pointer(room[X], like), first * stride)
    normed = offset_pointer(to_pointer(room[NORMED], like), first * stride)
    rows = offset_pointer(to_pointer(room[ROWS], like), first * wide)
    attended = offset_pointer(to_pointer(room[ATTENDED], like), first * stride)
    hidden = offset_pointer(to_pointer(room[HIDDEN], like), first * sizes[HIDDEN_STRIDE])
    scores = offset_pointer(to_pointer(room[SCORES], like), sizes[SCORES_AT])
    starts, lengths = to_pointer(room[STARTS], room), to_pointer(room[LENGTHS], room)
    order, D = to_pointer(room[ORDER], room), sizes[WIDTH]
    work = offset_pointer(to_pointer(room[WORK], like), first * sizes[WORK_STRIDE])
    source = normed if sizes[PRE] else x
    embed(x, room, first, n, sizes)
    for layer in range(sizes[ENCODER_LAYERS]):
        row = table[layer]
        if sizes[PRE]:
            normalize(x, row, NORM, normed, n, sizes)
        multiply(source, row, QKV, rows, n, stride, wide, sizes, SET, weight_like, work)
        for s in range(n):
            q = offset_pointer(rows, s * wide)
            k = offset_pointer(rows, (starts[first + s] - first) * wide + D)
            v, out = offset_pointer(k, D), offset_pointer(attended, s * stride)
            attend(q, k, v, order, lengths[first + s], wide, out, scores, sizes)
        multiply(attended, row, OUT, x, n, stride, stride, sizes, ADD, weight_like, work)
        if not sizes[PRE]:
            normalize(x, row, NORM, x, n, sizes)
        add_feed_forward(x, row, normed, hidden, n, sizes, weight_like, work)
    if sizes[PRE]:
        normalize(x, table[-1], ENCODER_NORM, normed, n, sizes)
    for layer in range(sizes[ENCODER_LAYERS], table.shape[0] - 1):
        cache = to_pointer(room[CACHES + 3 * (layer - sizes[ENCODER_LAYERS])], like)
        kv = offset_pointer(cache, first * sizes[KV_STRIDE])
        columns = sizes[KV_STRIDE]
        multiply(
            source, table[layer], CROSS_KV, kv, n, stride, columns, sizes, SET, weight_like, work
        )


@numba.njit(**JIT_OPTIONS)
def decode(table, room, sizes, like, weight_like):
    """Compute the logits after one symbol each of rows FIRST .. LAST - 1, at position TIME.

    Arguments as of `encode`; weight_like: an array of the type of weights.
    """
    first, n, D = sizes[FIRST], sizes[LAST] - sizes[FIRST], sizes[WIDTH]
    stride, wide, time = sizes[STRIDE], sizes[QKV_STRIDE], sizes[TIME]
    x = offset_pointer(to_pointer(room[X], like), first * stride)
    normed = offset_pointer(to_pointer(room[NORMED], like), first * stride)
    rows = offset_pointer(to_pointer(room[ROWS], like), first * wide)
    attended = offset_pointer(to_pointer(room[ATTENDED], like), first * stride)
    hidden = offset_pointer(to_pointer(room[HIDDEN], like), first * sizes[HIDDEN_STRIDE])
    logits = offset_pointer(to_pointer(room[LOGITS], like), first * sizes[LOGITS_STRIDE])
    scores = offset_pointer(to_pointer(room[SCORES], like), sizes[SCORES_AT])
    starts, lengths = to_pointer(room[STARTS], room), to_pointer(room[LENGTHS], room)
    order, slots = to_pointer(room[ORDER], room), to_pointer(room[SLOTS], room)
    work = offset_pointer(to_pointer(room[WORK], like), first * sizes[WORK_STRIDE])
    source = normed if sizes[PRE] else x
    embed(x, room, first, n, sizes)
    for layer in range(sizes[ENCODER_LAYERS], table.shape[0] - 1):
        row, at = table[layer], CACHES + 3 * (layer - sizes[ENCODER_LAYERS])
        keys, values = to_pointer(room[at + 1], like), to_pointer(room[at + 2], like)
        cross = to_pointer(room[at], like)
        if sizes[PRE]:
            normalize(x, row, NORM, normed, n, sizes)
        multiply(source, row, QKV, rows, n, stride, wide, sizes, SET, weight_like, work)
        for s in range(n):
            q, slot = offset_pointer(rows, s * wide), time * sizes[SLOT_COUNT] + first + s
            k, v = offset_pointer(keys, slot * D), offset_pointer(values, slot * D)
            for i in range(D):
                k[i], v[i] = q[D + i], q[2 * D + i]
            seen = offset_pointer(slots, (first + s) * sizes[CAPACITY])
            seen[time] = slot
            out = offset_pointer(attended, s * stride)
            attend(q, keys, values, seen, time + 1, D, out, scores, sizes)
        multiply(attended, row, OUT, x, n, stride, stride, sizes, ADD, weight_like, work)
        if sizes[PRE]:
            normalize(x, row, CROSS_NORM, normed, n, sizes)
        else:
            normalize(x, row, NORM, x, n, sizes)
        multiply(source, row, CROSS_Q, rows, n, stride, stride, sizes, SET, weight_like, work)
        for s in range(n):
            q, k = offset_pointer(rows, s * stride), cross
            k = offset_pointer(cross, starts[first + s] * sizes[KV_STRIDE])
            v, out = offset_pointer(k, D), offset_pointer(attended, s * stride)
            attend(q, k, v, order, lengths[first + s], sizes[KV_STRIDE], out, scores, sizes)
        multiply(attended, row, CROSS_OUT, x, n, stride, stride, sizes, ADD, weight_like, work)
        if not sizes[PRE]:
            normalize(x, row, CROSS_NORM, x, n, sizes)
        add_feed_forward(x, row, normed, hidden, n, sizes, weight_like, work)
    if sizes[PRE]:
        normalize(x, table[-1], DECODER_NORM, normed, n, sizes)
    columns = sizes[LOGITS_STRIDE]
    multiply(source, table[-1], HEAD, logits, n, stride, columns, sizes, SET, weight_like, work)
