"""One size of a picture with a hole: match, vote, and again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np

from smalti.patchmatch.checks import repeat_edges
from smalti.patchmatch.filling import Hole, measure, sweep
from smalti.patchmatch.levels import depth_in, finer
from smalti.patchmatch.votes import count_votes

BANDS = 4
"""Parts that a hole is swept in, at once where there are threads; the result depends on it."""
FADING = 1.7
"""With every pixel into the hole a patch has so much less say (Wexler et al. 2007: 1.3)."""
DOUBT = 1.8
"""With every pixel into the hole a pixel counts so much less where patches are compared, for it
was guessed.  Wexler et al. have no such weights."""
NEAR = 0.95
"""The part of the distances that lies below twice the variance of a vote's weight (theirs: 0.75).
A larger part makes the filling smoother."""


class Level:
    """A picture (H, W, C) float32 whose hole (H, W) is filled better and better."""

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
        far = depth_in(hole)
        self.trust = np.where(self.target, FADING**-far, 0).astype(np.float32)
        certain = np.repeat(DOUBT ** -far[..., None], picture.shape[2], axis=2)
        certain = repeat_edges(certain, patch)
        self.certain = certain.astype(np.float32).reshape(len(certain), -1)
        self.cost = np.zeros(hole.shape, np.float32)
        places = np.argwhere(sources)
        self.field = places[self.rng.integers(len(places), size=hole.shape)].astype(np.int32)

    def begin(self, coarse: Level | None) -> None:
        """With what was found at half the size, where that is allowed here, too."""
        if coarse is None:
            return
        field = finer(coarse.field, self.hole.shape, self.hole.shape)
        allowed = ~self.target[field[..., 0], field[..., 1]]
        self.field[allowed] = field[allowed]
        H, W = self.hole.shape
        self.cost = coarse.cost.repeat(2, 0).repeat(2, 1)[:H, :W]
        self.vote(1)

    def search(self, n: int) -> None:
        """An iteration of PatchMatch; its bands lie elsewhere every other time."""
        flat = repeat_edges(self.picture, self.patch).reshape(len(self.certain), -1)
        of = Hole(flat, self.certain, self.target, self.patch, self.picture.shape[2])
        rows = np.flatnonzero(self.target.any(1))
        cuts = np.linspace(rows[0], rows[-1] + 1, BANDS + 1 + n % 2).astype(int).tolist()
        key, step = np.uint64(self.rng.integers(2**63)), 1 - 2 * (n % 2)

        def go(ends: tuple[int, int]) -> None:
            measure(of, self.field, self.cost, *ends)
            sweep(of, self.field, self.cost, key, step, *ends)

        list(self.pool.map(go, pairwise(cuts)))

    def vote(self, threads: int) -> None:
        """Set what is missing to the mean of what the patches over it say, the near ones most."""
        limit = max(float(np.quantile(self.cost[self.target], NEAR)), 1e-12)
        weights = self.trust * np.exp(-self.cost / (2 * limit)) + 1e-12 * self.target
        weights = weights.astype(np.float32)
        source, p = repeat_edges(self.picture, self.patch), self.patch
        count_votes(source, self.field, weights, self.hole, self.picture, p, threads)
