"""PixelCNN++'s walker: u once a row, ul once a pixel, coarse scales only when they are due."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from smalti.autoregressive.pixelcnn.head import condition_of
from smalti.autoregressive.pixelcnn.packed_weights import choose_dtype, pack_taps, pad_panels
from smalti.autoregressive.pixelcnn.plusplus.blocks import ShiftedDeconv
from smalti.autoregressive.pixelcnn.plusplus.network import Level, PlusPlus
from smalti.autoregressive.pixelcnn.plusplus.tapes import (
    DOUBLE,
    HALVE,
    START,
    TURN,
    Edge,
    PixelState,
    PixelWeights,
    RowState,
    RowWeights,
    record_end_pixel,
    record_pixel,
    record_row,
    record_start_pixel,
    record_start_row,
)
from smalti.autoregressive.pixelcnn.raster_walker import take_windows
from smalti.core.errors import UserError
from smalti.kernels.panels import pack
from smalti.kernels.tape import Tape, record_columns, record_each
from smalti.kernels.threads import at_once, parts_of


class PlusPlusWalker:
    """A Walker of a PlusPlus network in eval mode, with the weights it has now.

    All channels of a pixel have the same parameters; they are computed at the first.
    """

    @torch.no_grad()
    def __init__(
        self,
        network: PlusPlus,
        n: int,
        size: tuple[int, int],
        y: Tensor | None = None,
        values: Tensor | None = None,
    ):
        weight = network.end.weight.v
        self.device, self.outputs = weight.device, network.config.outputs
        self.table = read_table(network, values)
        self.channels, self.width = network.config.channels, size[1]
        S = network.config.scales
        y = condition_of(y, network.config.condition, weight.new_zeros(n))
        step = 2 ** (S - 1)
        H, W = (-(-side // step) * step for side in size)
        weights = [pack_stage(network, at) for at in range(2 * S)]
        self.slices = parts_of(n, torch.get_num_threads())
        self.parts = [Part(network, weights, part, (H, W), y) for part in self.slices]
        self.row_cost = n * W * sum(weights[at][0].enter.size * 3 for at in (0, S))
        self.pixel_cost = n * sum(weights[at][1].enter.size * 3 for at in (0, S))

    def parameters(self, k: int) -> Tensor:
        """(n, outputs) at the pixel of position k."""
        i, j, c = self.find_place(k)
        if j == c == 0:
            at_once(lambda part: part.start_row(i), self.parts, self.row_cost)
        if c == 0:
            at_once(lambda part: part.go(i, j), self.parts, self.pixel_cost)
        out = np.concatenate([part.edge.out[:, : self.outputs] for part in self.parts])
        return torch.from_numpy(out).to(self.device)

    def put(self, k: int, symbols: Tensor) -> None:
        """symbols: (n,) int64."""
        i, j, c = self.find_place(k)
        shown = self.table[symbols.cpu().numpy()]  # (n, 1 + D)
        D = shown.shape[1] - 1
        start = self.channels + c * D
        for part, rows in zip(self.parts, self.slices, strict=True):
            place = part.edge.x[2 + i, 1 + j]
            place[:, c] = shown[rows, 0]
            place[:, start : start + D] = shown[rows, 1:]

    def find_place(self, k: int) -> tuple[int, int, int]:
        """Row, column and channel of position k."""
        C, W = self.channels, self.width
        return k // (W * C), k // C % W, k % C


class Part:
    """Some of the pictures, and the tapes of their walk."""

    def __init__(
        self,
        network: PlusPlus,
        weights: list[tuple[RowWeights, PixelWeights]],
        part: slice,
        size: tuple[int, int],
        y: Tensor | None,
    ):
        self.scales = S = network.config.scales
        self.edge = edge = empty_edge(network, part, size)
        states = [
            empty_state(find_level(network, at), weights[at][0], part, size[1] >> at % S, y)
            for at in range(2 * S)
        ]
        self.first, self.start, self.end = states[0][0].now, Tape(), Tape()
        record_start_row(self.start, edge, self.first)
        record_end_pixel(self.end, edge, states[S][1].now)
        self.starts = record_each(
            range(size[1]), lambda tape, j: record_start_pixel(tape, edge, states[0][1].now, j)
        )
        stages = sorted(self.due(0))
        self.rows = [record_rows(weights[stage[0]][0], states, *stage) for stage in stages]
        self.pixels = [record_pixels(weights[stage[0]][1], states, *stage) for stage in stages]

    def start_row(self, i: int) -> None:
        """The u streams of row i, at all scales due."""
        if i == 0:  # nothing is above, not even a bias
            self.first[...] = self.edge.above[...] = 0
        else:
            take_windows(self.edge.x, i, self.edge.window)
            self.start.play()
        for at, *_ in self.due(i):
            self.rows[at][(i >> at % self.scales) % 4].play()

    def go(self, i: int, j: int) -> None:
        """The ul streams at pixel (i, j), at all scales due, and its parameters."""
        edge = self.edge
        near = edge.near.reshape(len(edge.near), 2, -1)
        near[...] = edge.x[i + 1 : i + 3, j].swapaxes(0, 1)
        self.starts[j].play()
        for at, *_ in self.due(i | j):
            k = at % self.scales
            self.pixels[at][(i >> k) % 4][j >> k].play()
        self.end.play()

    def due(self, place: int) -> Iterator[tuple[int, int, int, int]]:
        """The stages that a row, or row | column, goes through.

        Each with how it begins, the stage before it, and that on the way down at its scale.
        """
        S = self.scales
        place |= 1 << S - 1
        count = (place & -place).bit_length()  # scales whose step divides the place
        for k in range(count):
            yield k, HALVE if k else START, max(k - 1, 0), k
        for k in reversed(range(count)):
            turn = k == S - 1
            yield S + k, TURN if turn else DOUBLE, k if turn else S + k + 1, k


def record_rows(
    w: RowWeights, states: list[Any], at: int, how: int, before: int, down: int
) -> list[Tape]:
    """Of a stage, which begins and sees what `due` says, for four rows."""
    (s, p), source, skips = states[at], states[before][0].last, states[down][0].x
    return record_each(range(4), lambda tape, i: record_row(tape, w, s, p, source, skips, how, i))


def record_pixels(
    w: PixelWeights, states: list[Any], at: int, how: int, before: int, down: int
) -> list[list[Tape]]:
    """Of a stage, for each column in four rows."""
    p, source, skips = states[at][1], states[before][1].last, states[down][1].x
    return [
        record_columns(
            p.enter.shape[1],
            lambda tape, j: record_pixel(tape, w, p, source, skips, how, i, j),  # noqa: B023
        )
        for i in range(4)
    ]


def read_table(network: PlusPlus, values: Tensor | None) -> np.ndarray:
    """What the network is shown of each symbol: its value, and its vector, (count, 1 + D)."""
    if values is None:
        raise UserError("PixelCNN++ takes values, which these symbols have none of; choose another")
    table = values[:, None].cpu()
    if network.embedding is not None:
        vectors = network.embedding.lookup(values.to(network.end.weight.v.device))
        table = torch.cat([table, vectors.cpu()], dim=1)
    return table.numpy().astype(choose_dtype(network))


def find_level(network: PlusPlus, stage: int) -> Level:
    """Stages 0 .. S-1 go down; S + k is the way up at scale k."""
    scales = network.config.scales
    return network.down[stage] if stage < scales else network.up[2 * scales - 1 - stage]


def taps(conv: Any) -> Tensor:
    """A shifted convolution's weight as (h, w, in, out), in float64 on the CPU."""
    weight = conv.weight
    v, g = weight.v.detach().cpu().double(), weight.g.detach().cpu().double()
    return (v * (g / v.flatten(1).norm(dim=1))[:, None, None, None]).permute(2, 3, 1, 0)


def bias(conv: Any) -> Tensor:
    return conv.weight.bias.detach().cpu().double()


def pack_stage(network: PlusPlus, stage: int) -> tuple[RowWeights, PixelWeights]:
    """A stage's weights, packed for the kernels."""
    c, dtype = network.config, choose_dtype(network)
    level: Any = find_level(network, stage)
    up = stage >= c.scales

    def packed(x: Tensor, halves_in: int = 2, halves: int = 1) -> np.ndarray:
        return pack_taps(x, dtype, halves_in, halves)

    def stacked(blocks: Any, part: str) -> Tensor:
        return torch.stack([taps(getattr(block, part)) for block in blocks])

    def biases(blocks: Any) -> np.ndarray:
        return pad_panels(torch.stack([bias(block.leave) for block in blocks]), dtype, -1, 2)

    enter, leave = stacked(level.ul, "enter"), stacked(level.ul, "leave")  # (B, 2, 2, 2F, ..)
    skips = stacked(level.ul, "skip")[:, 0, 0].unflatten(1, (2, -1, c.filters))
    beside, *skip = (part.flatten(1, 2) for part in skips.unbind(2))  # from u, and from before
    u_resize, l_resize = resizing(network, stage % c.scales, up)
    none = np.zeros((0, 1, 1, 1), dtype)
    rows = RowWeights(
        enter=packed(stacked(level.u, "enter")),
        leave=packed(stacked(level.u, "leave"), halves=2),
        bias=biases(level.u),
        skip=packed(stacked(level.u, "skip")[:, 0, 0]) if up else none,
        beside=packed(beside),
        l_enter=packed(enter[:, 0]),
        l_leave=packed(leave[:, 0], halves=2),
        l_bias=biases(level.ul),
        resize=packed(taps(u_resize), 1),
        resize_bias=pad_panels(bias(u_resize), dtype, -1),
    )
    pixels = PixelWeights(
        enter=packed(enter[:, 1]),
        leave=packed(leave[:, 1], halves=2),
        skip=packed(skip[0]) if up else none,
        resize=packed(taps(l_resize), 1),
        resize_bias=pad_panels(bias(l_resize), dtype, -1),
    )
    return rows, pixels


def resizing(network: PlusPlus, k: int, up: bool) -> tuple[Any, Any]:
    """What brings u and ul to a stage; where nothing does, what will not be used."""
    scales = network.config.scales
    if up and k < scales - 1:
        at, sizes = scales - 2 - k, network.doublings
    elif k > 0 and not up:
        at, sizes = k - 1, network.halvings
    else:
        F = network.config.filters
        return ShiftedDeconv(F, F, (2, 3)).double(), ShiftedDeconv(F, F, (2, 2)).double()
    return sizes["u"][at], sizes["ul"][at]


def empty_state(
    level: Level, w: RowWeights, part: slice, W: int, y: Tensor | None
) -> tuple[RowState, PixelState]:
    """Of a stage and the pictures of a part, before the first row; y (N, D) of all pictures."""
    dtype, n = w.bias.dtype, part.stop - part.start
    B, F = w.bias.shape[0], w.bias.shape[1] // 2

    def given(blocks: Any) -> np.ndarray:
        """(B, n, F)"""
        each = [entering(block, n, None if y is None else y[part]) for block in blocks]
        return pad_panels(torch.stack(each), dtype, -1)

    def empty(*shape: int) -> np.ndarray:
        return np.zeros(shape, dtype)

    u = RowState(
        for_u=given(level.u),
        for_l=given(level.ul),
        x=empty(B + 1, 2, 1 + W + 1, n, 2 * F),
        t=empty(B, 2, 1 + W + 1, n, 2 * F),
        now=empty(W, n, F),
        last=empty(2, 1 + W + 1, n, F),
        wide=empty(W, n, F),
        pair=empty(W, n, 2 * F),
    )
    ul = PixelState(
        x=empty(B + 1, 1 + W, n, 2 * F),
        t=empty(B, 1 + W, n, 2 * F),
        enter=empty(B, W, n, F),
        leave=empty(B, W, n, 2 * F),
        now=empty(n, F),
        last=empty(2, 1 + W, n, F),
    )
    return u, ul


def entering(block: Any, n: int, y: Tensor | None) -> Tensor:
    """All that is constant where a block's first convolution ends: (n, F) in float64."""
    total = bias(block.enter) + (0 if block.skip is None else bias(block.skip))
    if y is None or block.condition is None:
        return total.expand(n, -1)
    return total + y.cpu().double() @ block.condition.weight.detach().cpu().double().T


def empty_edge(network: PlusPlus, part: slice, size: tuple[int, int]) -> Edge:
    """Of the pictures of a part; the channel of ones is set."""
    dtype, (H, W), n = choose_dtype(network), size, part.stop - part.start
    c = network.config.inputs + 1
    left, above = taps(network.ul_left), taps(network.ul_above)  # (2, 1, ..), (1, 3, ..)
    bias_in = torch.stack([bias(m) for m in (network.u_start, network.ul_above, network.ul_left)])
    w_u = pack(pad_panels(taps(network.u_start).flatten(0, 2), dtype, -1))
    bias_in = pad_panels(bias_in, dtype, -1)
    bias_end = pad_panels(bias(network.end), dtype, -1)
    x = np.zeros((2 + H, 1 + W + 1, n, c), dtype)
    x[2:, 1:-1, :, -1] = 1
    return Edge(
        x=x,
        window=np.zeros((W, n, 6 * c), dtype),
        near=np.zeros((n, 2 * c), dtype),
        above=np.zeros((W, n, bias_in.shape[1]), dtype),
        w_u=w_u,
        w_above=pack(pad_panels(torch.cat([0 * above, above]).flatten(0, 2), dtype, -1)),
        w_left=pack(pad_panels(left.flatten(0, 2), dtype, -1)),
        bias=bias_in,
        last=np.zeros((n, bias_in.shape[1]), dtype),
        w_end=pack_taps(taps(network.end)[0, 0], dtype),
        bias_end=bias_end,
        out=np.zeros((n, len(bias_end)), dtype),
    )
