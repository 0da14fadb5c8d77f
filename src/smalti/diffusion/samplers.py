"""Samplers of diffusion models. Each yields its states; the caller decides what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from smalti.core.canvas import KnownPixels
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
    """A state of sampling; x and x0 are (n, C, H, W), about in [-1, 1] at the end."""

    x: Tensor
    """The noisy picture."""
    x0: Tensor
    """The predicted clean picture (x itself before the first step)."""
    t: int
    """Noise level of x; -1 for the final picture."""
    step: int
    """Steps done."""
    steps: int
    """Total number of steps."""
    unit: str = "step"
    """Name of a step, for progress bars."""
    size: tuple[int, int] | None = None
    """In a latent space: height and width of the pictures."""
    known: KnownPixels | None = None
    """In a latent space: pixels that replace the decoded ones."""
    wraps: bool = False
    """In a latent space: whether the pictures tile."""


@dataclass(frozen=True)
class Denoiser:
    """A `Denoise` that also gives v if the variance is learned."""

    predict_x0: Callable[[Tensor, int], tuple[Tensor, Tensor | None]]
    """(x, t) -> x0 and v, each of the shape of x; v is None without learned variance."""

    def __call__(self, x: Tensor, t: int) -> Tensor:
        return self.predict_x0(x, t)[0]


class Sampler(Protocol):
    """The interface of a diffusion sampler."""

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
    """DDPM sampling over all or some levels, algorithm 2 of arXiv:2006.11239."""

    variance: Literal["beta-tilde", "beta", "learned"] = "beta-tilde"
    """Variance of a step. The posterior's is beta-tilde, the forward process's beta is larger,
    learned is in between."""
    clip: bool = True
    """Clip the predicted x0 to the range of pictures. The article never clips."""
    guidance: Guidance = 1.0
    """Classifier-free guidance scale; 1 disables it. More follows the condition more closely, with
    less diversity."""
    stride: SamplingSteps = 1
    """Stride over the noise levels; 1 visits all. The betas are adapted to it."""
    seamless: bool = False
    """Draw pictures that tile without a seam."""

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
        """Variance of the step from a_t to a_s; 0 for the last one."""
        tilde, beta = posterior_variance(a_t, a_s), 1 - a_t / a_s
        if self.variance == "beta-tilde" or is_last:
            return tilde
        if self.variance == "beta":
            return beta
        return interpolate_log_variance(v, tilde, beta).exp()


@dataclass(frozen=True)
@check_fields
class DDIM:
    """DDIM sampling over a subsequence of the levels, arXiv:2010.02502."""

    steps: SamplingSteps = 20
    """Number of steps. Ignored if `spacing` lists the levels."""
    spacing: Spacing = "uniform"
    """Spacing of the noise levels. Quadratic is denser near the picture; a list is
    decreasing."""
    eta: Fraction = 0.0
    """Noise scale: 0 is deterministic, 1 is DDPM's. Sigma is eta times eq. 16 of the paper. The
    article's code scales the variance instead, so its eta is the square of this one."""
    sigma_hat: bool = False
    """Use the larger noise of the paper's appendix D.3. Its scale is sqrt(1 - a_t/a_s), with eta 1
    under the root."""
    noise_last_step: bool = False
    """With sigma_hat, add noise in the last step too. So does the article's code when it skips
    levels; its 1,000 steps and the paper's code do not."""
    clip: bool = True
    """Clip the predicted x0 to the range of pictures. The article never clips."""
    guidance: Guidance = 1.0
    """Classifier-free guidance scale; 1 disables it. More follows the condition more closely, with
    less diversity."""
    seamless: bool = False
    """Draw pictures that tile without a seam."""

    def choose_timesteps(self, T: int) -> list[int]:
        """Choose the visited levels, decreasing, each in 0 .. T-1."""
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
        """Compute (sigma under the root, scale of the noise)."""
        eta = 1.0 if self.sigma_hat else self.eta
        sigma = eta * posterior_variance(a_t, a_s).clamp(min=0).sqrt()
        if self.sigma_hat and (self.noise_last_step or not is_last):
            return sigma, (1 - a_t / a_s).sqrt()
        return sigma, sigma
