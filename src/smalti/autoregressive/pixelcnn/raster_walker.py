"""The walker of plain and gated networks: one tape a row, and one for each number.

It keeps what the layers have put out, so that a picture costs about as much as one forward. Its
state is NumPy arrays, its work recorded on tapes; a batch is cut into one part a thread, and
pictures do not depend on the cut.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor

from smalti.kernels.tape import Tape
from smalti.kernels.threads import at_once, parts_of


class Part(NamedTuple):
    """Some of the pictures, and the tapes of their walk."""

    x: np.ndarray
    """(above + H, aside + W + aside, n, C D): the pictures so far, zeros around."""
    window: np.ndarray
    """(W, n, rows k C D): what a row's first convolution sees above it."""
    near: np.ndarray
    """(n, taps C D): what a pixel's sees to its left."""
    logits: np.ndarray
    """(n, L): what the head puts out."""
    rows: list[Tape]
    """Of the first row, of odd ones and of even ones."""
    pixels: list[Tape]
    """Of each column, up to the head."""
    heads: list[Tape]
    """Of each channel."""


class RasterWalker:
    """A Walker of n pictures, cut into one part a thread, each as `record` makes it.

    table (count, D): what the network is shown of each symbol.
    """

    def __init__(
        self,
        record: Callable[[slice], Part],
        weights: Any,
        table: np.ndarray,
        n: int,
        size: tuple[int, int],
        outputs: int,
        device: torch.device,
    ):
        self.table, self.outputs, self.device = table, outputs, device
        self.slices = parts_of(n, torch.get_num_threads())
        self.parts = [record(part) for part in self.slices]
        rows, columns, _, depth = self.parts[0].x.shape
        self.above, self.aside = rows - size[0], (columns - size[1]) // 2
        self.width, self.channels = size[1], depth // table.shape[1]
        self.row_cost = n * size[1] * weights.of_a_row()
        self.pixel_cost = n * weights.of_a_pixel()

    def parameters(self, k: int) -> Tensor:
        """(n, outputs) at position k."""
        i, j, c = self.find_place(k)
        if j == c == 0:
            at_once(lambda part: start_row(part, i), self.parts, self.row_cost)
        at_once(lambda part: self.go(part, i, j, c), self.parts, self.pixel_cost)
        logits = np.concatenate([part.logits[:, : self.outputs] for part in self.parts])
        return torch.from_numpy(logits).to(self.device)

    def go(self, part: Part, i: int, j: int, c: int) -> None:
        """One number of a part's pictures."""
        n, depth = part.x.shape[2:]
        near = part.near.reshape(n, -1, depth)  # (n, taps, C D)
        near[...] = part.x[self.above + i, j : j + near.shape[1]].swapaxes(0, 1)
        part.pixels[j].play()
        part.heads[c].play()

    def put(self, k: int, symbols: Tensor) -> None:
        """symbols: (n,) int64."""
        (i, j, c), D = self.find_place(k), self.table.shape[1]
        shown = self.table[symbols.cpu().numpy()]  # (n, D)
        for part, rows in zip(self.parts, self.slices, strict=True):
            part.x[self.above + i, self.aside + j, :, c * D : (c + 1) * D] = shown[rows]

    def find_place(self, k: int) -> tuple[int, int, int]:
        """Row, column and channel of position k."""
        C, W = self.channels, self.width
        return k // (W * C), k // C % W, k % C


def start_row(part: Part, i: int) -> None:
    """All that row i of a part's pictures gets from the rows above it."""
    take_windows(part.x, i, part.window)
    part.rows[i and 2 - i % 2].play()


def take_windows(x: np.ndarray, i: int, window: np.ndarray) -> None:
    """Of row i of windows, each k wide, over a padded x (.., W + k - 1, n, C): (W, n, rows k C)."""
    W, n, size = window.shape
    k, C = x.shape[1] - W + 1, x.shape[3]
    rows = size // (k * C)
    seen = sliding_window_view(x[i : i + rows], k, 1)  # (rows, W, n, C, k)
    window.reshape(W, n, rows, k, C)[...] = seen.transpose(1, 2, 0, 4, 3)


def record_head(tape: Tape, w: Any, x: np.ndarray, s: Any, c: int) -> None:
    """The logits of channel c from features after ReLU, x (n, K)."""
    tape.repeat(w.bias_hidden, s.middle)
    tape.add_product(x, w.hidden, s.middle)
    tape.relu(s.middle, s.middle)
    tape.repeat(w.bias_logits[c], s.logits)
    tape.add_product(s.middle, w.logits[c], s.logits)
