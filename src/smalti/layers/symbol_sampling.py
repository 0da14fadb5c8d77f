"""Drawing symbols from logits: temperature, top-k, top-p."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, NoReturn

import numpy as np
import torch
from torch import Tensor

from smalti.core.config import check_fields
from smalti.core.errors import UserError
from smalti.core.ranges import CountOrZero, Guidance, Range, Weight

FEW_NUMBERS = 1 << 17
"""Logits that one thread turns into probabilities in about a millisecond."""


@dataclass(frozen=True)
@check_fields
class Ancestral:
    """Ancestral sampling: symbols one by one."""

    temperature: Weight = 1.0
    """Softmax temperature; 0 takes the likeliest."""
    top_k: CountOrZero = 0
    """Keep the k likeliest symbols; 0 for all."""
    top_p: Annotated[float, Range(0, 1, excludes_low=True)] = 1.0
    """Nucleus sampling: total probability to keep. Keeps the fewest symbols that sum to it."""
    guidance: Guidance = 1.0
    """Classifier-free guidance scale; 1 disables it. More follows the condition more closely. It is
    for models trained with condition_dropout, and takes two evaluations of the network."""

    @property
    def is_truncated(self) -> bool:
        """Whether top-k or top-p excludes symbols."""
        return self.top_k > 0 or self.top_p < 1


def check_finite(parameters: Tensor, position: object) -> None:
    """Raise UserError unless a network's output (n, P) at a position is finite."""
    if not parameters.sum().isfinite():
        raise_not_finite(position)


def raise_not_finite(position: object) -> NoReturn:
    """Raise UserError: a network's output at a position is not finite."""
    raise UserError(
        f"the network's output at position {position} is not finite: its weights are damaged, "
        "or training diverged; use an earlier checkpoint"
    )


def draw_symbols(logits: Tensor, u: Tensor, sampler: Ancestral) -> Tensor:
    """Draw one symbol per row, (n,) int64, by u (n,) in [0, 1), as `draw_index`.

    logits: (n, K), normalized or not. Symbols excluded by the sampler are never drawn.
    """
    temperature = sampler.temperature
    if temperature and sampler.is_truncated:
        logits = filter_logits(logits.double() / temperature, sampler.top_k, sampler.top_p)
        temperature = 1.0
    return draw_index(logits, u, temperature)


def draw_index(logits: Tensor, u: Tensor, temperature: float) -> Tensor:
    """Draw an index (n,) per row by inverse transform of u; temperature 0 takes the likeliest."""
    if temperature == 0:
        return logits.argmax(1)
    total = compute_softmax(logits.double() / temperature).cumsum(1)
    return (total > u[:, None].to(total) * total[:, -1:]).int().argmax(1)


def compute_softmax(logits: Tensor) -> Tensor:
    """Softmax of rows (n, K). With NumPy if they are few.

    PyTorch's threads would go on spinning for some milliseconds, on the cores of the next step.
    """
    if logits.device.type != "cpu" or logits.numel() > FEW_NUMBERS:
        return logits.softmax(1)
    numbers = logits.detach().numpy()
    p = np.exp(numbers - numbers.max(1, keepdims=True))
    return torch.from_numpy(p / p.sum(1, keepdims=True))


def filter_logits(logits: Tensor, top_k: int = 0, top_p: float = 1.0) -> Tensor:
    """Set the logits (n, K) of excluded symbols to -inf.

    Keeps the top_k likeliest, and of these the fewest whose probabilities sum to top_p
    (arXiv:1904.09751). The likeliest is always kept; among equals, the first.
    """
    values, order = logits.sort(dim=1, descending=True, stable=True)
    if top_k:
        values[:, top_k:] = -torch.inf
    p = compute_softmax(values)
    values = values.masked_fill(p.cumsum(1) - p >= top_p, -torch.inf)
    return torch.empty_like(logits).scatter(1, order, values)
