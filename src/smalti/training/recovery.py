"""Losses that run away: when one counts as lost, and the state that a run steps back to."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from statistics import median
from typing import Any

import torch

from smalti.core.errors import UserError

BACK = 0.5  # the rate is multiplied by this at every step back
HISTORY = 100  # losses that say what is usual
ENOUGH = 20  # losses before anything can be said


class Diverged(UserError):
    """The loss, or its gradient, is not a number any more, or the loss has exploded."""

    what = ""
    """The complaint alone."""
    step = 0


def complaint(terms: dict[str, float], recent: Sequence[float], explode: float | None) -> str:
    """What is wrong with a step's `loss` and `norm`; empty when all is well.

    explode: a loss above so many times the median of the `recent` ones is wrong; None for any.
    """
    for name, what in (("loss", "loss"), ("norm", "gradient's norm")):
        if not math.isfinite(terms.get(name, 0)):
            return f"the {what} is {terms[name]}"
    if explode is None or len(recent) < ENOUGH:
        return ""
    usual = median(recent)
    if not 0 < explode * usual < terms["loss"]:
        return ""
    return f"the loss is {terms['loss']:.4g}, above {explode:g} times the usual {usual:.4g},"


class Snapshot:
    """A state as it was, kept on the CPU."""

    def __init__(self, state: dict[str, Any]):
        self.buffer = io.BytesIO()
        torch.save(state, self.buffer)

    def state(self) -> dict[str, Any]:
        """A copy of it: training on changes nothing here."""
        self.buffer.seek(0)
        return torch.load(self.buffer, weights_only=True, map_location="cpu")
