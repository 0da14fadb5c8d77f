"""Image analogies: find B' so that A is to A' as B is to B'."""

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
"""Smallest side of the coarsest level, in patches."""
ROUNDS = 4
"""Rounds of matching and copying on each level."""
ITERATIONS = 2
"""PatchMatch iterations of every matching after the first."""


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
    """Make B' so that A is to A' as B is to B' (Hertzmann et al. 2001, "Image analogies").

    a, a2: two pictures of one size, before and after the transformation: a photograph and a
    drawing of it, or a map of regions and its texture.  b: another picture of the first kind, of
    any size, with a's channels.  Pictures are (H, W) or (H, W, C), uint8 or float.
    patch: patch width, odd.  guide_weight: weight of the distance between a and b relative to
    that between a2 and b2.  completeness: weight of the votes that the patches of (a, a2) cast in
    (b, b2), relative to those in the other direction; 0 disables them.
    Returns b2: b's height and width, a2's channels, dtype and units.  Raises `UserError`.

    Hertzmann et al. fill in B' pixel by pixel. Here whole pictures are matched from coarse to
    fine, and B' is a bidirectional vote (Simakov et al. 2008).
    """
    start, workers = checks.check_seed(seed), checks.resolve_threads(threads)
    a_picture, a2_picture, b_picture = (
        checks.to_picture(x, name) for x, name in ((a, "a"), (a2, "a2"), (b, "b"))
    )
    if a_picture.shape[:2] != a2_picture.shape[:2]:
        sizes = "{} x {} pixels and a2 {} x {}".format(*a_picture.shape[:2], *a2_picture.shape[:2])
        raise UserError(f"a has {sizes}; give two pictures of one size")
    for value, name in ((guide_weight, "guide_weight"), (completeness, "completeness")):
        if not 0 <= value < np.inf:
            raise UserError(f"{name} is {value}; give a number of 0 or more")
    checks.to_picture_pair(a_picture, b_picture)
    p = checks.check_patch(patch, [a_picture.shape, b_picture.shape])
    share = guide_weight * compute_std(a2_picture) / compute_std(a_picture, b_picture)
    pairs = build_pyramid(
        share * a_picture.astype(np.float32), a2_picture, share * b_picture.astype(np.float32), p
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
    out = to_dtype(b2, a2_picture.dtype)
    return out[..., 0] if np.ndim(a2) == 2 else out


@dataclass(frozen=True, eq=False)
class AnalogyLevel:
    """A, A' and B at one size, float32 (H, W, C), A and B already weighted."""

    a: np.ndarray
    a2: np.ndarray
    b: np.ndarray


def build_pyramid(a: np.ndarray, a2: np.ndarray, b: np.ndarray, patch: int) -> list[AnalogyLevel]:
    """Build the levels, from full size to the coarsest."""
    pairs = [AnalogyLevel(a, a2.astype(np.float32), b)]
    while min(*pairs[-1].a.shape[:2], *pairs[-1].b.shape[:2]) >= 2 * MIN_PATCHES_ACROSS * patch:
        last = pairs[-1]
        pairs.append(AnalogyLevel(*(halve_picture(x) for x in (last.a, last.a2, last.b))))
    return pairs


def copy_matched_pixels(picture: np.ndarray, field: np.ndarray) -> np.ndarray:
    """Copy pixel by pixel: averages would blur textures before the field has converged."""
    return picture[field[..., 0], field[..., 1]]


def halve_picture(x: np.ndarray) -> np.ndarray:
    return downsample(x, np.zeros(x.shape[:2], np.bool_))[0]


def compute_std(*pictures: np.ndarray) -> float:
    """Standard deviation over all values of all pictures; 1 if they are constant."""
    numbers = np.concatenate([x.astype(np.float64).ravel() for x in pictures])
    return float(numbers.std()) or 1.0


@dataclass(frozen=True)
class AnalogyRefiner:
    """Settings for refining one level."""

    patch: int
    completeness: float
    seed: int
    threads: int

    def refine(
        self, level: AnalogyLevel, forward: np.ndarray | None, backward: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Refine B' by matching and one vote; returns B' and the fields b -> a and a -> b."""
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
        """Add the votes of a2's patches at their matches in b.

        As in Simakov et al., the votes of each direction are normalized by its number of patches.
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
