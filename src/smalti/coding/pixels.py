"""Exact conversion between 8-bit pixels and a model's levels."""

from __future__ import annotations

import torch
from torch import Tensor

from smalti.core.errors import UserError
from smalti.core.protocols import Codec
from smalti.core.tensors import to_tensor


def to_pixels(pictures: object) -> Tensor:
    """Convert uint8, or floats in [0, 1] that are multiples of 1/255, to uint8 (N, C, H, W)."""
    pictures = to_tensor(pictures, "pictures")
    if pictures.ndim != 4:
        raise UserError(f"pictures have shape {tuple(pictures.shape)}; give (N, C, H, W)")
    if pictures.dtype == torch.uint8:
        return pictures.cpu()
    if not pictures.is_floating_point():
        raise UserError(f"pictures have dtype {pictures.dtype}; give uint8, or floats in [0, 1]")
    scaled = pictures.cpu().double() * 255
    pixels = scaled.round()
    if not ((pixels >= 0) & (pixels <= 255) & ((scaled - pixels).abs() < 1e-3)).all():
        raise UserError(
            "pictures hold values between 8-bit levels; give uint8, or multiples of 1/255"
        )
    return pixels.to(torch.uint8)


def pixels_to_levels(pixels: Tensor, codec: Codec) -> Tensor:
    """Encode uint8 pixels as int64 levels by the model's `Levels`.

    Raises UserError for a pixel that does not survive the round trip.
    """
    levels = codec.encode(pixels.double() / 255)
    decoded = levels_to_pixels(levels, codec)
    if not torch.equal(decoded, pixels):
        bad = int(pixels[decoded != pixels][0])
        raise UserError(
            f"a pixel is {bad}, which is not one of this model's {codec.vocab_size} levels; use a "
            "model with 256 levels, or quantize the pictures first"
        )
    return levels


def levels_to_pixels(levels: Tensor, codec: Codec) -> Tensor:
    """Decode int64 levels to uint8 pixels."""
    return (codec.decode(levels) * 255).round().to(torch.uint8)
