"""A codebook: K vectors, how latents find theirs, and what keeps them in use."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smalti.codecs.nearest import nearest
from smalti.codecs.space import Euclidean, Sphere
from smalti.codecs.upkeep import KMeans, Revival, Uniform, some
from smalti.codecs.usage import Use
from smalti.core.processes import from_first

KEPT = 4
"""So many latents for each code are kept until the step is over, for codes to begin at."""


class Book(nn.Module):
    """K codes of D numbers. `trained`: by the optimiser; else the quantiser moves them itself."""

    weight: Tensor

    def __init__(
        self,
        K: int,
        D: int,
        space: Euclidean | Sphere,
        start: Uniform | KMeans,
        revival: Revival,
        trained: bool,
    ):
        super().__init__()
        weight = torch.empty(K, D).uniform_(-1 / K, 1 / K)
        if trained:
            self.weight = nn.Parameter(weight)
        else:
            self.register_buffer("weight", weight)
        self.space, self.start, self.revival = space, start, revival
        self.use = Use(K)
        self.seen: Tensor | None = None
        self.before: Tensor | None = None

    def find(self, z: Tensor) -> Tensor:
        """The nearest code of each latent, (N, D) -> (N,)."""
        return nearest(self.space.place(z), self.space.place(self.weight))

    def vectors(self, codes: Tensor) -> Tensor:
        """(N,) or (B, h, w) codes -> (..., D) where the codes lie, with gradient to the codes."""
        return F.embedding(codes, self.space.place(self.weight))

    def note(self, z: Tensor, codes: Tensor) -> None:
        """Latents (N, D) chose these codes (N,) in training."""
        self.use.note(codes)
        kept = z.detach()
        if len(kept) > (most := KEPT * len(self.weight)):
            kept = kept[torch.randint(len(kept), (most,), device=kept.device)]
        self.seen = kept.to(self.weight.dtype)

    @torch.no_grad()
    def settle(self) -> Tensor | None:
        """The step is over: start the codes, or revive dead ones; how often each was chosen."""
        counts = self.use.settle()
        if counts is None or self.seen is None:
            return None
        self.use.drift = self.moved()
        if int(self.use.steps) == 1:
            self.begin(self.seen)
        elif int(self.use.steps) % self.revival.every == 0:
            self.revive(self.seen)
        self.before = self.weight.detach().clone()
        return counts

    def moved(self) -> float:
        """How far the codes went in a step, as a part of their length."""
        if self.before is None:
            return 0.0
        length = self.before.norm().clamp(min=1e-12)
        return float((self.weight - self.before).norm() / length)

    def training_state(self) -> dict[str, Any]:
        """What training needs beside the weights, to go on as if it had never stopped."""
        return {"before": self.before, "drift": self.use.drift}

    def restore_training(self, state: dict[str, Any]) -> None:
        before = state["before"]
        self.before = None if before is None else before.to(self.weight)
        self.use.drift = float(state["drift"])

    def begin(self, seen: Tensor) -> None:
        centres = self.start.centres(self.space.place(seen), len(self.weight))
        if centres is not None:
            self.weight.copy_(from_first(centres.contiguous()))

    def revive(self, seen: Tensor) -> None:
        """Codes below their share begin at latents of the last step, as the first process has them.

        A code whose neighbours take its latents away has a while before it counts as dead again.
        """
        K = len(self.weight)
        dead = self.use.share < self.revival.below / K
        if not dead.any():
            return
        n = int(dead.sum())
        self.weight[dead] = from_first(self.space.place(some(seen, n)).contiguous())
        self.use.share[dead] = 1 / K
        self.use.revived += n
