"""Conditions that are pictures, over a whole canvas: maps of tokens that windows see cuts of."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import TYPE_CHECKING

import torch

from smalti.autoregressive.conditioning import TokenConditioning
from smalti.autoregressive.picture_condition import PictureEncoder
from smalti.autoregressive.windows.prefix import WindowPrefix
from smalti.core.conditions import ConditionValues
from smalti.core.errors import UserError

if TYPE_CHECKING:
    from smalti.autoregressive.model import Autoregressive


def encode_prefix(
    model: Autoregressive,
    values: Sequence[ConditionValues],
    n: int,
    size: tuple[int, int],
    wraps: bool = False,
) -> WindowPrefix:
    """Encode the conditions of n pictures of this size, for each of `values` one after the other.

    wraps: pictures go on beyond their borders with the other side.
    UserError for pictures smaller than the trained size where they are conditioned on others.
    """
    own, encoders = model.config.shape[1:], model.pictures.encoders
    small = size[0] < own[0] or size[1] < own[1]
    if small and (names := [e.name for e in encoders if isinstance(e, PictureEncoder)]):
        raise UserError(
            f"size {size[0]}x{size[1]} is smaller than the trained {own[0]}x{own[1]}, which "
            f"{names[0]} is needed for; give a larger one"
        )
    pictures = copy(model.pictures)
    pictures.encoders = tuple(
        enlarge_encoder(e, size, own, wraps) if isinstance(e, PictureEncoder) else e
        for e in encoders
    )
    assert isinstance(model.conditioning, TokenConditioning)  # of a network that slides
    shifts = torch.full((n,), model.requirements.n_shifts // 2, device=model.device)
    halves = []
    for told in values:
        maps = pictures.encode(told, n, model.device, False)
        halves.append(model.conditioning.encode_parts(model.conditions, told, n, shifts, maps))
    parts = [torch.cat(each) for each in zip(*halves, strict=True)]
    first = len(parts) - len(encoders)
    grids: list[tuple[int, int] | None] = [None] * len(parts)
    for k, (e, large) in enumerate(zip(encoders, pictures.encoders, strict=True), first):
        if isinstance(e, PictureEncoder) and isinstance(large, PictureEncoder):
            C, h, w = large.grid
            parts[k], grids[k] = parts[k].unflatten(1, (h, w, C)), (e.grid[1], e.grid[2])
    return WindowPrefix(tuple(parts), tuple(grids))


def enlarge_encoder(
    encoder: PictureEncoder, size: tuple[int, int], own: tuple[int, int], wraps: bool = False
) -> PictureEncoder:
    """The encoder for pictures that are larger than the trained ones, as the canvas is."""
    H, W = (-(-s * e // o) for s, e, o in zip(size, encoder.size, own, strict=True))
    large = copy(encoder)
    large.size, large.wraps = (H, W), wraps
    large.grid = (1, *encoder.holder.codec.compute_code_shape((H, W)))[-3:]
    return large
