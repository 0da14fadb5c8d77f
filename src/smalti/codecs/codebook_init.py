"""Initialization of a codebook, and revival of its dead codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from smalti.codecs.nearest import find_nearest
from smalti.core.config import check_fields
from smalti.core.ranges import FractionBelowOne, Range, TrainingSteps


@dataclass(frozen=True)
@check_fields
class Uniform:
    """Uniform random codes in [-1/K, 1/K], as in the VQ-VAE authors' code."""

    def choose_centers(self, z: Tensor, K: int) -> Tensor | None:
        """Return None: the codes stay unchanged."""
        return None


@dataclass(frozen=True)
@check_fields
class KMeans:
    """K-means centers of the first step's latents.

    SoundStream, arXiv:2107.03312, section III-C; also arXiv:2005.08520.
    """

    iterations: Annotated[int, Range(0, 1_000)] = 10
    """Lloyd iterations."""

    def choose_centers(self, z: Tensor, K: int) -> Tensor | None:
        """Run Lloyd's algorithm from K random latents, (N, D) -> (K, D).

        A center without latents stays unchanged. With fewer latents than codes, some are repeated
        with a little noise.
        """
        centers = draw_vectors(z, K)
        for _ in range(self.iterations):
            counts, sums = sum_by_code(z, find_nearest(z, centers), K)
            won = counts[:, None] > 0
            centers = torch.where(won, sums / counts.clamp(min=1)[:, None], centers)
        return centers


@dataclass(frozen=True)
@check_fields
class Revival:
    """Random restarts of dead codes at latents of the last step.

    Jukebox, arXiv:2005.00341, section 4.3.
    """

    threshold: FractionBelowOne = 0.1
    """Usage below which a code is dead; 0 disables. As a fraction of an even share (1/K) of the
    latents."""
    every: TrainingSteps = 50
    """Steps between revivals."""


def draw_vectors(z: Tensor, n: int) -> Tensor:
    """Draw n of the vectors (N, D) at random, without replacement if n <= N.

    Otherwise all are repeated, with noise of 0.01 standard deviations.
    """
    rounds = -(-n // len(z))
    order = torch.cat([torch.randperm(len(z), device=z.device) for _ in range(rounds)])[:n]
    if rounds == 1:
        return z[order]
    apart = 0.01 * z.std(0, correction=0) * torch.randn(n, z.shape[1], dtype=z.dtype).to(z.device)
    return z[order] + apart


def sum_by_code(z: Tensor, codes: Tensor, K: int) -> tuple[Tensor, Tensor]:
    """Count and sum the vectors (N, D) of each code: counts (K,), sums (K, D)."""
    counts = torch.bincount(codes, minlength=K).to(z.dtype)
    return counts, z.new_zeros(K, z.shape[1]).index_add_(0, codes, z)
