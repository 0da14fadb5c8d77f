"""Ancestral sampling of symbols, with classifier-free guidance on their logits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from smalti.autoregressive.known import KnownSymbols
from smalti.autoregressive.network import Requirements
from smalti.autoregressive.output import SoftmaxDistribution
from smalti.autoregressive.walk import walk_rows
from smalti.core.canvas import Canvas
from smalti.core.errors import UserError
from smalti.core.protocols import ChooseSymbols, Condition, SymbolDistribution
from smalti.core.rng import Rng
from smalti.layers.symbol_sampling import Ancestral, draw_symbols

if TYPE_CHECKING:
    from smalti.autoregressive.model import Autoregressive


def choose_by_draws(rng: Rng, requirements: Requirements, sampler: Ancestral) -> ChooseSymbols:
    """Draw symbols: for each row sample i takes 2 uniform numbers per level, or 1 per code."""
    C, _, w = requirements.grid
    count, numbers = w * C, 2 if requirements.ordered else 1  # a mixture takes two
    u, rows = torch.empty(0), 0

    def choose(k: int, symbols: SymbolDistribution) -> Tensor:
        nonlocal u, rows
        while rows <= k // count:  # also for the rows that need no drawing
            u, rows = rng.uniform(count, numbers), rows + 1
        u_k = u[:, k % count]
        if sampler.is_truncated:
            return draw_symbols(symbols.logits, u_k[:, 0], sampler)
        return symbols.sample(u_k, sampler.temperature)

    return choose


def guide_choice(choose_symbols: ChooseSymbols, guidance: float) -> ChooseSymbols:
    """Choose symbols for 2n rows: n with their conditions, then the same n without.

    Both get the symbols chosen by uncond + guidance (cond - uncond) of their log-probabilities,
    eq. 6 of arXiv:2207.12598 for logits.
    """

    def choose(k: int, symbols: SymbolDistribution) -> Tensor:
        cond, uncond = symbols.logits.chunk(2)  # (n, K) each
        guided = (uncond + guidance * (cond - uncond)).nan_to_num(nan=-torch.inf)
        return choose_symbols(k, SoftmaxDistribution(guided)).repeat(2)

    return choose


def walk_guided(
    model: Autoregressive,
    choose_symbols: ChooseSymbols,
    n: int,
    y: Tensor,
    known: KnownSymbols | None,
    guidance: float,
) -> Iterator[Canvas]:
    """Walk n pictures as `walk_rows` does, with guidance: one batch of 2n.

    y: encoded conditions of the 2n, first those of the pictures, then n times none.
    """
    twice = pixels = None
    if known is not None:
        twice = KnownSymbols(known.symbols.repeat(2, 1), known.missing.repeat(2, 1))
        pixels = known.pixels
    for canvas in walk_rows(model, guide_choice(choose_symbols, guidance), 2 * n, y, twice):
        yield replace(canvas, symbols=canvas.symbols[:n].clone(), known=pixels)


def check_guidance(guidance: float, conditions: Sequence[Condition]) -> None:
    """UserError unless guidance is 1, or the model was trained without its conditions, too."""
    if guidance == 1:
        return
    never = [c.name for c in conditions if not (c.allows_none or c.has_default)]
    if never or not conditions:
        why = f"was not trained without {never[0]}" if never else "has no conditions"
        raise UserError(f"guidance is {guidance:g}, but this model {why}; set guidance to 1")
