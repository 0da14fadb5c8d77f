"""An encoder-decoder Transformer, compiled: one call encodes sentences, one decodes a step.

Rows are tokens of any sentences, without padding. Sums do not depend on the number of rows, so a
sentence's numbers are the same alone and in a batch. A product of a few rows takes as long as
reading the weights, and PyTorch's calls around it take as long again; here there are none.
"""

from __future__ import annotations

import math

import numba

from smalti.kernels.jit import INNER_JIT_OPTIONS, JIT_OPTIONS
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
from smalti.kernels.weight_rows import SUM_FLAGS

EPSILON = 1e-5
"""Of nn.LayerNorm."""
NORM, QKV, OUT, CROSS_NORM, CROSS_Q, CROSS_OUT, CROSS_KV, WIDE_NORM, INNER, OUTER = range(0, 20, 2)
"""Columns of a layer's addresses: a weight, then its bias. Matrices are packed."""
ENCODER_NORM, DECODER_NORM, HEAD = range(0, 6, 2)
"""Columns of the row after the layers."""
X, NORMED, ROWS, ATTENDED, HIDDEN, SCORES, LOGITS, TABLE, POSITIONS = range(9)
SYMBOLS, PLACES, STARTS, LENGTHS, ORDER, SLOTS, CACHES = range(9, 16)
"""Columns of the workspace: arrays with a row for each token; scores; the embedding; integers of
the step; and for each decoder layer the keys and values of the source, the keys, the values.

STARTS and LENGTHS: the sentence of each row. ORDER: 0, 1, 2 ... SLOTS (rows, capacity): where the
caches have the positions of each row."""
WIDTH, HEADS, PRE, ENCODER_LAYERS, FIRST, LAST, SCORES_AT, TIME, SLOT_COUNT, CAPACITY = range(10)
STRIDE, QKV_STRIDE, KV_STRIDE, HIDDEN_STRIDE, LOGITS_STRIDE, PANEL = range(10, 16)
"""Columns of the sizes. Rows are padded to whole panels, with zeros: their strides."""


@numba.njit(**INNER_JIT_OPTIONS, fastmath=SUM_FLAGS)
def normalize(x, row, at, out, n, sizes):
    """out = LayerNorm of rows x."""
    weight, bias, D = to_pointer(row[at], x), to_pointer(row[at + 1], x), sizes[WIDTH]
    for s in range(n):
        line, to = offset_pointer(x, s * sizes[STRIDE]), offset_pointer(out, s * sizes[STRIDE])
        total, squares = cast_like(0, x), cast_like(0, x)
        for k in range(D):
            total += line[k]
        mean = total / cast_like(D, x)
        for k in range(D):
            squares += (line[k] - mean) * (line[k] - mean)
        scale = cast_like(1 / math.sqrt(squares / D + EPSILON), x)
        for k in range(D):
            to[k] = (line[k] - mean) * scale * weight[k] + bias[k]


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


@numba.njit(**INNER_JIT_OPTIONS)
def project(x, row, at, out, n, stride, columns, sizes):
    """out (n, columns) = x (n, stride) w + b, for the weights at row[at]."""
    repeat(to_pointer(row[at + 1], x), out, n, columns)
    panels, width = columns // sizes[PANEL], sizes[PANEL]
    add_product(x, to_pointer(row[at], x), out, n, stride, panels, width)


@numba.njit(**INNER_JIT_OPTIONS)
def add_projection(x, row, at, out, n, stride, sizes):
    """out (n, STRIDE) += x (n, stride) w + b."""
    add(to_pointer(row[at + 1], x), out, n, sizes[STRIDE])
    panels, width = sizes[STRIDE] // sizes[PANEL], sizes[PANEL]
    add_product(x, to_pointer(row[at], x), out, n, stride, panels, width)


@numba.njit(**INNER_JIT_OPTIONS)
def add_feed_forward(x, row, normed, hidden, n, sizes):
    """x += the feed-forward sub-layer of x, and norms."""
    source = normed if sizes[PRE] else x
    if sizes[PRE]:
        normalize(x, row, WIDE_NORM, normed, n, sizes)
    project(source, row, INNER, hidden, n, sizes[STRIDE], sizes[HIDDEN_STRIDE], sizes)
    relu(hidden, hidden, n * sizes[HIDDEN_STRIDE])
    add_projection(hidden, row, OUTER, x, n, sizes[HIDDEN_STRIDE], sizes)
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
def encode(table, room, sizes, like):
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
    source = normed if sizes[PRE] else x
    embed(x, room, first, n, sizes)
    for layer in range(sizes[ENCODER_LAYERS]):
        row = table[layer]
        if sizes[PRE]:
            normalize(x, row, NORM, normed, n, sizes)
        project(source, row, QKV, rows, n, stride, wide, sizes)
        for s in range(n):
            q = offset_pointer(rows, s * wide)
            k = offset_pointer(rows, (starts[first + s] - first) * wide + D)
            v, out = offset_pointer(k, D), offset_pointer(attended, s * stride)
            attend(q, k, v, order, lengths[first + s], wide, out, scores, sizes)
        add_projection(attended, row, OUT, x, n, stride, sizes)
        if not sizes[PRE]:
            normalize(x, row, NORM, x, n, sizes)
        add_feed_forward(x, row, normed, hidden, n, sizes)
    if sizes[PRE]:
        normalize(x, table[-1], ENCODER_NORM, normed, n, sizes)
    for layer in range(sizes[ENCODER_LAYERS], table.shape[0] - 1):
        cache = to_pointer(room[CACHES + 3 * (layer - sizes[ENCODER_LAYERS])], like)
        kv = offset_pointer(cache, first * sizes[KV_STRIDE])
        project(source, table[layer], CROSS_KV, kv, n, stride, sizes[KV_STRIDE], sizes)


@numba.njit(**JIT_OPTIONS)
def decode(table, room, sizes, like):
    """Compute the logits after one symbol each of rows FIRST .. LAST - 1, at position TIME.

    Arguments as of `encode`.
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
    source = normed if sizes[PRE] else x
    embed(x, room, first, n, sizes)
    for layer in range(sizes[ENCODER_LAYERS], table.shape[0] - 1):
        row, at = table[layer], CACHES + 3 * (layer - sizes[ENCODER_LAYERS])
        keys, values = to_pointer(room[at + 1], like), to_pointer(room[at + 2], like)
        cross = to_pointer(room[at], like)
        if sizes[PRE]:
            normalize(x, row, NORM, normed, n, sizes)
        project(source, row, QKV, rows, n, stride, wide, sizes)
        for s in range(n):
            q, slot = offset_pointer(rows, s * wide), time * sizes[SLOT_COUNT] + first + s
            k, v = offset_pointer(keys, slot * D), offset_pointer(values, slot * D)
            for i in range(D):
                k[i], v[i] = q[D + i], q[2 * D + i]
            seen = offset_pointer(slots, (first + s) * sizes[CAPACITY])
            seen[time] = slot
            out = offset_pointer(attended, s * stride)
            attend(q, keys, values, seen, time + 1, D, out, scores, sizes)
        add_projection(attended, row, OUT, x, n, stride, sizes)
        if sizes[PRE]:
            normalize(x, row, CROSS_NORM, normed, n, sizes)
        else:
            normalize(x, row, NORM, x, n, sizes)
        project(source, row, CROSS_Q, rows, n, stride, stride, sizes)
        for s in range(n):
            q, k = offset_pointer(rows, s * stride), cross
            k = offset_pointer(cross, starts[first + s] * sizes[KV_STRIDE])
            v, out = offset_pointer(k, D), offset_pointer(attended, s * stride)
            attend(q, k, v, order, lengths[first + s], sizes[KV_STRIDE], out, scores, sizes)
        add_projection(attended, row, CROSS_OUT, x, n, stride, sizes)
        if not sizes[PRE]:
            normalize(x, row, CROSS_NORM, x, n, sizes)
        add_feed_forward(x, row, normed, hidden, n, sizes)
    if sizes[PRE]:
        normalize(x, table[-1], DECODER_NORM, normed, n, sizes)
    project(source, table[-1], HEAD, logits, n, stride, sizes[LOGITS_STRIDE], sizes)
