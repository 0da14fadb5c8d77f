"""Codecs on pictures larger than memory: in tiles that overlap, and are blended.

Networks go step by step over all tiles: a residual block, a halving. So a tile needs to see no more
than a few places beyond its edge, and the statistics of a group norm are those of the whole
picture: a first pass over the tiles gathers them. Attention, at the coarse size where maps are
small, looks at the whole picture as it always does. Held at a time are a step's input, its output
and the inside of one tile.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from smalti.codecs.codec import Codec
from smalti.core.errors import UserError

REACH = 4
"""Places that a tile sees beyond its edges: two convolutions of 3 x 3 and to spare."""


SIDE = 32
"""Codes of a tile's side unless told otherwise, beside the overlap."""


class Tile(NamedTuple):
    """A piece of a map, in codes: its core [top, bottom) x [left, right), and what it sees."""

    top: int
    bottom: int
    left: int
    right: int
    outer: tuple[int, int, int, int]

    def seen(self, x: Tensor, scale: int) -> Tensor:
        """The piece with its overlap, of a map with `scale` numbers a code."""
        t, b, le, r = (v * scale for v in self.outer)
        return x[..., t:b, le:r]

    def core_of(self, y: Tensor, scale: float) -> Tensor:
        """Of a map of the piece with its overlap, the core."""
        t, _, le, _ = self.outer
        rows = slice(round((self.top - t) * scale), round((self.bottom - t) * scale))
        columns = slice(round((self.left - le) * scale), round((self.right - le) * scale))
        return y[..., rows, columns]


def cut(h: int, w: int, side: int, overlap: int) -> Iterator[Tile]:
    """All tiles of a map of h x w codes."""
    if side < 1:
        raise UserError(f"tiles of {side} codes hold nothing; give 1 or more")
    for top in range(0, h, side):
        for left in range(0, w, side):
            bottom, right = min(h, top + side), min(w, left + side)
            outer = (
                max(0, top - overlap),
                min(h, bottom + overlap),
                max(0, left - overlap),
                min(w, right + overlap),
            )
            yield Tile(top, bottom, left, right, outer)


@torch.no_grad()
def decode_tiled(
    codec: Codec, codes: Tensor, size: tuple[int, int] | None = None, side: int = SIDE
) -> Tensor:
    """As codec.decode, by tiles of `side`: codes (N, h, w) -> (N, C, H, W) float32 in [0, 1]."""
    network, grid = codec.network, codes.shape[1:]
    x = network.decoder.coarse(network.after(network.quantiser.look_up(codes.to(codec.device))))
    for part in network.decoder.parts():
        x = in_tiles(part, x, grid, side)
    picture = codec.shown(x)
    return picture if size is None else picture[..., : size[0], : size[1]]


@torch.no_grad()
def encode_tiled(codec: Codec, x: Tensor, side: int = SIDE) -> Tensor:
    """As codec.encode, by tiles of `side`: pictures (N, C, H, W) in [0, 1] -> codes (N, h, w)."""
    x = codec.check(x)
    network, grid = codec.network, codec.grid((x.shape[2], x.shape[3]))
    x = codec.fitted(codec.placed(x.to(codec.device)))
    for part in network.encoder.parts():
        x = in_tiles(part, x, grid, side)
    return network.quantiser.find(network.before(network.encoder.coarse(x)))


def in_tiles(part: nn.Module, x: Tensor, grid: tuple[int, ...], side: int) -> Tensor:
    """A step of a network on overlapping tiles of x, whose places are those of a grid of codes.

    Where tiles overlap their results are blended, with weights that fall towards their edges.
    """
    h, w = grid
    scale = x.shape[2] // h  # places a code
    pieces = list(cut(h, w, side, -(-REACH // scale)))
    if len(pieces) == 1 or isinstance(part, nn.Identity):
        return part(x)
    norms = [m for m in part.modules() if isinstance(m, nn.GroupNorm)]
    settled = whole_statistics(part, norms, x, pieces, scale)
    total = weights = None
    for piece in pieces:
        with watched(norms, settled):
            y = part(piece.seen(x, scale))
        after = y.shape[2] // (piece.outer[1] - piece.outer[0])
        if total is None or weights is None:
            total = torch.zeros(len(y), y.shape[1], h * after, w * after, device=y.device)
            weights = torch.zeros_like(total[:1, :1])
        weight = ramps(piece, (h, w), after).to(y.device)
        piece.seen(total, after).add_(y * weight)
        piece.seen(weights, after).add_(weight)
    assert total is not None and weights is not None
    return total.div_(weights)


def ramps(piece: Tile, size: tuple[int, int], scale: int) -> Tensor:
    """(rows, columns) of weights: 1 inside, falling to about 0 over the overlap of two tiles."""
    t, b, le, r = piece.outer
    rows = ramp(piece.top - t, piece.bottom - t, b - t, t > 0, b < size[0], scale)
    columns = ramp(piece.left - le, piece.right - le, r - le, le > 0, r < size[1], scale)
    return rows[:, None] * columns


def ramp(first: int, last: int, length: int, before: bool, after: bool, scale: int) -> Tensor:
    """Weights along a side. The core is [first, last) of `length`; it fades where a tile follows.

    The outer half of the overlap has little say, for there a tile lacks what lies beyond it.
    """
    places = (torch.arange(length * scale) + 0.5) / scale
    weight = torch.ones(length * scale)
    if before:
        weight = weight.minimum(faded(places, first))
    if after:
        weight = weight.minimum(faded(length - places, length - last))
    return weight


def faded(places: Tensor, border: int) -> Tensor:
    """From the tile's edge to as far inside its core as the overlap is wide: half at the border,
    where two tiles weigh alike.
    """
    return ((places - border / 2) / max(border, 1)).clamp(1e-4, 1)


Statistics = list[Tensor]
"""Of a step's norms, in their order: (3, N, groups) counts, sums and sums of squares."""


class Enough(Exception):
    """The norm has been reached that a pass was for."""


def whole_statistics(
    part: nn.Module, norms: list[nn.GroupNorm], x: Tensor, pieces: list[Tile], scale: int
) -> Statistics:
    """Of each norm over all of x: a pass for each, in which those before it are settled."""
    settled: Statistics = []
    for _ in norms:
        found: list[Tensor] = []
        for piece in pieces:
            try:
                with watched(norms, settled, found, piece):
                    part(piece.seen(x, scale))
            except Enough:
                continue
        settled.append(torch.stack(found).sum(0))
    return settled


@contextmanager
def watched(
    norms: list[nn.GroupNorm],
    settled: Statistics,
    found: list[Tensor] | None = None,
    piece: Tile | None = None,
) -> Iterator[None]:
    """Norms use settled statistics; the first without adds what it sees to `found`, and that is
    Enough.
    """

    def replaced(norm: nn.GroupNorm, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        return normed(inputs[0], norm, settled[norms.index(norm)])

    def seen(norm: nn.GroupNorm, inputs: tuple[Tensor]) -> None:
        assert found is not None and piece is not None
        found.append(moments(core(inputs[0], piece), norm.num_groups))
        raise Enough

    handles = [norm.register_forward_hook(replaced) for norm in norms[: len(settled)]]
    if found is not None:
        handles.append(norms[len(settled)].register_forward_pre_hook(seen))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def core(x: Tensor, piece: Tile) -> Tensor:
    """What of a map inside the network belongs to the tile alone; each place counts once."""
    t, b, _, _ = piece.outer
    return piece.core_of(x, x.shape[2] / (b - t))


def moments(x: Tensor, groups: int) -> Tensor:
    """(N, C, h, w) -> (3, N, groups) in float64."""
    flat = x.unflatten(1, (groups, -1)).flatten(2).double()  # (N, groups, numbers)
    count = torch.full_like(flat[..., 0], flat.shape[2])
    return torch.stack([count, flat.sum(2), flat.square().sum(2)])


def normed(x: Tensor, norm: nn.GroupNorm, statistics: Tensor) -> Tensor:
    """What the norm gives with these statistics."""
    count, total, squares = statistics
    mean = total / count
    scale = (squares / count - mean.square()).clamp(min=0).add(norm.eps).rsqrt()
    C = x.shape[1] // norm.num_groups
    mean, scale = (v.repeat_interleave(C, 1)[:, :, None, None] for v in (mean, scale))
    gain, shift = norm.weight[:, None, None], norm.bias[:, None, None]
    a = (scale * gain).to(x.dtype)  # (N, C, 1, 1)
    return x * a + (shift - mean * scale * gain).to(x.dtype)
