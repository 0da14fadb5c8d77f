"""Which symbol comes next, out of a distribution: temperature, top-k, top-p."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from smalti.core.config import check_fields
from smalti.core.errors import UserError
from smalti.core.ranges import CountOrZero, Range, Weight


@dataclass(frozen=True)
@check_fields
class Ancestral:
    """Draws every symbol given those before it."""

    temperature: Weight = 1.0
    """Below 1 the likelier symbols are drawn more often; 0 takes the likeliest."""
    top_k: CountOrZero = 0
    """Draw among so many of the likeliest symbols; 0 for all."""
    top_p: Annotated[float, Range(0, 1, excludes_low=True)] = 1.0
    """Draw among the fewest of the likeliest symbols whose probabilities sum to this."""

    @property
    def is_truncated(self) -> bool:
        """Whether only some of the symbols may be drawn."""
        return self.top_k > 0 or self.top_p < 1


def check_finite(parameters: Tensor, position: object) -> None:
    """UserError unless all that a network puts out at a place (n, P) is finite."""
    if not parameters.sum().isfinite():
        raise UserError(
            f"what the network puts out at {position} is not finite: its weights are damaged, or ran "
            "away in training; use an earlier step"
        )


def draw_symbols(logits: Tensor, u: Tensor, sampler: Ancestral) -> Tensor:
    """One symbol a row, (n,) int64, by u (n,) in [0, 1), as `draw_index`.

    logits: (n, K), normalized or not. Symbols that the sampler cuts off are never drawn.
    """
    temperature = sampler.temperature
    if temperature and sampler.is_truncated:
        logits = filter_logits(logits.double() / temperature, sampler.top_k, sampler.top_p)
        temperature = 1.0
    return draw_index(logits, u, temperature)


def draw_index(logits: Tensor, u: Tensor, temperature: float) -> Tensor:
    """Where the sum of a row's probabilities passes u; at temperature 0 the likeliest: (n,)."""
    if temperature == 0:
        return logits.argmax(1)
    total = (logits.double() / temperature).softmax(1).cumsum(1)
    return (total > u[:, None].to(total) * total[:, -1:]).int().argmax(1)


def filter_logits(logits: Tensor, top_k: int = 0, top_p: float = 1.0) -> Tensor:
    """logits (n, K), with -inf where a symbol may not be drawn.

    First all but the top_k likeliest go, then those that the likelier of the rest sum to top_p
    without (arXiv:1904.09751). The likeliest stays; equal ones go from the last.
    """
    values, order = logits.sort(dim=1, descending=True, stable=True)
    if top_k:
        values[:, top_k:] = -torch.inf
    p = values.softmax(1)
    values = values.masked_fill(p.cumsum(1) - p >= top_p, -torch.inf)
    return torch.empty_like(logits).scatter(1, order, values)
