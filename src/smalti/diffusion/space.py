"""The space that a diffusion process runs in: how pictures come into its range, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from smalti.core.config import check_fields
from smalti.core.errors import UserError


@dataclass(frozen=True)
@check_fields
class Pixels:
    """Pictures themselves, their [0, 1] stretched to [-1, 1]."""

    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    """The range of a clean picture's numbers, to which predictions can be clipped."""
    half_level: ClassVar[float] = 1 / 255
    """Half the distance of two levels of an 8-bit picture."""

    def encode(self, pictures: Tensor) -> Tensor:
        """Pictures in [0, 1], (N, C, H, W), as the process has them."""
        return pictures * 2 - 1

    def decode(self, x: Tensor) -> Tensor:
        """The pictures (N, C, H, W), float32 in [0, 1], that such numbers show."""
        return ((x + 1) / 2).clamp(0, 1).float()

    def clip(self, x0: Tensor) -> Tensor:
        """A predicted picture, inside the bounds."""
        return x0.clamp(*self.bounds)

    def encode_8bit(self, pictures: Tensor) -> Tensor:
        """Pictures in [0, 1] as float64 in the process's range, of exactly their 8-bit levels.

        UserError unless they are of such levels.
        """
        level = pictures.double() * 255
        nearest = level.round().clamp(0, 255)
        if not ((level - nearest).abs() < 1e-3).all():
            raise UserError(
                "these pictures are not of 8-bit levels, whose bits are counted; give levels / 255"
            )
        return nearest / 127.5 - 1
