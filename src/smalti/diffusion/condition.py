"""What a walk begins with and what it keeps: the pictures in a `Given`, checked."""

from __future__ import annotations

import torch
from torch import Tensor

from smalti.core.errors import UserError
from smalti.core.given import Given, check_pictures, check_shape, read_hole
from smalti.diffusion.process import add_noise
from smalti.diffusion.repaint import Hole, RePaint
from smalti.diffusion.samplers import Sampler
from smalti.diffusion.space import Pixels

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


def beginning(given: Given, drawn: Tensor, a_t: Tensor, space: Pixels) -> Tensor:
    """x at the first level: noise, given or drawn, or a picture with so much of that noise.

    The latter is algorithm 1 of arXiv:2108.01073 (SDEdit). drawn: (n, C, H, W) float64.
    """
    noise = drawn
    if given.start is not None:
        check_shape("start", given.start, drawn.shape)
        noise = given.start.detach().double().to(drawn.device)
    if given.picture is None:
        return noise
    check_pictures("picture", given.picture, drawn.shape)
    return add_noise(encode_exactly(given.picture, drawn.device, space), noise, a_t)


def read_known(given: Given, drawn: Tensor, space: Pixels) -> Hole:
    """given.known and given.mask. drawn: (n, C, H, W), for the shape and the device."""
    hole = read_hole(given, drawn.shape)
    assert hole is not None
    known, mask = hole
    return Hole(encode_exactly(known, drawn.device, space), mask.to(drawn.device))


def encode_exactly(pictures: Tensor, device: torch.device, space: Pixels) -> Tensor:
    """Pictures in [0, 1] as float64 in the process's range."""
    return space.encode(pictures.detach().to(device).double())
