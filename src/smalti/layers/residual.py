"""The residual block of U-Nets."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from smalti.layers.dropout import Dropout


class ResidualBlock(nn.Module):
    """norm, SiLU, conv; norm, scale and shift by the condition, SiLU, conv; skip.

    The block of Improved DDPM (arXiv:2102.09672, section 3.1 and appendix A): the embedding of
    time and class acts as scale and shift of the second norm. The last convolution starts at 0,
    so that a new network starts as the identity.
    """

    def __init__(
        self, width_in: int, width: int, condition_width: int, groups: int, dropout: float = 0.0
    ):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, width_in)
        self.conv1 = nn.Conv2d(width_in, width, 3, padding=1)
        self.condition = nn.Linear(condition_width, 2 * width)
        self.norm2 = nn.GroupNorm(groups, width)
        self.dropout = Dropout(dropout)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.skip = nn.Identity() if width_in == width else nn.Conv2d(width_in, width, 1)
        for parameter in self.conv2.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        """x: (B, width_in, H, W), emb: (B, condition_width) -> (B, width, H, W)."""
        scale, shift = self.condition(emb)[:, :, None, None].chunk(2, dim=1)
        h = self.conv1(F.silu(self.norm1(x)))
        h = F.silu(self.norm2(h) * (1 + scale) + shift)
        return self.skip(x) + self.conv2(self.dropout(h))
