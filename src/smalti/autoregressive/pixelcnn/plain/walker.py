"""PixelCNN's walker: what comes from above once a row, the rest once a pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from smalti.autoregressive.pixelcnn.head import condition_of
from smalti.autoregressive.pixelcnn.packed_weights import (
    choose_dtype,
    fold_norm,
    pack_head,
    pack_taps,
    pad_panels,
    read_table,
    stack_blocks,
)
from smalti.autoregressive.pixelcnn.plain.network import Plain
from smalti.autoregressive.pixelcnn.plain.tapes import State, Weights, record_pixel, record_row
from smalti.autoregressive.pixelcnn.raster_walker import Part, RasterWalker, record_head
from smalti.kernels.panels import pack
from smalti.kernels.tape import record_columns, record_each


@torch.no_grad()
def build_plain_walker(
    network: Plain,
    n: int,
    size: tuple[int, int],
    y: Tensor | None = None,
    values: Tensor | None = None,
) -> RasterWalker:
    """`build_walker`, of a Plain network."""
    weight = next(network.parameters())
    y = condition_of(y, network.config.condition, weight.new_zeros(n))
    blocks = [fold_block(block) for block in network.blocks]
    w, table = pack_weights(network, blocks), read_table(network, values)

    def record(part: slice) -> Part:
        s = empty_state(network, blocks, w, part, size, y)
        rows = record_each(range(3), lambda tape, i: record_row(tape, w, s, i))
        pixels = record_columns(size[1], lambda tape, j: record_pixel(tape, w, s, j))
        heads = record_each(
            range(network.config.channels), lambda tape, c: record_head(tape, w, s.wide, s, c)
        )
        return Part(s.x, s.window, s.near, s.logits, rows, pixels, heads)

    outputs = network.config.outputs
    return RasterWalker(record, w, table, n, size, outputs, weight.device)


def pack_weights(network: Plain, blocks: list[dict[str, Tensor]]) -> Weights:
    """All convolutions with their norms folded in, packed for the kernels."""
    dtype = choose_dtype(network)
    above1, _ = fold_norm(network.conv1.above, network.norm1)
    left1, bias1 = fold_norm(network.conv1.row, network.norm1)
    return Weights(
        above1=pack(pad_panels(above1.flatten(0, 2), dtype, -1)),
        left1=pack(pad_panels(left1.flatten(0, 2), dtype, -1)),
        bias1=pad_panels(bias1, dtype, -1),
        enter=pack_taps(stack_blocks(blocks, "enter", (1, 1))[:, 0, 0], dtype),
        bias_enter=pad_panels(stack_blocks(blocks, "bias_enter", ()), dtype, -1),
        above=pack_taps(stack_blocks(blocks, "above", (1, 3))[:, 0], dtype),
        left=pack_taps(stack_blocks(blocks, "left", (1, 2))[:, 0], dtype),
        leave=pack_taps(stack_blocks(blocks, "leave", (1, 1))[:, 0, 0], dtype),
        bias_leave=pad_panels(stack_blocks(blocks, "bias_leave", ()), dtype, -1),
        **pack_head(network.head, dtype),
    )


def fold_block(block: Any) -> dict[str, Tensor]:
    """Taps (h, w, i, o) and biases (o,), in float64."""
    norm1, norm2, norm3 = block.norms
    found: dict[str, Tensor] = {}
    found["enter"], found["bias_enter"] = fold_norm(block.conv1, norm1)
    found["above"], _ = fold_norm(block.conv2.above, norm2)
    found["left"], found["bias_side"] = fold_norm(block.conv2.row, norm2)
    found["leave"], found["bias_leave"] = fold_norm(block.conv3, norm3)
    return found


def empty_state(
    network: Plain,
    folded_blocks: list[dict[str, Tensor]],
    w: Weights,
    part: slice,
    size: tuple[int, int],
    y: Tensor | None,
) -> State:
    """Of the pictures of a part, before the first pixel; y (N, D) are the conditions of all."""
    dtype, (H, W), n = w.bias1.dtype, size, part.stop - part.start
    side = network.config.first // 2
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
        x=empty(side + H, side + W + side, n, network.config.inputs),
        start=empty(W, n, wide),
        inner=empty(len(blocks), 1 + W + 1, n, p),
        side=empty(len(blocks), W, n, p),
        for_side=pad_panels(for_side, dtype, -1),
        window=empty(W, n, w.above1.shape[1]),
        near=empty(n, w.left1.shape[1]),
        now=empty(n, wide),
        wide=empty(n, wide),
        single=empty(n, p),
        middle=empty(n, len(w.bias_hidden)),
        logits=empty(n, w.bias_logits.shape[1]),
    )
