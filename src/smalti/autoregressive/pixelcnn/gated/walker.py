"""The Gated PixelCNN's walker: the vertical stack once a row, the horizontal one once a pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from smalti.autoregressive.pixelcnn.gated.network import Gated
from smalti.autoregressive.pixelcnn.gated.tapes import State, Weights, record_pixel, record_row
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
from smalti.autoregressive.pixelcnn.raster_walker import Part, RasterWalker, record_head
from smalti.kernels.panels import pack
from smalti.kernels.tape import record_columns, record_each


@torch.no_grad()
def build_gated_walker(
    network: Gated,
    n: int,
    size: tuple[int, int],
    y: Tensor | None = None,
    values: Tensor | None = None,
) -> RasterWalker:
    """`build_walker`, of a Gated network."""
    weight = next(network.parameters())
    y = condition_of(y, network.config.condition, weight.new_zeros(n))
    blocks = [fold_block(block) for block in network.blocks]
    w, table = pack_weights(network, blocks), read_table(network, values)

    def record(part: slice) -> Part:
        s = empty_state(network, blocks, w, part, size, y)
        rows = record_each(range(3), lambda tape, i: record_row(tape, w, s, i))
        pixels = record_columns(size[1], lambda tape, j: record_pixel(tape, w, s, j))
        heads = record_each(
            range(network.config.channels), lambda tape, c: record_head(tape, w, s.single, s, c)
        )
        return Part(s.x, s.window, s.near, s.logits, rows, pixels, heads)

    outputs = network.config.outputs
    return RasterWalker(record, w, table, n, size, outputs, weight.device)


def pack_weights(network: Gated, blocks: list[dict[str, Tensor]]) -> Weights:
    """All convolutions with their norms folded in, packed for the kernels."""
    dtype, first, rest = choose_dtype(network), blocks[0], blocks[1:]
    return Weights(
        above1=pack(pad_panels(first["above"].flatten(0, 2), dtype, -1, 2)),
        above=pack_taps(stack_blocks(rest, "above", (2, 3)), dtype, halves=2),
        bias_above=pad_panels(stack_blocks(blocks, "bias_above", ()), dtype, -1, 2),
        across=pack_taps(stack_blocks(blocks, "across", ())[:, 0, 0], dtype, 2, 2),
        left1=pack(pad_panels(first["left"].flatten(0, 2), dtype, -1, 2)),
        left=pack_taps(stack_blocks(rest, "left", (1, 2))[:, 0], dtype, halves=2),
        out=pack_taps(stack_blocks(blocks, "out", ())[:, 0, 0], dtype),
        bias_out=pad_panels(stack_blocks(blocks, "bias_out", ()), dtype, -1),
        **pack_head(network.head, dtype),
    )


def fold_block(block: Any) -> dict[str, Tensor]:
    """Taps (h, w, i, o) and biases (o,), in float64."""
    norm1, norm2, norm3, norm4 = block.norms
    found: dict[str, Tensor] = {}
    found["above"], found["bias_above"] = fold_norm(block.v_conv, norm1)
    found["across"], bias_across = fold_norm(block.v_to_h, norm2)
    found["left"], bias_left = fold_norm(block.h_conv, norm3)
    found["bias_side"] = bias_across + bias_left
    found["out"], found["bias_out"] = fold_norm(block.h_out, norm4)
    return found


def empty_state(
    network: Gated,
    folded_blocks: list[dict[str, Tensor]],
    w: Weights,
    part: slice,
    size: tuple[int, int],
    y: Tensor | None,
) -> State:
    """Of the pictures of a part, before the first pixel; y (N, D) are the conditions of all."""
    dtype, (H, W), n = w.bias_out.dtype, size, part.stop - part.start
    blocks, p = w.bias_out.shape
    side = network.config.first // 2
    bias_side = torch.stack([block["bias_side"] for block in folded_blocks])
    for_h = bias_side[:, None].expand(-1, n, -1)  # (B + 1, n, 2p)
    for_v = torch.zeros_like(for_h)
    if y is not None:
        conditions: list[Any] = [block.condition for block in network.blocks]
        each = [condition(y[part]).cpu().double() for condition in conditions]
        for_v, more = torch.stack(each).chunk(2, dim=2)
        for_h = for_h + more

    def empty(*shape: int) -> np.ndarray:
        return np.zeros(shape, dtype)

    return State(
        x=empty(side + 1 + H, side + W + side, n, network.config.inputs),
        v=empty(blocks, 2, 1 + W + 1, n, p),
        side=empty(blocks, W, n, 2 * p),
        h=empty(blocks, 2, n, p),
        for_v=pad_panels(for_v, dtype, -1, 2),
        for_h=pad_panels(for_h, dtype, -1, 2),
        window=empty(W, n, w.above1.shape[1]),
        near=empty(n, w.left1.shape[1]),
        wide=empty(W, n, 2 * p),
        pair=empty(n, 2 * p),
        single=empty(n, p),
        middle=empty(n, len(w.bias_hidden)),
        logits=empty(n, w.bias_logits.shape[1]),
    )
