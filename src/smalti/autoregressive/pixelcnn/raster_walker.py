"""The walker of all PixelCNNs: tapes for a row, and tapes for each symbol.

It caches the layers' outputs, so that a picture costs about as much as one forward pass. Its state
is NumPy arrays, its work is recorded on tapes; a batch is split into one chunk per thread, and
pictures do not depend on the split.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor

from smalti.autoregressive.pixelcnn.head import to_condition_input
from smalti.autoregressive.pixelcnn.packed_weights import HeadWeights
from smalti.autoregressive.raster_order import unravel_position
from smalti.kernels.tape import Tape, record_column_tapes, record_tapes
from smalti.kernels.threads import run_in_threads, split_batch


class ChunkWalker(ABC):
    """State and tapes for a chunk of n pictures."""

    x: np.ndarray
    """(pad_top + H, pad_left + W + .., n, inputs): the pictures so far, zero padded."""
    out: np.ndarray
    """(n, P): the network's output."""
    pad_top: int
    pad_left: int
    row_cost: int
    """Multiply-adds of starting a row."""
    pixel_cost: int
    joint = False
    """Whether one output covers all channels of a pixel."""

    @abstractmethod
    def start_row(self, i: int) -> None:
        """Compute the contributions to row i from the rows above."""

    @abstractmethod
    def compute_pixel(self, i: int, j: int, c: int) -> None:
        """Compute `out` at one symbol."""


class PackedWeights(Protocol):
    """Packed weights of a network."""

    table: np.ndarray
    """(K, D): the network's input for each symbol."""
    columns: np.ndarray
    """(C, D): its input features at a pixel, for each channel."""


class RasterWalker:
    """A Walker of n pictures, split into one chunk per thread."""

    @torch.no_grad()
    def __init__(
        self,
        network: Any,
        w: PackedWeights,
        build_chunk: Callable[[Any, Any, tuple[int, int], int, Tensor | None], ChunkWalker],
        n: int,
        size: tuple[int, int],
        y: Tensor | None,
    ):
        """build_chunk: builds a chunk from network, w, size, number of pictures and conditions."""
        weight = next(network.parameters())
        self.table, self.width = w.table, size[1]
        self.columns = [to_slice(columns) for columns in w.columns]
        self.outputs, self.device = network.config.outputs, weight.device
        y = to_condition_input(y, network.config.condition_width, weight.new_zeros(n, 1, *size))
        self.slices = split_batch(n, torch.get_num_threads())
        self.chunks = [
            build_chunk(network, w, size, s.stop - s.start, None if y is None else y[s])
            for s in self.slices
        ]
        self.row_cost = sum(part.row_cost for part in self.chunks)
        self.pixel_cost = sum(part.pixel_cost for part in self.chunks)

    def predict(self, k: int) -> Tensor:
        """Predict the parameters (n, outputs) at position k."""
        i, j, c = unravel_position(k, len(self.columns), self.width)
        if j == c == 0:
            run_in_threads(lambda part: part.start_row(i), self.chunks, self.row_cost)
        if c == 0 or not self.chunks[0].joint:
            run_in_threads(lambda part: part.compute_pixel(i, j, c), self.chunks, self.pixel_cost)
        out = np.concatenate([part.out[:, : self.outputs] for part in self.chunks])
        return torch.from_numpy(out).to(self.device)

    def set_symbols(self, k: int, symbols: Tensor) -> None:
        """Set symbols (n,) int64 at position k."""
        i, j, c = unravel_position(k, len(self.columns), self.width)
        features = self.table[symbols.cpu().numpy()]  # (n, D)
        for part, rows in zip(self.chunks, self.slices, strict=True):
            part.x[part.pad_top + i, part.pad_left + j][:, self.columns[c]] = features[rows]


class StackChunkWalker(ChunkWalker):
    """Chunks of plain and gated networks: tapes per row, per pixel and per channel.

    Positions are the leading axis of all arrays, so that a row is one product. Sizes are padded to
    panels.
    """

    alternates: bool
    """Whether rows take turns with two arrays, and columns too."""

    def __init__(self, network: Any, w: Any, size: tuple[int, int], n: int, y: Tensor | None):
        """w.above, w.left: the packed first convolution, over rows above and to the left."""
        self.blocks, self.y = w.blocks, y
        self.biases = [block.compute_biases(n, take_row(y, 0)) for block in w.blocks]
        c, (H, W) = network.config, size
        self.dtype, self.size, self.n = w.table.dtype, size, n
        self.pad_top, self.pad_left = (
            w.above.shape[1] // (c.first_kernel_size * c.inputs),
            c.first_kernel_size // 2,
        )
        self.x = self.allocate(self.pad_top + H, self.pad_left + W + self.pad_left, n, c.inputs)
        self.row_window = self.allocate(
            W, n, w.above.shape[1]
        )  # input of a row's first convolution
        self.pixel_window = self.allocate(n, w.left.shape[1])  # and of a pixel's
        self.taps = self.pixel_window.reshape(n, -1, c.inputs)
        self.head: HeadWeights = w.head
        self.features = self.allocate(n, self.head.hidden.shape[1])  # input of the head
        self.hidden = self.allocate(n, len(self.head.bias_hidden))
        self.out = self.allocate(n, self.head.bias_logits.shape[1])

    def allocate(self, *shape: int) -> np.ndarray:
        return np.zeros(shape, self.dtype)

    @abstractmethod
    def record_row(self, tape: Tape, i: int) -> None:
        """Record the contributions to row i from the rows above, starting from `row_window`."""

    @abstractmethod
    def record_pixel(self, tape: Tape, j: int) -> None:
        """Record the rest of the network at column j, from `pixel_window` to `features`.

        Features of later channels are not final yet; earlier channels do not depend on them.
        """

    def record_head(self, tape: Tape, c: int) -> None:
        """Record `out` of channel c, from `features` after ReLU."""
        tape.repeat(self.head.bias_hidden, self.hidden)
        tape.add_product(self.features, self.head.hidden, self.hidden)
        tape.relu(self.hidden, self.hidden)
        tape.repeat(self.head.bias_logits[c], self.out)
        tape.add_product(self.hidden, self.head.logits[c], self.out)

    def record_tapes(self) -> None:
        """Record all tapes, once all arrays are allocated."""
        kinds, period = (3, 2) if self.alternates else (1, 1)
        self.rows = record_tapes(range(kinds), self.record_row)  # the first, odd and even rows
        self.pixels = record_column_tapes(self.size[1], self.record_pixel, period)
        self.heads = record_tapes(range(len(self.head.logits)), self.record_head)
        self.row_cost = self.rows[-1].cost
        self.pixel_cost = self.pixels[0].cost + self.heads[0].cost

    def start_row(self, i: int) -> None:
        if self.y is not None and self.y.ndim == 4:  # biases that differ from row to row
            for block, biases in zip(self.blocks, self.biases, strict=True):
                for bias, new in zip(
                    biases, block.compute_biases(self.n, take_row(self.y, i)), strict=True
                ):
                    bias[...] = new
        copy_windows(self.x, i, self.row_window)
        self.rows[(i and 2 - i % 2) % len(self.rows)].play()

    def compute_pixel(self, i: int, j: int, c: int) -> None:
        window = self.x[self.pad_top + i, j : j + self.taps.shape[1]]  # (taps, n, inputs)
        self.taps[...] = window.swapaxes(0, 1)
        self.pixels[j].play()
        self.heads[c].play()


def take_row(y: Tensor | None, i: int) -> Tensor | None:
    """Take row i of a condition map (n, D, H, W) as (W, n, D); a vector is every row's."""
    return y if y is None or y.ndim == 2 else y[:, :, i].permute(2, 0, 1)


def to_slice(columns: np.ndarray) -> slice | np.ndarray:
    """Return consecutive columns as a slice, which is faster."""
    start, end = columns[0], columns[-1] + 1
    return slice(start, end) if end - start == len(columns) else columns


def record_conv(tape: Tape, x: np.ndarray, w: np.ndarray, out: np.ndarray, i: int) -> None:
    """Record out (W, n, O) += the 2x3 convolution of x (2, 1 + W + 1, n, K) of rows i - 1 and i."""
    for tap in range(6):
        r, t = tap // 3, tap % 3
        tape.add_product(x[(i - 1 + r) % 2, t : t + len(out)], w[r, t], out)


def copy_windows(x: np.ndarray, i: int, window: np.ndarray) -> None:
    """Copy row i of the k-wide windows of a padded x (.., W + k - 1, n, C): (W, n, rows k C)."""
    W, n, size = window.shape
    k, C = x.shape[1] - W + 1, x.shape[3]
    rows = size // (k * C)
    windows = sliding_window_view(x[i : i + rows], k, 1)  # (rows, W, n, C, k)
    window.reshape(W, n, rows, k, C)[...] = windows.transpose(1, 2, 0, 4, 3)
