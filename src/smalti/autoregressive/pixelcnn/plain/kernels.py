"""The compiled inner loops of PixelCNN's walker; p and levels are padded to whole panels."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from smalti.kernels.rows import (
    JIT,
    add,
    add_product,
    head,
    relu,
    repeat,
    take_left,
    take_windows,
)


class Weights(NamedTuple):
    """Packed (as `kernels.pack` has it), of B blocks. `K/w` counts panels of K."""

    above1: np.ndarray
    """(2p/w, (k // 2) k C, w): the first convolution's window, k wide and k // 2 rows high."""
    left1: np.ndarray
    """(2p/w, T C, w): its T taps to the left, and over itself with colours."""
    bias1: np.ndarray
    """(2p,)"""
    enter: np.ndarray
    """(B, p/w, 2p, w)"""
    bias_enter: np.ndarray
    """(B, p)"""
    above: np.ndarray
    """(B, 3, p/w, p, w)"""
    left: np.ndarray
    """(B, 2, p/w, p, w)"""
    leave: np.ndarray
    """(B, 2p/w, p, w)"""
    bias_leave: np.ndarray
    """(B, 2p)"""
    hidden: np.ndarray
    """(D/w, 2p, w): the head's D features."""
    bias_hidden: np.ndarray
    """(D,)"""
    logits: np.ndarray
    """(C, L/w, D, w)"""
    bias_logits: np.ndarray
    """(C, L)"""

    def of_a_row(self) -> int:
        """Numbers that each pixel of a row is multiplied by, before the row begins."""
        return self.above1.size + self.above.size

    def of_a_pixel(self) -> int:
        """Numbers that each pixel is multiplied by, when it is its turn."""
        return sum(w.size for w in (self.enter, self.left, self.leave, self.hidden, self.logits[0]))


class State(NamedTuple):
    """Of n pictures; places come first, so that a row is one product."""

    x: np.ndarray
    """(k // 2 + H, k // 2 + W + k // 2, n, C): the pictures so far, zeros around."""
    start: np.ndarray
    """(W, n, 2p): what the first convolution gets from above, of this row."""
    inner: np.ndarray
    """(B, 1 + W + 1, n, p): what the 3x3 see, this row up to the pixel, the row above behind it."""
    side: np.ndarray
    """(B, W, n, p): what the 3x3 get from above, of this row."""
    for_side: np.ndarray
    """(B, n, p): the condition and the biases of the 3x3."""
    window: np.ndarray
    """(W, n, (k // 2) k C)"""
    near: np.ndarray
    """(n, T C)"""
    now: np.ndarray
    """(n, 2p): between the blocks."""
    wide: np.ndarray
    """(n, 2p): room to work in."""
    single: np.ndarray
    """(n, p)"""
    middle: np.ndarray
    """(n, D)"""


@numba.njit(**JIT)
def start_row(w, s, i):
    """All that row i gets from the rows above it, once they are put."""
    blocks, W, n, p = s.side.shape
    take_windows(s.x, i, s.window)
    repeat(w.bias1, s.start)
    window = s.window.reshape(W * n, s.window.shape[2])
    add_product(window, w.above1, s.start.reshape(W * n, s.start.shape[2]))
    for b in range(blocks):
        repeat(s.for_side[b], s.side[b])
        for t in range(3):
            seen = s.inner[b, t : t + W].reshape(W * n, p)
            add_product(seen, w.above[b, t], s.side[b].reshape(W * n, p))


@numba.njit(**JIT)
def pixel(w, s, i, j, c, logits):
    """The rest of the network at pixel (i, j), for channel c: logits (n, L).

    Features of later channels are not yet what they will be; no earlier channel's see them.
    """
    take_left(s.x[i + (s.x.shape[1] - s.side.shape[1]) // 2], j, s.near)
    repeat(s.start[j], s.now)
    add_product(s.near, w.left1, s.now)
    for b in range(s.side.shape[0]):
        block(w, s, b, j)
    relu(s.now, s.wide)
    head(w, s.wide, s.middle, c, logits)


@numba.njit(**JIT)
def block(w, s, b, j):
    """A residual block at column j."""
    here, single = s.inner[b, j + 1], s.single
    relu(s.now, s.wide)
    repeat(w.bias_enter[b], here)
    add_product(s.wide, w.enter[b], here)
    relu(here, here)
    repeat(s.side[b, j], single)
    for t in range(2):
        add_product(s.inner[b, j + t], w.left[b, t], single)
    relu(single, single)
    add(w.bias_leave[b], s.now)
    add_product(single, w.leave[b], s.now)
