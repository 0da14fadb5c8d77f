"""Codebook usage over a set of pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from smalti.codecs.usage import CodebookUsage, perplexity

if TYPE_CHECKING:
    from smalti.codecs.codec import Codec

MIN_COUNT_PER_CODE = 4
"""Mean count per code from which low usage is reported."""
LOW_SHARE = 0.5
"""Used share of the codes below which there is a warning."""
BATCH_SIZE = 64


@dataclass(frozen=True, eq=False)
class Health:
    """Usage of a codec's codes over a set of pictures."""

    counts: Tensor
    """(K,) int64: how often each code occurs."""
    n_dead: int | None = None
    """Dead codes at the end of training. None if unknown."""
    n_revived: int | None = None
    """Revivals during training. None if unknown."""

    @property
    def codebook_size(self) -> int:
        return len(self.counts)

    @property
    def n_used(self) -> int:
        """Number of codes that occur."""
        return int((self.counts > 0).sum())

    @property
    def used_share(self) -> float:
        """Share of all codes that occur."""
        return self.n_used / self.codebook_size

    @property
    def is_low(self) -> bool:
        """Whether few codes are used, given enough pictures to judge."""
        return (
            self.used_share < LOW_SHARE
            and int(self.counts.sum()) >= MIN_COUNT_PER_CODE * self.codebook_size
        )

    def describe(self) -> str:
        """One line on the usage, with a warning if it is low."""
        used = f"{self.n_used} of {self.codebook_size} codes are used"
        used += f", perplexity {self.perplexity:.1f}"
        if not self.is_low:
            return used
        return f"warning: only {used}; use fewer codes, or --model.quantizer.revival.every 20"

    @property
    def perplexity(self) -> float:
        """exp of the entropy of the usage. Lower for a batch than for the set."""
        return float(perplexity(self.counts.double()))


@torch.no_grad()
def measure_health(
    codec: Codec, take: Callable[[slice], Tensor], n: int, device: str | torch.device = "cpu"
) -> Health:
    """Measure a codec's codebook usage over n pictures.

    take: reads a slice of them, (B, C, H, W) in [0, 1].
    """
    counts = torch.zeros(codec.vocab_size, dtype=torch.int64)
    for first in range(0, n, BATCH_SIZE):
        codes = codec.encode(take(slice(first, first + BATCH_SIZE)).to(device))
        counts += torch.bincount(codes.flatten().cpu(), minlength=codec.vocab_size)
    return build_health(codec, counts)


def build_health(codec: Codec, counts: Tensor) -> Health:
    """Combine the counts with the usage recorded in training."""
    usage = find_usage(codec.network.quantizer)
    if usage is None or not int(usage.steps):
        return Health(counts)
    return Health(counts, int((~usage.find_alive()).sum()), int(usage.revived))


def find_usage(quantizer: object) -> CodebookUsage | None:
    """The usage that a quantizer records in training, or None."""
    return getattr(getattr(quantizer, "codebook", quantizer), "usage", None)
