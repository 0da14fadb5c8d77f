"""How much of a codebook is used, as training sees it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from smalti.core.processes import sum_over_processes

DECAY = 0.99
"""Of the running shares: about 100 steps count."""
ALIVE_SHARE = 0.1
"""A code is alive with this part of an even share, or more."""


class CodebookUsage(nn.Module):
    """The running share of every code among the latents, over all processes.

    It starts even, so that a code has a hundred steps or so before it counts as dead.
    """

    share: Tensor
    steps: Tensor
    revived: Tensor

    def __init__(self, K: int):
        super().__init__()
        self.register_buffer("share", torch.full((K,), 1 / K))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.register_buffer("revived", torch.zeros((), dtype=torch.int64))
        self.counts: Tensor | None = None
        self.drift = 0.0

    def record(self, codes: Tensor) -> None:
        """Codes (N,) were chosen in this step."""
        counts = torch.bincount(codes, minlength=len(self.share)).to(self.share.dtype)
        self.counts = counts if self.counts is None else self.counts + counts

    def after_step(self) -> Tensor | None:
        """The step is over: how often each code was chosen in it, (K,); None without a choice."""
        if self.counts is None:
            return None
        counts, self.counts = sum_over_processes(self.counts), None
        self.share.lerp_(counts / counts.sum().clamp(min=1), 1 - DECAY)
        self.steps += 1
        return counts

    def find_alive(self) -> Tensor:
        """(K,) booleans."""
        return self.share >= ALIVE_SHARE / len(self.share)

    def compute_terms(self) -> dict[str, Tensor]:
        """For the log: codes alive, and their perplexity over the last hundred steps."""
        alive = self.find_alive().sum().float()
        drift = torch.tensor(self.drift, device=self.share.device)
        counts = {"codes_alive": alive, "codes_revived": self.revived.float()}
        return {**counts, "perplexity": perplexity(self.share), "drift": drift}


def perplexity(share: Tensor) -> Tensor:
    """exp of the entropy of shares (K,) of any sum: how many equally likely codes would be as
    varied. From 1 to K.
    """
    p = share / share.sum().clamp(min=1e-12)
    return torch.special.entr(p).sum().exp()
