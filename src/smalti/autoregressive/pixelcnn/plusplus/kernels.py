"""The compiled inner loops of PixelCNN++'s walker; F is the filters, padded to whole panels.

A stage is one way through the blocks of one scale: stages 0 .. S-1 go down, S+k is the way up at
scale k. E(x) is concat-ELU, [elu(x), elu(-x)]. What a block sees of its own row's past and of the
rows above lies in rows of places, so that all that comes from above is one product a row.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from smalti.kernels.rows import ARITHMETIC, JIT, add_product, fast_exp, repeat


class RowWeights(NamedTuple):
    """What a row of a stage of B blocks takes, packed by `kernels.pack`: (..., O/w, K, w)."""

    enter: np.ndarray
    """(B, 2, 3, F/w, 2F, w): into a block of u."""
    leave: np.ndarray
    """(B, 2, 3, 2F/w, 2F, w)"""
    bias: np.ndarray
    """(B, 2F): of the leaving convolution; that of the entering one is in the state."""
    skip: np.ndarray
    """(B, F/w, 2F, w), or B = 0 on the way down."""
    beside: np.ndarray
    """(B, F/w, 2F, w): from u to ul."""
    l_enter: np.ndarray
    """(B, 2, F/w, 2F, w): from the row above into a block of ul."""
    l_leave: np.ndarray
    """(B, 2, 2F/w, 2F, w)"""
    l_bias: np.ndarray
    """(B, 2F)"""
    resize: np.ndarray
    """(2, 3, F/w, F, w): from the stage before; unused at the start and at the turn."""
    resize_bias: np.ndarray
    """(F,)"""


class PixelWeights(NamedTuple):
    """What a pixel of a stage takes, packed."""

    enter: np.ndarray
    """(B, 2, F/w, 2F, w): from the pixel to the left, and the pixel, into a block of ul."""
    leave: np.ndarray
    """(B, 2, 2F/w, 2F, w)"""
    skip: np.ndarray
    """(B, F/w, 2F, w), or B = 0 on the way down."""
    resize: np.ndarray
    """(2, 2, F/w, F, w)"""
    resize_bias: np.ndarray
    """(F,)"""


class RowState(NamedTuple):
    """u of a stage, for n pictures; W columns of its scale, with zeros beside them."""

    for_u: np.ndarray
    """(B, n, F): condition and biases of u's entering convolutions."""
    for_l: np.ndarray
    """(B, n, F): the same of ul."""
    x: np.ndarray
    """(B + 1, 2, 1 + W + 1, n, 2F): E of every block's input and of the output, two rows."""
    t: np.ndarray
    """(B, 2, 1 + W + 1, n, 2F): E of what its first convolution gives."""
    now: np.ndarray
    """(W, n, F): the stream of this row."""
    last: np.ndarray
    """(2, 1 + W + 1, n, F): what the stage put out, two rows."""
    wide: np.ndarray
    """(W, n, F): room to work in."""
    pair: np.ndarray
    """(W, n, 2F)"""


class PixelState(NamedTuple):
    """ul of a stage, for n pictures."""

    x: np.ndarray
    """(B + 1, 1 + W, n, 2F): E of ul, this row up to the pixel, the row above behind it."""
    t: np.ndarray
    """(B, 1 + W, n, 2F)"""
    enter: np.ndarray
    """(B, W, n, F): what ul's first convolution gets from above and from u, of this row."""
    leave: np.ndarray
    """(B, W, n, 2F): what its second gets from above."""
    now: np.ndarray
    """(n, F): the stream at this pixel."""
    last: np.ndarray
    """(2, 1 + W, n, F): what the stage put out, two rows."""


class Edge(NamedTuple):
    """Where pictures come in and parameters go out; `c` is the channels and one of ones."""

    x: np.ndarray
    """(2 + H, 1 + W + 1, n, c): the pictures so far."""
    window: np.ndarray
    """(W, n, 6c)"""
    near: np.ndarray
    """(n, 2c)"""
    above: np.ndarray
    """(W, n, F): what ul starts with, from above."""
    w_u: np.ndarray
    """(F/w, 6c, w)"""
    w_above: np.ndarray
    """(F/w, 6c, w), of which the upper row is 0"""
    w_left: np.ndarray
    """(F/w, 2c, w)"""
    bias: np.ndarray
    """(3, F): of u, above and left."""
    last: np.ndarray
    """(n, F)"""
    w_end: np.ndarray
    """(P/w, F, w)"""
    bias_end: np.ndarray
    """(P,)"""


@numba.njit(**JIT, fastmath=ARITHMETIC)
def concat_elu(x, out):
    """out = [elu(x), elu(-x)]: x (rows, F), out (rows, 2F)."""
    F = x.shape[1]
    zero, one, far = x.dtype.type(0), x.dtype.type(1), x.dtype.type(80)
    for s in range(x.shape[0]):
        value, plus, minus = x[s], out[s, :F], out[s, F:]
        for k in range(F):
            v = value[k]
            e = fast_exp(-min(abs(v), far)) - one
            plus[k] = v if v > zero else e
            minus[k] = e if v > zero else -v


@numba.njit(**JIT, fastmath=ARITHMETIC)
def elu(x, out):
    """ELU of x into out, both (rows, F)."""
    zero, one, far = x.dtype.type(0), x.dtype.type(1), x.dtype.type(80)
    for s in range(x.shape[0]):
        value, to = x[s], out[s]
        for k in range(x.shape[1]):
            v = value[k]
            e = fast_exp(-min(abs(v), far)) - one
            to[k] = v if v > zero else e


@numba.njit(**JIT, fastmath=ARITHMETIC)
def add_gated(x, out):
    """out += a sigmoid(b), x (rows, 2F) = [a, b], out (rows, F)."""
    F = out.shape[1]
    one, wide = x.dtype.type(1), x.dtype.type(40)
    for s in range(out.shape[0]):
        a, b, to = x[s, :F], x[s, F:], out[s]
        for k in range(F):
            to[k] += a[k] / (one + fast_exp(-min(max(b[k], -wide), wide)))


START, HALVE, DOUBLE, TURN = 0, 1, 2, 3
"""How a stage begins: by the picture, the finer scale, the coarser one, or the way down's end."""


@numba.njit(**JIT)
def stage_row(w, s, p, source, skips, how, i):
    """u of row i of a stage, and what ul gets from it and from the row above.

    It begins with `source`, the `last` of the stage before. On the way up `skips` is the `x` of the
    way down: block b takes the input B - 1 - b.
    """
    if how == HALVE:
        halve_row(w, source, s.now)
    elif how == DOUBLE:
        double_row(w, source, s.now, i)
    elif how == TURN:
        repeat(source[i % 2, 1 : s.now.shape[0] + 1], s.now)
    row_blocks(w, s, p, skips, i)


@numba.njit(**JIT)
def start_row(edge, u, i):
    """The first maps of row i: of u, and what ul gets from above."""
    W, n, size = edge.window.shape
    F, c = u.shape[2], edge.x.shape[3]
    zero = edge.bias[0] * 0
    if i == 0:  # nothing is above, not even a bias
        repeat(zero, u)
        repeat(zero, edge.above)
        return
    for j in range(W):
        for r in range(n):
            for k in range(size):
                edge.window[j, r, k] = edge.x[i + k // (3 * c), j + k // c % 3, r, k % c]
    window = edge.window.reshape(W * n, size)
    repeat(edge.bias[0], u)
    add_product(window, edge.w_u, u.reshape(W * n, F))
    repeat(edge.bias[1], edge.above)
    add_product(window, edge.w_above, edge.above.reshape(W * n, F))


@numba.njit(**JIT)
def halve_row(w, finer, u):
    """u of a coarse row, from the two rows of the finer scale that end with its own."""
    repeat(w.resize_bias, u)
    for j in range(u.shape[0]):
        for tap in range(6):
            r, t = tap // 3, tap % 3
            add_product(finer[(1 + r) % 2, 2 * j + t], w.resize[r, t], u[j])


@numba.njit(**JIT)
def double_row(w, coarser, u, i):
    """u of row i, from the coarse row that it lies in."""
    repeat(w.resize_bias, u)
    for j in range(u.shape[0]):
        for more in range(1 + j % 2):  # an odd column lies between two
            tap = 0 if more else 1 + j % 2
            add_product(coarser[i // 2 % 2, j // 2 + 1 + more], w.resize[i % 2, tap], u[j])


@numba.njit(**JIT)
def row_blocks(w, s, p, skips, i):
    """All blocks of u in row i of a stage."""
    W, n, F = s.now.shape
    u, wide, pair = s.now.reshape(W * n, F), s.wide.reshape(W * n, F), s.pair.reshape(W * n, 2 * F)
    concat_elu(u, s.x[0, i % 2, 1 : W + 1].reshape(W * n, 2 * F))
    for b in range(s.t.shape[0]):
        repeat(s.for_u[b], wide)
        add_taps(s.x[b], w.enter[b], wide, i)
        if w.skip.shape[0]:
            skip = skips[w.skip.shape[0] - 1 - b, i % 2, 1 : W + 1].reshape(W * n, 2 * F)
            add_product(skip, w.skip[b], wide)
        concat_elu(wide, s.t[b, i % 2, 1 : W + 1].reshape(W * n, 2 * F))
        repeat(w.bias[b], pair)
        add_taps(s.t[b], w.leave[b], pair, i)
        add_gated(pair, u)
        seen = s.x[b + 1, i % 2, 1 : W + 1].reshape(W * n, 2 * F)
        concat_elu(u, seen)
        enter, leave = p.enter[b].reshape(W * n, F), p.leave[b].reshape(W * n, 2 * F)
        repeat(s.for_l[b], enter)
        add_product(seen, w.beside[b], enter)
        add_above(p.x[b], w.l_enter[b], enter)
        repeat(w.l_bias[b], leave)
        add_above(p.t[b], w.l_leave[b], leave)
    repeat(s.now, s.last[i % 2, 1 : W + 1])


@numba.njit(**JIT)
def add_taps(x, w, out, i):
    """out (W n, O) += the 2x3 convolution of x (2, 1 + W + 1, n, K), whose rows are i - 1 and i."""
    W, n, K = x.shape[1] - 2, x.shape[2], x.shape[3]
    for tap in range(6):
        r, t = tap // 3, tap % 3
        add_product(x[(i - 1 + r) % 2, t : t + W].reshape(W * n, K), w[r, t], out)


@numba.njit(**JIT)
def add_above(x, w, out):
    """out (W n, O) += the upper half of the 2x2 convolution of x (1 + W, n, K), a row."""
    W, n, K = x.shape[0] - 1, x.shape[1], x.shape[2]
    for t in range(2):
        add_product(x[t : t + W].reshape(W * n, K), w[t], out)


@numba.njit(**JIT)
def stage_pixel(w, p, source, skips, how, i, j):
    """ul at pixel (i, j) of a stage; arguments as `stage_row` has them."""
    if how == HALVE:  # from the finer pixels that end with its own
        repeat(w.resize_bias, p.now)
        for tap in range(4):
            r, t = tap // 2, tap % 2
            add_product(source[(1 + r) % 2, 2 * j + t], w.resize[r, t], p.now)
    elif how == DOUBLE:  # from the coarse pixel that it lies in
        repeat(w.resize_bias, p.now)
        add_product(source[i // 2 % 2, j // 2 + 1], w.resize[i % 2, j % 2], p.now)
    elif how == TURN:
        repeat(source[i % 2, j + 1], p.now)
    concat_elu(p.now, p.x[0, j + 1])
    for b in range(p.t.shape[0]):
        enter, leave = p.enter[b, j], p.leave[b, j]
        add_pair(p.x[b], w.enter[b], enter, j)
        if w.skip.shape[0]:
            add_product(skips[w.skip.shape[0] - 1 - b, j + 1], w.skip[b], enter)
        concat_elu(enter, p.t[b, j + 1])
        add_pair(p.t[b], w.leave[b], leave, j)
        add_gated(leave, p.now)
        concat_elu(p.now, p.x[b + 1, j + 1])
    repeat(p.now, p.last[i % 2, j + 1])


@numba.njit(**JIT)
def add_pair(x, w, out, j):
    """out (n, O) += the lower half of the 2x2 convolution of x (1 + W, n, K), at column j."""
    for t in range(2):
        add_product(x[j + t], w[t], out)


@numba.njit(**JIT)
def start_pixel(edge, ul, i, j):
    """The first map of ul at pixel (i, j)."""
    repeat(edge.above[j], ul)
    if j == 0:  # nothing is to the left, not even a bias
        return
    c = edge.x.shape[3]
    for r in range(ul.shape[0]):
        for k in range(2 * c):
            edge.near[r, k] = edge.x[i + 1 + k // c, j, r, k % c]
        for k in range(ul.shape[1]):
            ul[r, k] += edge.bias[2, k]
    add_product(edge.near, edge.w_left, ul)


@numba.njit(**JIT)
def end_pixel(edge, ul, out):
    """A pixel's parameters, out (n, P), from ul (n, F) of the last stage."""
    elu(ul, edge.last)
    repeat(edge.bias_end, out)
    add_product(edge.last, edge.w_end, out)
