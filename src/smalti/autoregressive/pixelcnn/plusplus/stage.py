"""One stage of PixelCNN++'s walk, the blocks of one scale in one direction: weights and tapes.

F is the filters, padded to whole panels. Stages 0 .. S-1 go down, S+k goes up at scale k. E(x) is
concat-ELU, [elu(x), elu(-x)]. Cached features are stored row by row, so that the contribution from
above is one product per row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from smalti.autoregressive.pixelcnn.packed_weights import pack_taps, pad_to_panels
from smalti.autoregressive.pixelcnn.plusplus.blocks import ShiftedConv, ShiftedDeconv
from smalti.autoregressive.pixelcnn.plusplus.network import PixelCNNPlusPlus
from smalti.autoregressive.pixelcnn.raster_walker import record_conv, take_row
from smalti.kernels.tape import Tape, record_column_tapes, record_tapes


def read_taps(conv: ShiftedConv | ShiftedDeconv) -> Tensor:
    """Read a shifted convolution's weight as (h, w, in, out), in float64 on the CPU."""
    weight = conv.weight
    v, g = weight.v.detach().cpu().double(), weight.g.detach().cpu().double()
    return (v * (g / v.flatten(1).norm(dim=1))[:, None, None, None]).permute(2, 3, 1, 0)


def read_bias(conv: ShiftedConv | ShiftedDeconv) -> Tensor:
    """Read a shifted convolution's bias (out,), in float64 on the CPU."""
    return conv.weight.bias.detach().cpu().double()


class StageWeights:
    """Weights of a stage of B blocks, packed by `panels.pack_panels`: (..., O/w, K, w)."""

    def __init__(self, network: PixelCNNPlusPlus, stage: int, dtype: np.dtype):
        S, F, self.dtype = network.config.scales, network.config.filters, dtype
        self.up, k = stage >= S, stage % S
        level = network.up[S - 1 - k] if self.up else network.down[k]
        self.u, self.ul = level.u, level.ul
        self.u_enter = self.stack_taps(level.u, "enter")  # (B, 2, 3, F/w, 2F, w)
        self.u_leave = self.stack_taps(level.u, "leave", 2)  # (B, 2, 3, 2F/w, 2F, w)
        self.u_skip = (
            self.stack_taps(level.u, "skip")[:, 0, 0] if self.up else None
        )  # (B, F/w, 2F, w)
        self.u_bias = self.stack_biases(level.u)  # (B, 2F): of the `leave` convolution
        self.ul_enter = self.stack_taps(level.ul, "enter")  # (B, 2, 2, F/w, 2F, w)
        self.ul_leave = self.stack_taps(level.ul, "leave", 2)  # (B, 2, 2, 2F/w, 2F, w)
        skips = torch.stack([read_taps(block.skip)[0, 0] for block in level.ul])
        parts = skips.unflatten(1, (2, -1, F)).unbind(2)  # from u, and going up the skip
        self.beside, *skip = (pack_taps(part.flatten(1, 2), dtype, 2) for part in parts)
        self.ul_skip = skip[0] if self.up else None  # as `beside`, (B, F/w, 2F, w)
        self.ul_bias = self.stack_biases(level.ul)
        at, sizes = (S - 2 - k, network.doublings) if self.up else (k - 1, network.halvings)
        if at >= 0:  # resizing of u and ul into the stage, (2, 3, F/w, F, w) and (2, 2, F/w, F, w)
            self.u_resize, self.ul_resize = (
                (pack_taps(read_taps(conv), dtype), pad_to_panels(read_bias(conv), dtype))
                for conv in (sizes["u"][at], sizes["ul"][at])
            )

    def stack_taps(self, blocks: Any, part: str, halves: int = 1) -> np.ndarray:
        taps = torch.stack([read_taps(getattr(block, part)) for block in blocks])
        return pack_taps(taps, self.dtype, 2, halves)

    def stack_biases(self, blocks: Any) -> np.ndarray:
        biases = torch.stack([read_bias(block.leave) for block in blocks])
        return pad_to_panels(biases, self.dtype, -1, 2)

    def compute_biases(self, blocks: Any, n: int, y: Tensor | None) -> np.ndarray:
        """Sum biases and conditions of the blocks' first convolutions: (B, n, F).

        Or (B, W, n, F) of a map's row. y: (n, D), or (W, n, D).
        """
        biases = []
        for block in blocks:
            total = read_bias(block.enter) + (0 if block.skip is None else read_bias(block.skip))
            if y is not None and block.condition is not None:
                total = total + y.cpu().double() @ block.condition.weight.cpu().double().T
            biases.append(total.expand(n, -1) if total.ndim == 1 else total)
        return pad_to_panels(torch.stack(biases), self.dtype)


class Stage:
    """Cached features of n pictures, W columns at the stage's scale, zero padded; and tapes."""

    def __init__(
        self,
        w: StageWeights,
        n: int,
        W: int,
        y: Tensor | None,
        previous: Stage | None,
        down_stage: Stage | None,
    ):
        """previous: the stage feeding this one; down_stage: going up, the source of skips."""
        (B, F), self.w, self.W = w.u_bias.shape, w, W
        self.previous, self.down_stage, F = previous, down_stage, F // 2
        self.y, self.n, first = y, n, take_row(y, 0)
        self.for_u, self.for_ul = w.compute_biases(w.u, n, first), w.compute_biases(w.ul, n, first)

        def empty(*shape: int) -> np.ndarray:
            return np.zeros(shape, w.dtype)

        # u: E of every block's input and of the output, and of its first convolution's output;
        # two rows each
        self.x, self.t = empty(B + 1, 2, 1 + W + 1, n, 2 * F), empty(B, 2, 1 + W + 1, n, 2 * F)
        self.now, self.last = empty(W, n, F), empty(2, 1 + W + 1, n, F)  # this row, the last two
        self.wide, self.pair = empty(W, n, F), empty(W, n, 2 * F)  # workspace
        # ul: the same for this row up to the pixel, and the row above after it
        self.ul_x, self.ul_t = empty(B + 1, 1 + W, n, 2 * F), empty(B, 1 + W, n, 2 * F)
        self.ul_now, self.ul_last = empty(n, F), empty(2, 1 + W, n, F)
        # sums of its convolutions from above and from u, this row
        self.enter, self.leave = empty(B, W, n, F), empty(B, W, n, 2 * F)

    def record_tapes(self) -> None:
        """Record all tapes; they repeat after four rows."""
        self.rows = record_tapes(range(4), self.record_row)
        self.pixels = [
            record_column_tapes(self.W, lambda tape, j: self.record_pixel(tape, i, j))  # noqa: B023
            for i in range(4)
        ]

    def start_row(self, i: int) -> None:
        """Compute u of row i, and its and the upper row's contributions to ul."""
        if self.y is not None and self.y.ndim == 4:  # biases that differ from row to row
            w, row = self.w, take_row(self.y, i)
            self.for_u[...] = w.compute_biases(w.u, self.n, row)
            self.for_ul[...] = w.compute_biases(w.ul, self.n, row)
        self.rows[i % 4].play()

    def record_row(self, tape: Tape, i: int) -> None:
        """Record u of row i, and its and the upper row's contributions to ul."""
        w, inner, r = self.w, slice(1, self.W + 1), i % 2
        self.record_row_start(tape, i)
        tape.concat_elu(self.now, self.x[0, r, inner])
        for b in range(len(self.t)):
            self.record_row_block(tape, b, i)
            enter, leave = self.enter[b], self.leave[b]
            tape.repeat(self.for_ul[b], enter)
            tape.add_product(self.x[b + 1, r, inner], w.beside[b], enter)
            tape.repeat(w.ul_bias[b], leave)
            for t in range(2):  # the upper halves of 2x2 convolutions
                tape.add_product(self.ul_x[b, t : t + self.W], w.ul_enter[b, 0, t], enter)
                tape.add_product(self.ul_t[b, t : t + self.W], w.ul_leave[b, 0, t], leave)
        tape.repeat(self.now, self.last[r, inner])

    def record_row_start(self, tape: Tape, i: int) -> None:
        """Record the input u of row i; the first stage takes it from the picture."""
        if self.previous is None:
            return
        source = self.previous.last
        if self.previous is self.down_stage:  # the bottom of the U-Net
            tape.repeat(source[i % 2, 1 : self.W + 1], self.now)
            return
        taps, bias = self.w.u_resize
        tape.repeat(bias, self.now)
        for j, u in enumerate(self.now):
            if self.down_stage is None:  # from the two finer rows up to its own
                record_conv(tape, source[:, 2 * j : 2 * j + 3], taps, u[None], 0)
                continue
            for more in range(1 + j % 2):  # from the coarse row; odd columns see two
                tap = 0 if more else 1 + j % 2
                tape.add_product(source[i // 2 % 2, j // 2 + 1 + more], taps[i % 2, tap], u)

    def record_row_block(self, tape: Tape, b: int, i: int) -> None:
        """Record block b of u in row i; going up its skip is input B - 1 - b of the way down."""
        w, inner, r = self.w, slice(1, self.W + 1), i % 2
        tape.repeat(self.for_u[b], self.wide)
        record_conv(tape, self.x[b], w.u_enter[b], self.wide, i)
        if w.u_skip is not None and self.down_stage is not None:
            skip = self.down_stage.x[len(self.t) - 1 - b, r, inner]
            tape.add_product(skip, w.u_skip[b], self.wide)
        tape.concat_elu(self.wide, self.t[b, r, inner])
        tape.repeat(w.u_bias[b], self.pair)
        record_conv(tape, self.t[b], w.u_leave[b], self.pair, i)
        tape.add_gated(self.pair, self.now)
        tape.concat_elu(self.now, self.x[b + 1, r, inner])

    def record_pixel(self, tape: Tape, i: int, j: int) -> None:
        """Record ul at pixel (i, j)."""
        w, now = self.w, self.ul_now
        self.record_pixel_start(tape, i, j)
        tape.concat_elu(now, self.ul_x[0, j + 1])
        for b in range(len(self.t)):
            enter, leave = self.enter[b, j], self.leave[b, j]
            for t in range(2):  # the lower half of a 2x2 convolution
                tape.add_product(self.ul_x[b, j + t], w.ul_enter[b, 1, t], enter)
            if w.ul_skip is not None and self.down_stage is not None:
                skip = self.down_stage.ul_x[len(self.t) - 1 - b, j + 1]
                tape.add_product(skip, w.ul_skip[b], enter)
            tape.concat_elu(enter, self.ul_t[b, j + 1])
            for t in range(2):
                tape.add_product(self.ul_t[b, j + t], w.ul_leave[b, 1, t], leave)
            tape.add_gated(leave, now)
            tape.concat_elu(now, self.ul_x[b + 1, j + 1])
        tape.repeat(now, self.ul_last[i % 2, j + 1])

    def record_pixel_start(self, tape: Tape, i: int, j: int) -> None:
        """Record the input ul at pixel (i, j)."""
        if self.previous is None:
            return
        source = self.previous.ul_last
        if self.previous is self.down_stage:
            tape.repeat(source[i % 2, j + 1], self.ul_now)
            return
        taps, bias = self.w.ul_resize
        tape.repeat(bias, self.ul_now)
        if self.down_stage is not None:  # from the coarse pixel that contains it
            tape.add_product(source[i // 2 % 2, j // 2 + 1], taps[i % 2, j % 2], self.ul_now)
            return
        for tap in range(4):  # from the 2x2 finer pixels
            r, t = tap // 2, tap % 2
            tape.add_product(source[(1 + r) % 2, 2 * j + t], taps[r, t], self.ul_now)
