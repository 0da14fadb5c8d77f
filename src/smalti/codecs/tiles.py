"""Codecs on pictures larger than memory: overlapping tiles are processed and blended.

Each layer (a residual block, a downsampling) runs on all tiles before the next one. So a tile needs
only a few positions beyond its edges, and group norms use the statistics of the whole picture,
which a first pass over the tiles computes. Attention, at the lowest resolution with small maps,
sees the whole picture. Memory holds a layer's input, its output and the activations of one tile.
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
"""Positions of overlap on each side of a tile: enough for two 3 x 3 convolutions."""


DEFAULT_SIDE = 32
"""Codes along a side of a tile, without the overlap."""


class Tile(NamedTuple):
    """A tile, in codes: its core [top, bottom) x [left, right), and `outer`, with the overlap."""

    top: int
    bottom: int
    left: int
    right: int
    outer: tuple[int, int, int, int]

    def crop(self, x: Tensor, scale: int) -> Tensor:
        """Crop the tile with its overlap from a map with `scale` positions per code."""
        t, b, le, r = (v * scale for v in self.outer)
        return x[..., t:b, le:r]

    def crop_core(self, y: Tensor, scale: float) -> Tensor:
        """Crop the core from a map of the tile with its overlap."""
        t, _, le, _ = self.outer
        rows = slice(round((self.top - t) * scale), round((self.bottom - t) * scale))
        columns = slice(round((self.left - le) * scale), round((self.right - le) * scale))
        return y[..., rows, columns]


def split_tiles(h: int, w: int, side: int, overlap: int) -> Iterator[Tile]:
    """Split a map of h x w codes into tiles. UserError if side < 1."""
    if side < 1:
        raise UserError(f"the tile side is {side} codes; give 1 or more")
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
    """Decode in tiles of `side` codes, as codec.decode: (N, h, w) -> (N, C, H, W) in [0, 1]."""
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
    """Encode in tiles of `side` codes, as codec.encode: (N, C, H, W) in [0, 1] -> (N, h, w)."""
    x = codec.check_pictures(x)
    network, grid = codec.network, codec.compute_code_shape((x.shape[2], x.shape[3]))
    x = codec.pad(codec.to_network_range(x.to(codec.device)))
    for part in network.encoder.list_local_layers():
        x = apply_in_tiles(part, x, grid, side)
    return network.quantizer.quantize(network.quant_conv(network.encoder.forward_global(x)))


def apply_in_tiles(layer: nn.Module, x: Tensor, grid: tuple[int, ...], side: int) -> Tensor:
    """Apply a layer to overlapping tiles of x, which covers a grid of codes.

    Overlapping results are blended with weights that fall towards the tiles' edges.
    """
    h, w = grid
    scale = x.shape[2] // h  # positions per code
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
    """Weights (rows, columns): 1 inside, falling to about 0 over the overlap of two tiles."""
    t, b, le, r = tile.outer
    rows = compute_side_weights(tile.top - t, tile.bottom - t, b - t, t > 0, b < size[0], scale)
    columns = compute_side_weights(
        tile.left - le, tile.right - le, r - le, le > 0, r < size[1], scale
    )
    return rows[:, None] * columns


def compute_side_weights(
    first: int, last: int, length: int, fades_before: bool, fades_after: bool, scale: int
) -> Tensor:
    """Weights along a side with core [first, last) of `length`, fading next to another tile.

    The outer half of the overlap gets little weight, since the tile lacks context there.
    """
    positions = (torch.arange(length * scale) + 0.5) / scale
    weight = torch.ones(length * scale)
    if fades_before:
        weight = weight.minimum(fade(positions, first))
    if fades_after:
        weight = weight.minimum(fade(length - positions, length - last))
    return weight


def fade(positions: Tensor, border: int) -> Tensor:
    """Ramp centered on the core's border, half there, where two tiles have equal weights."""
    return ((positions - border / 2) / max(border, 1)).clamp(1e-4, 1)


Statistics = list[Tensor]
"""Counts, sums and sums of squares (3, N, groups) of each norm of a layer, in order."""


class NormReached(Exception):
    """Stops a forward pass at the norm whose moments it computes."""


def compute_global_statistics(
    layer: nn.Module, norms: list[nn.GroupNorm], x: Tensor, tiles: list[Tile], scale: int
) -> Statistics:
    """Compute the statistics of each norm over all of x, one pass per norm, in order."""
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
    """Make norms use the given statistics. The first norm without any appends its moments to
    `recorded` and raises NormReached.
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
    """Crop a map inside the network to the tile's core, so that each position counts once."""
    t, b, _, _ = tile.outer
    return tile.crop_core(x, x.shape[2] / (b - t))


def compute_moments(x: Tensor, groups: int) -> Tensor:
    """Count, sum and sum of squares per group, (N, C, h, w) -> (3, N, groups) in float64."""
    flat = x.unflatten(1, (groups, -1)).flatten(2).double()  # (N, groups, numbers)
    count = torch.full_like(flat[..., 0], flat.shape[2])
    return torch.stack([count, flat.sum(2), flat.square().sum(2)])


def apply_norm(x: Tensor, norm: nn.GroupNorm, statistics: Tensor) -> Tensor:
    """Apply a group norm with the given statistics."""
    count, total, squares = statistics
    mean = total / count
    scale = (squares / count - mean.square()).clamp(min=0).add(norm.eps).rsqrt()
    C = x.shape[1] // norm.num_groups
    mean, scale = (v.repeat_interleave(C, 1)[:, :, None, None] for v in (mean, scale))
    gain, shift = norm.weight[:, None, None], norm.bias[:, None, None]
    a = (scale * gain).to(x.dtype)  # (N, C, 1, 1)
    return x * a + (shift - mean * scale * gain).to(x.dtype)
