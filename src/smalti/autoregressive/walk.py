"""The walk: a model goes through n pictures symbol by symbol, and what is known stays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from smalti.autoregressive.order import to_grid, to_sequence
from smalti.core.errors import UserError
from smalti.core.given import Given
from smalti.core.protocols import Choose
from smalti.core.states import Canvas
from smalti.layers.choosing import check_finite
from smalti.layers.eval_mode import eval_mode

if TYPE_CHECKING:
    from smalti.autoregressive.model import Autoregressive


class Known(NamedTuple):
    """What is kept of n pictures that are completed."""

    symbols: Tensor
    """(n, T) int64."""
    free: Tensor
    """(n, T) bool: where they are to be drawn."""


def walk_rows(
    model: Autoregressive, choose: Choose, n: int, y: Tensor | None, known: Known | None
) -> Iterator[Canvas]:
    """The symbols (n, C, h, w) after each row; those to come are 0. y: what the network is told."""
    (C, h, w), P = model.needs.grid, model.needs.numbers
    sequence = torch.zeros(n, C * h * w, dtype=torch.int64, device=model.device)
    with torch.no_grad(), eval_mode(model):
        walker = model.build_walker(n, y)
    for i in range(h):
        with torch.no_grad(), eval_mode(model):
            for k in range(i * w * C, (i + 1) * w * C):
                parameters = walker.parameters(k)[:, :P]
                check_finite(parameters, k)
                c = k % C
                symbols = model.config.output.at(
                    parameters, sequence[:, k - c : k], c, model.needs.symbols
                )
                chosen = choose(k, symbols).to(model.device)
                if known is not None:
                    chosen = chosen.where(known.free[:, k], known.symbols[:, k])
                sequence[:, k] = chosen
                walker.put(k, chosen)
        canvas = to_grid(sequence, model.needs.grid)
        yield Canvas(canvas.clone(memory_format=torch.contiguous_format), i + 1, h)


def read_known(model: Autoregressive, given: Given, n: int) -> Known | None:
    """What is known of n pictures; None without any. UserError for what does not fit."""
    known, mask = given.known, given.mask
    if known is None and mask is None:
        return None
    if not model.is_lossless:
        raise UserError(
            "known pictures are given, but this model draws codes, each of which stands for many "
            "pixels; give a model that draws pixels"
        )
    if known is None or mask is None:
        raise UserError("completion takes known pictures and a mask; give both")
    check_known(known, mask, (n, *model.config.shape))
    symbols = to_sequence(model.encode(known.to(model.device)))
    free = mask.to(model.device).expand(known.shape)
    return Known(symbols, to_sequence(free))


def check_known(known: Tensor, mask: Tensor, shape: tuple[int, int, int, int]) -> None:
    """UserError unless known pictures have this shape, and the mask one that fits them."""
    n, _, H, W = shape
    if known.shape != shape:
        raise UserError(f"known has shape {tuple(known.shape)}; these samples want {shape}")
    if not (known.min() >= 0 and known.max() <= 1):
        raise UserError(
            f"known has values from {known.min():.4g} to {known.max():.4g}; give pictures in 0 to 1"
        )
    if mask.dtype != torch.bool:
        raise UserError(f"mask is of {mask.dtype}; give booleans, true where to fill in")
    if tuple(mask.shape) not in ((H, W), (n, 1, H, W), shape):
        raise UserError(
            f"mask has shape {tuple(mask.shape)}; give {(H, W)}, {(n, 1, H, W)} or {shape}"
        )
