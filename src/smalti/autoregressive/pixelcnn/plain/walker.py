"""PixelCNN's walker: what comes from above once a row, the rest once a pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from smalti.autoregressive.pixelcnn.head import condition_of
from smalti.autoregressive.pixelcnn.plain.kernels import State, Weights, pixel, start_row
from smalti.autoregressive.pixelcnn.raster_walker import Compiled
from smalti.autoregressive.pixelcnn.walking import (
    dtype_of,
    folded,
    full,
    packed,
    packed_head,
    stacked,
)
from smalti.kernels.rows import pack

if TYPE_CHECKING:
    from smalti.autoregressive.pixelcnn.plain.network import Plain


@torch.no_grad()
def plain_walker(
    network: Plain, n: int, size: tuple[int, int], y: Tensor | None = None
) -> Compiled:
    """A Walker of a Plain network in eval mode, with the weights it has now."""
    weight = next(network.parameters())
    y = condition_of(y, network.config.condition, weight.new_zeros(n))
    blocks = [folded_block(block) for block in network.blocks]
    w = weights_of(network, blocks)

    def state(part: slice) -> State:
        return state_of(network, blocks, w, part, size, y)

    return Compiled(start_row, pixel, w, state, n, size, network.config.outputs, weight.device)


def weights_of(network: Plain, blocks: list[dict[str, Tensor]]) -> Weights:
    """All convolutions with their norms folded in, packed for the kernels."""
    dtype = dtype_of(network)
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
    network: Plain,
    folded_blocks: list[dict[str, Tensor]],
    w: Weights,
    part: slice,
    size: tuple[int, int],
    y: Tensor | None,
) -> State:
    """Of the pictures of a part, before the first pixel; y (N, D) are the conditions of all."""
    dtype, (H, W), n = w.bias1.dtype, size, part.stop - part.start
    C, side = network.config.channels, network.config.first // 2
    p, wide = w.above.shape[2] * w.above.shape[4], len(w.bias1)
    blocks: list[Any] = list(network.blocks)
    for_side = torch.zeros(len(blocks), n, 1, dtype=torch.float64)
    if blocks:
        for_side = torch.stack([block["bias_side"].expand(n, -1) for block in folded_blocks])
    if blocks and y is not None:
        more = [block.condition(y[part]).cpu().double() for block in blocks]
        for_side = for_side + torch.stack(more)

    def empty(*shape: int) -> np.ndarray:
        return np.zeros(shape, dtype)

    return State(
        x=empty(side + H, side + W + side, n, C),
        start=empty(W, n, wide),
        inner=empty(len(blocks), 1 + W + 1, n, p),
        side=empty(len(blocks), W, n, p),
        for_side=full(for_side, dtype, -1),
        window=empty(W, n, w.above1.shape[1]),
        near=empty(n, w.left1.shape[1]),
        now=empty(n, wide),
        wide=empty(n, wide),
        single=empty(n, p),
        middle=empty(n, len(w.bias_hidden)),
    )
