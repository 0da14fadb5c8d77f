"""The walker of all PixelCNNs: tapes for a row, and tapes for each number.

It keeps what the layers have put out, so that a picture costs about as much as one forward. Its
state is NumPy arrays, its work recorded on tapes; a batch is cut into one part a thread, and
pictures do not depend on the cut.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor

from smalti.autoregressive.order import find_place
from smalti.autoregressive.pixelcnn.head import condition_of
from smalti.autoregressive.pixelcnn.packed_weights import HeadWeights
from smalti.kernels.tape import Tape, record_columns, record_each
from smalti.kernels.threads import at_once, parts_of


class Part(ABC):
    """Some n of the pictures: the memory of their walk, and its tapes."""

    x: np.ndarray
    """(above + H, aside + W + .., n, inputs): the pictures so far, zeros around."""
    out: np.ndarray
    """(n, P): what the network puts out."""
    above: int
    aside: int
    row_cost: int
    """Multiply-adds of a row's beginning."""
    pixel_cost: int
    joint = False
    """Whether one output is of all channels of a pixel."""

    @abstractmethod
    def start_row(self, i: int) -> None:
        """All that row i gets from the rows above it."""

    @abstractmethod
    def go(self, i: int, j: int, c: int) -> None:
        """`out` at one number."""


class Weights(Protocol):
    """Of a network, packed."""

    table: np.ndarray
    """(count, D): what the network is shown of each symbol."""
    columns: np.ndarray
    """(C, D): which of a place's numbers that is, for each channel."""


class RasterWalker:
    """A Walker of n pictures, cut into parts, one a thread."""

    @torch.no_grad()
    def __init__(
        self,
        network: Any,
        w: Weights,
        part: Callable[[Any, Any, tuple[int, int], int, Tensor | None], Part],
        n: int,
        size: tuple[int, int],
        y: Tensor | None,
    ):
        """part: of some pictures, from network, w, size, their number and what they are told."""
        weight = next(network.parameters())
        self.table, self.width = w.table, size[1]
        self.columns = [find_slice(columns) for columns in w.columns]
        self.outputs, self.device = network.config.outputs, weight.device
        y = condition_of(y, network.config.condition, weight.new_zeros(n))
        self.slices = parts_of(n, torch.get_num_threads())
        self.parts = [
            part(network, w, size, s.stop - s.start, None if y is None else y[s])
            for s in self.slices
        ]
        self.row_cost = sum(part.row_cost for part in self.parts)
        self.pixel_cost = sum(part.pixel_cost for part in self.parts)

    def parameters(self, k: int) -> Tensor:
        """(n, outputs) at position k."""
        i, j, c = find_place(k, len(self.columns), self.width)
        if j == c == 0:
            at_once(lambda part: part.start_row(i), self.parts, self.row_cost)
        if c == 0 or not self.parts[0].joint:
            at_once(lambda part: part.go(i, j, c), self.parts, self.pixel_cost)
        out = np.concatenate([part.out[:, : self.outputs] for part in self.parts])
        return torch.from_numpy(out).to(self.device)

    def put(self, k: int, symbols: Tensor) -> None:
        """symbols: (n,) int64."""
        i, j, c = find_place(k, len(self.columns), self.width)
        shown = self.table[symbols.cpu().numpy()]  # (n, D)
        for part, rows in zip(self.parts, self.slices, strict=True):
            part.x[part.above + i, part.aside + j][:, self.columns[c]] = shown[rows]


class StackPart(Part):
    """Of a plain or a gated network: a tape for a row, one for a pixel, and one for each channel.

    Places come first in all memory, so that a row is one product. Sizes are padded to panels.
    """

    def __init__(self, network: Any, w: Any, size: tuple[int, int], n: int):
        """w.above, w.left: the first convolution, packed, over rows above and to the left."""
        c, (H, W) = network.config, size
        self.dtype, self.size, self.n = w.table.dtype, size, n
        self.above, self.aside = w.above.shape[1] // (c.first * c.inputs), c.first // 2
        self.x = self.empty(self.above + H, self.aside + W + self.aside, n, c.inputs)
        self.window = self.empty(W, n, w.above.shape[1])  # what a row's first convolution sees
        self.near = self.empty(n, w.left.shape[1])  # and what a pixel's
        self.taps = self.near.reshape(n, -1, c.inputs)
        self.head: HeadWeights = w.head
        self.features = self.empty(n, self.head.hidden.shape[1])  # what the head sees
        self.middle = self.empty(n, len(self.head.bias_hidden))
        self.out = self.empty(n, self.head.bias_logits.shape[1])

    def empty(self, *shape: int) -> np.ndarray:
        return np.zeros(shape, self.dtype)

    @abstractmethod
    def record_row(self, tape: Tape, i: int) -> None:
        """All that row i gets from the rows above it, from `window` on."""

    @abstractmethod
    def record_pixel(self, tape: Tape, j: int) -> None:
        """The rest of the network at column j, from `near` to `features`.

        Features of later channels are not yet what they will be; no earlier channel's see them.
        """

    def record_head(self, tape: Tape, c: int) -> None:
        """`out` of channel c, from `features` after ReLU."""
        tape.repeat(self.head.bias_hidden, self.middle)
        tape.add_product(self.features, self.head.hidden, self.middle)
        tape.relu(self.middle, self.middle)
        tape.repeat(self.head.bias_logits[c], self.out)
        tape.add_product(self.middle, self.head.logits[c], self.out)

    def record(self) -> None:
        """All tapes, once all memory is made."""
        self.rows = record_each(range(3), self.record_row)  # the first, odd ones and even ones
        self.pixels = record_columns(self.size[1], self.record_pixel)
        self.heads = record_each(range(len(self.head.logits)), self.record_head)
        self.row_cost = self.rows[-1].cost
        self.pixel_cost = self.pixels[0].cost + self.heads[0].cost

    def start_row(self, i: int) -> None:
        take_windows(self.x, i, self.window)
        self.rows[i and 2 - i % 2].play()

    def go(self, i: int, j: int, c: int) -> None:
        seen = self.x[self.above + i, j : j + self.taps.shape[1]]  # (taps, n, inputs)
        self.taps[...] = seen.swapaxes(0, 1)
        self.pixels[j].play()
        self.heads[c].play()


def find_slice(columns: np.ndarray) -> slice | np.ndarray:
    """Columns one behind the other as a slice, which is the faster."""
    start, end = columns[0], columns[-1] + 1
    return slice(start, end) if end - start == len(columns) else columns


def record_taps(tape: Tape, x: np.ndarray, w: np.ndarray, out: np.ndarray, i: int) -> None:
    """out (W, n, O) += the 2x3 convolution of x (2, 1 + W + 1, n, K) of rows i - 1 and i."""
    for tap in range(6):
        r, t = tap // 3, tap % 3
        tape.add_product(x[(i - 1 + r) % 2, t : t + len(out)], w[r, t], out)


def take_windows(x: np.ndarray, i: int, window: np.ndarray) -> None:
    """Of row i of windows, each k wide, over a padded x (.., W + k - 1, n, C): (W, n, rows k C)."""
    W, n, size = window.shape
    k, C = x.shape[1] - W + 1, x.shape[3]
    rows = size // (k * C)
    seen = sliding_window_view(x[i : i + rows], k, 1)  # (rows, W, n, C, k)
    window.reshape(W, n, rows, k, C)[...] = seen.transpose(1, 2, 0, 4, 3)
