"""Whether a codebook is alive, counted over a whole set of pictures."""

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
"""Places for each code before a code that stands at none counts as unused."""
LOW_SHARE = 0.5
"""A smaller part of the codes in use is worth a warning."""
BATCH_SIZE = 64


@dataclass(frozen=True, eq=False)
class Health:
    """How a codec's codes are used over a set of pictures."""

    counts: Tensor
    """(K,) int64: how often each code stands for a piece of a picture."""
    n_dead: int | None = None
    """Codes that training had given up when it ended; None where that is not known."""
    n_revived: int | None = None
    """Revivals in training."""

    @property
    def codebook_size(self) -> int:
        return len(self.counts)

    @property
    def n_used(self) -> int:
        """Codes that stand somewhere."""
        return int((self.counts > 0).sum())

    @property
    def used_share(self) -> float:
        """The part of all codes that is used."""
        return self.n_used / self.codebook_size

    @property
    def is_low(self) -> bool:
        """Whether few codes are used, by enough pictures to tell."""
        return (
            self.used_share < LOW_SHARE
            and int(self.counts.sum()) >= MIN_COUNT_PER_CODE * self.codebook_size
        )

    def describe(self) -> str:
        """For the user, with a warning where few are used."""
        used = f"{self.n_used} of {self.codebook_size} codes are used, perplexity {self.perplexity:.1f}"
        if not self.is_low:
            return used
        return f"warning: only {used}; take fewer codes, or --model.quantizer.revival.every 20"

    @property
    def perplexity(self) -> float:
        """As many equally frequent codes would be as varied; a batch's is lower than the set's."""
        return float(perplexity(self.counts.double()))


@torch.no_grad()
def measure_health(
    codec: Codec, take: Callable[[slice], Tensor], n: int, device: str | torch.device = "cpu"
) -> Health:
    """Of a codec over n pictures, of which `take` gives some, (B, C, H, W) in [0, 1]."""
    counts = torch.zeros(codec.vocab_size, dtype=torch.int64)
    for first in range(0, n, BATCH_SIZE):
        codes = codec.encode(take(slice(first, first + BATCH_SIZE)).to(device))
        counts += torch.bincount(codes.flatten().cpu(), minlength=codec.vocab_size)
    return build_health(codec, counts)


def build_health(codec: Codec, counts: Tensor) -> Health:
    """The counts beside what training says of the codes."""
    use = find_usage(codec.network.quantizer)
    if use is None or not int(use.steps):
        return Health(counts)
    return Health(counts, int((~use.find_alive()).sum()), int(use.revived))


def find_usage(quantizer: object) -> CodebookUsage | None:
    """What a quantizer notes of its codes' use."""
    return getattr(getattr(quantizer, "codebook", quantizer), "usage", None)
