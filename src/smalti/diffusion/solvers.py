"""Solvers of diffusion's ODE that need few steps, because they remember what the network said.

Both walk in lambda = log(alpha / sigma), half the logarithm of the signal-to-noise ratio, from
lambda_s to lambda_t = lambda_s + h, and predict the picture x0. Letters are those of the papers,
where alpha_t is the square root of our alpha-bar and s -> t is the way a step goes. Coefficients
are Python floats. The step to the clean picture, where lambda is infinite, is of order 1.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal, NamedTuple

import numpy as np
from torch import Tensor

from smalti.core.config import checked
from smalti.core.ranges import Guidance, Levels, Range
from smalti.diffusion.levels import Spacing, spaced
from smalti.diffusion.samplers import Denoise, Noisy, Normal


class Level(NamedTuple):
    """A noise level in the solvers' letters."""

    alpha: float
    sigma: float
    lamb: float


class Seen(NamedTuple):
    """A picture that the network saw, and where."""

    lamb: float
    x0: Tensor


@dataclass(frozen=True)
@checked
class DPMSolver:
    """DPM-Solver++(2M), algorithm 2 of arXiv:2211.01095: good pictures in about 10 steps."""

    steps: Levels = 10
    """Number of steps, for the uniform and quadratic spacing."""
    order: Annotated[int, Range(1, 2)] = 2
    """How many network calls a step goes by: 1 (as DDIM without noise), 2, or with UniPC 3."""
    spacing: Spacing = "uniform"
    """Which levels are visited: evenly, denser near the picture, or these (falling)."""
    clip: bool = True
    """Keep the predicted picture in the range of pictures."""
    guidance: Guidance = 1.0
    """Classifier-free guidance; 1 is none, more is truer to class and less diverse."""

    def levels(self, T: int) -> list[int]:
        return spaced(self.spacing, self.steps, T)

    def stream(
        self, denoise: Denoise, x: Tensor, alpha_bars: Tensor, normal: Normal, levels: list[int]
    ) -> Iterator[Noisy]:
        at = [*noise_levels(alpha_bars, levels), CLEAN]
        before = None
        yield Noisy(x, x, levels[0], 0, len(levels))
        for i, (s, t) in enumerate(pairwise(at)):
            now = Seen(s.lamb, denoise(x, levels[i]))
            D = now.x0
            if self.order == 2 and before is not None and t is not CLEAN:
                r = (s.lamb - before.lamb) / (t.lamb - s.lamb)
                D = (1 + 1 / (2 * r)) * now.x0 - 1 / (2 * r) * before.x0
            x = first_order(x, D, s, t)
            before = now
            yield Noisy(x, now.x0, [*levels, -1][i + 1], i + 1, len(levels))


@dataclass(frozen=True)
@checked
class UniPC:
    """UniPC, algorithms 5 and 6 of arXiv:2302.04867: a predictor, and a corrector that is free.

    The corrector mends x with what the network saw in the prediction, and costs no call more.
    """

    steps: Levels = 10
    """Number of steps, for the uniform and quadratic spacing."""
    order: Annotated[int, Range(1, 3)] = 2
    """How many network calls a step goes by, 1 to 3."""
    variant: Literal["bh2", "bh1"] = "bh2"
    """B(h) of the paper: bh2 is exp(h) - 1, bh1 is h."""
    corrector: bool = True
    """Mend every state once the network has seen it."""
    lower_order_final: bool = True
    """With order 3: order 2 in the last step but one."""
    spacing: Spacing = "uniform"
    """Which levels are visited: evenly, denser near the picture, or these (falling)."""
    clip: bool = True
    """Keep the predicted picture in the range of pictures."""
    guidance: Guidance = 1.0
    """Classifier-free guidance; 1 is none, more is truer to class and less diverse."""

    def levels(self, T: int) -> list[int]:
        return spaced(self.spacing, self.steps, T)

    def stream(
        self, denoise: Denoise, x: Tensor, alpha_bars: Tensor, normal: Normal, levels: list[int]
    ) -> Iterator[Noisy]:
        at = [*noise_levels(alpha_bars, levels), CLEAN]
        seen: deque[Seen] = deque(maxlen=self.order)  # the latest first
        last, p = x, 1  # the state that x was predicted from, and the order it was predicted with
        yield Noisy(x, x, levels[0], 0, len(levels))
        for i, (s, t) in enumerate(pairwise(at)):
            now = Seen(s.lamb, denoise(x, levels[i]))
            if self.corrector and i > 0:
                x = self.corrected(last, [*seen][:p], now, at[i - 1], s)
            seen.appendleft(now)
            left = len(levels) - i if self.lower_order_final else self.order
            p = min(len(seen), left) if t is not CLEAN else 1
            last, x = x, self.predicted(x, [*seen][:p], s, t)
            yield Noisy(x, now.x0, [*levels, -1][i + 1], i + 1, len(levels))

    def predicted(self, x: Tensor, seen: list[Seen], s: Level, t: Level) -> Tensor:
        """UniP of order len(seen), from s to t; its network calls are the latest first."""
        x_t = first_order(x, seen[0].x0, s, t)
        if len(seen) == 1:
            return x_t
        r = ratios(seen, s, t)
        R, b = self.system(t.lamb - s.lamb, r)
        rho = np.linalg.solve(R, b) if len(r) > 1 else [0.5]  # as the paper has it, for order 2
        return x_t - t.alpha * self.B(s.lamb - t.lamb) * differences(seen, r, rho)

    def corrected(self, x: Tensor, seen: list[Seen], new: Seen, s: Level, t: Level) -> Tensor:
        """UniC of order len(seen): the step from s to t again, knowing what was seen at t."""
        r = [*ratios(seen, s, t), 1.0]
        R, b = self.system(t.lamb - s.lamb, r)
        rho = np.linalg.solve(R, b) if len(r) > 1 else [0.5]  # as the paper has it, for order 1
        D = differences([*seen, new], r, rho)
        return first_order(x, seen[0].x0, s, t) - t.alpha * self.B(s.lamb - t.lamb) * D

    def B(self, h: float) -> float:
        return math.expm1(h) if self.variant == "bh2" else h

    def system(self, h: float, r: list[float]) -> tuple[np.ndarray, np.ndarray]:
        """R(h) and phi(h) / B(h) of eq. 5, for the data prediction, whose h is negated."""
        orders = range(1, len(r) + 1)
        R = np.array([[r_k ** (n - 1) for r_k in r] for n in orders])  # (K, K)
        b = [math.factorial(n) * h_phi(n + 1, -h) / self.B(-h) for n in orders]  # (K,)
        return R, np.array(b)


CLEAN = Level(1.0, 0.0, math.inf)


def noise_levels(alpha_bars: Tensor, levels: list[int]) -> list[Level]:
    a = alpha_bars.double().cpu()[levels]
    alpha, sigma = a.sqrt(), (1 - a).sqrt()
    columns = alpha.tolist(), sigma.tolist(), (alpha / sigma).log().tolist()
    return [Level(*values) for values in zip(*columns, strict=True)]


def first_order(x: Tensor, x0: Tensor, s: Level, t: Level) -> Tensor:
    """s -> t as if the picture stayed x0: sigma_t / sigma_s x - alpha_t (e^-h - 1) x0."""
    shrink = s.alpha * t.sigma / (t.alpha * s.sigma)  # e^-h, also where h is infinite
    return t.sigma / s.sigma * x + t.alpha * (1 - shrink) * x0


def ratios(seen: list[Seen], s: Level, t: Level) -> list[float]:
    """r_k = (lambda_k - lambda_s) / h of all but the latest."""
    return [(before.lamb - s.lamb) / (t.lamb - s.lamb) for before in seen[1:]]


def differences(seen: list[Seen], r: list[float], rho: np.ndarray | list[float]) -> Tensor:
    """Sum of rho_k D_k / r_k, with D_k how far the k-th picture is from the first."""
    terms = [
        float(rho_k) / r_k * (other.x0 - seen[0].x0)
        for other, r_k, rho_k in zip(seen[1:], r, rho, strict=True)
    ]
    return sum(terms[1:], terms[0])


def h_phi(k: int, h: float) -> float:
    """h phi_k(h); phi_0 = e^h, phi_(k+1)(h) = (phi_k(h) - 1/k!) / h; a series where it cancels."""
    if abs(h) < 1:
        return sum(h ** (j + 1) / math.factorial(j + k) for j in range(18))
    phi = math.exp(h)
    for j in range(k):
        phi = (phi - 1 / math.factorial(j)) / h
    return h * phi
