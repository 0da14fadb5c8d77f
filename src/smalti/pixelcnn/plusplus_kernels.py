"""The compiled inner loops of PixelCNN++'s walker; F is the filters, padded to whole panels.

A stage is one way through the blocks of one scale: stages 0 .. S-1 go down, S+k is the way up at
scale k. E(x) is concat-ELU, [elu(x), elu(-x)]. What a block sees of its own row's past and of the
rows above lies in rows of places, so that all that comes from above is one product a row.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from smalti.pixelcnn.kernels import ARITHMETIC, JIT, add_product, fast_exp, repeat


class Weights(NamedTuple):
    """Of a stage of B blocks, packed (as `kernels.pack` has it): (..., O/w, K, w)."""

    u_enter: np.ndarray
    """(B, 2, 3, F/w, 2F, w)"""
    u_leave: np.ndarray
    """(B, 2, 3, 2F/w, 2F, w)"""
    u_skip: np.ndarray
    """(B, F/w, 2F, w), or B = 0 on the way down"""
    l_enter: np.ndarray
    """(B, 2, 2, F/w, 2F, w)"""
    l_leave: np.ndarray
    """(B, 2, 2, 2F/w, 2F, w)"""
    l_beside: np.ndarray
    """(B, F/w, 2F, w): from u to ul."""
    l_skip: np.ndarray
    """(B, F/w, 2F, w), or B = 0 on the way down"""
    u_bias: np.ndarray
    """(B, 2F): of the leaving convolution; that of the entering one is in the state."""
    l_bias: np.ndarray
    """(B, 2F)"""
    u_resize: np.ndarray
    """(2, 3, F/w, F, w): from the scale before; unused at the start, and at the turn."""
    l_resize: np.ndarray
    """(2, 2, F/w, F, w)"""
    resize_bias: np.ndarray
    """(2, F): of u and ul."""


class State(NamedTuple):
    """Of a stage, for n pictures; W columns of its scale, with zeros beside them."""

    for_u: np.ndarray
    """(B, n, F): condition and biases of the entering convolutions."""
    for_l: np.ndarray
    """(B, n, F)"""
    ux: np.ndarray
    """(B + 1, 2, 1 + W + 1, n, 2F): E of every block's input and of the output, two rows."""
    ut: np.ndarray
    """(B, 2, 1 + W + 1, n, 2F): E of what its first convolution gives."""
    lx: np.ndarray
    """(B + 1, 1 + W, n, 2F): E of ul, this row up to the pixel, the row above behind it."""
    lt: np.ndarray
    """(B, 1 + W, n, 2F)"""
    enter: np.ndarray
    """(B, W, n, F): what ul's first convolution gets from above and from u, of this row."""
    leave: np.ndarray
    """(B, W, n, 2F): what its second gets from above."""
    u: np.ndarray
    """(W, n, F): the stream of this row."""
    now: np.ndarray
    """(n, F): the stream at this pixel."""
    u_last: np.ndarray
    """(2, 1 + W + 1, n, F): what the stage put out, the last two rows."""
    l_last: np.ndarray
    """(2, 1 + W, n, F)"""
    wide: np.ndarray
    """(W, n, F): room to work in."""
    pair: np.ndarray
    """(W, n, 2F)"""


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
def stage_row(w, s, other, down, how, i):
    """u of row i of a stage, and what ul gets from it and from the row above.

    It begins with what the stage `other` put out; on the way up the skips come from `down`.
    """
    first = -1
    if how == HALVE:
        halve_row(w, other, s)
    elif how == DOUBLE:
        double_row(w, other, s, i)
        first = down.ut.shape[0]
    elif how == TURN:
        repeat(down.u, s.u)
        first = down.ut.shape[0] - 1
    row_blocks(w, s, down, first, i)


@numba.njit(**JIT)
def start_row(edge, s, i):
    """The first maps of row i: of u, and what ul gets from above."""
    W, n, size = edge.window.shape
    F, c = s.u.shape[2], edge.x.shape[3]
    zero = edge.bias[0] * 0
    if i == 0:  # nothing is above, not even a bias
        repeat(zero, s.u)
        repeat(zero, edge.above)
        return
    for j in range(W):
        for r in range(n):
            for k in range(size):
                edge.window[j, r, k] = edge.x[i + k // (3 * c), j + k // c % 3, r, k % c]
    window = edge.window.reshape(W * n, size)
    repeat(edge.bias[0], s.u)
    add_product(window, edge.w_u, s.u.reshape(W * n, F))
    repeat(edge.bias[1], edge.above)
    add_product(window, edge.w_above, edge.above.reshape(W * n, F))


@numba.njit(**JIT)
def halve_row(w, finer, s):
    """u of a coarse row, from the two rows of the finer scale that end with its own."""
    repeat(w.resize_bias[0], s.u)
    for j in range(s.u.shape[0]):
        for r in range(2):
            for t in range(3):
                add_product(finer.u_last[(1 + r) % 2, 2 * j + t], w.u_resize[r, t], s.u[j])


@numba.njit(**JIT)
def double_row(w, coarser, s, i):
    """u of row i, from the coarse row that it lies in."""
    repeat(w.resize_bias[0], s.u)
    row = i // 2 % 2
    for j in range(s.u.shape[0]):
        at = j // 2 + 1
        add_product(coarser.u_last[row, at], w.u_resize[i % 2, 1 + j % 2], s.u[j])
        if j % 2:
            add_product(coarser.u_last[row, at + 1], w.u_resize[i % 2, 0], s.u[j])


@numba.njit(**JIT)
def row_blocks(w, s, d, first, i):
    """All blocks of u in row i of a stage; block b's skip is the input `first - b` of stage d."""
    W, n, F = s.u.shape
    blocks = s.ut.shape[0]
    concat_elu(s.u.reshape(W * n, F), s.ux[0, i % 2, 1 : W + 1].reshape(W * n, 2 * F))
    for b in range(blocks):
        u_block(w, s, d, first, b, i)
        beside(w, s, b, i)
    repeat(s.u, s.u_last[i % 2, 1 : W + 1])


@numba.njit(**JIT)
def u_block(w, s, d, first, b, i):
    """Block b of u in row i."""
    W, n, F = s.u.shape
    u, wide, pair = s.u.reshape(W * n, F), s.wide.reshape(W * n, F), s.pair.reshape(W * n, 2 * F)
    repeat(s.for_u[b], wide)
    for r in range(2):
        for t in range(3):
            seen = s.ux[b, (i - 1 + r) % 2, t : t + W].reshape(W * n, 2 * F)
            add_product(seen, w.u_enter[b, r, t], wide)
    if first >= 0:
        skip = d.ux[first - b, i % 2, 1 : W + 1].reshape(W * n, 2 * F)
        add_product(skip, w.u_skip[b], wide)
    concat_elu(wide, s.ut[b, i % 2, 1 : W + 1].reshape(W * n, 2 * F))
    repeat(w.u_bias[b], pair)
    for r in range(2):
        for t in range(3):
            seen = s.ut[b, (i - 1 + r) % 2, t : t + W].reshape(W * n, 2 * F)
            add_product(seen, w.u_leave[b, r, t], pair)
    add_gated(pair, u)
    concat_elu(u, s.ux[b + 1, i % 2, 1 : W + 1].reshape(W * n, 2 * F))


@numba.njit(**JIT)
def beside(w, s, b, i):
    """What block b of ul gets in row i from u and from the row above."""
    W, n, F = s.u.shape
    enter, leave = s.enter[b].reshape(W * n, F), s.leave[b].reshape(W * n, 2 * F)
    repeat(s.for_l[b], enter)
    add_product(s.ux[b + 1, i % 2, 1 : W + 1].reshape(W * n, 2 * F), w.l_beside[b], enter)
    repeat(w.l_bias[b], leave)
    for t in range(2):
        add_product(s.lx[b, t : t + W].reshape(W * n, 2 * F), w.l_enter[b, 0, t], enter)
        add_product(s.lt[b, t : t + W].reshape(W * n, 2 * F), w.l_leave[b, 0, t], leave)


@numba.njit(**JIT)
def stage_pixel(w, s, other, down, how, i, j):
    """ul at pixel (i, j) of a stage; arguments as `stage_row` has them."""
    first = -1
    if how == HALVE:
        halve_pixel(w, other, s, j)
    elif how == DOUBLE:
        double_pixel(w, other, s, i, j)
        first = down.ut.shape[0]
    elif how == TURN:
        repeat(down.now, s.now)
        first = down.ut.shape[0] - 1
    pixel_blocks(w, s, down, first, i, j)


@numba.njit(**JIT)
def end_pixel(edge, s, out):
    """A pixel's parameters, (n, P), from ul of the last stage."""
    elu(s.now, edge.last)
    repeat(edge.bias_end, out)
    add_product(edge.last, edge.w_end, out)


@numba.njit(**JIT)
def start_pixel(edge, s, i, j):
    """The first map of ul at pixel (i, j)."""
    repeat(edge.above[j], s.now)
    if j == 0:  # nothing is to the left, not even a bias
        return
    c = edge.x.shape[3]
    for r in range(s.now.shape[0]):
        for k in range(2 * c):
            edge.near[r, k] = edge.x[i + 1 + k // c, j, r, k % c]
        for k in range(s.now.shape[1]):
            s.now[r, k] += edge.bias[2, k]
    add_product(edge.near, edge.w_left, s.now)


@numba.njit(**JIT)
def halve_pixel(w, finer, s, j):
    """ul of column j of a coarse row, from the finer pixels that end with its own."""
    repeat(w.resize_bias[1], s.now)
    for r in range(2):
        for t in range(2):
            add_product(finer.l_last[(1 + r) % 2, 2 * j + t], w.l_resize[r, t], s.now)


@numba.njit(**JIT)
def double_pixel(w, coarser, s, i, j):
    """ul of pixel (i, j), from the coarse pixel that it lies in."""
    repeat(w.resize_bias[1], s.now)
    add_product(coarser.l_last[i // 2 % 2, j // 2 + 1], w.l_resize[i % 2, j % 2], s.now)


@numba.njit(**JIT)
def pixel_blocks(w, s, d, first, i, j):
    """All blocks of ul at pixel (i, j) of a stage."""
    concat_elu(s.now, s.lx[0, j + 1])
    for b in range(s.lt.shape[0]):
        enter, leave = s.enter[b, j], s.leave[b, j]
        add_product(s.lx[b, j], w.l_enter[b, 1, 0], enter)
        add_product(s.lx[b, j + 1], w.l_enter[b, 1, 1], enter)
        if first >= 0:
            add_product(d.lx[first - b, j + 1], w.l_skip[b], enter)
        concat_elu(enter, s.lt[b, j + 1])
        add_product(s.lt[b, j], w.l_leave[b, 1, 0], leave)
        add_product(s.lt[b, j + 1], w.l_leave[b, 1, 1], leave)
        add_gated(leave, s.now)
        concat_elu(s.now, s.lx[b + 1, j + 1])
    repeat(s.now, s.l_last[i % 2, j + 1])
