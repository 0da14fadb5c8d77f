"""Between 8-bit pixels and a model's levels, without a loss or not at all."""

from __future__ import annotations

import torch
from torch import Tensor

from smalti.core.errors import UserError
from smalti.core.protocols import Codec
from smalti.core.tensors import to_tensor


def to_pixels(pictures: object) -> Tensor:
    """uint8 (N, C, H, W) of pixels, or of floats in [0, 1] that are 8-bit values over 255."""
    pictures = to_tensor(pictures, "pictures")
    if pictures.ndim != 4:
        raise UserError(f"pictures have shape {tuple(pictures.shape)}; give (N, C, H, W)")
    if pictures.dtype == torch.uint8:
        return pictures.cpu()
    if not pictures.is_floating_point():
        raise UserError(f"pictures are of {pictures.dtype}; give uint8, or floats in 0 to 1")
    scaled = pictures.cpu().double() * 255
    pixels = scaled.round()
    if not ((pixels >= 0) & (pixels <= 255) & ((scaled - pixels).abs() < 1e-3)).all():
        raise UserError("pictures hold values between 8-bit levels; give uint8, or levels over 255")
    return pixels.to(torch.uint8)


def pixels_to_levels(pixels: Tensor, codec: Codec) -> Tensor:
    """int64 levels of uint8 pixels, by the model's `Levels`.

    UserError for a pixel that would not come back, as 8 levels have it with most.
    """
    levels = codec.encode(pixels.double() / 255)
    back = levels_to_pixels(levels, codec)
    if not torch.equal(back, pixels):
        bad = int(pixels[back != pixels][0])
        raise UserError(
            f"a pixel is {bad}, which is none of this model's {codec.vocab_size} levels; compress by a "
            "model of 256 levels, or pictures of these levels only"
        )
    return levels


def levels_to_pixels(levels: Tensor, codec: Codec) -> Tensor:
    """uint8 pixels of int64 levels."""
    return (codec.decode(levels) * 255).round().to(torch.uint8)
