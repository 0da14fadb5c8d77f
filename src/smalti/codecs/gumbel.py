"""Codes by a relaxed draw: Gumbel-softmax."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smalti.codecs.quantizer import Quantised, checked_codes
from smalti.codecs.usage import Use
from smalti.core.config import checked
from smalti.core.errors import UserError
from smalti.core.ranges import Codes, Positive, Steps, Weight, Width


@dataclass(frozen=True)
@checked
class GumbelConfig:
    """A codebook that is drawn from."""

    codes: Codes = 512
    """Codes K."""
    width: Width = 64
    """Numbers D of a code."""
    hot: Positive = 1.0
    """Temperature at the first step."""
    cool: Positive = 0.1
    """Lowest temperature."""
    half: Steps = 1000
    """Steps in which the temperature halves."""
    kl: Weight = 5e-4
    """Weight of the nats by which the draws are off an even use of all codes."""
    hard: bool = True
    """Draw one code, and take the relaxed draw's gradient."""

    def __post_init__(self) -> None:
        if self.cool > self.hot:
            raise UserError(
                f"temperatures are {self.hot} to {self.cool}, halved in {self.half} steps; "
                "give hot >= cool > 0 and half >= 1"
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
        self.config, self.size, self.width = c, c.codes, c.width
        self.logits = nn.Conv2d(c.width, c.codes, 1)
        self.weight = nn.Parameter(torch.randn(c.codes, c.width) * c.width**-0.5)
        self.use = Use(c.codes)

    def temperature(self) -> float:
        c = self.config
        return max(c.cool, c.hot * 0.5 ** (int(self.use.steps) / c.half))

    def forward(self, z: Tensor) -> Quantised:
        logits = self.logits(z)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))  # (B, K, h, w)
        codes = logits.argmax(1)
        if self.training:
            self.use.note(codes.flatten())
            chosen = F.gumbel_softmax(logits, self.temperature(), self.config.hard, dim=1)
            e = torch.einsum("bkhw,kd->bdhw", chosen, self.weight)
        else:
            e = self.look_up(codes)
        nats = logits.log_softmax(1)
        kl = (nats.exp() * (nats + math.log(self.size))).sum(1).mean()
        return Quantised(e, codes, self.config.kl * kl, {"kl": kl.detach(), **self.use.terms()})

    def find(self, z: Tensor) -> Tensor:
        return self.logits(z).argmax(1)

    def look_up(self, codes: Tensor) -> Tensor:
        return F.embedding(checked_codes(codes, self.size), self.weight).permute(0, 3, 1, 2)

    def settle(self) -> None:
        self.use.settle()
