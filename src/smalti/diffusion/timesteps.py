"""Timesteps of samplers: which of the T noise levels are visited."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from smalti.core.errors import UserError

Spacing = Literal["uniform", "quadratic"] | tuple[int, ...]


def space_timesteps(spacing: Spacing, steps: int, T: int) -> list[int]:
    """Choose the visited levels, decreasing, each in 0 .. T-1.

    "uniform" is linspace(T, 0) truncated to integers, as in the article, minus 1; "quadratic" is
    denser near the picture; a tuple lists the levels. UserError if T levels are too few.
    """
    if isinstance(spacing, tuple):
        return check_timesteps(spacing, T)
    if steps > T:
        raise UserError(f"steps is {steps}, but the model has {T} noise levels; give fewer")
    if spacing == "uniform":
        return [T * i // steps - 1 for i in range(steps, 0, -1)]
    return space_quadratically(steps, T)


def look_up_alpha_bar(alpha_bars: Tensor, t: int) -> Tensor:
    """Look up alpha-bar of level t; level -1 is the clean picture."""
    return alpha_bars[t] if t >= 0 else torch.ones_like(alpha_bars[0])


def space_quadratically(steps: int, T: int) -> list[int]:
    """Levels floor(c i^2), i = 0 .. steps-1, appendix D.2 of DDIM, the last being T-1.

    Equal levels are moved up, so that all `steps` levels differ.
    """
    if steps == 1:
        return [T - 1]
    increasing: list[int] = []
    for i in range(steps):
        level = (T - 1) * i**2 // (steps - 1) ** 2  # exact, also if c i^2 is an integer
        increasing.append(max(level, increasing[-1] + 1) if increasing else level)
    increasing[-1] = T - 1
    return [min(level, T - steps + i) for i, level in enumerate(increasing)][::-1]


def check_timesteps(timesteps: tuple[int, ...], T: int) -> list[int]:
    """UserError unless the levels are decreasing and in 0 .. T-1."""
    if not timesteps:
        raise UserError("the list of noise levels is empty; give at least one")
    if any(a <= b for a, b in pairwise(timesteps)):
        raise UserError(
            f"noise levels {timesteps} are not decreasing; give them from noisy to clean"
        )
    if timesteps[0] >= T or timesteps[-1] < 0:
        raise UserError(
            f"noise levels {timesteps} are outside 0..{T - 1}; give levels of the model"
        )
    return list(timesteps)
