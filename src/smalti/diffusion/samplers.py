"""Samplers: ways to walk from noise to a picture. Each yields its states; the caller decides."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from smalti.core.config import check_fields
from smalti.core.ranges import Fraction, Guidance, SamplingSteps
from smalti.core.short_repr import add_short_repr
from smalti.diffusion.process import (
    compute_eps,
    ddim_step,
    ddpm_step,
    interpolate_log_variance,
    posterior_variance,
)
from smalti.diffusion.timesteps import Spacing, look_up_alpha_bar, space_timesteps

Denoise = Callable[[Tensor, int], Tensor]  # (x (n, C, H, W) float64, level t) -> x0 of that shape
DrawNoise = Callable[[], Tensor]  # the next standard normal noise, of the shape of x


@dataclass(frozen=True, eq=False)
@add_short_repr
class DiffusionState:
    """A state between noise and picture; x and x0 are (n, C, H, W), about [-1, 1] at the end."""

    x: Tensor
    """The picture as it is now."""
    x0: Tensor
    """The picture that the network sees in it (x itself before the first step)."""
    t: int
    """The noise level of x; -1 when it is done."""
    step: int
    """Steps done."""
    steps: int
    """Steps in all."""
    unit: str = "step"
    """What a step is called."""


@dataclass(frozen=True)
class Denoiser:
    """A `Denoise` that knows the variance, too, where it is learned."""

    predict_x0: Callable[[Tensor, int], tuple[Tensor, Tensor | None]]
    """(x, t) -> x0 and v, of the shape of x each; v is None where none is learned."""

    def __call__(self, x: Tensor, t: int) -> Tensor:
        return self.predict_x0(x, t)[0]


class Sampler(Protocol):
    """What a diffusion model asks of its sampler."""

    @property
    def clip(self) -> bool: ...
    @property
    def guidance(self) -> float: ...
    def choose_timesteps(self, T: int) -> list[int]: ...
    def stream(
        self,
        denoise: Denoise,
        x: Tensor,
        alpha_bars: Tensor,
        draw_noise: DrawNoise,
        timesteps: list[int],
    ) -> Iterator[DiffusionState]: ...


@dataclass(frozen=True)
@check_fields
class DDPM:
    """Ancestral sampling over all T levels, algorithm 2 of arXiv:2006.11239, or some of them."""

    variance: Literal["beta-tilde", "beta", "learned"] = "beta-tilde"
    """Variance of a step: the posterior's, the forward process's (larger), or learned between."""
    clip: bool = True
    """Keep the predicted picture in the range of pictures, which the article never does."""
    guidance: Guidance = 1.0
    """Classifier-free guidance; 1 is none, more is truer to class and less diverse."""

    stride: SamplingSteps = 1
    """Visit only every so many levels, with the betas that go with it; 1 visits all."""

    def choose_timesteps(self, T: int) -> list[int]:
        return list(range(T - 1, -1, -self.stride))

    def stream(
        self,
        denoise: Denoise,
        x: Tensor,
        alpha_bars: Tensor,
        draw_noise: DrawNoise,
        timesteps: list[int],
    ) -> Iterator[DiffusionState]:
        yield DiffusionState(x, x, timesteps[0], 0, len(timesteps))
        for step, (t, s) in enumerate(zip(timesteps, [*timesteps[1:], -1], strict=True), start=1):
            a_t, a_s = alpha_bars[t], look_up_alpha_bar(alpha_bars, s)
            x0, v = (
                denoise.predict_x0(x, t) if isinstance(denoise, Denoiser) else (denoise(x, t), None)
            )
            variance = self.compute_variance(v, a_t, a_s, is_last=s < 0)
            noise = torch.zeros_like(x) if s < 0 else draw_noise()
            x = ddpm_step(x, x0, a_t, a_s, variance=variance, noise=noise)
            yield DiffusionState(x, x0, s, step, len(timesteps))

    def compute_variance(
        self, v: Tensor | None, a_t: Tensor, a_s: Tensor, *, is_last: bool
    ) -> Tensor:
        """Of the step from a_t to a_s; 0 on the last one."""
        tilde, beta = posterior_variance(a_t, a_s), 1 - a_t / a_s
        if self.variance == "beta-tilde" or is_last:
            return tilde
        if self.variance == "beta":
            return beta
        return interpolate_log_variance(v, tilde, beta).exp()


@dataclass(frozen=True)
@check_fields
class DDIM:
    """Sampling over a sub-sequence of the levels, arXiv:2010.02502."""

    steps: SamplingSteps = 20
    """Number of steps, for the uniform and quadratic spacing."""
    spacing: Spacing = "uniform"
    """Which levels are visited: evenly, denser near the picture, or these (falling)."""
    eta: Fraction = 0.0
    """sigma is eta times the paper's eq. 16: 0 is deterministic, 1 is DDPM's posterior. The
    article's code scales the variance instead, so that its eta is the square of this one."""
    sigma_hat: bool = False
    """Larger noise of appendix D.3, sqrt(1 - a_t/a_s), with eta 1 under the root."""
    noise_last_step: bool = False
    """With sigma_hat: noise on the last step too, as the article's code has it where it skips
    levels; in its 1,000 steps, and in the paper's code, there is none."""
    clip: bool = True
    """Keep the predicted picture in the range of pictures, which the article never does."""
    guidance: Guidance = 1.0
    """Classifier-free guidance; 1 is none, more is truer to class and less diverse."""

    def choose_timesteps(self, T: int) -> list[int]:
        """Visited levels, falling, each in 0 .. T-1."""
        return space_timesteps(self.spacing, self.steps, T)

    def stream(
        self,
        denoise: Denoise,
        x: Tensor,
        alpha_bars: Tensor,
        draw_noise: DrawNoise,
        timesteps: list[int],
    ) -> Iterator[DiffusionState]:
        yield DiffusionState(x, x, timesteps[0], 0, len(timesteps))
        for step, (t, s) in enumerate(zip(timesteps, [*timesteps[1:], -1], strict=True), start=1):
            a_t, a_s = alpha_bars[t], look_up_alpha_bar(alpha_bars, s)
            x0 = denoise(x, t)
            eps = compute_eps(x0, x, a_t)
            sigma, scale = self.compute_sigmas(a_t, a_s, is_last=s < 0)
            noise = draw_noise() if scale > 0 else torch.zeros_like(x)
            x = ddim_step(x0, eps, a_s, sigma=sigma, scale=scale, noise=noise)
            yield DiffusionState(x, x0, s, step, len(timesteps))

    def compute_sigmas(self, a_t: Tensor, a_s: Tensor, *, is_last: bool) -> tuple[Tensor, Tensor]:
        """(sigma under the root, sigma of the noise)."""
        eta = 1.0 if self.sigma_hat else self.eta
        sigma = eta * posterior_variance(a_t, a_s).clamp(min=0).sqrt()
        if self.sigma_hat and (self.noise_last_step or not is_last):
            return sigma, (1 - a_t / a_s).sqrt()
        return sigma, sigma
