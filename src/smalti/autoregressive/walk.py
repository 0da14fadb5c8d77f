"""Sequential sampling: visit n pictures symbol by symbol, keeping the known symbols."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from smalti.core.canvas import Canvas
from smalti.core.errors import UserError
from smalti.core.protocols import ChooseSymbols
from smalti.core.sampling_inputs import SamplingInputs, read_known_and_mask
from smalti.layers.eval_mode import eval_mode
from smalti.layers.symbol_sampling import check_finite

if TYPE_CHECKING:
    from smalti.autoregressive.model import Autoregressive


class KnownSymbols(NamedTuple):
    """The known symbols of n pictures to complete."""

    symbols: Tensor
    """(n, T) int64."""
    missing: Tensor
    """(n, T) bool: True where symbols are drawn."""


def walk_rows(
    model: Autoregressive,
    choose_symbols: ChooseSymbols,
    n: int,
    y: Tensor | None,
    known: KnownSymbols | None,
) -> Iterator[Canvas]:
    """Yield the symbols (n, C, h, w) after each row, later ones 0. y: the encoded conditions.

    In other orders than row by row, a row is w pixels of the sequence.
    """
    (C, h, w), P = model.requirements.grid, model.requirements.n_parameters
    sequence = torch.zeros(n, C * h * w, dtype=torch.int64, device=model.device)
    with torch.no_grad(), eval_mode(model):
        walker = model.build_walker(n, y)
    for i in range(h):
        with torch.no_grad(), eval_mode(model):
            for k in range(i * w * C, (i + 1) * w * C):
                parameters = walker.predict(k)[:, :P]
                check_finite(parameters, k)
                c = k % C
                symbols = model.config.output.build_distribution(
                    parameters, sequence[:, k - c : k], c, model.requirements.n_symbols
                )
                chosen = choose_symbols(k, symbols).to(model.device)
                if known is not None:
                    chosen = chosen.where(known.missing[:, k], known.symbols[:, k])
                sequence[:, k] = chosen
                walker.set_symbols(k, chosen)
        canvas = model.requirements.to_grid(sequence)
        yield Canvas(canvas.clone(memory_format=torch.contiguous_format), i + 1, h)


def encode_known(model: Autoregressive, inputs: SamplingInputs, n: int) -> KnownSymbols | None:
    """Encode the known part of n pictures; None without any. UserError when it does not fit."""
    hole = read_known_and_mask(inputs, (n, *model.config.shape))
    if hole is None:
        return None
    if not model.is_lossless:
        raise UserError(
            "known pictures are given, but this model predicts codes, each covering many pixels; "
            "give a model of pixels"
        )
    known, mask = hole
    symbols = model.requirements.to_sequence(model.encode(known.to(model.device)))
    return KnownSymbols(symbols, model.requirements.to_sequence(mask.to(model.device)))
