"""The walker of plain and gated networks: one compiled call a row, and one for each number.

It keeps what the layers have put out, so that a picture costs about as much as one forward. Its
state is NumPy arrays, its work the compiled kernels beside the network; a batch is cut into one
part a thread, and pictures do not depend on the cut.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from smalti.kernels.threads import at_once, parts_of


class RasterWalker:
    """A Walker of n pictures, cut into one part a thread.

    start_row(weights, state, i) does all that row i gets from above, pixel(weights, state, i, j, c,
    logits) the rest for one number. empty_state(part) makes the state of a part of the batch, whose
    x (above + H, aside + W + aside, n, C D) holds the pictures so far; table (count, D) says what
    is shown of each symbol.
    """

    def __init__(
        self,
        start_row: Callable[..., None],
        pixel: Callable[..., None],
        weights: Any,
        table: np.ndarray,
        empty_state: Callable[[slice], Any],
        n: int,
        size: tuple[int, int],
        outputs: int,
        device: torch.device,
    ):
        self.start_row, self.pixel, self.weights, self.table = start_row, pixel, weights, table
        self.slices = parts_of(n, torch.get_num_threads())
        self.states = [empty_state(part) for part in self.slices]
        self.outputs, self.device = outputs, device
        rows, columns, _, depth = self.states[0].x.shape
        self.above, self.aside = rows - size[0], (columns - size[1]) // 2
        self.width, self.channels = size[1], depth // table.shape[1]
        self.logits = np.empty((n, weights.bias_logits.shape[1]), weights.bias_logits.dtype)
        self.row_cost = n * size[1] * weights.of_a_row()
        self.pixel_cost = n * weights.of_a_pixel()

    def parameters(self, k: int) -> Tensor:
        """(n, outputs) at position k."""
        i, j, c = self.find_place(k)
        parts = range(len(self.states))
        if j == c == 0:
            at_once(
                lambda part: self.start_row(self.weights, self.states[part], i),
                parts,
                self.row_cost,
            )
        at_once(lambda part: self.go(part, i, j, c), parts, self.pixel_cost)
        return torch.from_numpy(self.logits[:, : self.outputs].copy()).to(self.device)

    def go(self, part: int, i: int, j: int, c: int) -> None:
        logits = self.logits[self.slices[part]]
        self.pixel(self.weights, self.states[part], i, j, c, logits)

    def put(self, k: int, symbols: Tensor) -> None:
        """symbols: (n,) int64."""
        (i, j, c), D = self.find_place(k), self.table.shape[1]
        shown = self.table[symbols.cpu().numpy()]  # (n, D)
        for state, part in zip(self.states, self.slices, strict=True):
            state.x[self.above + i, self.aside + j, :, c * D : (c + 1) * D] = shown[part]

    def find_place(self, k: int) -> tuple[int, int, int]:
        """Row, column and channel of position k."""
        C, W = self.channels, self.width
        return k // (W * C), k // C % W, k % C
