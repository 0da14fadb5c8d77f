"""Divergence: detect it, and keep the state that a run is rolled back to."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from statistics import median
from typing import Any

import torch

from smalti.core.errors import UserError

ROLLBACK_LR_FACTOR = 0.5  # multiplies the learning rate at every rollback
HISTORY_LENGTH = 100  # losses of the median
MIN_HISTORY = 20  # losses before divergence is detected


class DivergenceError(UserError):
    """The loss or the gradient norm is not finite, or the loss has exploded."""

    reason = ""
    """The reason alone."""
    step = 0


def find_divergence(
    terms: dict[str, float], recent_losses: Sequence[float], explosion_factor: float | None
) -> str:
    """Describe why a step's `loss` or `norm` has diverged; empty if it has not.

    explosion_factor: multiple of the median of `recent_losses` above which a loss has exploded;
    None for no limit.
    """
    for name, what in (("loss", "loss"), ("norm", "gradient norm")):
        if not math.isfinite(terms.get(name, 0)):
            return f"the {what} is {terms[name]}"
    if explosion_factor is None or len(recent_losses) < MIN_HISTORY:
        return ""
    usual = median(recent_losses)
    if not 0 < explosion_factor * usual < terms["loss"]:
        return ""
    return (
        f"the loss is {terms['loss']:.4g}, above {explosion_factor:g} times the median {usual:.4g},"
    )


class Snapshot:
    """A copy of a state, kept on the CPU."""

    def __init__(self, state: dict[str, Any]):
        self.buffer = io.BytesIO()
        torch.save(state, self.buffer)

    def load(self) -> dict[str, Any]:
        """Load a copy; further training does not change the snapshot."""
        self.buffer.seek(0)
        return torch.load(self.buffer, weights_only=True, map_location="cpu")
