"""PixelCNN++'s walker: u once per row, ul once per pixel, coarse scales only when due."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from smalti.autoregressive.pixelcnn.packed_weights import (
    choose_dtype,
    pack_taps,
    pack_window,
    pad_to_panels,
)
from smalti.autoregressive.pixelcnn.plusplus.network import PixelCNNPlusPlus, pool_condition
from smalti.autoregressive.pixelcnn.plusplus.stage import (
    Stage,
    StageWeights,
    read_bias,
    read_taps,
)
from smalti.autoregressive.pixelcnn.raster_walker import ChunkWalker, copy_windows
from smalti.core.errors import UserError
from smalti.kernels.tape import Tape, record_tapes


class PlusPlusWeights:
    """Packed weights of a network, and its input for each symbol.

    F is the filters, padded to whole panels; c is the input features of a pixel plus a constant 1.
    """

    def __init__(self, network: PixelCNNPlusPlus, values: Tensor | None):
        self.table, self.columns = read_symbol_table(network, values)
        dtype = self.table.dtype
        self.stages = [StageWeights(network, at, dtype) for at in range(2 * network.config.scales)]
        above = read_taps(network.ul_above)  # (1, 3, ..)
        self.u = pack_window(read_taps(network.u_start), dtype)  # (F/w, 6c, w)
        self.above = pack_window(torch.cat([0 * above, above]), dtype)  # its upper row is 0
        self.left = pack_window(read_taps(network.ul_left), dtype)  # (F/w, 2c, w)
        start = (network.u_start, network.ul_above, network.ul_left)
        self.bias = pad_to_panels(torch.stack([read_bias(conv) for conv in start]), dtype)  # (3, F)
        self.end = pack_taps(read_taps(network.end)[0, 0], dtype)  # (P/w, F, w)
        self.bias_end = pad_to_panels(read_bias(network.end), dtype)  # (P,)


def read_symbol_table(
    network: PixelCNNPlusPlus, values: Tensor | None
) -> tuple[np.ndarray, np.ndarray]:
    """Read the network input of each symbol, value and embedding: (K, 1 + D).

    Also its input features at a pixel, for each channel; all values come first.
    """
    if values is None:
        raise UserError(
            "PixelCNN++ takes values, but these symbols have none; give another network"
        )
    table, C = values[:, None].cpu(), network.config.channels
    if network.embedding is not None:
        vectors = network.embedding.lookup(values.to(network.end.weight.v.device))
        table = torch.cat([table, vectors.detach().cpu()], dim=1)
    columns = np.split(np.arange(network.config.inputs), [C])
    columns = np.concatenate([part.reshape(C, -1) for part in columns], 1)
    return table.numpy().astype(choose_dtype(network)), columns


class PlusPlusChunkWalker(ChunkWalker):
    """Walks n pictures, padded to sides that the levels divide."""

    pad_top, pad_left, joint = 2, 1, True

    def __init__(
        self,
        network: PixelCNNPlusPlus,
        w: PlusPlusWeights,
        size: tuple[int, int],
        n: int,
        y: Tensor | None,
    ):
        self.scales = S = network.config.scales
        step = 2 ** (S - 1)
        H, W = (-(-side // step) * step for side in size)
        c, dtype, F = network.config.inputs + 1, w.table.dtype, w.bias.shape[1]
        self.x = np.zeros((2 + H, 1 + W + 1, n, c), dtype)
        self.x[2:, 1:-1, :, -1] = 1
        self.row_window, self.pixel_window = (
            np.zeros((W, n, 6 * c), dtype),
            np.zeros((n, 2, c), dtype),
        )
        self.start_ul = np.zeros((W, n, F), dtype)  # the start of ul, from above
        self.out = np.zeros((n, len(w.bias_end)), dtype)
        each = pool_condition(y, S)
        self.stages = [Stage(w.stages[0], n, W, each[0], None, None)]
        for k in range(1, S):
            self.stages.append(Stage(w.stages[k], n, W >> k, each[k], self.stages[-1], None))
        before = self.stages[-1]
        for k in reversed(range(S)):
            before = Stage(w.stages[S + k], n, W >> k, each[k], before, self.stages[k])
            self.stages.insert(S, before)
        self.record_tapes(w)

    def record_tapes(self, w: PlusPlusWeights) -> None:
        """Record all tapes."""
        first, end = self.stages[0], self.stages[self.scales]
        for stage in self.stages:
            stage.record_tapes()
        self.start, self.end, last = Tape(), Tape(), np.zeros_like(end.ul_now)
        self.start.repeat(w.bias[0], first.now)
        self.start.add_product(self.row_window, w.u, first.now)
        self.start.repeat(w.bias[1], self.start_ul)
        self.start.add_product(self.row_window, w.above, self.start_ul)

        def record_start(tape: Tape, j: int) -> None:
            tape.repeat(self.start_ul[j], first.ul_now)
            if j > 0:  # else there is no left pixel, not even a bias
                tape.add(w.bias[2], first.ul_now)
                tape.add_product(
                    self.pixel_window.reshape(len(self.pixel_window), -1), w.left, first.ul_now
                )

        self.starts = record_tapes(range(len(self.row_window)), record_start)
        self.end.elu(end.ul_now, last)
        self.end.repeat(w.bias_end, self.out)
        self.end.add_product(last, w.end, self.out)
        self.row_cost = first.rows[0].cost + end.rows[0].cost
        self.pixel_cost = first.pixels[0][0].cost + end.pixels[0][0].cost

    def start_row(self, i: int) -> None:
        """Compute the u streams of row i, at all scales due."""
        if i == 0:  # no row above, not even a bias
            self.stages[0].now[...] = self.start_ul[...] = 0
        else:
            copy_windows(self.x, i, self.row_window)
            self.start.play()
        for at in self.find_due_stages(i):
            self.stages[at].start_row(i >> at % self.scales)

    def compute_pixel(self, i: int, j: int, c: int) -> None:
        """Compute the ul streams at pixel (i, j), at all scales due, and its parameters."""
        self.pixel_window[...] = self.x[i + 1 : i + 3, j].swapaxes(0, 1)
        self.starts[j].play()
        for at in self.find_due_stages(i | j):
            k = at % self.scales
            self.stages[at].pixels[(i >> k) % 4][j >> k].play()
        self.end.play()

    def find_due_stages(self, position: int) -> list[int]:
        """List the stages due at a row, or row | column: those whose step divides it."""
        position |= 1 << self.scales - 1
        scales = range((position & -position).bit_length())
        return [*scales, *(self.scales + k for k in reversed(scales))]
