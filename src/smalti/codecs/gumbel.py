"""Codes by a relaxed draw: Gumbel-softmax."""

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
    """A codebook that is drawn from."""

    codebook_size: CodebookSize = 512
    """Codes K."""
    width: Width = 64
    """Numbers D of a code."""
    max_temperature: Positive = 1.0
    """Temperature at the first step."""
    min_temperature: Positive = 0.1
    """Lowest temperature."""
    half_life: TrainingSteps = 1000
    """Steps in which the temperature halves."""
    kl_weight: Weight = 5e-4
    """Weight of the nats by which the draws are off an even use of all codes."""
    hard: bool = True
    """Draw one code, and take the relaxed draw's gradient."""

    def __post_init__(self) -> None:
        if self.min_temperature > self.max_temperature:
            raise UserError(
                f"max_temperature is {self.max_temperature} and min_temperature is "
                f"{self.min_temperature}; give max_temperature >= min_temperature"
            )

    def build(self) -> Gumbel:
        return Gumbel(self)


class Gumbel(nn.Module):
    """A code is drawn from softmax(logits / temperature) of Gumbel noise and logits, which a
    1x1 convolution reads off the latents (arXiv:1611.01144, eq. 2; in codecs arXiv:2102.12092).

    In eval mode the likeliest is taken. The loss is KL(q || even), mean over places.
    """

    def __init__(self, config: GumbelConfig):
        super().__init__()
        c = config
        self.config, self.codebook_size, self.width = c, c.codebook_size, c.width
        self.logits = nn.Conv2d(c.width, c.codebook_size, 1)
        self.weight = nn.Parameter(torch.randn(c.codebook_size, c.width) * c.width**-0.5)
        self.usage = CodebookUsage(c.codebook_size)

    def compute_temperature(self) -> float:
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
            chosen = F.gumbel_softmax(logits, self.compute_temperature(), self.config.hard, dim=1)
            e = torch.einsum("bkhw,kd->bdhw", chosen, self.weight)
        else:
            e = self.dequantize(codes)
        nats = logits.log_softmax(1)
        kl = (nats.exp() * (nats + math.log(self.codebook_size))).sum(1).mean()
        return QuantizerOutput(
            e, codes, self.config.kl_weight * kl, {"kl": kl.detach(), **self.usage.compute_terms()}
        )

    def quantize(self, z: Tensor) -> Tensor:
        return self.logits(z).argmax(1)

    def dequantize(self, codes: Tensor) -> Tensor:
        return F.embedding(check_codes(codes, self.codebook_size), self.weight).permute(0, 3, 1, 2)

    def after_step(self) -> None:
        self.usage.after_step()
