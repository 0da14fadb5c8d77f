"""Finite scalar quantization (FSQ): codes without a codebook."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from smalti.codecs.quantizer import QuantizerOutput, check_codes
from smalti.codecs.usage import CodebookUsage
from smalti.core.config import check_fields
from smalti.core.ranges import LengthRange, ProductLimit, Range

MARGIN = 1e-3
LevelCounts = Annotated[
    tuple[Annotated[int, Range(2, 65_536)], ...], LengthRange(), ProductLimit(2**24)
]


@dataclass(frozen=True)
@check_fields
class FSQConfig:
    """FSQ: rounding to a grid of levels."""

    levels: LevelCounts = (8, 5, 5, 5)
    """Levels of each dimension. Their product is the number of codes."""

    @property
    def width(self) -> int:
        return len(self.levels)

    def build(self) -> FSQ:
        return FSQ(self)


class FSQ(nn.Module):
    """Bounds each dimension of a latent and rounds it to its levels; it has no loss.

    Finite scalar quantization, arXiv:2309.15505, section 3.
    z: (B, D, h, w), D = len(levels). Vectors are in [-1, 1].
    """

    levels: Tensor
    half_widths: Tensor
    strides: Tensor

    def __init__(self, config: FSQConfig):
        super().__init__()
        levels = config.levels
        self.config, self.codebook_size, self.width = config, math.prod(levels), len(levels)
        strides = [math.prod(levels[:k]) for k in range(len(levels))]
        for name, value in (("levels", levels), ("strides", strides)):
            self.register_buffer(name, to_column(value), persistent=False)
        self.register_buffer("half_widths", to_column([n // 2 for n in levels]), persistent=False)
        self.usage = CodebookUsage(self.codebook_size)

    def bound(self, z: Tensor) -> Tensor:
        """Bound each dimension to its levels: -L/2 .. L/2 - 1 for even L, else symmetric."""
        half = (self.levels - 1) * (1 + MARGIN) / 2
        offset = torch.where(self.levels % 2 == 0, 0.5, 0.0)
        shift = (offset / half).atanh()
        return (z + shift).tanh() * half - offset

    def forward(self, z: Tensor) -> QuantizerOutput:
        z = z.to(torch.promote_types(z.dtype, torch.float32))
        b = self.bound(z)
        levels = b + (b.round() - b).detach()
        codes = self.to_codes(levels)
        if self.training:
            self.usage.record(codes.flatten())
        return QuantizerOutput(
            levels / self.half_widths, codes, z.new_zeros(()), self.usage.compute_terms()
        )

    def to_codes(self, levels: Tensor) -> Tensor:
        """Convert integer levels around 0, (B, D, h, w), to codes (B, h, w)."""
        return ((levels.detach().round() + self.half_widths) * self.strides).sum(1).long()

    def quantize(self, z: Tensor) -> Tensor:
        return self.to_codes(self.bound(z.to(torch.promote_types(z.dtype, torch.float32))))

    def dequantize(self, codes: Tensor) -> Tensor:
        codes = check_codes(codes, self.codebook_size)[:, None]  # (B, 1, h, w)
        levels = (codes // self.strides.long()) % self.levels.long()
        return (levels - self.half_widths) / self.half_widths

    def after_step(self) -> None:
        self.usage.after_step()


def to_column(values: list[int] | tuple[int, ...]) -> Tensor:
    """Make a (D, 1, 1) tensor that broadcasts over (B, D, h, w)."""
    return torch.tensor(values, dtype=torch.float32)[:, None, None]
