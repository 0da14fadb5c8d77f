"""Inversion: from a picture to the noise that draws it, and back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from smalti.core.brief import brief
from smalti.core.conditions import resolve
from smalti.core.errors import UserError
from smalti.core.given import Given, check_pictures
from smalti.core.likeness import psnr
from smalti.core.model import open_model
from smalti.core.rng import Rng
from smalti.core.tensors import to_pictures, to_tensor
from smalti.diffusion.condition import encode_exactly
from smalti.diffusion.levels import alpha_bar
from smalti.diffusion.model import Diffusion
from smalti.diffusion.process import noise_of
from smalti.diffusion.samplers import DDIM, Denoise

STEPS = 50
"""Where no sampler is given."""


@dataclass(frozen=True, eq=False)
@brief
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
    given, still = without_chance(diffusion, sampler, labels)
    levels = [-1, *still.levels(diffusion.config.schedule.T)[::-1]]
    check_pictures("pictures", pictures, (len(pictures), *wanted(diffusion, pictures)))
    x = encode_exactly(pictures, diffusion.alpha_bars.device, diffusion.space)
    told = resolve(given, diffusion.spec, len(x))
    denoise = diffusion.denoiser(told, len(x), clip=False, guidance=still.guidance)
    for s, t in pairwise(levels):
        x = step_up(denoise, x, s, t, diffusion.alpha_bars, refine)
    return x


def step_up(denoise: Denoise, x: Tensor, s: int, t: int, alpha_bars: Tensor, refine: int) -> Tensor:
    """One step from level s to the noisier t. x: (n, C, H, W) float64 at s."""
    a_s, a_t = alpha_bar(alpha_bars, s), alpha_bars[t]

    def up(eps: Tensor) -> Tensor:
        x0 = (x - (1 - a_s).sqrt() * eps) / a_s.sqrt()
        return a_t.sqrt() * x0 + (1 - a_t).sqrt() * eps

    # The network knows no level -1: the first step asks at the level it goes to, of the picture
    # as it would be there without noise.
    near = (x, s, a_s) if s >= 0 else (a_t.sqrt() * x, t, a_t)
    x_t = up(noise_of(denoise(near[0], near[1]), near[0], near[2]))
    for _ in range(refine):
        x_t = up(noise_of(denoise(x_t, t), x_t, a_t))
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
    given, still = without_chance(diffusion, sampler, labels)
    given = replace(given, start=latents, size=size)
    *_, last = diffusion.stream(Rng([0] * n), given, still)
    again = diffusion.render(last).cpu()
    return RoundTrip(latents.cpu(), again, psnr(pictures.cpu(), again))


def open_diffusion(model: Diffusion | str | Path) -> Diffusion:
    """A diffusion model, given itself or by its name or folder. UserError for any other."""
    opened = open_model(model, "draw pictures")
    if not isinstance(opened, Diffusion):
        raise UserError(f"a {type(opened).__name__} has no latents to invert to; give a Diffusion")
    return opened


def without_chance(
    model: Diffusion, sampler: DDIM | None, labels: Tensor | None
) -> tuple[Given, DDIM]:
    """What is told, and the sampler as it can be walked both ways; its guidance is 1, or 0, which
    is nothing told, where there are no labels.
    """
    sampler = sampler or DDIM(steps=min(STEPS, model.config.schedule.T))
    if sampler.eta or sampler.sigma_hat:
        raise UserError("a walk with fresh noise has no way back; give DDIM with eta 0")
    if labels is None:
        return Given(), replace(sampler, clip=False, guidance=0.0)
    return Given(to_tensor(labels, "labels")), replace(sampler, clip=False, guidance=1.0)


def wanted(model: Diffusion, pictures: Tensor) -> tuple[int, ...]:
    """The shape that pictures must have: any height and width where the model's is free."""
    C, *size = model.config.shape
    free = model.spec.free_size and pictures.ndim == 4
    return (C, *(pictures.shape[2:] if free else size))
