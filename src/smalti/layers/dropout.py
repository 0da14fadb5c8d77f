"""Dropout whose masks are drawn by the byte, since PyTorch's takes a third of a step on a CPU."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smalti.core.errors import UserError

SMALLEST = 1 / 32
"""Probability below which 256ths are too coarse."""


class Dropout(nn.Module):
    """Sets elements to 0 with probability p in training, and scales the others by 1 / (1 - p).

    On a CPU p is rounded to 256ths, in the scale, too, so that the mean stays exact; eight elements
    share a random number of 64 bits. Draws from PyTorch's global generator.
    """

    def __init__(self, p: float):
        super().__init__()
        if not 0 <= p < 1:
            raise UserError(f"dropout is {p}; give 0 or more, less than 1")
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        return drop_elements(x, self.p) if self.training and self.p else x


def drop_elements(x: Tensor, p: float) -> Tensor:
    """Set elements to 0 with probability p, and scale the others, as `Dropout` does."""
    if x.device.type != "cpu" or p < SMALLEST:
        return F.dropout(x, p)
    threshold = min(255, round(256 * p))
    keep = torch.empty_like(x, dtype=torch.uint8)  # in the memory format of x
    torch.ge(draw_bytes(x.numel()).as_strided(keep.shape, keep.stride()), threshold, out=keep)
    return x * keep.to(x.dtype).mul_(256 / (256 - threshold))


def draw_bytes(n: int) -> Tensor:
    """(n,) uniform uint8."""
    words = torch.empty((n + 7) // 8, dtype=torch.int64).random_(-(2**63), None)
    return words.view(torch.uint8)[:n]
