"""PixelCNN's walker: contributions from above once per row, the rest once per pixel.

B blocks of p features, padded to whole panels; `K/w` counts panels of K (`panels.pack_panels`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from smalti.autoregressive.pixelcnn.packed_weights import (
    HeadWeights,
    fold_norm,
    pack_taps,
    pack_window,
    pad_to_panels,
    read_symbol_table,
)
from smalti.autoregressive.pixelcnn.plain.network import PixelCNN
from smalti.autoregressive.pixelcnn.raster_walker import StackChunkWalker
from smalti.kernels.tape import Tape


class PlainWeights:
    """Packed weights of a network, and its input for each symbol."""

    def __init__(self, network: PixelCNN, values: Tensor | None):
        self.table, self.columns = read_symbol_table(network, values)
        dtype = self.table.dtype
        above, _ = fold_norm(network.conv1.above, network.norm1)
        left, bias = fold_norm(network.conv1.row, network.norm1)
        self.above = pack_window(above, dtype)  # (2p/w, (k // 2) k C, w)
        self.left = pack_window(left, dtype)  # (2p/w, T C, w): T taps, over itself with colors
        self.bias = pad_to_panels(bias, dtype)  # (2p,)
        self.blocks = [BlockWeights(block, dtype) for block in network.blocks]
        self.head = HeadWeights(network.head, dtype)


class BlockWeights:
    """Packed weights of a block."""

    def __init__(self, block: Any, dtype: np.dtype):
        norm1, norm2, norm3 = block.norms
        enter, bias_enter = fold_norm(block.conv1, norm1)
        above, _ = fold_norm(block.conv2.above, norm2)
        left, self.bias_side = fold_norm(block.conv2.row, norm2)  # (p,) in float64, not padded
        leave, bias_leave = fold_norm(block.conv3, norm3)
        self.enter = pack_taps(enter[0, 0], dtype)  # (p/w, 2p, w)
        self.bias_enter = pad_to_panels(bias_enter, dtype)  # (p,)
        self.above = pack_taps(above[0], dtype)  # (3, p/w, p, w)
        self.left = pack_taps(left[0], dtype)  # (2, p/w, p, w)
        self.leave = pack_taps(leave[0, 0], dtype)  # (2p/w, p, w)
        self.bias_leave = pad_to_panels(bias_leave, dtype)  # (2p,)
        self.condition = block.condition

    def compute_biases(self, n: int, y: Tensor | None) -> tuple[np.ndarray]:
        """Sum the bias and condition of the 3x3 for n pictures: (n, p).

        Or (W, n, p) of a map's row. y: (n, D), or (W, n, D).
        """
        biases = self.bias_side.expand(n, -1)
        biases = biases if y is None else biases + self.condition(y).cpu().double()
        return (pad_to_panels(biases, self.bias_enter.dtype),)


class PlainChunkWalker(StackChunkWalker):
    """Walks n pictures."""

    alternates = False

    def __init__(
        self, network: PixelCNN, w: PlainWeights, size: tuple[int, int], n: int, y: Tensor | None
    ):
        super().__init__(network, w, size, n, y)
        self.weights = w
        B, W, wide = len(w.blocks), size[1], len(w.bias)
        p = len(w.blocks[0].bias_enter) if B else 0
        self.start = self.allocate(W, n, wide)  # the first convolution's sums from above
        self.side = self.allocate(B, W, n, p)  # the 3x3s' sums from above, this row
        self.inner = self.allocate(
            B, 1 + W + 1, n, p
        )  # their inputs; past the pixel, the row above
        self.now, self.single = (
            self.allocate(n, wide),
            self.allocate(n, p),
        )  # between the blocks, inside
        self.record_tapes()

    def record_row(self, tape: Tape, i: int) -> None:
        W = self.size[1]
        tape.repeat(self.weights.bias, self.start)
        tape.add_product(self.row_window, self.weights.above, self.start)
        for w, (biases,), inner, side in zip(
            self.blocks, self.biases, self.inner, self.side, strict=True
        ):
            tape.repeat(biases, side)
            for t in range(3):
                tape.add_product(inner[t : t + W], w.above[t], side)

    def record_pixel(self, tape: Tape, j: int) -> None:
        tape.repeat(self.start[j], self.now)
        tape.add_product(self.pixel_window, self.weights.left, self.now)
        for w, inner, side in zip(self.blocks, self.inner, self.side, strict=True):
            h, single = inner[j + 1], self.single
            tape.relu(self.now, self.features)
            tape.repeat(w.bias_enter, h)
            tape.add_product(self.features, w.enter, h)
            tape.relu(h, h)
            tape.repeat(side[j], single)
            for t in range(2):
                tape.add_product(inner[j + t], w.left[t], single)
            tape.relu(single, single)
            tape.add(w.bias_leave, self.now)
            tape.add_product(single, w.leave, self.now)
        tape.relu(self.now, self.features)
