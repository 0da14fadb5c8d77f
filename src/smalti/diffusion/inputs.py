"""Checks and prepares `SamplingInputs`: sampler, timesteps, start and hole."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from smalti.core.canvas import KnownPixels
from smalti.core.errors import UserError
from smalti.core.sampling_inputs import (
    SamplingInputs,
    check_pictures,
    check_shape,
    read_known_and_mask,
)
from smalti.diffusion.process import add_noise
from smalti.diffusion.repaint import Hole, RePaint
from smalti.diffusion.samplers import Sampler
from smalti.diffusion.space import Space

DEFAULT_STRENGTH = 0.6
"""Default share of the sampler's steps for picture-to-picture sampling."""


def choose_sampler(
    inputs: SamplingInputs, default: Sampler, requested: Sampler | None, T: int
) -> Sampler:
    """Choose the requested sampler, else RePaint if there is a hole, else the default."""
    has_hole = inputs.known is not None or inputs.mask is not None
    fill = RePaint(steps=min(RePaint.steps, T), clip=default.clip, guidance=default.guidance)
    sampler = requested or (fill if has_hole else default)
    if has_hole and not isinstance(sampler, RePaint):
        raise UserError(f"{type(sampler).__name__} does not fill holes; give RePaint, or none")
    if isinstance(sampler, RePaint) and (inputs.known is None or inputs.mask is None):
        raise UserError("RePaint fills holes: give it both known pictures and a mask")
    return sampler


def plan_timesteps(inputs: SamplingInputs, sampler: Sampler, T: int) -> list[int]:
    """The sampler's levels; with a picture only the last ones, a share of inputs.strength."""
    timesteps = sampler.choose_timesteps(T)
    if inputs.picture is None:
        if inputs.strength is not None:
            raise UserError("strength is given without a picture; give both, or leave it out")
        return timesteps
    if isinstance(sampler, RePaint):
        raise UserError("a picture and a hole are both given; give one of them")
    strength = DEFAULT_STRENGTH if inputs.strength is None else inputs.strength
    if not 0 < strength <= 1:
        raise UserError(f"strength is {strength}; give more than 0, and at most 1")
    return timesteps[-max(1, round(strength * len(timesteps))) :]


def prepare_start(
    inputs: SamplingInputs,
    fresh_noise: Tensor,
    a_t: Tensor,
    space: Space,
    picture_shape: Sequence[int],
) -> Tensor:
    """x at the first level: the given or fresh noise, or the picture with that noise added.

    The latter is algorithm 1 of arXiv:2108.01073 (SDEdit). fresh_noise: (n, D, h, w) float64.
    picture_shape: (n, C, H, W).
    """
    noise = fresh_noise
    if inputs.initial_noise is not None:
        check_shape("initial_noise", inputs.initial_noise, fresh_noise.shape)
        noise = inputs.initial_noise.detach().double().to(fresh_noise.device)
    if inputs.picture is None:
        return noise
    check_pictures("picture", inputs.picture, picture_shape)
    return add_noise(encode_float64(inputs.picture, fresh_noise.device, space), noise, a_t)


def encode_hole(
    inputs: SamplingInputs, picture_shape: Sequence[int], device: torch.device, space: Space
) -> Hole:
    """Convert inputs.known and inputs.mask. picture_shape: (n, C, H, W)."""
    hole = read_known_and_mask(inputs, picture_shape)
    assert hole is not None
    known, mask = hole
    return Hole(*space.encode_known(known.detach().to(device).double(), mask.to(device)))


def keep_known_pixels(
    inputs: SamplingInputs, picture_shape: Sequence[int], device: torch.device
) -> KnownPixels | None:
    """The known pixels around a hole, which a codec would change; None without a hole."""
    hole = read_known_and_mask(inputs, picture_shape)
    if hole is None:
        return None
    known, mask = hole
    return KnownPixels(known.detach().float().to(device), mask.to(device))


def encode_float64(pictures: Tensor, device: torch.device, space: Space) -> Tensor:
    """Convert pictures in [0, 1] to float64 in the process's range."""
    return space.encode(pictures.detach().to(device).double())
