"""PixelCNN's walker: what comes from above once a row, the rest once a pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from smalti.pixelcnn.head import condition_of
from smalti.pixelcnn.kernels import pack
from smalti.pixelcnn.plain_kernels import State, Weights, pixel, start_row
from smalti.pixelcnn.walker import (
    at_once,
    dtype_of,
    folded,
    full,
    packed,
    packed_head,
    parts_of,
    stacked,
)

if TYPE_CHECKING:
    from smalti.pixelcnn.plain import Plain


class PlainWalker:
    """A Walker of a Plain network in eval mode, with the weights it has now."""

    @torch.no_grad()
    def __init__(self, network: Plain, n: int, size: tuple[int, int], y: Tensor | None = None):
        weight = next(network.parameters())
        self.device, self.outputs = weight.device, network.config.outputs
        self.weights = w = weights_of(network)
        y = condition_of(y, network.config.condition, weight.new_zeros(n))
        self.slices = parts_of(n, torch.get_num_threads())
        self.states = [state_of(network, w, part, size, y) for part in self.slices]
        self.row_cost = n * size[1] * (w.above1.size + w.above.size)
        each = (w.enter, w.left, w.leave, w.hidden, w.logits[0])
        self.pixel_cost = n * sum(weights.size for weights in each)
        self.logits = np.empty((n, w.bias_logits.shape[1]), w.bias_logits.dtype)

    def parameters(self, i: int, j: int, c: int) -> Tensor:
        """(n, outputs) at channel c of pixel (i, j)."""
        parts = range(len(self.states))
        if j == c == 0:
            at_once(
                lambda part: start_row(self.weights, self.states[part], i), parts, self.row_cost
            )
        at_once(lambda part: self.go(part, i, j, c), parts, self.pixel_cost)
        return torch.from_numpy(self.logits[:, : self.outputs].copy()).to(self.device)

    def start(self, part: int, i: int) -> None:
        start_row(self.weights, self.states[part], i)

    def go(self, part: int, i: int, j: int, c: int) -> None:
        pixel(self.weights, self.states[part], i, j, c, self.logits[self.slices[part]])

    def put(self, i: int, j: int, c: int, x: Tensor) -> None:
        """x (n,) in [0, 1]."""
        values = x.cpu().numpy()
        for state, part in zip(self.states, self.slices, strict=True):
            edge = (state.x.shape[1] - state.start.shape[0]) // 2
            state.x[edge + i, edge + j, :, c] = values[part]


def weights_of(network: Plain) -> Weights:
    """All convolutions with their norms folded in, packed for the kernels."""
    dtype, blocks = dtype_of(network), [folded_block(block) for block in network.blocks]
    above1, _ = folded(network.conv1.above, network.norm1)
    left1, bias1 = folded(network.conv1.row, network.norm1)
    return Weights(
        above1=pack(full(above1.flatten(0, 2), dtype, -1)),
        left1=pack(full(left1.flatten(0, 2), dtype, -1)),
        bias1=full(bias1, dtype, -1),
        enter=packed(stacked(blocks, "enter", (1, 1))[:, 0, 0], dtype),
        bias_enter=full(stacked(blocks, "bias_enter", ()), dtype, -1),
        above=packed(stacked(blocks, "above", (1, 3))[:, 0], dtype),
        left=packed(stacked(blocks, "left", (1, 2))[:, 0], dtype),
        leave=packed(stacked(blocks, "leave", (1, 1))[:, 0, 0], dtype),
        bias_leave=full(stacked(blocks, "bias_leave", ()), dtype, -1),
        **packed_head(network.head, dtype),
    )


def folded_block(block: Any) -> dict[str, Tensor]:
    """Taps (h, w, i, o) and biases (o,), in float64."""
    norm1, norm2, norm3 = block.norms
    found: dict[str, Tensor] = {}
    found["enter"], found["bias_enter"] = folded(block.conv1, norm1)
    found["above"], _ = folded(block.conv2.above, norm2)
    found["left"], found["bias_side"] = folded(block.conv2.row, norm2)
    found["leave"], found["bias_leave"] = folded(block.conv3, norm3)
    return found


def state_of(
    network: Plain, w: Weights, part: slice, size: tuple[int, int], y: Tensor | None
) -> State:
    """Of the pictures of a part, before the first pixel; y (N, D) are the conditions of all."""
    dtype, (H, W), n = w.bias1.dtype, size, part.stop - part.start
    C, side = network.config.channels, network.config.first // 2
    p, wide = w.above.shape[2] * w.above.shape[4], len(w.bias1)
    blocks: list[Any] = list(network.blocks)

    def for_side(block: Any) -> Tensor:
        """(n, p)"""
        bias = folded(block.conv2.row, block.norms[1])[1].expand(n, -1)
        return bias if y is None else bias + block.condition(y[part]).cpu().double()

    given = torch.stack([for_side(b) for b in blocks]) if blocks else torch.zeros(0, n, 1)

    def empty(*shape: int) -> np.ndarray:
        return np.zeros(shape, dtype)

    return State(
        x=empty(side + H, side + W + side, n, C),
        start=empty(W, n, wide),
        inner=empty(len(blocks), 1 + W + 1, n, p),
        side=empty(len(blocks), W, n, p),
        for_side=full(given, dtype, -1),
        window=empty(W, n, w.above1.shape[1]),
        near=empty(n, w.left1.shape[1]),
        now=empty(n, wide),
        wide=empty(n, wide),
        single=empty(n, p),
        middle=empty(n, len(w.bias_hidden)),
    )
