"""Codebook usage during training."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from smalti.core.processes import sum_over_processes

DECAY = 0.99
"""Decay of the running shares: about 100 steps."""
ALIVE_SHARE = 0.1
"""Smallest usage of a code that is alive, as a fraction of an even share (1/K)."""


class CodebookUsage(nn.Module):
    """Running share of the latents of each code, over all processes.

    It starts even, so a code is not dead in the first hundred steps or so.
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
        """Record the codes (N,) chosen in this step."""
        counts = torch.bincount(codes, minlength=len(self.share)).to(self.share.dtype)
        self.counts = counts if self.counts is None else self.counts + counts

    def after_step(self) -> Tensor | None:
        """Update the shares after an optimizer step.

        Returns how often each code was chosen, (K,), or None if nothing was recorded.
        """
        if self.counts is None:
            return None
        counts, self.counts = sum_over_processes(self.counts), None
        self.share.lerp_(counts / counts.sum().clamp(min=1), 1 - DECAY)
        self.steps += 1
        return counts

    def find_alive(self) -> Tensor:
        """Which codes are alive, (K,) bool."""
        return self.share >= ALIVE_SHARE / len(self.share)

    def compute_terms(self) -> dict[str, Tensor]:
        """Terms for the log: codes alive and revived, perplexity (about 100 steps), drift."""
        alive = self.find_alive().sum().float()
        drift = torch.tensor(self.drift, device=self.share.device)
        counts = {"codes_alive": alive, "codes_revived": self.revived.float()}
        return {**counts, "perplexity": perplexity(self.share), "drift": drift}


def perplexity(share: Tensor) -> Tensor:
    """exp of the entropy of shares (K,) of any sum: the effective number of codes, 1 to K."""
    p = share / share.sum().clamp(min=1e-12)
    return torch.special.entr(p).sum().exp()
