"""What a row and a pixel of the Gated PixelCNN's walk take; p and levels are padded to panels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from smalti.kernels.tape import Tape


class Weights(NamedTuple):
    """Packed (as `panels.pack` has it); B blocks after the first. `K/w` counts panels of K."""

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
    logits: np.ndarray
    """(n, L)"""


def record_row(tape: Tape, w: Weights, s: State, i: int) -> None:
    """The vertical stack of row i, once all rows above it are put."""
    blocks, W = s.side.shape[:2]
    tape.repeat(np.zeros_like(s.single), s.h)
    for b in range(blocks):
        tape.repeat(s.for_h[b], s.side[b])
        if i > 0:  # row 0 of the vertical stack stays 0
            tape.repeat(w.bias_above[b], s.wide)
            record_above(tape, w, s, i, b)
            tape.add_product(s.wide, w.across[b], s.side[b])
            tape.add(s.for_v[b], s.wide)
            tape.gate(s.wide, s.v[b, i % 2, 1 : W + 1])


def record_above(tape: Tape, w: Weights, s: State, i: int, b: int) -> None:
    """The convolution of block b's vertical stack, of row i > 0."""
    if b == 0:
        tape.add_product(s.window, w.above1, s.wide)
        return
    W = len(s.wide)
    for tap in range(6):
        r, t = tap // 3, tap % 3
        tape.add_product(s.v[b - 1, (i - 1 + r) % 2, t : t + W], w.above[b - 1, r, t], s.wide)


def record_pixel(tape: Tape, w: Weights, s: State, j: int) -> None:
    """The horizontal stack at column j.

    Features of later channels are not yet what they will be; no earlier channel's see them.
    """
    for b in range(len(s.side)):
        here = s.h[b, j % 2]
        tape.repeat(s.side[b, j], s.pair)
        tape.repeat(w.bias_out[b], here)
        if b == 0:
            tape.add_product(s.near, w.left1, s.pair)
        else:
            tape.add(s.h[b - 1, j % 2], here)
            for tap in range(2):
                tape.add_product(s.h[b - 1, (j + 1 + tap) % 2], w.left[b - 1, tap], s.pair)
        tape.gate(s.pair, s.single)
        tape.add_product(s.single, w.out[b], here)
    tape.relu(here, s.single)
