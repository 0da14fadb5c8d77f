"""`analogy`: a picture that is to another as A' is to A."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from smalti.core.errors import UserError
from smalti.patchmatch import checks
from smalti.patchmatch.matching import match
from smalti.patchmatch.multiscale import downsample, upsample_field
from smalti.patchmatch.reconstruction import reconstruct_by_votes, to_dtype
from smalti.patchmatch.votes import add_votes

MIN_PATCHES_ACROSS = 4
"""The coarsest level has at least so many patches side by side."""
ROUNDS = 4
"""Turns of matching, and of drawing what was matched, on each level."""
ITERATIONS = 2
"""Of each matching but the first."""


def make_analogy(
    a: np.ndarray,
    a2: np.ndarray,
    b: np.ndarray,
    patch: int = 5,
    guide_weight: float = 1.0,
    completeness: float = 0.5,
    seed: int = 0,
    threads: int | None = None,
) -> np.ndarray:
    """B' so that A is to A' as B is to B' (Hertzmann et al. 2001, "Image analogies").

    a, a2: two pictures of one size, the second what became of the first: a photograph and a
    drawing of it, a map of regions and what they look like.  b: another picture of the first kind,
    of any size and as many channels as a.  Pictures are (H, W) or (H, W, C), uint8 or float.
    patch: an odd width.  guide_weight: how much likeness of a and b counts beside likeness of a2 and b2.
    completeness: how much say the patches of (a, a2) have that look for a place in (b, b2), beside
    those of (b, b2) that look for one in (a, a2); 0: none.
    Returns b2: b's height and width, a2's channels, type and units.  Raises `UserError`.

    Where Hertzmann et al. fill in B' pixel by pixel, here both pairs are matched as wholes, from
    coarse to fine, and B' is voted for from both sides (Simakov et al. 2008).
    """
    start, workers = checks.check_seed(seed), checks.resolve_threads(threads)
    like, became, new = (checks.to_picture(x, name) for x, name in ((a, "a"), (a2, "a2"), (b, "b")))
    if like.shape[:2] != became.shape[:2]:
        sizes = "{} x {} pixels and a2 {} x {}".format(*like.shape[:2], *became.shape[:2])
        raise UserError(f"a has {sizes}; give two pictures of one size")
    for value, name in ((guide_weight, "guide"), (completeness, "complete")):
        if not 0 <= value < np.inf:
            raise UserError(f"{name} is {value}; give a number from 0 on")
    checks.to_picture_pair(like, new)
    p = checks.check_patch(patch, [like.shape, new.shape])
    share = guide_weight * compute_std(became) / compute_std(like, new)
    pairs = build_pyramid(
        share * like.astype(np.float32), became, share * new.astype(np.float32), p
    )
    refiner = AnalogyRefiner(p, completeness, start, workers)
    forward = backward = b2 = None
    for pair in reversed(pairs):
        forward = None if forward is None else upsample_field(forward, pair.b.shape, pair.a.shape)
        backward = (
            None if backward is None else upsample_field(backward, pair.a.shape, pair.b.shape)
        )
        b2, forward, backward = refiner.refine(pair, forward, backward)
    assert b2 is not None
    out = to_dtype(b2, became.dtype)
    return out[..., 0] if np.ndim(a2) == 2 else out


@dataclass(frozen=True, eq=False)
class AnalogyLevel:
    """A, A' and B at one size, float32 (H, W, C), A and B already weighted."""

    a: np.ndarray
    a2: np.ndarray
    b: np.ndarray


def build_pyramid(a: np.ndarray, a2: np.ndarray, b: np.ndarray, patch: int) -> list[AnalogyLevel]:
    """From the pictures as they are to the coarsest."""
    pairs = [AnalogyLevel(a, a2.astype(np.float32), b)]
    while min(*pairs[-1].a.shape[:2], *pairs[-1].b.shape[:2]) >= 2 * MIN_PATCHES_ACROSS * patch:
        last = pairs[-1]
        pairs.append(AnalogyLevel(*(halve_picture(x) for x in (last.a, last.a2, last.b))))
    return pairs


def copy_matched_pixels(picture: np.ndarray, field: np.ndarray) -> np.ndarray:
    """Pixel by pixel: means would wash out textures before their places are settled."""
    return picture[field[..., 0], field[..., 1]]


def halve_picture(x: np.ndarray) -> np.ndarray:
    return downsample(x, np.zeros(x.shape[:2], np.bool_))[0]


def compute_std(*pictures: np.ndarray) -> float:
    """The standard deviation of the numbers of all; 1 where they are all the same."""
    numbers = np.concatenate([x.astype(np.float64).ravel() for x in pictures])
    return float(numbers.std()) or 1.0


@dataclass(frozen=True)
class AnalogyRefiner:
    """How one level is worked on."""

    patch: int
    completeness: float
    seed: int
    threads: int

    def refine(
        self, level: AnalogyLevel, forward: np.ndarray | None, backward: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """B' by some rounds of matching and one vote, and the fields of b in a, and of a in b."""
        if forward is None:
            forward = self.find_field(level.b, level.a, None, 0)
        b2 = copy_matched_pixels(level.a2, forward)
        known = np.concatenate([level.a, level.a2], axis=-1)
        for n in range(1, ROUNDS + 1):
            both = np.concatenate([level.b, b2], axis=-1)
            forward = self.find_field(both, known, forward, n)
            b2 = copy_matched_pixels(level.a2, forward)
        b2 = reconstruct_by_votes(level.a2, forward, self.patch, self.threads)
        if self.completeness:
            both = np.concatenate([level.b, b2], axis=-1)
            backward = self.find_field(known, both, backward, ROUNDS + 1)
            b2 = self.add_reverse_votes(level, b2, backward)
        return b2, forward, backward

    def find_field(
        self, a: np.ndarray, b: np.ndarray, init: np.ndarray | None, n: int
    ) -> np.ndarray:
        iterations = 5 if init is None else ITERATIONS
        found = match(
            a, b, self.patch, iterations, (self.seed + n) % 2**64, init, threads=self.threads
        )
        return found.field

    def add_reverse_votes(
        self, level: AnalogyLevel, b2: np.ndarray, backward: np.ndarray
    ) -> np.ndarray:
        """With the votes of the patches of a2 for the places in b that they look like.

        As in Simakov et al. each side's votes are counted by the number of its patches.
        """
        r, (H, W) = self.patch // 2, b2.shape[:2]
        sums = np.zeros((H + 2 * r, W + 2 * r, b2.shape[2]), np.float32)
        counts = np.zeros((H + 2 * r, W + 2 * r), np.float32)
        add_votes(checks.repeat_edges(level.a2, self.patch), backward, sums, counts, self.patch)
        inner = np.s_[r : H + r, r : W + r]
        share = self.completeness * backward[..., 0].size ** -1.0 * H * W
        ours = np.float32(self.patch**2)
        total = ours + share * counts[inner]
        return (b2 * ours + share * sums[inner]) / total[..., None].astype(np.float32)
