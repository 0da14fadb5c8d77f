"""A codebook: K vectors, nearest-neighbor search, initialization and revival of dead codes."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smalti.codecs.codebook_init import KMeans, Revival, Uniform, draw_vectors
from smalti.codecs.nearest import find_nearest
from smalti.codecs.space import Euclidean, Sphere
from smalti.codecs.usage import CodebookUsage
from smalti.core.processes import broadcast_from_first

LATENTS_PER_CODE = 4
"""Latents kept per code until the end of the step, to initialize and revive codes."""


class Codebook(nn.Module):
    """K codes of D numbers. `trained`: a parameter of the optimizer, else a buffer."""

    weight: Tensor

    def __init__(
        self,
        K: int,
        D: int,
        space: Euclidean | Sphere,
        init: Uniform | KMeans,
        revival: Revival,
        trained: bool,
    ):
        super().__init__()
        weight = torch.empty(K, D).uniform_(-1 / K, 1 / K)
        if trained:
            self.weight = nn.Parameter(weight)
        else:
            self.register_buffer("weight", weight)
        self.space, self.init, self.revival = space, init, revival
        self.usage = CodebookUsage(K)
        self.recent_latents: Tensor | None = None
        self.previous_weight: Tensor | None = None

    def find_nearest(self, z: Tensor) -> Tensor:
        """Find the nearest code of each latent, (N, D) -> (N,)."""
        return find_nearest(self.space.project(z), self.space.project(self.weight))

    def embed(self, codes: Tensor) -> Tensor:
        """Look up codes (N,) or (B, h, w) -> vectors (..., D), with gradients to the codebook."""
        return F.embedding(codes, self.space.project(self.weight))

    def record(self, z: Tensor, codes: Tensor) -> None:
        """Record that latents (N, D) were assigned to codes (N,) in training."""
        self.usage.record(codes)
        kept = z.detach()
        if len(kept) > (most := LATENTS_PER_CODE * len(self.weight)):
            kept = kept[torch.randint(len(kept), (most,), device=kept.device)]
        self.recent_latents = kept.to(self.weight.dtype)

    @torch.no_grad()
    def after_step(self) -> Tensor | None:
        """Initialize or revive codes after an optimizer step.

        Returns how often each code was chosen, (K,), or None if nothing was recorded.
        """
        counts = self.usage.after_step()
        if counts is None or self.recent_latents is None:
            return None
        self.usage.drift = self.measure_drift()
        if int(self.usage.steps) == 1:
            self.initialize(self.recent_latents)
        elif int(self.usage.steps) % self.revival.every == 0:
            self.revive(self.recent_latents)
        self.previous_weight = self.weight.detach().clone()
        return counts

    def measure_drift(self) -> float:
        """Relative change of the codebook in the last step: norm of the change over the norm."""
        if self.previous_weight is None:
            return 0.0
        length = self.previous_weight.norm().clamp(min=1e-12)
        return float((self.weight - self.previous_weight).norm() / length)

    def training_state_dict(self) -> dict[str, Any]:
        """State besides the weights that an exact resume needs."""
        return {"before": self.previous_weight, "drift": self.usage.drift}

    def load_training_state_dict(self, state: dict[str, Any]) -> None:
        before = state["before"]
        self.previous_weight = None if before is None else before.to(self.weight)
        self.usage.drift = float(state["drift"])

    def initialize(self, latents: Tensor) -> None:
        centers = self.init.choose_centers(self.space.project(latents), len(self.weight))
        if centers is not None:
            self.weight.copy_(broadcast_from_first(centers.contiguous()))

    def revive(self, latents: Tensor) -> None:
        """Move dead codes to latents of the last step, those of the first process.

        A revived code starts with an even share, so it is not dead again at once.
        """
        K = len(self.weight)
        dead = self.usage.share < self.revival.threshold / K
        if not dead.any():
            return
        n = int(dead.sum())
        self.weight[dead] = broadcast_from_first(
            self.space.project(draw_vectors(latents, n)).contiguous()
        )
        self.usage.share[dead] = 1 / K
        self.usage.revived += n
