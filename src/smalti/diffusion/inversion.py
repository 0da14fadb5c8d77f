"""DDIM inversion: from a picture to its noise, and back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from smalti.core.conditions import resolve_conditions
from smalti.core.errors import UserError
from smalti.core.model import open_model
from smalti.core.rng import Rng
from smalti.core.sampling_inputs import SamplingInputs, check_pictures
from smalti.core.short_repr import add_short_repr
from smalti.core.similarity import psnr
from smalti.core.tensors import to_pictures, to_tensor
from smalti.diffusion.inputs import encode_float64
from smalti.diffusion.model import Diffusion
from smalti.diffusion.process import compute_eps
from smalti.diffusion.samplers import DDIM, Denoise
from smalti.diffusion.timesteps import look_up_alpha_bar

DEFAULT_STEPS = 50
"""Steps of the default sampler."""


@dataclass(frozen=True, eq=False)
@add_short_repr
class RoundTrip:
    """Result of `round_trip`: latents and reconstructed pictures."""

    latents: Tensor
    """x_T, (n, C, H, W) float64; in a latent space (n, D, h, w)."""
    pictures: Tensor
    """Reconstructions, (n, C, H, W) in [0, 1]."""
    psnr: Tensor
    """Peak signal-to-noise ratio of each reconstruction, (n,) in dB."""


@torch.no_grad()
def invert(
    model: Diffusion | str | Path,
    pictures: Tensor,
    *,
    labels: Tensor | None = None,
    sampler: DDIM | None = None,
    refine: int = 1,
) -> Tensor:
    """Invert pictures to the x_T from which `sampler` generates them: (n, C, H, W) float64, in a
    latent space (n, D, h, w).

    Integrates DDIM's ODE from clean to noise, eq. 14 of arXiv:2010.02502. sampler.clip and
    sampler.guidance are ignored, since neither can be inverted.

    pictures: (n, C, H, W) in [0, 1].
    labels: (n,) classes. Default: unconditional.
    sampler: Default: DDIM with 50 steps.
    refine: fixed-point iterations per step, towards the x_t whose DDIM step gives x_s exactly. Each
        costs one network call per step. 0 is eq. 14 unchanged.

    UserError if the inputs do not fit the model, or the sampler draws noise.
    """
    if refine < 0:
        raise UserError(f"refine is {refine}; give 0 or more")
    diffusion, pictures = open_diffusion(model), to_pictures(pictures, "pictures")
    inputs, deterministic = make_deterministic(diffusion, sampler, labels)
    timesteps = [-1, *deterministic.choose_timesteps(diffusion.config.schedule.T)[::-1]]
    check_pictures(
        "pictures", pictures, (len(pictures), *compute_expected_shape(diffusion, pictures))
    )
    x = encode_float64(pictures, diffusion.alpha_bars.device, diffusion.space)
    conditions = resolve_conditions(inputs, diffusion.spec, len(x))
    guidance = deterministic.guidance
    denoise = diffusion.build_denoiser(conditions, len(x), clip=False, guidance=guidance)
    for s, t in pairwise(timesteps):
        x = invert_step(denoise, x, s, t, diffusion.alpha_bars, refine)
    return x


def invert_step(
    denoise: Denoise, x: Tensor, s: int, t: int, alpha_bars: Tensor, refine: int
) -> Tensor:
    """Step from level s to the noisier level t. x: (n, C, H, W) float64 at s."""
    a_s, a_t = look_up_alpha_bar(alpha_bars, s), alpha_bars[t]

    def step(eps: Tensor) -> Tensor:
        x0 = (x - (1 - a_s).sqrt() * eps) / a_s.sqrt()
        return a_t.sqrt() * x0 + (1 - a_t).sqrt() * eps

    # The network has no level -1: the first step evaluates it at level t, on the picture scaled as
    # at t but without noise.
    x_in, level, a = (x, s, a_s) if s >= 0 else (a_t.sqrt() * x, t, a_t)
    x_t = step(compute_eps(denoise(x_in, level), x_in, a))
    for _ in range(refine):
        x_t = step(compute_eps(denoise(x_t, t), x_t, a_t))
    return x_t


def round_trip(
    model: Diffusion | str | Path,
    pictures: Tensor,
    *,
    labels: Tensor | None = None,
    sampler: DDIM | None = None,
    refine: int = 1,
) -> RoundTrip:
    """Invert pictures, generate them again from their latents, and measure the PSNR.

    Arguments are those of `invert`.
    """
    diffusion, pictures = open_diffusion(model), to_pictures(pictures, "pictures")
    latents = invert(diffusion, pictures, labels=labels, sampler=sampler, refine=refine)
    n, size = len(latents), (int(pictures.shape[2]), int(pictures.shape[3]))
    inputs, deterministic = make_deterministic(diffusion, sampler, labels)
    inputs = replace(inputs, initial_noise=latents, size=size)
    *_, last = diffusion.stream(Rng([0] * n), inputs, deterministic)
    reconstructed = diffusion.render(last).cpu()
    return RoundTrip(latents.cpu(), reconstructed, psnr(pictures.cpu(), reconstructed))


def open_diffusion(model: Diffusion | str | Path) -> Diffusion:
    """Open a diffusion model, given as itself, a name or a folder. UserError for other models."""
    opened = open_model(model, "draw pictures")
    if not isinstance(opened, Diffusion):
        raise UserError(f"a {type(opened).__name__} cannot be inverted; give a Diffusion")
    return opened


def make_deterministic(
    model: Diffusion, sampler: DDIM | None, labels: Tensor | None
) -> tuple[SamplingInputs, DDIM]:
    """Make the inputs and an invertible sampler: no clipping, guidance 1, or 0 without labels.

    Guidance 0 is unconditional. UserError if the sampler draws noise.
    """
    sampler = sampler or DDIM(steps=min(DEFAULT_STEPS, model.config.schedule.T))
    if sampler.eta or sampler.sigma_hat:
        raise UserError("a sampler with fresh noise cannot be inverted; give DDIM with eta 0")
    if labels is None:
        return SamplingInputs(), replace(sampler, clip=False, guidance=0.0)
    return SamplingInputs(to_tensor(labels, "labels")), replace(sampler, clip=False, guidance=1.0)


def compute_expected_shape(model: Diffusion, pictures: Tensor) -> tuple[int, ...]:
    """The shape (C, H, W) that pictures must have; any H and W if the model's size is free."""
    C, *size = model.config.shape
    free = model.spec.free_size and pictures.ndim == 4
    return (C, *(pictures.shape[2:] if free else size))
