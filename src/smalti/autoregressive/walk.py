"""Sequential sampling: visit n pictures symbol by symbol, keeping the known symbols."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from smalti.autoregressive.known import KnownSymbols
from smalti.core.canvas import Canvas
from smalti.core.protocols import ChooseSymbols
from smalti.layers.eval_mode import eval_mode
from smalti.layers.symbol_sampling import check_finite

if TYPE_CHECKING:
    from smalti.autoregressive.model import Autoregressive


def walk_rows(
    model: Autoregressive,
    choose_symbols: ChooseSymbols,
    n: int,
    y: Tensor | None,
    known: KnownSymbols | None,
) -> Iterator[Canvas]:
    """Yield the symbols (n, C, h, w) after each row, later ones 0. y: the encoded conditions.

    In other orders than row by row, a row is w pixels of the sequence. Where all pictures have the
    symbol, `choose_symbols` is not called, and after the last missing one the network is not run.
    """
    (C, h, w), P = model.requirements.grid, model.requirements.n_parameters
    sequence = torch.zeros(n, C * h * w, dtype=torch.int64, device=model.device)
    first, end = (0, C * h * w) if known is None else known.find_drawn_range()
    with torch.no_grad(), eval_mode(model):
        start = () if known is None else (known.symbols[:, :first],)
        walker = model.build_walker(n, y, *start) if first < end else None
    for i in range(h):
        with torch.no_grad(), eval_mode(model):
            for k in range(i * w * C, (i + 1) * w * C):
                if known is not None and not first <= k < end:
                    sequence[:, k] = known.symbols[:, k]
                    continue
                assert walker is not None
                parameters = walker.predict(k)[:, :P]
                if known is not None and not known.missing[:, k].any():
                    chosen = known.symbols[:, k]
                else:
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
        canvas = model.requirements.to_grid(sequence).clone(memory_format=torch.contiguous_format)
        yield Canvas(canvas, i + 1, h, known=known and known.pixels)
