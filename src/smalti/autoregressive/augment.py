"""Data augmentation in training: shifted pictures, crops, and corrupted symbols."""

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


def list_shifts(max_shift: int) -> list[tuple[int, int]]:
    """List all shifts down and right, in the order of their indices; (0, 0) is in the middle."""
    s = range(-max_shift, max_shift + 1)
    return [(down, right) for down in s for right in s]


def shift_all(x: Tensor, down: int, right: int) -> Tensor:
    """Shift all pictures x (N, C, H, W) alike."""
    return shift_pictures(x, torch.tensor([[down, right]]).expand(len(x), 2))


def crop_pictures(x: Tensor, corners: Tensor, size: tuple[int, int]) -> Tensor:
    """Crop pictures x (N, C, H, W) to `size`; corners (N, 2): each one's first row and column."""
    N, C, _, W = x.shape
    h, w = size
    rows = corners[:, :1] + torch.arange(h, device=x.device)  # (N, h)
    columns = corners[:, 1:] + torch.arange(w, device=x.device)  # (N, w)
    x = x.gather(2, rows[:, None, :, None].expand(N, C, h, W))
    return x.gather(3, columns[:, None, None, :].expand(N, C, h, w))


def choose_corners(n: int, spare: tuple[int, int], centered: bool, device: torch.device) -> Tensor:
    """Choose where n crops begin: (n, 2) from 0 to `spare`, random or in the middle."""
    if centered:
        return torch.tensor([side // 2 for side in spare], device=device).expand(n, 2)
    sides = [torch.randint(side + 1, (n,), device=device) for side in spare]
    return torch.stack(sides, dim=1)


def corrupt_symbols(z: Tensor, n_symbols: int, fraction: float) -> Tensor:
    """Replace a fraction of the symbols z by random ones, uniform over 0 .. n_symbols-1."""
    replaced = torch.rand(z.shape, device=z.device) < fraction
    return torch.where(replaced, torch.randint_like(z, n_symbols), z)
