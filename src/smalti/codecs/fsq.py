"""Codes without a codebook: finite scalar quantisation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from smalti.codecs.quantizer import Quantised, checked_codes
from smalti.codecs.usage import Use
from smalti.core.config import checked
from smalti.core.ranges import Length, Range, Volume

MARGIN = 1e-3
Grid = Annotated[tuple[Annotated[int, Range(2, 65_536)], ...], Length(), Volume(2**24)]


@dataclass(frozen=True)
@checked
class FSQConfig:
    """A grid of levels."""

    levels: Grid = (8, 5, 5, 5)
    """Levels of each number; their product is the number of codes."""

    @property
    def width(self) -> int:
        return len(self.levels)

    def build(self) -> FSQ:
        return FSQ(self)


class FSQ(nn.Module):
    """Each of the few numbers of a latent is bounded and rounded to its levels (finite scalar
    quantisation, arXiv:2309.15505, section 3); their product is the codebook. It has no loss.

    z: (B, D, h, w), D = len(levels). Vectors lie in [-1, 1].
    """

    steps: Tensor
    halves: Tensor
    strides: Tensor

    def __init__(self, config: FSQConfig):
        super().__init__()
        levels = config.levels
        self.config, self.size, self.width = config, math.prod(levels), len(levels)
        strides = [math.prod(levels[:k]) for k in range(len(levels))]
        for name, value in (("steps", levels), ("strides", strides)):
            self.register_buffer(name, column(value), persistent=False)
        self.register_buffer("halves", column([n // 2 for n in levels]), persistent=False)
        self.use = Use(self.size)

    def bounded(self, z: Tensor) -> Tensor:
        """Each number into the range of its levels: -L/2 .. L/2 - 1 for even L, symmetric else."""
        half = (self.steps - 1) * (1 + MARGIN) / 2
        offset = torch.where(self.steps % 2 == 0, 0.5, 0.0)
        shift = (offset / half).atanh()
        return (z + shift).tanh() * half - offset

    def forward(self, z: Tensor) -> Quantised:
        z = z.to(torch.promote_types(z.dtype, torch.float32))
        b = self.bounded(z)
        whole = b + (b.round() - b).detach()
        codes = self.numbered(whole)
        if self.training:
            self.use.note(codes.flatten())
        return Quantised(whole / self.halves, codes, z.new_zeros(()), self.use.terms())

    def numbered(self, whole: Tensor) -> Tensor:
        """Levels as whole numbers around 0, (B, D, h, w) -> codes (B, h, w)."""
        return ((whole.detach().round() + self.halves) * self.strides).sum(1).long()

    def find(self, z: Tensor) -> Tensor:
        return self.numbered(self.bounded(z.to(torch.promote_types(z.dtype, torch.float32))))

    def look_up(self, codes: Tensor) -> Tensor:
        codes = checked_codes(codes, self.size)[:, None]  # (B, 1, h, w)
        steps, strides = self.steps.long(), self.strides.long()
        levels = (codes // strides) % steps
        return (levels - self.halves) / self.halves

    def settle(self) -> None:
        self.use.settle()


def column(values: list[int] | tuple[int, ...]) -> Tensor:
    """(D, 1, 1), beside maps."""
    return torch.tensor(values, dtype=torch.float32)[:, None, None]
