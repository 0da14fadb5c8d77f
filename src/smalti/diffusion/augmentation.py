"""Augmentation of few pictures, told to the network so that samples do not show it.

As in EDM (arXiv:2206.00364, appendix F.2): every change of a picture is drawn with a small
probability, and its parameters are a part of the condition vector. Samples are drawn with zeros,
which mean an unchanged picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from smalti.core.config import check_fields
from smalti.core.ranges import Fraction, Range

SCALE_OCTAVES = 0.2
"""Standard deviation of the scale, of either axis's stretch too, in powers of two."""
ROTATION_RADIANS = 0.15
SHIFT_SHARE = 0.1
"""Of the picture's side."""
BRIGHTNESS = 0.08
"""Of the range from black to white."""
CONTRAST_OCTAVES = 0.25
SATURATION_OCTAVES = 0.5
HUE_RADIANS = 0.3
MAX_Z = 2.5
"""Normal numbers are clipped to this size."""
LUMA = 1 / math.sqrt(3)  # each channel's share of the gray axis


class Parameters(NamedTuple):
    """What is done to B pictures, (B,) each, in standard deviations; 0 for nothing."""

    flip: Tensor
    """1 if mirrored."""
    scale: Tensor
    stretch: Tensor
    rotation: Tensor
    shift_x: Tensor
    shift_y: Tensor
    brightness: Tensor
    contrast: Tensor
    saturation: Tensor
    hue: Tensor


GEOMETRY = slice(0, 6)
COLOR = slice(6, 10)
CHROMA = slice(8, 10)
"""Parameters that gray pictures do not have."""


@dataclass(frozen=True)
@check_fields
class Augmentation:
    """Random changes of the training pictures, which the network is told.

    Mirrored, scaled, stretched, turned, shifted, and in color.
    """

    probability: Fraction = 0.15
    """Probability of each change of a picture."""
    strength: Annotated[float, Range(0, 4)] = 1.0
    """Size of the changes. 0 changes nothing."""

    width: ClassVar[int] = len(Parameters._fields)
    """Numbers in the condition vector."""

    def augment(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Change pictures (B, C, H, W) in [0, 1] at random, by torch's default generator.

        Also returns the parameters (B, width). Pictures without changes stay exactly as they are.
        """
        if not (self.probability and self.strength):
            return pictures, pictures.new_zeros(len(pictures), self.width)
        vector = self.draw_parameters(len(pictures), pictures.shape[1] == 3, pictures.device)
        return change_color(change_geometry(pictures, vector), vector), vector

    def draw_parameters(self, n: int, has_color: bool, device: torch.device) -> Tensor:
        """Draw parameters (n, width): normal numbers times the strength, most of them 0."""
        is_on = torch.rand(n, self.width, device=device) < self.probability
        z = torch.randn(n, self.width, device=device).clamp(-MAX_Z, MAX_Z)
        z *= self.strength
        z[:, 0] = 1.0  # mirrored or not
        if not has_color:
            z[:, CHROMA] = 0.0
        return z * is_on


def change_geometry(x: Tensor, vector: Tensor) -> Tensor:
    """Mirror and warp pictures (B, C, H, W) by parameters (B, width).

    Bilinear, with pictures continued by reflection. EDM filters by wavelets instead: sharper, and
    slower. The network knows which pictures are blurred.
    """
    (changed,) = vector[:, GEOMETRY].any(dim=1).nonzero(as_tuple=True)
    if not len(changed):
        return x
    theta = compute_affine(Parameters(*vector[changed].T), x.shape[3] / x.shape[2])
    part = x[changed]
    grid = F.affine_grid(theta.to(x.dtype), list(part.shape), align_corners=False)
    warped = F.grid_sample(part, grid, padding_mode="reflection", align_corners=False)
    return x.index_copy(0, changed, warped)


def compute_affine(p: Parameters, aspect: float) -> Tensor:
    """The maps from places of the result to places of the picture, (B, 2, 3).

    Both are in -1 .. 1 along width and height. aspect: width over height.
    """
    angle = ROTATION_RADIANS * p.rotation
    cos, sin = angle.cos(), angle.sin()
    x_size = torch.exp2(SCALE_OCTAVES * (p.scale + p.stretch / 2)) * (1 - 2 * p.flip)
    y_size = torch.exp2(SCALE_OCTAVES * (p.scale - p.stretch / 2))
    shift_x, shift_y = 2 * SHIFT_SHARE * p.shift_x, 2 * SHIFT_SHARE * p.shift_y
    rows = [
        torch.stack([cos / x_size, sin / aspect / x_size, -shift_x], dim=1),
        torch.stack([-sin * aspect / y_size, cos / y_size, -shift_y], dim=1),
    ]
    return torch.stack(rows, dim=1)


def change_color(x: Tensor, vector: Tensor) -> Tensor:
    """Change brightness, contrast, saturation and hue of pictures (B, C, H, W) in [0, 1]."""
    (changed,) = vector[:, COLOR].any(dim=1).nonzero(as_tuple=True)
    if not len(changed):
        return x
    p = Parameters(*vector[changed].to(x.dtype).T[:, :, None, None, None])
    part = x[changed]
    if x.shape[1] == 3:
        part = change_chroma(part, torch.exp2(SATURATION_OCTAVES * p.saturation), p.hue)
    part = (part - 0.5) * torch.exp2(CONTRAST_OCTAVES * p.contrast) + 0.5
    part = part + BRIGHTNESS * p.brightness
    return x.index_copy(0, changed, part.clamp(0, 1))


def change_chroma(x: Tensor, saturation: Tensor, hue: Tensor) -> Tensor:
    """Scale and turn the colors of pictures (B, 3, H, W) around the gray axis; (B, 1, 1, 1) each.

    Rodrigues' formula for the axis (1, 1, 1) / sqrt(3).
    """
    gray = x.mean(dim=1, keepdim=True)
    chroma = x - gray
    across = LUMA * (chroma.roll(1, dims=1) - chroma.roll(-1, dims=1))  # axis x chroma
    angle = HUE_RADIANS * hue
    return gray + saturation * (angle.cos() * chroma + angle.sin() * across)
