"""Random small deformations of pictures: shift, rotation, scaling, shear and elastic bend."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import torch
import torch.nn.functional as F
from torch import Tensor

KNOTS = 5  # the bend is sampled on 5 x 5 points, about as coarse as the strokes of a digit


@dataclass(frozen=True)
class WarpStrength:
    """Strengths of `warp`; 0 leaves pictures unchanged."""

    degrees: float
    """Maximum rotation in either direction, and maximum shear angle."""
    shift: float
    """Maximum shift, as a fraction of the picture's side."""
    zoom: float
    """Maximum scaling of height and of width, as a natural logarithm."""
    bend: float
    """Standard deviation of the elastic displacement at its knots, as a fraction of the side."""


def warp(x: Tensor, strength: WarpStrength) -> Tensor:
    """Deform each picture independently, with torch's global generator.

    x: (B, C, H, W) -> (B, C, H, W), float32; padded with 0, black.
    The elastic part follows Simard, Steinkraus and Platt, 2003, "Best practices for convolutional
    neural networks", with a coarse random field smoothed by bicubic interpolation.
    """
    # Coordinates need more digits than half precision has.
    with torch.autocast(x.device.type, enabled=False):
        x = x.float()
        size = [len(x), 1, *x.shape[2:]]
        grid = F.affine_grid(draw_affine(len(x), strength, x.device), size, align_corners=False)
        bend = 2 * strength.bend * torch.randn(len(x), 2, KNOTS, KNOTS, device=x.device)
        bend = F.interpolate(bend, x.shape[2:], mode="bicubic", align_corners=True)
        grid = grid + bend.permute(0, 2, 3, 1)  # (B, H, W, 2)
        return F.grid_sample(x, grid, align_corners=False)


def draw_affine(n: int, strength: WarpStrength, device: torch.device) -> Tensor:
    """Draw n random affine maps of [-1, 1]^2, (n, 2, 3)."""
    turn, shear, wide, high, across, down = 2 * torch.rand(6, n, device=device) - 1
    turn, shear = (strength.degrees * pi / 180 * angle for angle in (turn, shear))
    wide, high = (strength.zoom * wide).exp(), (strength.zoom * high).exp()
    cos, sin, slant = turn.cos(), turn.sin(), shear.tan()
    row_x = torch.stack([wide * cos, wide * (cos * slant - sin), 2 * strength.shift * across], 1)
    row_y = torch.stack([high * sin, high * (sin * slant + cos), 2 * strength.shift * down], 1)
    return torch.stack([row_x, row_y], dim=1)
