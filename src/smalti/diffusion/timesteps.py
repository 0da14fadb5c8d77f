"""Which of the T noise levels a sampler visits."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from smalti.core.errors import UserError

Spacing = Literal["uniform", "quadratic"] | tuple[int, ...]


def space_timesteps(spacing: Spacing, steps: int, T: int) -> list[int]:
    """Visited levels, falling, each in 0 .. T-1.

    "uniform" is linspace(T, 0) cut to integers, as the article has it, less 1; "quadratic" is
    denser near the picture; a tuple is taken as it is. UserError for what T levels cannot give.
    """
    if isinstance(spacing, tuple):
        return check_timesteps(spacing, T)
    if steps > T:
        raise UserError(f"steps is {steps}, but the model has {T} noise levels; give fewer")
    if spacing == "uniform":
        return [T * i // steps - 1 for i in range(steps, 0, -1)]
    return space_quadratically(steps, T)


def look_up_alpha_bar(alpha_bars: Tensor, t: int) -> Tensor:
    """alpha-bar of level t, where level -1 is the clean picture."""
    return alpha_bars[t] if t >= 0 else torch.ones_like(alpha_bars[0])


def space_quadratically(steps: int, T: int) -> list[int]:
    """Levels floor(c i^2), i = 0 .. steps-1, appendix D.2 of DDIM, with the last of them T-1.

    Where two fall together the upper ones move up, so that `steps` different levels remain.
    """
    if steps == 1:
        return [T - 1]
    rising: list[int] = []
    for i in range(steps):
        level = (T - 1) * i**2 // (steps - 1) ** 2  # in whole numbers, where c i^2 may be one
        rising.append(max(level, rising[-1] + 1) if rising else level)
    rising[-1] = T - 1
    return [min(level, T - steps + i) for i, level in enumerate(rising)][::-1]


def check_timesteps(timesteps: tuple[int, ...], T: int) -> list[int]:
    if not timesteps:
        raise UserError("the list of noise levels is empty; give at least one")
    if any(a <= b for a, b in pairwise(timesteps)):
        raise UserError(f"noise levels {timesteps} do not fall; give them from noisy to clean")
    if timesteps[0] >= T or timesteps[-1] < 0:
        raise UserError(f"noise levels {timesteps} leave 0..{T - 1}; give levels the model has")
    return list(timesteps)
