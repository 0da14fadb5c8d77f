"""Averaged weights (EMA), which are sampled and saved."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn


class EMA:
    """Exponential moving average of a module's weights; buffers are copied.

    The decay is min(decay, (1 + k) / (10 + k)) at update k, so that early in a run
    the initial weights are forgotten.
    """

    def __init__(self, module: nn.Module, decay: float):
        self.module: Any = copy.deepcopy(module).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, module: nn.Module, k: int) -> None:
        """Update the average with `module`, after k earlier updates."""
        decay = min(self.decay, (1 + k) / (10 + k))
        ours, theirs = list(self.module.parameters()), list(module.parameters())
        torch._foreach_lerp_(ours, theirs, 1 - decay)  # pyright: ignore
        for mine, other in zip(self.module.buffers(), module.buffers(), strict=True):
            mine.copy_(other)
