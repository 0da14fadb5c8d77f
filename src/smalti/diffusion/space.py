"""The space of a diffusion process: conversion of pictures to its range and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from smalti.core.config import check_fields
from smalti.core.errors import UserError


@dataclass(frozen=True)
@check_fields
class Pixels:
    """Pixel space: pictures scaled from [0, 1] to [-1, 1]."""

    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    """Range of clean pictures, to which predictions can be clipped."""
    half_level: ClassVar[float] = 1 / 255
    """Half the distance of two 8-bit levels."""

    def encode(self, pictures: Tensor) -> Tensor:
        """Convert pictures (N, C, H, W) in [0, 1] to the process's range."""
        return pictures * 2 - 1

    def decode(self, x: Tensor) -> Tensor:
        """Convert x to pictures (N, C, H, W), float32 in [0, 1]."""
        return ((x + 1) / 2).clamp(0, 1).float()

    def clip(self, x0: Tensor) -> Tensor:
        """Clip a predicted x0 to the bounds."""
        return x0.clamp(*self.bounds)

    def encode_8bit(self, pictures: Tensor) -> Tensor:
        """Convert pictures in [0, 1] to float64 in the process's range, at exact 8-bit levels.

        UserError unless all values are 8-bit levels.
        """
        level = pictures.double() * 255
        nearest = level.round().clamp(0, 255)
        if not ((level - nearest).abs() < 1e-3).all():
            raise UserError("pictures are not of 8-bit levels; give levels / 255")
        return nearest / 127.5 - 1
