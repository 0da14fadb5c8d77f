"""Multistep solvers of the diffusion ODE, which need few steps.

Both step in lambda = log(alpha / sigma), half the log signal-to-noise ratio, from lambda_s to
lambda_t = lambda_s + h, and use the predicted x0. Letters are those of the papers, where alpha_t is
the square root of our alpha-bar, and a step goes s -> t. Coefficients are Python floats. The step
to the clean picture, where lambda is infinite, has order 1.
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

from smalti.core.config import check_fields
from smalti.core.ranges import Guidance, Range, SamplingSteps
from smalti.diffusion.samplers import Denoise, DiffusionState, DrawNoise
from smalti.diffusion.timesteps import Spacing, space_timesteps


class NoiseLevel(NamedTuple):
    """A noise level in the papers' letters."""

    alpha: float
    sigma: float
    lamb: float


class ModelOutput(NamedTuple):
    """A predicted x0, and the lambda of its level."""

    lamb: float
    x0: Tensor


@dataclass(frozen=True)
@check_fields
class DPMSolver:
    """DPM-Solver++(2M), algorithm 2 of arXiv:2211.01095.

    About 10 steps give good pictures.
    """

    steps: SamplingSteps = 10
    """Number of steps. Ignored if `spacing` lists the levels."""
    order: Annotated[int, Range(1, 2)] = 2
    """Solver order: 1, 2, or with UniPC 3. Order 1 of DPM-Solver++ is DDIM without noise."""
    spacing: Spacing = "uniform"
    """Spacing of the noise levels. Quadratic is denser near the picture; a list is
    decreasing."""
    clip: bool = True
    """Clip the predicted x0 to the range of pictures."""
    guidance: Guidance = 1.0
    """Classifier-free guidance scale; 1 disables it. More follows the condition more closely, with
    less diversity."""
    seamless: bool = False
    """Draw pictures that tile without a seam."""

    def choose_timesteps(self, T: int) -> list[int]:
        return space_timesteps(self.spacing, self.steps, T)

    def stream(
        self,
        denoise: Denoise,
        x: Tensor,
        alpha_bars: Tensor,
        draw_noise: DrawNoise,
        timesteps: list[int],
    ) -> Iterator[DiffusionState]:
        at = [*compute_noise_levels(alpha_bars, timesteps), CLEAN]
        before = None
        yield DiffusionState(x, x, timesteps[0], 0, len(timesteps))
        for i, (s, t) in enumerate(pairwise(at)):
            now = ModelOutput(s.lamb, denoise(x, timesteps[i]))
            D = now.x0
            if self.order == 2 and before is not None and t is not CLEAN:
                r = (s.lamb - before.lamb) / (t.lamb - s.lamb)
                D = (1 + 1 / (2 * r)) * now.x0 - 1 / (2 * r) * before.x0
            x = first_order_step(x, D, s, t)
            before = now
            yield DiffusionState(x, now.x0, [*timesteps, -1][i + 1], i + 1, len(timesteps))


@dataclass(frozen=True)
@check_fields
class UniPC:
    """UniPC, algorithms 5 and 6 of arXiv:2302.04867: a predictor and a corrector.

    The corrector refines x with the network's output at the predicted x; it needs no further call.
    """

    steps: SamplingSteps = 10
    """Number of steps. Ignored if `spacing` lists the levels."""
    order: Annotated[int, Range(1, 3)] = 2
    """Solver order, 1 to 3."""
    variant: Literal["bh2", "bh1"] = "bh2"
    """B(h) of the paper: exp(h) - 1 (bh2) or h (bh1)."""
    corrector: bool = True
    """Apply the corrector."""
    lower_order_final: bool = True
    """Reduce order 3 to 2 in the second-to-last step."""
    spacing: Spacing = "uniform"
    """Spacing of the noise levels. Quadratic is denser near the picture; a list is
    decreasing."""
    clip: bool = True
    """Clip the predicted x0 to the range of pictures."""
    guidance: Guidance = 1.0
    """Classifier-free guidance scale; 1 disables it. More follows the condition more closely, with
    less diversity."""
    seamless: bool = False
    """Draw pictures that tile without a seam."""

    def choose_timesteps(self, T: int) -> list[int]:
        return space_timesteps(self.spacing, self.steps, T)

    def stream(
        self,
        denoise: Denoise,
        x: Tensor,
        alpha_bars: Tensor,
        draw_noise: DrawNoise,
        timesteps: list[int],
    ) -> Iterator[DiffusionState]:
        at = [*compute_noise_levels(alpha_bars, timesteps), CLEAN]
        outputs: deque[ModelOutput] = deque(maxlen=self.order)  # the latest first
        last, p = x, 1  # the state before the prediction, and the prediction's order
        yield DiffusionState(x, x, timesteps[0], 0, len(timesteps))
        for i, (s, t) in enumerate(pairwise(at)):
            now = ModelOutput(s.lamb, denoise(x, timesteps[i]))
            if self.corrector and i > 0:
                x = self.apply_corrector(last, [*outputs][:p], now, at[i - 1], s)
            outputs.appendleft(now)
            left = len(timesteps) - i if self.lower_order_final else self.order
            p = min(len(outputs), left) if t is not CLEAN else 1
            last, x = x, self.apply_predictor(x, [*outputs][:p], s, t)
            yield DiffusionState(x, now.x0, [*timesteps, -1][i + 1], i + 1, len(timesteps))

    def apply_predictor(
        self, x: Tensor, outputs: list[ModelOutput], s: NoiseLevel, t: NoiseLevel
    ) -> Tensor:
        """UniP of order len(outputs), from s to t; outputs are latest first."""
        x_t = first_order_step(x, outputs[0].x0, s, t)
        if len(outputs) == 1:
            return x_t
        r = compute_ratios(outputs, s, t)
        R, b = self.build_system(t.lamb - s.lamb, r)
        rho = np.linalg.solve(R, b) if len(r) > 1 else [0.5]  # as in the paper, for order 2
        return x_t - t.alpha * self.B(s.lamb - t.lamb) * sum_differences(outputs, r, rho)

    def apply_corrector(
        self, x: Tensor, outputs: list[ModelOutput], new: ModelOutput, s: NoiseLevel, t: NoiseLevel
    ) -> Tensor:
        """UniC of order len(outputs): repeat the step from s to t with the output at t."""
        r = [*compute_ratios(outputs, s, t), 1.0]
        R, b = self.build_system(t.lamb - s.lamb, r)
        rho = np.linalg.solve(R, b) if len(r) > 1 else [0.5]  # as in the paper, for order 1
        D = sum_differences([*outputs, new], r, rho)
        return first_order_step(x, outputs[0].x0, s, t) - t.alpha * self.B(s.lamb - t.lamb) * D

    def B(self, h: float) -> float:
        return math.expm1(h) if self.variant == "bh2" else h

    def build_system(self, h: float, r: list[float]) -> tuple[np.ndarray, np.ndarray]:
        """R(h) and phi(h) / B(h) of eq. 5, for data prediction, where h is negated."""
        orders = range(1, len(r) + 1)
        R = np.array([[r_k ** (n - 1) for r_k in r] for n in orders])  # (K, K)
        b = [math.factorial(n) * h_phi(n + 1, -h) / self.B(-h) for n in orders]  # (K,)
        return R, np.array(b)


CLEAN = NoiseLevel(1.0, 0.0, math.inf)


def compute_noise_levels(alpha_bars: Tensor, timesteps: list[int]) -> list[NoiseLevel]:
    a = alpha_bars.double().cpu()[timesteps]
    alpha, sigma = a.sqrt(), (1 - a).sqrt()
    columns = alpha.tolist(), sigma.tolist(), (alpha / sigma).log().tolist()
    return [NoiseLevel(*values) for values in zip(*columns, strict=True)]


def first_order_step(x: Tensor, x0: Tensor, s: NoiseLevel, t: NoiseLevel) -> Tensor:
    """s -> t with constant x0: sigma_t / sigma_s x - alpha_t (e^-h - 1) x0."""
    shrink = s.alpha * t.sigma / (t.alpha * s.sigma)  # e^-h, also if h is infinite
    return t.sigma / s.sigma * x + t.alpha * (1 - shrink) * x0


def compute_ratios(outputs: list[ModelOutput], s: NoiseLevel, t: NoiseLevel) -> list[float]:
    """r_k = (lambda_k - lambda_s) / h of all outputs but the latest."""
    return [(before.lamb - s.lamb) / (t.lamb - s.lamb) for before in outputs[1:]]


def sum_differences(
    outputs: list[ModelOutput], r: list[float], rho: np.ndarray | list[float]
) -> Tensor:
    """Sum of rho_k D_k / r_k, where D_k is the k-th x0 minus the first."""
    terms = [
        float(rho_k) / r_k * (other.x0 - outputs[0].x0)
        for other, r_k, rho_k in zip(outputs[1:], r, rho, strict=True)
    ]
    return sum(terms[1:], terms[0])


def h_phi(k: int, h: float) -> float:
    """h phi_k(h); phi_0 = e^h, phi_(k+1)(h) = (phi_k(h) - 1/k!) / h. A series for small h."""
    if abs(h) < 1:
        return sum(h ** (j + 1) / math.factorial(j + k) for j in range(18))
    phi = math.exp(h)
    for j in range(k):
        phi = (phi - 1 / math.factorial(j)) / h
    return h * phi
