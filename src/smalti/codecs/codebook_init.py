"""Keeping a codebook alive: how it starts, and what becomes of codes that nobody chooses."""

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
    """Random codes between -1/K and 1/K, as VQ-VAE's authors begin."""

    def choose_centers(self, z: Tensor, K: int) -> Tensor | None:
        """None: the codes stay as they are."""
        return None


@dataclass(frozen=True)
@check_fields
class KMeans:
    """Codes begin as the k-means centers of the first step's latents (SoundStream,
    arXiv:2107.03312, section III-C; arXiv:2005.08520 does so, too).
    """

    iterations: Annotated[int, Range(0, 1_000)] = 10
    """Lloyd's iterations."""

    def choose_centers(self, z: Tensor, K: int) -> Tensor | None:
        """(N, D) -> (K, D): Lloyd's algorithm from K of the latents, chosen at random.

        A center that wins nothing stays. Where there are fewer latents than codes some come twice,
        a little apart.
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
    """A code that is hardly chosen any more begins again at a latent of the last step: the random
    restarts of Jukebox (arXiv:2005.00341, section 4.3).
    """

    threshold: FractionBelowOne = 0.1
    """A code is dead with less than this part of an even share of the latents; 0 revives none."""
    every: TrainingSteps = 50
    """Steps between revivals."""


def draw_vectors(z: Tensor, n: int) -> Tensor:
    """n of the vectors (N, D), at random: different ones as far as they reach, else some twice, a
    hundredth of the deviation apart.
    """
    rounds = -(-n // len(z))
    order = torch.cat([torch.randperm(len(z), device=z.device) for _ in range(rounds)])[:n]
    if rounds == 1:
        return z[order]
    apart = 0.01 * z.std(0, correction=0) * torch.randn(n, z.shape[1], dtype=z.dtype).to(z.device)
    return z[order] + apart


def sum_by_code(z: Tensor, codes: Tensor, K: int) -> tuple[Tensor, Tensor]:
    """How many of the vectors (N, D) each code has, (K,), and their sums, (K, D)."""
    counts = torch.bincount(codes, minlength=K).to(z.dtype)
    return counts, z.new_zeros(K, z.shape[1]).index_add_(0, codes, z)
