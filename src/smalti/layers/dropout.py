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
        if not self.training or self.p == 0:
            return x
        if x.device.type != "cpu" or self.p < SMALLEST:
            return F.dropout(x, self.p)
        threshold = min(255, round(256 * self.p))
        keep = torch.empty(x.shape, dtype=torch.uint8)
        torch.ge(draw_bytes(x.numel()).view(x.shape), threshold, out=keep)
        return x * keep.to(x.dtype).mul_(256 / (256 - threshold))


def draw_bytes(n: int) -> Tensor:
    """(n,) uniform uint8."""
    words = torch.empty((n + 7) // 8, dtype=torch.int64).random_(-(2**63), None)
    return words.view(torch.uint8)[:n]
