"""What a walk begins with and what it keeps: the pictures in a `Given`, checked."""

from __future__ import annotations

import torch
from torch import Tensor

from smalti.core.errors import UserError
from smalti.core.given import Given
from smalti.diffusion.process import add_noise
from smalti.diffusion.repaint import Hole, RePaint
from smalti.diffusion.samplers import Sampler

STRENGTH = 0.6
"""Share of the steps from a picture to its like, where none is asked for."""


def sampler_for(given: Given, own: Sampler, asked: Sampler | None, T: int) -> Sampler:
    """The one that is asked for, or else the model's own, or RePaint where there is a hole."""
    holey = given.known is not None or given.mask is not None
    fill = RePaint(steps=min(RePaint.steps, T), clip=own.clip, guidance=own.guidance)
    sampler = asked or (fill if holey else own)
    if holey and not isinstance(sampler, RePaint):
        raise UserError(f"{type(sampler).__name__} does not fill holes; give RePaint, or none")
    if isinstance(sampler, RePaint) and (given.known is None or given.mask is None):
        raise UserError("RePaint fills holes: give it both known pictures and a mask")
    return sampler


def visited(given: Given, sampler: Sampler, T: int) -> list[int]:
    """The sampler's levels; with a picture the last of them, a share of given.strength."""
    levels = sampler.levels(T)
    if given.picture is None:
        if given.strength is not None:
            raise UserError("strength is given without a picture; give both, or leave it out")
        return levels
    if isinstance(sampler, RePaint):
        raise UserError("a picture and a hole are both given; give one of them")
    strength = STRENGTH if given.strength is None else given.strength
    if not 0 < strength <= 1:
        raise UserError(f"strength is {strength}; give more than 0, and at most 1")
    return levels[-max(1, round(strength * len(levels))) :]


def beginning(given: Given, drawn: Tensor, a_t: Tensor) -> Tensor:
    """x at the first level: noise, given or drawn, or a picture with so much of that noise.

    The latter is algorithm 1 of arXiv:2108.01073 (SDEdit). drawn: (n, C, H, W) float64.
    """
    noise = drawn
    if given.start is not None:
        check_shape("start", given.start, drawn.shape)
        noise = given.start.detach().double().to(drawn.device)
    if given.picture is None:
        return noise
    return add_noise(scaled("picture", given.picture, drawn), noise, a_t)


def hole_in(given: Given, drawn: Tensor) -> Hole:
    """given.known and given.mask. drawn: (n, C, H, W), for the shape and the device."""
    known, mask = given.known, given.mask
    assert known is not None and mask is not None
    n, C, H, W = drawn.shape
    if mask.dtype != torch.bool:
        raise UserError(f"mask is of {mask.dtype}; give booleans, true where to fill in")
    if tuple(mask.shape) not in ((H, W), (n, 1, H, W), (n, C, H, W)):
        raise UserError(
            f"mask has shape {tuple(mask.shape)}; give {(H, W)}, {(n, 1, H, W)} or {(n, C, H, W)}"
        )
    return Hole(scaled("known", known, drawn), mask.to(drawn.device).expand(drawn.shape))


def scaled(name: str, pictures: Tensor, like: Tensor) -> Tensor:
    """Pictures (n, C, H, W) in [0, 1] as float64 in [-1, 1]. UserError when they are not."""
    check_shape(name, pictures, like.shape)
    x = pictures.detach().to(like.device).double()
    if not (x.min() >= 0 and x.max() <= 1):
        raise UserError(
            f"{name} has values from {x.min():.4g} to {x.max():.4g}; give pictures in 0 to 1"
        )
    return x * 2 - 1


def check_shape(name: str, given: Tensor, wanted: torch.Size) -> None:
    if given.shape != wanted:
        raise UserError(
            f"{name} has shape {tuple(given.shape)}; these samples want {tuple(wanted)}"
        )
