"""Data augmentation in training: shifted pictures and corrupted symbols."""

from __future__ import annotations

import torch
from torch import Tensor


def shift_pictures(x: Tensor, shifts: Tensor) -> Tensor:
    """Shift pictures x (N, C, H, W) down and right by shifts (N, 2), replicating the border."""
    N, C, H, W = x.shape
    rows = (torch.arange(H, device=x.device) - shifts[:, :1]).clamp(0, H - 1)  # (N, H)
    columns = (torch.arange(W, device=x.device) - shifts[:, 1:]).clamp(0, W - 1)
    x = x.gather(2, rows[:, None, :, None].expand(N, C, H, W))
    return x.gather(3, columns[:, None, None, :].expand(N, C, H, W))


def corrupt_symbols(z: Tensor, n_symbols: int, fraction: float) -> Tensor:
    """Replace a fraction of the symbols z by random ones, uniform over 0 .. n_symbols-1."""
    replaced = torch.rand(z.shape, device=z.device) < fraction
    return torch.where(replaced, torch.randint_like(z, n_symbols), z)
