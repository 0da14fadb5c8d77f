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

OVERLAP = 4
"""Places that a tile sees beyond its edges: two convolutions of 3 x 3 and to spare."""


DEFAULT_SIDE = 32
"""Codes of a tile's side unless told otherwise, beside the overlap."""


class Tile(NamedTuple):
    """A piece of a map, in codes: its core [top, bottom) x [left, right), and what it sees."""

    top: int
    bottom: int
    left: int
    right: int
    outer: tuple[int, int, int, int]

    def crop(self, x: Tensor, scale: int) -> Tensor:
        """The piece with its overlap, of a map with `scale` numbers a code."""
        t, b, le, r = (v * scale for v in self.outer)
        return x[..., t:b, le:r]

    def crop_core(self, y: Tensor, scale: float) -> Tensor:
        """Of a map of the piece with its overlap, the core."""
        t, _, le, _ = self.outer
        rows = slice(round((self.top - t) * scale), round((self.bottom - t) * scale))
        columns = slice(round((self.left - le) * scale), round((self.right - le) * scale))
        return y[..., rows, columns]


def split_tiles(h: int, w: int, side: int, overlap: int) -> Iterator[Tile]:
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
    codec: Codec, codes: Tensor, size: tuple[int, int] | None = None, side: int = DEFAULT_SIDE
) -> Tensor:
    """As codec.decode, by tiles of `side`: codes (N, h, w) -> (N, C, H, W) float32 in [0, 1]."""
    network, grid = codec.network, codes.shape[1:]
    x = network.decoder.forward_global(
        network.post_quant_conv(network.quantizer.dequantize(codes.to(codec.device)))
    )
    for part in network.decoder.list_local_layers():
        x = apply_in_tiles(part, x, grid, side)
    picture = codec.from_network_range(x)
    return picture if size is None else picture[..., : size[0], : size[1]]


@torch.no_grad()
def encode_tiled(codec: Codec, x: Tensor, side: int = DEFAULT_SIDE) -> Tensor:
    """As codec.encode, by tiles of `side`: pictures (N, C, H, W) in [0, 1] -> codes (N, h, w)."""
    x = codec.check_pictures(x)
    network, grid = codec.network, codec.compute_code_shape((x.shape[2], x.shape[3]))
    x = codec.pad(codec.to_network_range(x.to(codec.device)))
    for part in network.encoder.list_local_layers():
        x = apply_in_tiles(part, x, grid, side)
    return network.quantizer.quantize(network.quant_conv(network.encoder.forward_global(x)))


def apply_in_tiles(layer: nn.Module, x: Tensor, grid: tuple[int, ...], side: int) -> Tensor:
    """A step of a network on overlapping tiles of x, whose places are those of a grid of codes.

    Where tiles overlap their results are blended, with weights that fall towards their edges.
    """
    h, w = grid
    scale = x.shape[2] // h  # places a code
    tiles = list(split_tiles(h, w, side, -(-OVERLAP // scale)))
    if len(tiles) == 1 or isinstance(layer, nn.Identity):
        return layer(x)
    norms = [m for m in layer.modules() if isinstance(m, nn.GroupNorm)]
    statistics = compute_global_statistics(layer, norms, x, tiles, scale)
    total = weights = None
    for tile in tiles:
        with hook_norms(norms, statistics):
            y = layer(tile.crop(x, scale))
        after = y.shape[2] // (tile.outer[1] - tile.outer[0])
        if total is None or weights is None:
            total = torch.zeros(len(y), y.shape[1], h * after, w * after, device=y.device)
            weights = torch.zeros_like(total[:1, :1])
        weight = compute_tile_weights(tile, (h, w), after).to(y.device)
        tile.crop(total, after).add_(y * weight)
        tile.crop(weights, after).add_(weight)
    assert total is not None and weights is not None
    return total.div_(weights)


def compute_tile_weights(tile: Tile, size: tuple[int, int], scale: int) -> Tensor:
    """(rows, columns) of weights: 1 inside, falling to about 0 over the overlap of two tiles."""
    t, b, le, r = tile.outer
    rows = compute_side_weights(tile.top - t, tile.bottom - t, b - t, t > 0, b < size[0], scale)
    columns = compute_side_weights(
        tile.left - le, tile.right - le, r - le, le > 0, r < size[1], scale
    )
    return rows[:, None] * columns


def compute_side_weights(
    first: int, last: int, length: int, fades_before: bool, fades_after: bool, scale: int
) -> Tensor:
    """Weights along a side. The core is [first, last) of `length`; it fades where a tile follows.

    The outer half of the overlap has little say, for there a tile lacks what lies beyond it.
    """
    positions = (torch.arange(length * scale) + 0.5) / scale
    weight = torch.ones(length * scale)
    if fades_before:
        weight = weight.minimum(fade(positions, first))
    if fades_after:
        weight = weight.minimum(fade(length - positions, length - last))
    return weight


def fade(positions: Tensor, border: int) -> Tensor:
    """From the tile's edge to as far inside its core as the overlap is wide: half at the border,
    where two tiles weigh alike.
    """
    return ((positions - border / 2) / max(border, 1)).clamp(1e-4, 1)


Statistics = list[Tensor]
"""Of a step's norms, in their order: (3, N, groups) counts, sums and sums of squares."""


class NormReached(Exception):
    """The norm has been reached that a pass was for."""


def compute_global_statistics(
    layer: nn.Module, norms: list[nn.GroupNorm], x: Tensor, tiles: list[Tile], scale: int
) -> Statistics:
    """Of each norm over all of x: a pass for each, in which those before it are settled."""
    statistics: Statistics = []
    for _ in norms:
        recorded: list[Tensor] = []
        for tile in tiles:
            try:
                with hook_norms(norms, statistics, recorded, tile):
                    layer(tile.crop(x, scale))
            except NormReached:
                continue
        statistics.append(torch.stack(recorded).sum(0))
    return statistics


@contextmanager
def hook_norms(
    norms: list[nn.GroupNorm],
    statistics: Statistics,
    recorded: list[Tensor] | None = None,
    tile: Tile | None = None,
) -> Iterator[None]:
    """Norms use settled statistics; the first without adds what it sees to `recorded`, and that is
    Enough.
    """

    def normalize_globally(norm: nn.GroupNorm, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        return apply_norm(inputs[0], norm, statistics[norms.index(norm)])

    def record_moments(norm: nn.GroupNorm, inputs: tuple[Tensor]) -> None:
        assert recorded is not None and tile is not None
        recorded.append(compute_moments(crop_to_core(inputs[0], tile), norm.num_groups))
        raise NormReached

    handles = [norm.register_forward_hook(normalize_globally) for norm in norms[: len(statistics)]]
    if recorded is not None:
        handles.append(norms[len(statistics)].register_forward_pre_hook(record_moments))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def crop_to_core(x: Tensor, tile: Tile) -> Tensor:
    """What of a map inside the network belongs to the tile alone; each place counts once."""
    t, b, _, _ = tile.outer
    return tile.crop_core(x, x.shape[2] / (b - t))


def compute_moments(x: Tensor, groups: int) -> Tensor:
    """(N, C, h, w) -> (3, N, groups) in float64."""
    flat = x.unflatten(1, (groups, -1)).flatten(2).double()  # (N, groups, numbers)
    count = torch.full_like(flat[..., 0], flat.shape[2])
    return torch.stack([count, flat.sum(2), flat.square().sum(2)])


def apply_norm(x: Tensor, norm: nn.GroupNorm, statistics: Tensor) -> Tensor:
    """What the norm gives with these statistics."""
    count, total, squares = statistics
    mean = total / count
    scale = (squares / count - mean.square()).clamp(min=0).add(norm.eps).rsqrt()
    C = x.shape[1] // norm.num_groups
    mean, scale = (v.repeat_interleave(C, 1)[:, :, None, None] for v in (mean, scale))
    gain, shift = norm.weight[:, None, None], norm.bias[:, None, None]
    a = (scale * gain).to(x.dtype)  # (N, C, 1, 1)
    return x * a + (shift - mean * scale * gain).to(x.dtype)
