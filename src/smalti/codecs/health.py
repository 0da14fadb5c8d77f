"""Whether a codebook is alive, counted over a whole set of pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from smalti.codecs.usage import Use, perplexity

if TYPE_CHECKING:
    from smalti.codecs.codec import Codec

ENOUGH = 4
"""Places for each code before a code that stands at none counts as unused."""
FEW = 0.5
"""A smaller part of the codes in use is worth a warning."""
BATCH = 64


@dataclass(frozen=True, eq=False)
class Health:
    """How a codec's codes are used over a set of pictures."""

    counts: Tensor
    """(K,) int64: how often each code stands for a piece of a picture."""
    dead: int | None = None
    """Codes that training had given up when it ended; None where that is not known."""
    revived: int | None = None
    """Revivals in training."""

    @property
    def size(self) -> int:
        return len(self.counts)

    @property
    def used(self) -> int:
        """Codes that stand somewhere."""
        return int((self.counts > 0).sum())

    @property
    def share(self) -> float:
        """The part of all codes that is used."""
        return self.used / self.size

    @property
    def is_low(self) -> bool:
        """Whether few codes are used, by enough pictures to tell."""
        return self.share < FEW and int(self.counts.sum()) >= ENOUGH * self.size

    def line(self) -> str:
        """For the user, with a warning where few are used."""
        used = f"{self.used} of {self.size} codes are used, perplexity {self.perplexity:.1f}"
        if not self.is_low:
            return used
        return f"warning: only {used}; take fewer codes, or --model.quantiser.revival.every 20"

    @property
    def perplexity(self) -> float:
        """As many equally frequent codes would be as varied; a batch's is lower than the set's."""
        return float(perplexity(self.counts.double()))


@torch.no_grad()
def health(
    codec: Codec, take: Callable[[slice], Tensor], n: int, device: str | torch.device = "cpu"
) -> Health:
    """Of a codec over n pictures, of which `take` gives some, (B, C, H, W) in [0, 1]."""
    counts = torch.zeros(codec.count, dtype=torch.int64)
    for first in range(0, n, BATCH):
        codes = codec.encode(take(slice(first, first + BATCH)).to(device))
        counts += torch.bincount(codes.flatten().cpu(), minlength=codec.count)
    return health_of(codec, counts)


def health_of(codec: Codec, counts: Tensor) -> Health:
    """The counts beside what training says of the codes."""
    use = use_of(codec.network.quantiser)
    if use is None or not int(use.steps):
        return Health(counts)
    return Health(counts, int((~use.alive()).sum()), int(use.revived))


def use_of(quantiser: object) -> Use | None:
    """What a quantiser notes of its codes' use."""
    return getattr(getattr(quantiser, "book", quantiser), "use", None)
