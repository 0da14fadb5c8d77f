"""Samplers: ways to walk from noise to a picture. Each yields its states; the caller decides."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from smalti.core.brief import brief
from smalti.core.config import checked
from smalti.core.ranges import Guidance, Levels, Share
from smalti.diffusion.levels import Spacing, alpha_bar, spaced
from smalti.diffusion.process import (
    between,
    ddim_step,
    ddpm_step,
    noise_of,
    posterior_variance,
)

Denoise = Callable[[Tensor, int], Tensor]  # (x (n, C, H, W) float64, level t) -> x0 of that shape
Normal = Callable[[], Tensor]  # the next standard normal noise, of the shape of x


@dataclass(frozen=True, eq=False)
@brief
class Noisy:
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

    see: Callable[[Tensor, int], tuple[Tensor, Tensor | None]]
    """(x, t) -> x0 and v, of the shape of x each; v is None where none is learned."""

    def __call__(self, x: Tensor, t: int) -> Tensor:
        return self.see(x, t)[0]


class Sampler(Protocol):
    """What a diffusion model asks of its sampler."""

    @property
    def clip(self) -> bool: ...
    @property
    def guidance(self) -> float: ...
    def levels(self, T: int) -> list[int]: ...
    def stream(
        self, denoise: Denoise, x: Tensor, alpha_bars: Tensor, normal: Normal, levels: list[int]
    ) -> Iterator[Noisy]: ...


@dataclass(frozen=True)
@checked
class DDPM:
    """Ancestral sampling over all T levels, algorithm 2 of arXiv:2006.11239, or some of them."""

    variance: Literal["beta-tilde", "beta", "learned"] = "beta-tilde"
    """Variance of a step: the posterior's, the forward process's (larger), or learned between."""
    clip: bool = True
    """Keep the predicted picture in the range of pictures, which the article never does."""
    guidance: Guidance = 1.0
    """Classifier-free guidance; 1 is none, more is truer to class and less diverse."""

    stride: Levels = 1
    """Visit only every so many levels, with the betas that go with it; 1 visits all."""

    def levels(self, T: int) -> list[int]:
        return list(range(T - 1, -1, -self.stride))

    def stream(
        self, denoise: Denoise, x: Tensor, alpha_bars: Tensor, normal: Normal, levels: list[int]
    ) -> Iterator[Noisy]:
        yield Noisy(x, x, levels[0], 0, len(levels))
        for step, (t, s) in enumerate(zip(levels, [*levels[1:], -1], strict=True), start=1):
            a_t, a_s = alpha_bars[t], alpha_bar(alpha_bars, s)
            x0, v = denoise.see(x, t) if isinstance(denoise, Denoiser) else (denoise(x, t), None)
            variance = self.variance_of(v, a_t, a_s, last=s < 0)
            noise = torch.zeros_like(x) if s < 0 else normal()
            x = ddpm_step(x, x0, a_t, a_s, variance=variance, noise=noise)
            yield Noisy(x, x0, s, step, len(levels))

    def variance_of(self, v: Tensor | None, a_t: Tensor, a_s: Tensor, *, last: bool) -> Tensor:
        """Of the step from a_t to a_s; 0 on the last one."""
        tilde, beta = posterior_variance(a_t, a_s), 1 - a_t / a_s
        if self.variance == "beta-tilde" or last:
            return tilde
        if self.variance == "beta":
            return beta
        return between(v, tilde, beta).exp()


@dataclass(frozen=True)
@checked
class DDIM:
    """Sampling over a sub-sequence of the levels, arXiv:2010.02502."""

    steps: Levels = 20
    """Number of steps, for the uniform and quadratic spacing."""
    spacing: Spacing = "uniform"
    """Which levels are visited: evenly, denser near the picture, or these (falling)."""
    eta: Share = 0.0
    """sigma is eta times the paper's eq. 16: 0 is deterministic, 1 is DDPM's posterior. The
    article's code scales the variance instead, so that its eta is the square of this one."""
    sigma_hat: bool = False
    """Larger noise of appendix D.3, sqrt(1 - a_t/a_s), with eta 1 under the root."""
    last_noise: bool = False
    """With sigma_hat: noise on the last step too, as the article's code has it where it skips
    levels; in its 1,000 steps, and in the paper's code, there is none."""
    clip: bool = True
    """Keep the predicted picture in the range of pictures, which the article never does."""
    guidance: Guidance = 1.0
    """Classifier-free guidance; 1 is none, more is truer to class and less diverse."""

    def levels(self, T: int) -> list[int]:
        """Visited levels, falling, each in 0 .. T-1."""
        return spaced(self.spacing, self.steps, T)

    def stream(
        self, denoise: Denoise, x: Tensor, alpha_bars: Tensor, normal: Normal, levels: list[int]
    ) -> Iterator[Noisy]:
        yield Noisy(x, x, levels[0], 0, len(levels))
        for step, (t, s) in enumerate(zip(levels, [*levels[1:], -1], strict=True), start=1):
            a_t, a_s = alpha_bars[t], alpha_bar(alpha_bars, s)
            x0 = denoise(x, t)
            eps = noise_of(x0, x, a_t)
            sigma, scale = self.sigmas(a_t, a_s, last=s < 0)
            noise = normal() if scale > 0 else torch.zeros_like(x)
            x = ddim_step(x0, eps, a_s, sigma=sigma, scale=scale, noise=noise)
            yield Noisy(x, x0, s, step, len(levels))

    def sigmas(self, a_t: Tensor, a_s: Tensor, *, last: bool) -> tuple[Tensor, Tensor]:
        """(sigma under the root, sigma of the noise)."""
        eta = 1.0 if self.sigma_hat else self.eta
        sigma = eta * posterior_variance(a_t, a_s).clamp(min=0).sqrt()
        if self.sigma_hat and (self.last_noise or not last):
            return sigma, (1 - a_t / a_s).sqrt()
        return sigma, sigma
