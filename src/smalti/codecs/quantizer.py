"""What every quantizer does: a map of vectors becomes a map of codes, and vectors again."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from smalti.core.errors import UserError


class QuantizerOutput(NamedTuple):
    """What a quantizer makes of latents z, (B, D, h, w)."""

    z: Tensor
    """(B, D, h, w): what the decoder sees, through which gradients reach the encoder."""
    codes: Tensor
    """(B, h, w) int64 in 0 .. K-1."""
    loss: Tensor
    """Scalar: what the quantizer itself wants trained, by its own weights."""
    terms: dict[str, Tensor]
    """Detached scalars, for the log."""


def flatten_positions(z: Tensor) -> Tensor:
    """(B, D, h, w) -> (B h w, D), in float32 or more."""
    wide = torch.promote_types(z.dtype, torch.float32)
    return z.permute(0, 2, 3, 1).reshape(-1, z.shape[1]).to(wide)


def unflatten_positions(v: Tensor, like: Tensor) -> Tensor:
    """(B h w, D) -> (B, D, h, w), the places of `like` (B, ., h, w)."""
    B, h, w = len(like), *like.shape[-2:]
    return v.reshape(B, h, w, v.shape[1]).permute(0, 3, 1, 2)


def check_codes(codes: Tensor, K: int) -> Tensor:
    """Codes (B, h, w) in 0 .. K-1. UserError that names the offender."""
    if codes.is_floating_point() or codes.dtype == torch.bool:
        raise UserError(f"codes are given as {codes.dtype}; give integers from 0 to {K - 1}")
    if codes.ndim != 3:
        raise UserError(f"codes have shape {tuple(codes.shape)}; give (N, h, w)")
    if codes.numel() and not 0 <= int(codes.min()) <= int(codes.max()) < K:
        bad = codes[(codes < 0) | (codes >= K)][0]
        raise UserError(f"code {int(bad)} is given; this codec has codes 0 to {K - 1}")
    return codes.long()
