"""Losses that run away: when one counts as lost, and the state that a run steps back to."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from statistics import median
from typing import Any

import torch

from smalti.core.errors import UserError

ROLLBACK_LR_FACTOR = 0.5  # the rate is multiplied by this at every step back
HISTORY_LENGTH = 100  # losses that say what is usual
MIN_HISTORY = 20  # losses before anything can be said


class DivergenceError(UserError):
    """The loss, or its gradient, is not a number any more, or the loss has exploded."""

    reason = ""
    """The complaint alone."""
    step = 0


def find_divergence(
    terms: dict[str, float], recent_losses: Sequence[float], explosion_factor: float | None
) -> str:
    """What is wrong with a step's `loss` and `norm`; empty when all is well.

    explosion_factor: a loss above so many times the median of the `recent_losses` ones is wrong; None for any.
    """
    for name, what in (("loss", "loss"), ("norm", "gradient's norm")):
        if not math.isfinite(terms.get(name, 0)):
            return f"the {what} is {terms[name]}"
    if explosion_factor is None or len(recent_losses) < MIN_HISTORY:
        return ""
    usual = median(recent_losses)
    if not 0 < explosion_factor * usual < terms["loss"]:
        return ""
    return (
        f"the loss is {terms['loss']:.4g}, above {explosion_factor:g} times the usual {usual:.4g},"
    )


class Snapshot:
    """A state as it was, kept on the CPU."""

    def __init__(self, state: dict[str, Any]):
        self.buffer = io.BytesIO()
        torch.save(state, self.buffer)

    def load(self) -> dict[str, Any]:
        """A copy of it: training on changes nothing here."""
        self.buffer.seek(0)
        return torch.load(self.buffer, weights_only=True, map_location="cpu")
