"""Pictures of any size from a model of codes, in windows as large as its own grid."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import torch
from torch import Tensor

from smalti.autoregressive.windows.layout import WindowLayout
from smalti.autoregressive.windows.picture_maps import encode_prefix
from smalti.autoregressive.windows.sampler import Sliding
from smalti.autoregressive.windows.seamless import (
    SWEEPS,
    check_seamless_size,
    decode_wrapped,
    sweep_borders,
)
from smalti.autoregressive.windows.walk import choose_by_sampler, guide_codes, walk_windows
from smalti.autoregressive.windows.walker import WindowWalker
from smalti.core.canvas import Canvas
from smalti.core.conditions import resolve_conditions
from smalti.core.errors import UserError
from smalti.core.protocols import Codec
from smalti.core.rng import Rng
from smalti.core.sampling_inputs import SamplingInputs
from smalti.core.size import format_size, normalize_size
from smalti.layers.eval_mode import eval_mode
from smalti.layers.symbol_sampling import Ancestral

if TYPE_CHECKING:
    from smalti.autoregressive.model import Autoregressive, AutoregressiveConfig

MAX_CODES = 2**18
"""Most codes of a canvas: 512 x 512."""
MAX_WHOLE_CODES = 2**12
"""Most codes that are decoded in one piece: 64 x 64."""


@runtime_checkable
class TilingCodec(Codec, Protocol):
    """A codec that decodes in tiles, too."""

    def decode_tiled(self, codes: Tensor, size: tuple[int, int] | None = None) -> Tensor: ...


def read_canvas_size(
    model: Autoregressive, inputs: SamplingInputs, sampler: Ancestral
) -> tuple[int, int] | None:
    """The pictures' size, where it is not the model's own; UserError for one that does not fit."""
    own, seamless = model.config.shape[1:], isinstance(sampler, Sliding) and sampler.seamless
    size = own if inputs.size is None else normalize_size(inputs.size)
    if size == own and not seamless:
        return None
    if not model.spec.free_size:
        raise UserError(
            f"size {format_size(size)} is given, but this model draws {format_size(own)} alone; "
            "leave it out"
        )
    if inputs.known is not None or inputs.mask is not None:
        raise UserError(
            f"size {format_size(size)} and known pictures are given; leave one of them out"
        )
    h, w = model.codec.compute_code_shape(size)
    if h * w > MAX_CODES:
        raise UserError(
            f"size {format_size(size)} takes {h}x{w} codes; give one of {MAX_CODES:,} codes at most"
        )
    if seamless:
        check_seamless_size(model.codec, size)
        if names := [c.name for c in model.spec.conditions if c.is_picture and c.has_default]:
            raise UserError(
                f"seamless is set, but this model sees {names[0]}, which have borders; leave it out"
            )
    return size


def draws_any_size(config: AutoregressiveConfig) -> bool:
    """Whether windows may slide: over codes, row by row, by a network that sees a sequence."""
    slides = getattr(config.network, "slides", False)
    return slides and config.order.is_raster and not config.codec.lossless


def decode_large(codec: Codec, codes: Tensor, size: tuple[int, int], wraps: bool = False) -> Tensor:
    """Pictures (n, C, H, W) of codes (n, h, w), one at a time, and large ones in tiles."""
    decode = codec.decode
    if codes[0].numel() > MAX_WHOLE_CODES and isinstance(codec, TilingCodec):
        decode = codec.decode_tiled
    if wraps:
        return torch.cat([decode_wrapped(decode, one, size) for one in codes.split(1)])
    return torch.cat([decode(one, size) for one in codes.split(1)])


def stream_windows(
    model: Autoregressive,
    rng: Rng,
    inputs: SamplingInputs,
    sampler: Ancestral,
    size: tuple[int, int],
) -> Iterator[Canvas]:
    """Codes of pictures of this size, after each row; the conditions are all given.

    Sample i draws one number a code from its own stream, row by row, as it does without windows.
    """
    _, h, w = model.requirements.grid
    stride = sampler.stride if isinstance(sampler, Sliding) else 1
    seamless = isinstance(sampler, Sliding) and sampler.seamless
    layout = WindowLayout(model.codec.compute_code_shape(size), (h, w), stride)
    n, values = len(rng), resolve_conditions(inputs, model.spec, len(rng))
    choose = choose_by_sampler(rng.uniform(*layout.canvas), sampler)
    with torch.no_grad(), eval_mode(model):
        told = (values,) if sampler.guidance == 1 else (values, {})
        prefix = encode_prefix(model, told, n, size, wraps=seamless)
    if sampler.guidance != 1:
        choose = guide_codes(choose, sampler.guidance)
    walker = WindowWalker(
        model.network, prefix, layout, model.requirements.n_symbols, keeps_grid=True
    )
    H = layout.canvas[0]
    if not seamless:
        rows = walk_windows(walker, choose)
        return (Canvas(codes[:n, None], i, H, size=size) for i, codes in enumerate(rows, 1))
    again = [choose_by_sampler(rng.uniform(*layout.canvas), sampler) for _ in range(SWEEPS)]
    if sampler.guidance != 1:
        again = [guide_codes(one, sampler.guidance) for one in again]
    rows = chain(walk_windows(walker, choose), sweep_borders(walker, again))
    return (
        Canvas(codes[:n, None], i, H + SWEEPS, size=size, wraps=True)
        for i, codes in enumerate(rows, 1)
    )
