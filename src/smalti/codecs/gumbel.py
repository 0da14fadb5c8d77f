"""Gumbel-softmax quantization."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smalti.codecs.quantizer import QuantizerOutput, check_codes
from smalti.codecs.usage import CodebookUsage
from smalti.core.config import check_fields
from smalti.core.errors import UserError
from smalti.core.ranges import CodebookSize, Positive, TrainingSteps, Weight, Width


@dataclass(frozen=True)
@check_fields
class GumbelConfig:
    """Gumbel-softmax: codes are sampled from logits."""

    codebook_size: CodebookSize = 512
    """Number of codes K."""
    width: Width = 64
    """Dimension D of a code."""
    max_temperature: Positive = 1.0
    """Temperature at the first step."""
    min_temperature: Positive = 0.1
    """Lower bound of the temperature."""
    half_life: TrainingSteps = 1000
    """Steps in which the temperature halves."""
    kl_weight: Weight = 5e-4
    """Weight of KL(q || uniform)."""
    hard: bool = True
    """Sample one-hot codes. Their gradient is that of the relaxed sample."""

    def __post_init__(self) -> None:
        if self.min_temperature > self.max_temperature:
            raise UserError(
                f"max_temperature is {self.max_temperature} and min_temperature is "
                f"{self.min_temperature}; give max_temperature >= min_temperature"
            )

    def build(self) -> Gumbel:
        return Gumbel(self)


class Gumbel(nn.Module):
    """Samples codes by softmax((logits + Gumbel noise) / temperature) (arXiv:1611.01144, eq. 2).

    A 1x1 convolution maps latents to logits; in codecs since arXiv:2102.12092. In eval mode the
    most likely code is taken. The loss is KL(q || uniform), averaged over positions.
    """

    def __init__(self, config: GumbelConfig):
        super().__init__()
        c = config
        self.config, self.codebook_size, self.width = c, c.codebook_size, c.width
        self.logits = nn.Conv2d(c.width, c.codebook_size, 1)
        self.weight = nn.Parameter(torch.randn(c.codebook_size, c.width) * c.width**-0.5)
        self.usage = CodebookUsage(c.codebook_size)

    def compute_temperature(self) -> float:
        """The annealed temperature of this step."""
        c = self.config
        return max(
            c.min_temperature, c.max_temperature * 0.5 ** (int(self.usage.steps) / c.half_life)
        )

    def forward(self, z: Tensor) -> QuantizerOutput:
        logits = self.logits(z)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))  # (B, K, h, w)
        codes = logits.argmax(1)
        if self.training:
            self.usage.record(codes.flatten())
            sampled = F.gumbel_softmax(logits, self.compute_temperature(), self.config.hard, dim=1)
            e = torch.einsum("bkhw,kd->bdhw", sampled, self.weight)
        else:
            e = self.dequantize(codes)
        log_q = logits.log_softmax(1)
        kl = (log_q.exp() * (log_q + math.log(self.codebook_size))).sum(1).mean()
        return QuantizerOutput(
            e, codes, self.config.kl_weight * kl, {"kl": kl.detach(), **self.usage.compute_terms()}
        )

    def quantize(self, z: Tensor) -> Tensor:
        return self.logits(z).argmax(1)

    def dequantize(self, codes: Tensor) -> Tensor:
        return F.embedding(check_codes(codes, self.codebook_size), self.weight).permute(0, 3, 1, 2)

    def after_step(self) -> None:
        self.usage.after_step()
