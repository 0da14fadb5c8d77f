"""Inpainting at one size: alternate matching and voting."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np

from smalti.patchmatch.checks import repeat_edges
from smalti.patchmatch.inpainting_kernels import Hole, compute_costs, sweep
from smalti.patchmatch.multiscale import compute_depth, upsample_field
from smalti.patchmatch.votes import average_votes

N_BANDS = 4
"""Bands that a hole is swept in, in parallel if possible; the result depends on it."""
VOTE_DECAY = 1.7
"""Factor by which a vote's weight falls per pixel into the hole (Wexler et al. 2007: 1.3)."""
CONFIDENCE_DECAY = 1.8
"""Factor by which a pixel's weight in distances falls per pixel into the hole, where pixels are
guesses.  Wexler et al. have no such weights."""
COST_QUANTILE = 0.95
"""Quantile of the distances that sets the variance of a vote's weight (Wexler et al.: 0.75).
Larger values give smoother fillings."""


class InpaintingLevel:
    """A picture (H, W, C) float32 whose hole (H, W) is refined iteratively."""

    def __init__(
        self,
        picture: np.ndarray,
        hole: np.ndarray,
        sources: np.ndarray,
        patch: int,
        key: tuple[int, int],
        pool: ThreadPoolExecutor,
    ):
        self.picture, self.hole, self.target, self.patch = picture, hole, ~sources, patch
        self.pool = pool
        self.rng = np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))
        depth = compute_depth(hole)
        self.patch_weights = np.where(self.target, VOTE_DECAY**-depth, 0).astype(np.float32)
        confidence = np.repeat(CONFIDENCE_DECAY ** -depth[..., None], picture.shape[2], axis=2)
        confidence = repeat_edges(confidence, patch)
        self.confidence = confidence.astype(np.float32).reshape(len(confidence), -1)
        self.cost = np.zeros(hole.shape, np.float32)
        allowed = np.argwhere(sources)
        self.field = allowed[self.rng.integers(len(allowed), size=hole.shape)].astype(np.int32)

    def start_from(self, coarse: InpaintingLevel | None) -> None:
        """Initialize from the level of half the size, where its matches are allowed here."""
        if coarse is None:
            return
        field = upsample_field(coarse.field, self.hole.shape, self.hole.shape)
        allowed = ~self.target[field[..., 0], field[..., 1]]
        self.field[allowed] = field[allowed]
        H, W = self.hole.shape
        self.cost = coarse.cost.repeat(2, 0).repeat(2, 1)[:H, :W]
        self.update_picture(1)

    def update_matches(self, n: int) -> None:
        """Run one PatchMatch iteration; the band boundaries alternate."""
        flat = repeat_edges(self.picture, self.patch).reshape(len(self.confidence), -1)
        hole = Hole(flat, self.confidence, self.target, self.patch, self.picture.shape[2])
        rows = np.flatnonzero(self.target.any(1))
        cuts = np.linspace(rows[0], rows[-1] + 1, N_BANDS + 1 + n % 2).astype(int).tolist()
        key, step = np.uint64(self.rng.integers(2**63)), 1 - 2 * (n % 2)

        def sweep_band(ends: tuple[int, int]) -> None:
            compute_costs(hole, self.field, self.cost, *ends)
            sweep(hole, self.field, self.cost, key, step, *ends)

        list(self.pool.map(sweep_band, pairwise(cuts)))

    def update_picture(self, threads: int) -> None:
        """Set missing pixels to the mean over their patches, weighted by similarity."""
        limit = max(float(np.quantile(self.cost[self.target], COST_QUANTILE)), 1e-12)
        weights = self.patch_weights * np.exp(-self.cost / (2 * limit)) + 1e-12 * self.target
        weights = weights.astype(np.float32)
        source, p = repeat_edges(self.picture, self.patch), self.patch
        average_votes(source, self.field, weights, self.hole, self.picture, p, threads)
