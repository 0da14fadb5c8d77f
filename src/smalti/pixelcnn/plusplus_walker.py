"""PixelCNN++'s walker: u once a row, ul once a pixel, coarse scales only when they are due."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from smalti.pixelcnn.head import condition_of
from smalti.pixelcnn.kernels import pack
from smalti.pixelcnn.plusplus_kernels import (
    DOUBLE,
    HALVE,
    START,
    TURN,
    Edge,
    State,
    Weights,
    end_pixel,
    stage_pixel,
    stage_row,
    start_pixel,
    start_row,
)
from smalti.pixelcnn.shifted import ShiftedDeconv
from smalti.pixelcnn.walker import at_once, dtype_of, full, parts_of

if TYPE_CHECKING:
    from smalti.pixelcnn.plusplus import Level, PlusPlus


class PlusPlusWalker:
    """A Walker of a PlusPlus network in eval mode, with the weights it has now.

    All channels of a pixel have the same parameters; they are computed at the first.
    """

    @torch.no_grad()
    def __init__(self, network: PlusPlus, n: int, size: tuple[int, int], y: Tensor | None = None):
        weight = network.end.weight.v
        self.device, self.outputs = weight.device, network.config.outputs
        self.scales = network.config.scales
        y = condition_of(y, network.config.condition, weight.new_zeros(n))
        step = 2 ** (network.config.scales - 1)
        sides = (-(-size[0] // step) * step, -(-size[1] // step) * step)
        stages = [*network.down, *reversed(network.up)]
        self.weights = tuple(weights_of(network, at) for at in range(len(stages)))
        self.slices = parts_of(n, torch.get_num_threads())
        self.states = [
            tuple(
                state_of(stage, self.weights[k], part, sides[1] >> k % network.config.scales, y)
                for k, stage in enumerate(stages)
            )
            for part in self.slices
        ]
        self.edges = [edge_of(network, part, sides) for part in self.slices]
        self.out = np.empty((n, self.edges[0].bias_end.size), self.edges[0].bias_end.dtype)
        first = (self.weights[0], self.weights[network.config.scales])
        self.row_cost = n * size[1] * sum(w.u_enter.size + w.u_leave.size for w in first)
        self.pixel_cost = n * sum(w.l_enter.size + w.l_leave.size for w in first) // 2

    def parameters(self, i: int, j: int, c: int) -> Tensor:
        """(n, outputs) at pixel (i, j)."""
        parts = range(len(self.slices))
        if j == c == 0:
            at_once(lambda part: self.start(part, i), parts, self.row_cost)
        if c == 0:
            at_once(lambda part: self.go(part, i, j), parts, self.pixel_cost)
        return torch.from_numpy(self.out[:, : self.outputs].copy()).to(self.device)

    def start(self, part: int, i: int) -> None:
        """The u streams of row i, at all scales due."""
        states = self.states[part]
        start_row(self.edges[part], states[0], i)
        for stage, k in self.due(i):
            w, s, other, down, how = self.role(states, stage)
            stage_row(w, s, other, down, how, i >> k)

    def go(self, part: int, i: int, j: int) -> None:
        """The ul streams at pixel (i, j), at all scales due, and its parameters."""
        states, edge = self.states[part], self.edges[part]
        start_pixel(edge, states[0], i, j)
        for stage, k in self.due(i, j):
            w, s, other, down, how = self.role(states, stage)
            stage_pixel(w, s, other, down, how, i >> k, j >> k)
        end_pixel(edge, states[self.scales], self.out[self.slices[part]])

    def due(self, i: int, j: int = 0) -> Iterator[tuple[int, int]]:
        """The stages, each with its scale, that a row or pixel goes through."""
        k = (i | j | 1 << self.scales - 1) & -(i | j | 1 << self.scales - 1)
        scales = range(k.bit_length())  # those that divide i and j
        yield from ((k, k) for k in scales)
        yield from ((self.scales + k, k) for k in reversed(scales))

    def role(self, states: Any, stage: int) -> tuple[Weights, State, State, State, int]:
        """What the kernels want of a stage."""
        s, w, k = states[stage], self.weights[stage], stage % self.scales
        if stage < self.scales:
            return w, s, states[max(k - 1, 0)], s, HALVE if k else START
        if k == self.scales - 1:
            return w, s, s, states[k], TURN
        return w, s, states[stage + 1], states[k], DOUBLE

    def put(self, i: int, j: int, c: int, x: Tensor) -> None:
        """x (n,) in [-1, 1]."""
        values = x.cpu().numpy()
        for edge, part in zip(self.edges, self.slices, strict=True):
            edge.x[2 + i, 1 + j, :, c] = values[part]


def taps(conv: Any) -> Tensor:
    """A shifted convolution's weight as (h, w, in, out), in float64 on the CPU."""
    weight = conv.weight
    v, g = weight.v.detach().cpu().double(), weight.g.detach().cpu().double()
    return (v * (g / v.flatten(1).norm(dim=1))[:, None, None, None]).permute(2, 3, 1, 0)


def bias(conv: Any) -> Tensor:
    return conv.weight.bias.detach().cpu().double()


def weights_of(network: PlusPlus, stage: int) -> Weights:
    """A stage's weights, packed for the kernels."""
    c, dtype = network.config, dtype_of(network)
    k, up = stage % c.scales, stage >= c.scales
    level: Any = network.up[c.scales - 1 - k] if up else network.down[k]

    def stacked(blocks: Any, part: str, halves: int = 1) -> np.ndarray:
        each = torch.stack([taps(getattr(block, part)) for block in blocks])
        return pack(full(full(each, dtype, -2, 2), dtype, -1, halves))

    def skips(which: int) -> np.ndarray:
        """Of ul's 1x1 over E of u and the skip, side by side: one of the two."""
        each = torch.stack([taps(block.skip)[0, 0] for block in level.ul])  # (B, 2 or 4 F, F)
        parts = each.unflatten(1, (2, -1, c.filters))  # (B, plus and minus, u or skip, F, F)
        return pack(full(full(parts[:, :, which].flatten(1, 2), dtype, -2, 2), dtype, -1))

    def biases(blocks: Any) -> np.ndarray:
        return full(torch.stack([bias(block.leave) for block in blocks]), dtype, -1, 2)

    resize = resizing(network, k, up)
    u_resize, l_resize = (pack(full(full(taps(r), dtype, -2), dtype, -1)) for r in resize)
    none = np.zeros((0, 1, 1, 1), dtype)
    return Weights(
        u_enter=stacked(level.u, "enter"),
        u_leave=stacked(level.u, "leave", 2),
        u_skip=stacked(level.u, "skip")[:, 0, 0] if up else none,
        l_enter=stacked(level.ul, "enter"),
        l_leave=stacked(level.ul, "leave", 2),
        l_beside=skips(0),
        l_skip=skips(1) if up else none,
        u_bias=biases(level.u),
        l_bias=biases(level.ul),
        u_resize=u_resize,
        l_resize=l_resize,
        resize_bias=full(torch.stack([bias(r) for r in resize]), dtype, -1),
    )


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


def state_of(level: Level, w: Weights, part: slice, W: int, y: Tensor | None) -> State:
    """Of a stage and the pictures of a part, before the first row; y (N, D) of all pictures."""
    dtype, n = w.u_bias.dtype, part.stop - part.start
    B, F = w.u_bias.shape[0], w.u_bias.shape[1] // 2

    def given(blocks: Any) -> np.ndarray:
        """(B, n, F)"""
        each = [entering(block, n, None if y is None else y[part]) for block in blocks]
        return full(torch.stack(each), dtype, -1)

    def empty(*shape: int) -> np.ndarray:
        return np.zeros(shape, dtype)

    return State(
        for_u=given(level.u),
        for_l=given(level.ul),
        ux=empty(B + 1, 2, 1 + W + 1, n, 2 * F),
        ut=empty(B, 2, 1 + W + 1, n, 2 * F),
        lx=empty(B + 1, 1 + W, n, 2 * F),
        lt=empty(B, 1 + W, n, 2 * F),
        enter=empty(B, W, n, F),
        leave=empty(B, W, n, 2 * F),
        u=empty(W, n, F),
        now=empty(n, F),
        u_last=empty(2, 1 + W + 1, n, F),
        l_last=empty(2, 1 + W, n, F),
        wide=empty(W, n, F),
        pair=empty(W, n, 2 * F),
    )


def entering(block: Any, n: int, y: Tensor | None) -> Tensor:
    """All that is constant where a block's first convolution ends: (n, F) in float64."""
    total = bias(block.enter) + (0 if block.skip is None else bias(block.skip))
    if y is None or block.condition is None:
        return total.expand(n, -1)
    return total + y.cpu().double() @ block.condition.weight.detach().cpu().double().T


def edge_of(network: PlusPlus, part: slice, size: tuple[int, int]) -> Edge:
    """Of the pictures of a part; the channel of ones is set."""
    dtype, (H, W), n = dtype_of(network), size, part.stop - part.start
    c = network.config.channels + 1
    left, above = taps(network.ul_left), taps(network.ul_above)  # (2, 1, ..), (1, 3, ..)
    bias_in = torch.stack([bias(m) for m in (network.u_start, network.ul_above, network.ul_left)])
    w_u = pack(full(taps(network.u_start).flatten(0, 2), dtype, -1))
    bias_in = full(bias_in, dtype, -1)
    bias_end = full(bias(network.end), dtype, -1)
    x = np.zeros((2 + H, 1 + W + 1, n, c), dtype)
    x[2:, 1:-1, :, -1] = 1
    return Edge(
        x=x,
        window=np.zeros((W, n, 6 * c), dtype),
        near=np.zeros((n, 2 * c), dtype),
        above=np.zeros((W, n, bias_in.shape[1]), dtype),
        w_u=w_u,
        w_above=pack(full(torch.cat([0 * above, above]).flatten(0, 2), dtype, -1)),
        w_left=pack(full(left.flatten(0, 2), dtype, -1)),
        bias=bias_in,
        last=np.zeros((n, bias_in.shape[1]), dtype),
        w_end=pack(full(full(taps(network.end)[0, 0], dtype, -2), dtype, -1)),
        bias_end=bias_end,
    )
