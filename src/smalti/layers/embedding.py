"""Embeddings of noise levels and positions."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class SinusoidalEmbedding(nn.Module):
    """Sines and cosines of geometrically spaced frequencies, section 3.5 of arXiv:1706.03762.

    Maps numbers (N,) to (N, width): width/2 sines, then width/2 cosines.
    """

    frequencies: Tensor

    def __init__(self, width: int):
        super().__init__()
        half = width // 2
        frequencies = torch.exp(-math.log(10_000) * torch.arange(half) / half)
        self.register_buffer("frequencies", frequencies, persistent=False)

    def forward(self, t: Tensor) -> Tensor:
        angles = t[:, None].to(self.frequencies.dtype) * self.frequencies  # (N, width/2)
        return torch.cat([angles.sin(), angles.cos()], dim=1)
