"""The walker of plain and gated networks: one compiled call a row, and one for each number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from smalti.kernels.threads import at_once, parts_of


class Compiled:
    """A Walker of n pictures, cut into one part a thread.

    start_row(weights, state, i) does all that row i gets from above, pixel(weights, state, i, j, c,
    logits) the rest for one number. state_of(part) makes the state of a part of the batch, whose x
    (above + H, aside + W + aside, n, C) holds the pictures so far.
    """

    def __init__(
        self,
        start_row: Callable[..., None],
        pixel: Callable[..., None],
        weights: Any,
        state_of: Callable[[slice], Any],
        n: int,
        size: tuple[int, int],
        outputs: int,
        device: torch.device,
    ):
        self.start_row, self.pixel, self.weights = start_row, pixel, weights
        self.slices = parts_of(n, torch.get_num_threads())
        self.states = [state_of(part) for part in self.slices]
        self.outputs, self.device = outputs, device
        rows, columns, _, _ = self.states[0].x.shape
        self.above, self.aside = rows - size[0], (columns - size[1]) // 2
        self.logits = np.empty((n, weights.bias_logits.shape[1]), weights.bias_logits.dtype)
        self.row_cost = n * size[1] * weights.of_a_row()
        self.pixel_cost = n * weights.of_a_pixel()

    def parameters(self, i: int, j: int, c: int) -> Tensor:
        """(n, outputs) at channel c of pixel (i, j)."""
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

    def put(self, i: int, j: int, c: int, x: Tensor) -> None:
        """x (n,) in [0, 1]."""
        values = x.cpu().numpy()
        for state, part in zip(self.states, self.slices, strict=True):
            state.x[self.above + i, self.aside + j, :, c] = values[part]
