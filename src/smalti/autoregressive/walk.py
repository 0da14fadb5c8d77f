"""The walk: a model goes through n pictures symbol by symbol, and what is known stays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from smalti.autoregressive.order import to_grid, to_sequence
from smalti.core.errors import UserError
from smalti.core.given import Given, read_hole
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
    hole = read_hole(given, (n, *model.config.shape))
    if hole is None:
        return None
    if not model.is_lossless:
        raise UserError(
            "known pictures are given, but this model draws codes, each of which stands for many "
            "pixels; give a model that draws pixels"
        )
    known, free = hole
    symbols = to_sequence(model.encode(known.to(model.device)))
    return Known(symbols, to_sequence(free.to(model.device)))
