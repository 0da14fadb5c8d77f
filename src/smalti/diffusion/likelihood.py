"""The variational bound on -log p(x) of a diffusion model.

Letters of DDPM (arXiv:2006.11239), whose eq. 5 splits the bound into L_T + sum of L_t + L_0. Its
levels 1 .. T are 0 .. T-1 here, so L_0 is the term of level 0. All values are in nats and float64;
x0, x and means are (B, C, H, W) in the range of `Pixels`, t is (B,) levels, alpha_bars is (T,).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from smalti.core.errors import UserError
from smalti.core.protocols import Score
from smalti.core.rng import Rng
from smalti.diffusion.process import (
    add_noise,
    interpolate_log_variance,
    posterior_mean,
    posterior_variance,
)
from smalti.diffusion.space import Pixels

Variance = Literal["beta", "beta-tilde", "learned"]
PredictX0 = Callable[
    [Tensor, Tensor], tuple[Tensor, Tensor | None]
]  # (x, t) -> predicted x0, and v

BLACK, WHITE = Pixels.bounds
HALF_LEVEL = Pixels.half_level


@dataclass(frozen=True)
class BoundEstimator:
    """Monte Carlo estimator of the bound's sum over noise levels."""

    strata: int | None = 16
    """Number of strata of levels to draw from. None: every level, the full sum."""
    draws: int = 2
    """Draws per stratum and picture. Each is a network call; 1 gives no standard error."""
    variance: Variance | None = None
    """Variance of a step. None: learned if the model has it, else beta-tilde."""
    clip: bool = True
    """Clip the predicted x0 to the range of pictures. It can only tighten the bound."""

    def __post_init__(self) -> None:
        if self.strata is not None and self.strata < 2:
            raise UserError(f"strata is {self.strata}; give 2 or more, or None for the full sum")
        if self.draws < 1:
            raise UserError(f"draws is {self.draws}; give 1, or 2 or more for a standard error")


def estimate_bound(
    x0: Tensor, predict_x0: PredictX0, alpha_bars: Tensor, rng: Rng, estimator: BoundEstimator
) -> Score:
    """Estimate the bound for x0 of 8-bit levels; row i depends only on stream i of `rng`.

    In each stratum, a level and noise are drawn `draws` times. A stratum of n levels contributes n
    times the mean of its draws, and their variance its part of the standard error.
    """
    if len(rng) != len(x0):
        raise UserError(
            f"{len(rng)} random streams are given for {len(x0)} pictures; give one each"
        )
    low, high = (0 * prior_nats(x0, alpha_bars) for _ in range(2))  # L_0 and the sum of L_t
    squared = torch.zeros_like(low)
    variance = estimator.variance or "beta-tilde"
    for levels in split_strata(len(alpha_bars), estimator.strata):
        nats = torch.stack(
            [
                draw_level_nats(x0, levels, predict_x0, alpha_bars, rng, variance)
                for _ in range(estimator.draws)
            ]
        )  # (draws, B)
        part = len(levels) * nats.mean(0)
        low, high = (low + part, high) if levels[0] == 0 else (low, high + part)
        if estimator.draws > 1:
            squared = squared + len(levels) ** 2 * nats.var(0) / estimator.draws
    terms = {"L_T": prior_nats(x0, alpha_bars), "L_t": high, "L_0": low}
    error = squared.sqrt() if estimator.draws > 1 else None
    return Score(sum(terms.values(), 0 * low), x0[0].numel(), "bound", error, terms)


def draw_level_nats(
    x0: Tensor,
    levels: range,
    predict_x0: PredictX0,
    alpha_bars: Tensor,
    rng: Rng,
    variance: Variance,
) -> Tensor:
    """Nats (B,) of one level per picture, drawn from `levels`, with fresh noise."""
    u, eps = (drawn.to(x0.device) for drawn in (rng.uniform(), rng.normal(*x0.shape[1:])))
    t = levels[0] + (u * len(levels)).long().clamp(max=len(levels) - 1)  # (B,)
    x = add_noise(x0, eps, extract(alpha_bars, t))
    x0_hat, v = predict_x0(x, t)
    return level_nats(
        x0, x, t, x0_hat, compute_log_variance(variance, v, t, alpha_bars), alpha_bars
    )


def split_strata(T: int, count: int | None) -> Iterator[range]:
    """Split levels into strata: level 0 alone, then 1 .. T-1 in count - 1 ranges.

    L_t decreases about as 1/t, so the ranges are spaced geometrically; none is empty. count None:
    one level each.
    """
    if count is not None and count > T:
        raise UserError(f"strata is {count}, but the model has {T} noise levels; give fewer")
    n = (count or T) - 1
    yield range(1)
    begin = 1
    for i in range(1, n + 1):
        end = min(max(begin + 1, round(T ** (i / n))), T - n + i)
        yield range(begin, end)
        begin = end


def level_nats(
    x0: Tensor, x: Tensor, t: Tensor, x0_hat: Tensor, log_variance: Tensor, alpha_bars: Tensor
) -> Tensor:
    """L_t (B,) of each picture at its level t, or L_0 if t is 0; `x0_hat` is the predicted x0.

    L_t is KL(q(x_s | x_t, x_0) || p(x_s | x_t)), eq. 5.
    """
    a_t, a_s = extract(alpha_bars, t), extract(shift_alpha_bars(alpha_bars), t)
    tilde = extract(clip_posterior_variance(alpha_bars), t).log()
    mean = posterior_mean(x, x0_hat, a_t, a_s)
    kl = normal_kl(posterior_mean(x, x0, a_t, a_s), tilde, mean, log_variance)
    nats = torch.where(
        t[:, None, None, None] == 0, discretized_gaussian_nats(x0, mean, log_variance), kl
    )
    return nats.flatten(1).sum(1)


def prior_nats(x0: Tensor, alpha_bars: Tensor) -> Tensor:
    """L_T (B,): KL(q(x_T | x_0) || N(0, 1)). It does not depend on the network."""
    a_T, zero = alpha_bars[-1], torch.zeros((), dtype=x0.dtype, device=x0.device)
    return normal_kl(a_T.sqrt() * x0, (1 - a_T).log(), zero, zero).flatten(1).sum(1)


def normal_kl(mean: Tensor, log_variance: Tensor, mean_p: Tensor, log_variance_p: Tensor) -> Tensor:
    """KL(N(mean, variance) || N(mean_p, variance_p)) of each element, in nats."""
    ratio = log_variance - log_variance_p
    return 0.5 * (ratio.exp() - 1 - ratio + (mean - mean_p) ** 2 * (-log_variance_p).exp())


def discretized_gaussian_nats(x0: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """-log of the Gaussian's mass on each element's level, eq. 13. The outer levels get the tails.

    Exact also far from the mean, where the reference code is limited to probabilities above 1e-12.
    """
    log_cdf, scale, center = torch.special.log_ndtr, (-0.5 * log_variance).exp(), x0 - mean
    black, white = log_cdf(scale * (HALF_LEVEL + center)), log_cdf(scale * (HALF_LEVEL - center))
    # the Gaussian is symmetric, and in its lower half small masses are not rounded off
    near, far = (log_cdf(scale * (edge - center.abs())) for edge in (HALF_LEVEL, -HALF_LEVEL))
    inner = near + (-torch.expm1(far - near)).log()
    return -torch.where(
        x0 < BLACK + HALF_LEVEL, black, torch.where(x0 > WHITE - HALF_LEVEL, white, inner)
    )


def compute_log_variance(kind: Variance, v: Tensor | None, t: Tensor, alpha_bars: Tensor) -> Tensor:
    """log of a step's variance at levels t, (B, 1, 1, 1), or (B, C, H, W) if learned.

    At level 0 beta-tilde is 0, and both fixed variances use that of level 1, as in DDPM's code.
    """
    low, beta = clip_posterior_variance(alpha_bars), 1 - alpha_bars / shift_alpha_bars(alpha_bars)
    if kind == "learned":
        return interpolate_log_variance(v, extract(low, t), extract(beta, t))
    fixed = low if kind == "beta-tilde" else torch.cat([low[:1], beta[1:]])
    return extract(fixed, t).log()


def shift_alpha_bars(alpha_bars: Tensor) -> Tensor:
    """alpha-bar (T,) of the level below each one; 1 (the clean picture) below level 0."""
    return torch.cat([torch.ones_like(alpha_bars[:1]), alpha_bars[:-1]])


def clip_posterior_variance(alpha_bars: Tensor) -> Tensor:
    """beta-tilde (T,) of each level; that of level 1 at level 0, where it would be 0."""
    tilde = posterior_variance(alpha_bars, shift_alpha_bars(alpha_bars))
    return torch.cat([tilde[1:2], tilde[1:]])


def extract(values: Tensor, t: Tensor) -> Tensor:
    """Look up values (T,) at levels t (B,), shaped (B, 1, 1, 1) to broadcast over pictures."""
    return values[t][:, None, None, None]
