"""The quantizer interface: maps of latents to codes, and codes to vectors."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from smalti.core.errors import UserError


class QuantizerOutput(NamedTuple):
    """Output of a quantizer for latents z (B, D, h, w)."""

    z: Tensor
    """Quantized latents (B, D, h, w), which pass gradients to the encoder."""
    codes: Tensor
    """(B, h, w) int64 in 0 .. K-1."""
    loss: Tensor
    """Scalar: the quantizer's loss, its terms weighted."""
    terms: dict[str, Tensor]
    """Detached scalars, for the log."""


def flatten_positions(z: Tensor) -> Tensor:
    """Flatten (B, D, h, w) to (B h w, D), in float32 or float64."""
    wide = torch.promote_types(z.dtype, torch.float32)
    return z.permute(0, 2, 3, 1).reshape(-1, z.shape[1]).to(wide)


def unflatten_positions(v: Tensor, like: Tensor) -> Tensor:
    """Reshape (B h w, D) to (B, D, h, w), the positions of `like` (B, ., h, w)."""
    B, h, w = len(like), *like.shape[-2:]
    return v.reshape(B, h, w, v.shape[1]).permute(0, 3, 1, 2)


def check_codes(codes: Tensor, K: int) -> Tensor:
    """Check that codes are integers (B, h, w) in 0 .. K-1. UserError otherwise."""
    if codes.is_floating_point() or codes.dtype == torch.bool:
        raise UserError(f"codes are {codes.dtype}; give integers from 0 to {K - 1}")
    if codes.ndim != 3:
        raise UserError(f"codes have shape {tuple(codes.shape)}; give (N, h, w)")
    if codes.numel() and not 0 <= int(codes.min()) <= int(codes.max()) < K:
        bad = codes[(codes < 0) | (codes >= K)][0]
        raise UserError(f"code {int(bad)} is out of range; give codes from 0 to {K - 1}")
    return codes.long()
