"""The Gated PixelCNN's walker: vertical stack once per row, horizontal stack once per pixel.

B blocks of p features, padded to whole panels; `K/w` counts panels of K (`panels.pack_panels`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from smalti.autoregressive.pixelcnn.gated.network import GatedPixelCNN
from smalti.autoregressive.pixelcnn.packed_weights import (
    HeadWeights,
    fold_norm,
    pack_taps,
    pack_window,
    pad_to_panels,
    read_symbol_table,
)
from smalti.autoregressive.pixelcnn.raster_walker import StackChunkWalker, record_conv
from smalti.kernels.tape import Tape


class GatedWeights:
    """Packed weights of a network, and its input for each symbol."""

    def __init__(self, network: GatedPixelCNN, values: Tensor | None):
        self.table, self.columns = read_symbol_table(network, values)
        self.head = HeadWeights(network.head, self.table.dtype)
        self.blocks = [BlockWeights(block, self.table.dtype) for block in network.blocks]
        self.above, self.left = self.blocks[0].above, self.blocks[0].left


class BlockWeights:
    """Packed weights of a block; in the first one `above` and `left` cover the full window."""

    def __init__(self, block: Any, dtype: np.dtype):
        norm1, norm2, norm3, norm4 = block.norms
        above, bias_above = fold_norm(block.v_conv, norm1)
        across, bias_across = fold_norm(block.v_to_h, norm2)
        left, bias_left = fold_norm(block.h_conv, norm3)
        out, bias_out = fold_norm(block.h_out, norm4)
        if block.first:
            self.above = pack_window(above, dtype, 2)  # (2p/w, (k // 2 + 1) k C, w)
            self.left = pack_window(left, dtype, 2)  # (2p/w, T C, w), of T taps
        else:
            self.above = pack_taps(above, dtype, 1, 2)  # (2, 3, 2p/w, p, w)
            self.left = pack_taps(left[0], dtype, 1, 2)  # (2, 2p/w, p, w)
        self.bias_above = pad_to_panels(bias_above, dtype, -1, 2)  # (2p,)
        self.across = pack_taps(across[0, 0], dtype, 2, 2)  # (2p/w, 2p, w): between the stacks
        self.out = pack_taps(out[0, 0], dtype)  # (p/w, p, w)
        self.bias_out = pad_to_panels(bias_out, dtype)  # (p,)
        self.condition = block.condition
        self.bias_side = bias_across + bias_left  # in float64, not padded

    def compute_biases(self, n: int, y: Tensor | None) -> tuple[np.ndarray, np.ndarray]:
        """Sum biases and conditions of the vertical and horizontal gate: (n, 2p) each.

        Or (W, n, 2p) of a map's row. y: (n, D), or (W, n, D).
        """
        for_h = self.bias_side.expand(n, -1)
        for_v = torch.zeros_like(for_h)
        if y is not None:
            for_v, more = self.condition(y).cpu().double().chunk(2, dim=-1)
            for_h = for_h + more
        dtype = self.bias_out.dtype
        return pad_to_panels(for_v, dtype, -1, 2), pad_to_panels(for_h, dtype, -1, 2)


class GatedChunkWalker(StackChunkWalker):
    """Walks n pictures."""

    alternates = True

    def __init__(
        self,
        network: GatedPixelCNN,
        w: GatedWeights,
        size: tuple[int, int],
        n: int,
        y: Tensor | None,
    ):
        super().__init__(network, w, size, n, y)
        B, W, p = len(w.blocks), size[1], len(w.blocks[0].bias_out)
        self.v = self.allocate(B, 2, 1 + W + 1, n, p)  # the vertical stack's last two rows, shifted
        self.h = self.allocate(B, 2, n, p)  # the horizontal stack's last two columns
        self.side = self.allocate(B, W, n, 2 * p)  # its sums from above, this row
        self.wide, self.pair = (
            self.allocate(W, n, 2 * p),
            self.allocate(n, 2 * p),
        )  # workspace
        self.record_tapes()

    def record_row(self, tape: Tape, i: int) -> None:
        """Record the vertical stack of row i, once all rows above are set."""
        W = self.size[1]
        tape.repeat(np.zeros_like(self.features), self.h)
        for b, (w, (for_v, for_h)) in enumerate(zip(self.blocks, self.biases, strict=True)):
            tape.repeat(for_h, self.side[b])
            if i == 0:  # row 0 of the vertical stack stays 0
                continue
            tape.repeat(w.bias_above, self.wide)
            if b == 0:
                tape.add_product(self.row_window, w.above, self.wide)
            else:
                record_conv(tape, self.v[b - 1], w.above, self.wide, i)
            tape.add_product(self.wide, w.across, self.side[b])
            tape.add(for_v, self.wide)
            tape.gate(self.wide, self.v[b, i % 2, 1 : W + 1])

    def record_pixel(self, tape: Tape, j: int) -> None:
        """Record the horizontal stack at column j."""
        for b, w in enumerate(self.blocks):
            h, h_in = self.h[b, j % 2], self.h[b - 1]
            tape.repeat(self.side[b, j], self.pair)
            tape.repeat(w.bias_out, h)
            if b == 0:
                tape.add_product(self.pixel_window, w.left, self.pair)
            else:
                tape.add(h_in[j % 2], h)
                for t in range(2):
                    tape.add_product(h_in[(j + 1 + t) % 2], w.left[t], self.pair)
            tape.gate(self.pair, self.features)
            tape.add_product(self.features, w.out, h)
        tape.relu(self.h[-1, j % 2], self.features)
