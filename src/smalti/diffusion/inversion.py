"""Inversion: from a picture to the noise that draws it, and back."""

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
"""Where no sampler is given."""


@dataclass(frozen=True, eq=False)
@add_short_repr
class RoundTrip:
    """Pictures, the noises they come from, and what these give back."""

    latents: Tensor
    """x_T, (n, C, H, W) float64."""
    pictures: Tensor
    """What is drawn from the latents, (n, C, H, W) in [0, 1]."""
    psnr: Tensor
    """(n,) peak signal to noise ratio of that to the original, in dB; more is nearer."""


@torch.no_grad()
def invert(
    model: Diffusion | str | Path,
    pictures: Tensor,
    *,
    labels: Tensor | None = None,
    sampler: DDIM | None = None,
    refine: int = 1,
) -> Tensor:
    """x_T that `sampler` (50 steps unless given) turns into these pictures: (n, C, H, W) float64.

    DDIM's ODE from clean to noise, eq. 14 of arXiv:2010.02502; sampler.clip and sampler.guidance
    are passed over, for a clipped or a guided walk has no way back.
    pictures: (n, C, H, W) in [0, 1]. labels: (n,) classes; nothing is told without. UserError when
    they do not fit the model, or the sampler draws noise.
    refine: fixed-point iterations a step towards the x_t whose own DDIM step gives x_s exactly;
    each costs a network call a step. 0 is eq. 14 as it stands.
    """
    if refine < 0:
        raise UserError(f"refine is {refine}; give 0 or more")
    diffusion, pictures = open_diffusion(model), to_pictures(pictures, "pictures")
    given, deterministic = make_deterministic(diffusion, sampler, labels)
    timesteps = [-1, *deterministic.choose_timesteps(diffusion.config.schedule.T)[::-1]]
    check_pictures(
        "pictures", pictures, (len(pictures), *compute_expected_shape(diffusion, pictures))
    )
    x = encode_float64(pictures, diffusion.alpha_bars.device, diffusion.space)
    told = resolve_conditions(given, diffusion.spec, len(x))
    denoise = diffusion.build_denoiser(told, len(x), clip=False, guidance=deterministic.guidance)
    for s, t in pairwise(timesteps):
        x = invert_step(denoise, x, s, t, diffusion.alpha_bars, refine)
    return x


def invert_step(
    denoise: Denoise, x: Tensor, s: int, t: int, alpha_bars: Tensor, refine: int
) -> Tensor:
    """One step from level s to the noisier t. x: (n, C, H, W) float64 at s."""
    a_s, a_t = look_up_alpha_bar(alpha_bars, s), alpha_bars[t]

    def step(eps: Tensor) -> Tensor:
        x0 = (x - (1 - a_s).sqrt() * eps) / a_s.sqrt()
        return a_t.sqrt() * x0 + (1 - a_t).sqrt() * eps

    # The network knows no level -1: the first step asks at the level it goes to, of the picture
    # as it would be there without noise.
    near = (x, s, a_s) if s >= 0 else (a_t.sqrt() * x, t, a_t)
    x_t = step(compute_eps(denoise(near[0], near[1]), near[0], near[2]))
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
    """`invert`, and the pictures that its latents give: how much of a picture a latent holds."""
    diffusion, pictures = open_diffusion(model), to_pictures(pictures, "pictures")
    latents = invert(diffusion, pictures, labels=labels, sampler=sampler, refine=refine)
    n, size = len(latents), (int(latents.shape[2]), int(latents.shape[3]))
    inputs, deterministic = make_deterministic(diffusion, sampler, labels)
    inputs = replace(inputs, initial_noise=latents, size=size)
    *_, last = diffusion.stream(Rng([0] * n), inputs, deterministic)
    again = diffusion.render(last).cpu()
    return RoundTrip(latents.cpu(), again, psnr(pictures.cpu(), again))


def open_diffusion(model: Diffusion | str | Path) -> Diffusion:
    """A diffusion model, given itself or by its name or folder. UserError for any other."""
    opened = open_model(model, "draw pictures")
    if not isinstance(opened, Diffusion):
        raise UserError(f"a {type(opened).__name__} has no latents to invert to; give a Diffusion")
    return opened


def make_deterministic(
    model: Diffusion, sampler: DDIM | None, labels: Tensor | None
) -> tuple[SamplingInputs, DDIM]:
    """What is told, and the sampler as it can be walked both ways; its guidance is 1, or 0, which
    is nothing told, where there are no labels.
    """
    sampler = sampler or DDIM(steps=min(DEFAULT_STEPS, model.config.schedule.T))
    if sampler.eta or sampler.sigma_hat:
        raise UserError("a walk with fresh noise has no way back; give DDIM with eta 0")
    if labels is None:
        return SamplingInputs(), replace(sampler, clip=False, guidance=0.0)
    return SamplingInputs(to_tensor(labels, "labels")), replace(sampler, clip=False, guidance=1.0)


def compute_expected_shape(model: Diffusion, pictures: Tensor) -> tuple[int, ...]:
    """The shape that pictures must have: any height and width where the model's is free."""
    C, *size = model.config.shape
    free = model.spec.free_size and pictures.ndim == 4
    return (C, *(pictures.shape[2:] if free else size))
