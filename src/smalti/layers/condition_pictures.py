"""Pictures as conditions: their channels and their edges."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from smalti.core.errors import UserError

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in gray (ITU-R BT.601)."""


def to_channels(x: Tensor, C: int, name: str) -> Tensor:
    """Convert pictures (n, c, H, W) to C channels: gray to any number, RGB to gray."""
    c = x.shape[1]
    if c in (1, C):
        return x.expand(-1, C, -1, -1)
    if (c, C) != (3, 1):
        raise UserError(f"{name} has {c} channels; the model takes {C}; convert it")
    weights = torch.tensor(LUMA, dtype=x.dtype, device=x.device)
    return torch.einsum("nchw,c->nhw", x, weights)[:, None]


def find_edges(x: Tensor, wraps: bool = False) -> Tensor:
    """Sobel's gradient of pictures (n, 1, H, W) in [0, 1]: its length, 1 at most.

    wraps: beyond each border is the other side.
    """
    smooth, slope = torch.tensor([1.0, 2.0, 1.0]) / 4, torch.tensor([-1.0, 0.0, 1.0])
    kernels = torch.stack([torch.outer(smooth, slope), torch.outer(slope, smooth)])[:, None]
    padded = F.pad(x, (1, 1, 1, 1), mode="circular" if wraps else "replicate")
    return F.conv2d(padded, kernels.to(x)).norm(dim=1, keepdim=True).clamp(max=1)
