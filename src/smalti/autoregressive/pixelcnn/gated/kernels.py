"""The compiled inner loops of the Gated PixelCNN's walker; p and levels are padded to panels."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from smalti.kernels.rows import (
    JIT,
    add,
    add_product,
    gate,
    head,
    relu,
    repeat,
    take_left,
    take_windows,
)


class Weights(NamedTuple):
    """Packed (as `kernels.pack` has it); B blocks after the first. `K/w` counts panels of K."""

    above1: np.ndarray
    """(2p/w, (k // 2 + 1) k C, w): the first block's window, k wide and k // 2 + 1 rows high."""
    above: np.ndarray
    """(B, 2, 3, 2p/w, p, w)"""
    bias_above: np.ndarray
    """(B + 1, 2p)"""
    across: np.ndarray
    """(B + 1, 2p/w, 2p, w): from the vertical stack to the horizontal one."""
    left1: np.ndarray
    """(2p/w, T C, w): the first block's T taps to the left, and over itself with colours."""
    left: np.ndarray
    """(B, 2, 2p/w, p, w)"""
    out: np.ndarray
    """(B + 1, p/w, p, w)"""
    bias_out: np.ndarray
    """(B + 1, p)"""
    hidden: np.ndarray
    """(D/w, p, w): the head's D features."""
    bias_hidden: np.ndarray
    """(D,)"""
    logits: np.ndarray
    """(C, L/w, D, w)"""
    bias_logits: np.ndarray
    """(C, L)"""

    def of_a_row(self) -> int:
        """Numbers that each pixel of a row is multiplied by, before the row begins."""
        return self.above1.size + self.above.size + self.across.size

    def of_a_pixel(self) -> int:
        """Numbers that each pixel is multiplied by, when it is its turn."""
        return sum(w.size for w in (self.left1, self.left, self.out, self.hidden, self.logits[0]))


class State(NamedTuple):
    """Of n pictures; places come first, so that a row is one product."""

    x: np.ndarray
    """(k // 2 + 1 + H, k // 2 + W + k // 2, n, C): the pictures so far, zeros around."""
    v: np.ndarray
    """(B + 1, 2, 1 + W + 1, n, p): the vertical stack's last two rows, moved down by one."""
    side: np.ndarray
    """(B + 1, W, n, 2p): what the horizontal stack gets from above, of this row."""
    h: np.ndarray
    """(B + 1, 2, n, p): the horizontal stack's last two columns."""
    for_v: np.ndarray
    """(B + 1, n, 2p): the condition in the vertical gates."""
    for_h: np.ndarray
    """(B + 1, n, 2p): the condition and all biases in the horizontal gates."""
    window: np.ndarray
    """(W, n, (k // 2 + 1) k C)"""
    near: np.ndarray
    """(n, T C)"""
    wide: np.ndarray
    """(W, n, 2p)"""
    pair: np.ndarray
    """(n, 2p)"""
    single: np.ndarray
    """(n, p)"""
    middle: np.ndarray
    """(n, D)"""


@numba.njit(**JIT)
def start_row(w, s, i):
    """The vertical stack of row i, once all rows above it are put."""
    blocks, W, n, p2 = s.side.shape
    wide, h = s.wide.reshape(W * n, p2), s.h.reshape(-1)
    for b in range(blocks):
        repeat(s.for_h[b], s.side[b])
        if i > 0:  # row 0 of the vertical stack stays 0
            repeat(w.bias_above[b], wide)
            add_above(w, s, i, b, wide)
            add_product(wide, w.across[b], s.side[b].reshape(W * n, p2))
            add(s.for_v[b], wide)
            gate(wide, s.v[b, i % 2, 1 : W + 1].reshape(W * n, p2 // 2))
    for k in range(h.size):
        h[k] = 0


@numba.njit(**JIT)
def add_above(w, s, i, b, wide):
    """The convolution of block b's vertical stack, of row i > 0."""
    W, n, p = s.v.shape[2] - 2, s.v.shape[3], s.v.shape[4]
    if b == 0:
        take_windows(s.x, i, s.window)
        add_product(s.window.reshape(W * n, s.window.shape[2]), w.above1, wide)
        return
    for tap in range(6):
        r, t = tap // 3, tap % 3
        seen = s.v[b - 1, (i - 1 + r) % 2, t : t + W].reshape(W * n, p)
        add_product(seen, w.above[b - 1, r, t], wide)


@numba.njit(**JIT)
def pixel(w, s, i, j, c, logits):
    """The horizontal stack and the head at pixel (i, j), for channel c: logits (n, L).

    Features of later channels are not yet what they will be; no earlier channel's see them.
    """
    blocks, side = s.side.shape[0], (s.x.shape[1] - s.side.shape[1]) // 2
    take_left(s.x[i + side + 1], j, s.near)
    for b in range(blocks):
        block(w, s, b, j)
    relu(s.h[blocks - 1, j % 2], s.single)
    head(w, s.single, s.middle, c, logits)


@numba.njit(**JIT)
def block(w, s, b, j):
    """The horizontal half of a block at column j."""
    repeat(s.side[b, j], s.pair)
    here = s.h[b, j % 2]
    repeat(w.bias_out[b], here)
    if b == 0:
        add_product(s.near, w.left1, s.pair)
    else:
        add(s.h[b - 1, j % 2], here)
        for tap in range(2):
            add_product(s.h[b - 1, (j + 1 + tap) % 2], w.left[b - 1, tap], s.pair)
    gate(s.pair, s.single)
    add_product(s.single, w.out[b], here)
