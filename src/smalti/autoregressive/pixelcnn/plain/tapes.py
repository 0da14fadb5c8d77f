"""What a row and a pixel of PixelCNN's walk take; p and levels are padded to whole panels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from smalti.kernels.tape import Tape


class Weights(NamedTuple):
    """Packed (as `panels.pack` has it), of B blocks. `K/w` counts panels of K."""

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
    logits: np.ndarray
    """(n, L)"""


def record_row(tape: Tape, w: Weights, s: State, i: int) -> None:
    """All that row i gets from the rows above it, once they are put."""
    tape.repeat(w.bias1, s.start)
    tape.add_product(s.window, w.above1, s.start)
    blocks, W = s.side.shape[:2]
    for b in range(blocks):
        tape.repeat(s.for_side[b], s.side[b])
        for t in range(3):
            tape.add_product(s.inner[b, t : t + W], w.above[b, t], s.side[b])


def record_pixel(tape: Tape, w: Weights, s: State, j: int) -> None:
    """The rest of the network at column j.

    Features of later channels are not yet what they will be; no earlier channel's see them.
    """
    tape.repeat(s.start[j], s.now)
    tape.add_product(s.near, w.left1, s.now)
    for b in range(len(s.side)):
        here, single = s.inner[b, j + 1], s.single
        tape.relu(s.now, s.wide)
        tape.repeat(w.bias_enter[b], here)
        tape.add_product(s.wide, w.enter[b], here)
        tape.relu(here, here)
        tape.repeat(s.side[b, j], single)
        for t in range(2):
            tape.add_product(s.inner[b, j + t], w.left[b, t], single)
        tape.relu(single, single)
        tape.add(w.bias_leave[b], s.now)
        tape.add_product(single, w.leave[b], s.now)
    tape.relu(s.now, s.wide)
