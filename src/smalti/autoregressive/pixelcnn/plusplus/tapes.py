"""What a row and a pixel of PixelCNN++'s walk take; F is the filters, padded to whole panels.

A stage is one way through the blocks of one scale: stages 0 .. S-1 go down, S+k is the way up at
scale k. E(x) is concat-ELU, [elu(x), elu(-x)]. What a block sees of its own row's past and of the
rows above lies in rows of places, so that all that comes from above is one product a row.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from smalti.kernels.tape import Tape


class RowWeights(NamedTuple):
    """What a row of a stage of B blocks takes, packed by `panels.pack`: (..., O/w, K, w)."""

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
    out: np.ndarray
    """(n, P)"""


START, HALVE, DOUBLE, TURN = 0, 1, 2, 3
"""How a stage begins: by the picture, the finer scale, the coarser one, or the way down's end."""


def record_start_row(tape: Tape, edge: Edge, u: np.ndarray) -> None:
    """The first maps of a row below the first: of u, and what ul gets from above."""
    tape.repeat(edge.bias[0], u)
    tape.add_product(edge.window, edge.w_u, u)
    tape.repeat(edge.bias[1], edge.above)
    tape.add_product(edge.window, edge.w_above, edge.above)


def record_row(
    tape: Tape,
    w: RowWeights,
    s: RowState,
    p: PixelState,
    source: np.ndarray,
    skips: np.ndarray,
    how: int,
    i: int,
) -> None:
    """u of row i of a stage, and what ul gets from it and from the row above; repeats after 4 rows.

    It begins with `source`, the `last` of the stage before. On the way up `skips` is the `x` of the
    way down: block b takes the input B - 1 - b.
    """
    W = len(s.now)
    if how == HALVE:
        record_halving(tape, w, source, s.now)
    elif how == DOUBLE:
        record_doubling(tape, w, source, s.now, i)
    elif how == TURN:
        tape.repeat(source[i % 2, 1 : W + 1], s.now)
    tape.concat_elu(s.now, s.x[0, i % 2, 1 : W + 1])
    for b in range(len(s.t)):
        skip = skips[len(w.skip) - 1 - b, i % 2, 1 : W + 1] if len(w.skip) else None
        record_row_block(tape, w, s, skip, b, i)
        tape.repeat(s.for_l[b], p.enter[b])
        tape.add_product(s.x[b + 1, i % 2, 1 : W + 1], w.beside[b], p.enter[b])
        tape.repeat(w.l_bias[b], p.leave[b])
        for t in range(2):  # the upper halves of 2x2 convolutions
            tape.add_product(p.x[b, t : t + W], w.l_enter[b, t], p.enter[b])
            tape.add_product(p.t[b, t : t + W], w.l_leave[b, t], p.leave[b])
    tape.repeat(s.now, s.last[i % 2, 1 : W + 1])


def record_row_block(
    tape: Tape, w: RowWeights, s: RowState, skip: np.ndarray | None, b: int, i: int
) -> None:
    """Block b of u in row i."""
    W = len(s.now)
    tape.repeat(s.for_u[b], s.wide)
    record_taps(tape, s.x[b], w.enter[b], s.wide, i)
    if skip is not None:
        tape.add_product(skip, w.skip[b], s.wide)
    tape.concat_elu(s.wide, s.t[b, i % 2, 1 : W + 1])
    tape.repeat(w.bias[b], s.pair)
    record_taps(tape, s.t[b], w.leave[b], s.pair, i)
    tape.add_gated(s.pair, s.now)
    tape.concat_elu(s.now, s.x[b + 1, i % 2, 1 : W + 1])


def record_taps(tape: Tape, x: np.ndarray, w: np.ndarray, out: np.ndarray, i: int) -> None:
    """out (W, n, O) += the 2x3 convolution of x (2, 1 + W + 1, n, K) of rows i - 1 and i."""
    for tap in range(6):
        r, t = tap // 3, tap % 3
        tape.add_product(x[(i - 1 + r) % 2, t : t + len(out)], w[r, t], out)


def record_halving(tape: Tape, w: RowWeights, finer: np.ndarray, u: np.ndarray) -> None:
    """u of a coarse row, from the two rows of the finer scale that end with its own."""
    tape.repeat(w.resize_bias, u)
    for j in range(len(u)):
        for tap in range(6):
            r, t = tap // 3, tap % 3
            tape.add_product(finer[(1 + r) % 2, 2 * j + t], w.resize[r, t], u[j])


def record_doubling(tape: Tape, w: RowWeights, coarser: np.ndarray, u: np.ndarray, i: int) -> None:
    """u of row i, from the coarse row that it lies in."""
    tape.repeat(w.resize_bias, u)
    for j in range(len(u)):
        for more in range(1 + j % 2):  # an odd column lies between two
            tap = 0 if more else 1 + j % 2
            tape.add_product(coarser[i // 2 % 2, j // 2 + 1 + more], w.resize[i % 2, tap], u[j])


def record_start_pixel(tape: Tape, edge: Edge, ul: np.ndarray, j: int) -> None:
    """The first map of ul at column j."""
    tape.repeat(edge.above[j], ul)
    if j > 0:  # else nothing is to the left, not even a bias
        tape.add(edge.bias[2], ul)
        tape.add_product(edge.near, edge.w_left, ul)


def record_pixel(
    tape: Tape,
    w: PixelWeights,
    p: PixelState,
    source: np.ndarray,
    skips: np.ndarray,
    how: int,
    i: int,
    j: int,
) -> None:
    """ul at pixel (i, j) of a stage; arguments as `record_row` has them."""
    if how == HALVE:  # from the finer pixels that end with its own
        tape.repeat(w.resize_bias, p.now)
        for tap in range(4):
            r, t = tap // 2, tap % 2
            tape.add_product(source[(1 + r) % 2, 2 * j + t], w.resize[r, t], p.now)
    elif how == DOUBLE:  # from the coarse pixel that it lies in
        tape.repeat(w.resize_bias, p.now)
        tape.add_product(source[i // 2 % 2, j // 2 + 1], w.resize[i % 2, j % 2], p.now)
    elif how == TURN:
        tape.repeat(source[i % 2, j + 1], p.now)
    tape.concat_elu(p.now, p.x[0, j + 1])
    for b in range(len(p.t)):
        enter, leave = p.enter[b, j], p.leave[b, j]
        for t in range(2):  # the lower half of a 2x2 convolution
            tape.add_product(p.x[b, j + t], w.enter[b, t], enter)
        if len(w.skip):
            tape.add_product(skips[len(w.skip) - 1 - b, j + 1], w.skip[b], enter)
        tape.concat_elu(enter, p.t[b, j + 1])
        for t in range(2):
            tape.add_product(p.t[b, j + t], w.leave[b, t], leave)
        tape.add_gated(leave, p.now)
        tape.concat_elu(p.now, p.x[b + 1, j + 1])
    tape.repeat(p.now, p.last[i % 2, j + 1])


def record_end_pixel(tape: Tape, edge: Edge, ul: np.ndarray) -> None:
    """A pixel's parameters, from ul (n, F) of the last stage."""
    tape.elu(ul, edge.last)
    tape.repeat(edge.bias_end, edge.out)
    tape.add_product(edge.last, edge.w_end, edge.out)
