"""Noise schedules over the levels t = 0 .. T-1.

Each schedule gives alpha-bar_t, the share of signal variance (DDPM's letters, arXiv:2006.11239),
as float64 (T,), strictly decreasing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from smalti.core.config import check_fields
from smalti.core.errors import UserError
from smalti.core.ranges import Exponent, NoiseLevelCount, Positive, Weight

LARGEST_BETA = 0.999  # as in Improved DDPM, so that no level is exactly pure noise


@dataclass(frozen=True)
@check_fields
class Linear:
    """Linear schedule of beta_t, section 4 of arXiv:2006.11239.

    If T is not 1000, betas are scaled by 1000/T, so that the last level is equally noisy.
    """

    T: NoiseLevelCount = 1000
    """Number of noise levels."""
    beta_start: Positive = 1e-4
    """Beta of the first level, for T = 1000."""
    beta_end: Positive = 0.02
    """Beta of the last level, for T = 1000."""

    def __post_init__(self) -> None:
        if not 0 < self.beta_start <= self.beta_end < 1:
            raise UserError(
                f"betas go from {self.beta_start} to {self.beta_end}; "
                "give 0 < beta_start <= beta_end < 1"
            )
        check_decreasing(self)

    def compute_alpha_bars(self) -> Tensor:
        betas = (
            torch.linspace(self.beta_start, self.beta_end, self.T, dtype=torch.float64)
            * 1000
            / self.T
        )
        return (1 - betas.clamp(max=LARGEST_BETA)).cumprod(0)


@dataclass(frozen=True)
@check_fields
class Cosine:
    """Cosine schedule of alpha-bar, eq. 17 of arXiv:2102.09672."""

    T: NoiseLevelCount = 1000
    """Number of noise levels."""
    s: Weight = 0.008
    """Offset s, which keeps the first betas above 0."""

    def __post_init__(self) -> None:
        check_decreasing(self)

    def compute_alpha_bars(self) -> Tensor:
        u = torch.linspace(0, 1, self.T + 1, dtype=torch.float64)
        return clip_betas(((u + self.s) / (1 + self.s) * math.pi / 2).cos() ** 2)


@dataclass(frozen=True)
@check_fields
class Sigmoid:
    """Sigmoid schedule of alpha-bar, algorithm 1 of arXiv:2212.11972."""

    T: NoiseLevelCount = 1000
    """Number of noise levels."""
    start: Exponent = -3.0
    """Input of the sigmoid at t = 0."""
    end: Exponent = 3.0
    """Input of the sigmoid at t = T."""
    tau: Positive = 1.0
    """Temperature; larger is closer to linear."""

    def __post_init__(self) -> None:
        if not self.start < self.end:
            raise UserError(f"the sigmoid goes from {self.start} to {self.end}; give start < end")
        check_decreasing(self)

    def compute_alpha_bars(self) -> Tensor:
        u = torch.linspace(0, 1, self.T + 1, dtype=torch.float64)
        f = torch.sigmoid(-(u * (self.end - self.start) + self.start) / self.tau)
        return clip_betas((f - f[-1]) / (f[0] - f[-1]))


Schedule = Linear | Cosine | Sigmoid


def clip_betas(f: Tensor) -> Tensor:
    """Convert a curve f (T+1,) of levels 0 .. T to alpha-bars (T,), clipping betas."""
    betas = (1 - f[1:] / f[:-1]).clamp(max=LARGEST_BETA)
    return (1 - betas).cumprod(0)


def check_decreasing(schedule: Schedule) -> None:
    """UserError if two levels are equal, or one is pure noise, in float64."""
    a = schedule.compute_alpha_bars()
    if not (a[0] < 1 and a[-1] > 0 and (a.diff() < 0).all()):
        raise UserError(f"{schedule} does not decrease at every level; give less extreme values")
