"""What training changes of pictures and symbols, so that a network does not learn them by heart."""

from __future__ import annotations

import torch
from torch import Tensor


def shift_pictures(x: Tensor, shifts: Tensor) -> Tensor:
    """Pictures x (N, C, H, W) moved down and right by moves (N, 2); what comes in is the border."""
    N, C, H, W = x.shape
    rows = (torch.arange(H, device=x.device) - shifts[:, :1]).clamp(0, H - 1)  # (N, H)
    columns = (torch.arange(W, device=x.device) - shifts[:, 1:]).clamp(0, W - 1)
    x = x.gather(2, rows[:, None, :, None].expand(N, C, H, W))
    return x.gather(3, columns[:, None, None, :].expand(N, C, H, W))


def corrupt_symbols(z: Tensor, n_symbols: int, fraction: float) -> Tensor:
    """That share of the symbols z replaced, each of `n_symbols` as likely as any other."""
    replaced = torch.rand(z.shape, device=z.device) < fraction
    return torch.where(replaced, torch.randint_like(z, n_symbols), z)
