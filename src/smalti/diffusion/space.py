"""The space of a diffusion process: conversion of pictures to its range and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

from torch import Tensor

from smalti.core.config import check_fields
from smalti.core.errors import UserError
from smalti.core.protocols import Batch


class Space(Protocol):
    """What samplers, editing and inversion know of the space that they run in."""

    is_latent: ClassVar[bool]
    """Whether x is not made of pixels, so that there is no bound on bits/dim."""

    def encode(self, pictures: Tensor) -> Tensor:
        """Convert pictures (N, C, H, W) in [0, 1] to x (N, D, h, w) in the process's range."""
        ...

    def encode_batch(self, batch: Batch) -> Tensor:
        """x0 (B, D, h, w) of a training batch."""
        ...

    def encode_known(self, known: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Convert known pictures and their holes, both (n, C, H, W): x and mask (n, D, h, w)."""
        ...

    @property
    def downsampling_factor(self) -> int:
        """Height and width of pictures over those of x."""
        ...

    def decode(self, x: Tensor, size: tuple[int, int], wraps: bool = False) -> Tensor:
        """Convert x to pictures (N, C, H, W) of this size, float32 in [0, 1]. wraps: of pictures
        that tile.
        """
        ...

    def clip(self, x0: Tensor) -> Tensor:
        """Clip a predicted x0 to the range of clean pictures."""
        ...

    def encode_8bit(self, pictures: Tensor) -> Tensor:
        """As `encode`, in float64 at exact 8-bit levels. UserError in a latent space."""
        ...


@dataclass(frozen=True)
@check_fields
class Pixels:
    """Pixel space: pictures scaled from [0, 1] to [-1, 1]."""

    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    """Range of clean pictures, to which predictions can be clipped."""
    half_level: ClassVar[float] = 1 / 255
    """Half the distance of two 8-bit levels."""
    is_latent: ClassVar[bool] = False

    @property
    def downsampling_factor(self) -> int:
        return 1

    def compute_shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Shape of x for pictures of this shape (C, H, W): the same."""
        return shape

    def build(self) -> Pixels:
        return self

    def encode(self, pictures: Tensor) -> Tensor:
        """Convert pictures (N, C, H, W) in [0, 1] to the process's range."""
        return pictures * 2 - 1

    def encode_batch(self, batch: Batch) -> Tensor:
        """x0 (B, C, H, W) of a training batch."""
        return self.encode(batch.require_pictures())

    def encode_known(self, known: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Convert known pictures; the mask stays."""
        return self.encode(known), mask

    def decode(self, x: Tensor, size: tuple[int, int] | None = None, wraps: bool = False) -> Tensor:
        """Convert x to pictures (N, C, H, W), float32 in [0, 1]. Their size is that of x."""
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
