"""`analogy`: a picture that is to another as A' is to A."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from smalti.core.errors import UserError
from smalti.patchmatch import checks
from smalti.patchmatch.levels import finer, halved
from smalti.patchmatch.matching import match
from smalti.patchmatch.reconstruction import as_type, voted
from smalti.patchmatch.votes import cast

COARSEST = 4
"""The coarsest level has at least so many patches side by side."""
ROUNDS = 4
"""Turns of matching, and of drawing what was matched, on each level."""
ITERATIONS = 2
"""Of each matching but the first."""


def analogy(
    a: np.ndarray,
    a2: np.ndarray,
    b: np.ndarray,
    patch: int = 5,
    guide: float = 1.0,
    complete: float = 0.5,
    seed: int = 0,
    threads: int | None = None,
) -> np.ndarray:
    """B' so that A is to A' as B is to B' (Hertzmann et al. 2001, "Image analogies").

    a, a2: two pictures of one size, the second what became of the first: a photograph and a
    drawing of it, a map of regions and what they look like.  b: another picture of the first kind,
    of any size and as many channels as a.  Pictures are (H, W) or (H, W, C), uint8 or float.
    patch: an odd width.  guide: how much likeness of a and b counts beside likeness of a2 and b2.
    complete: how much say the patches of (a, a2) have that look for a place in (b, b2), beside
    those of (b, b2) that look for one in (a, a2); 0: none.
    Returns b2: b's height and width, a2's channels, type and units.  Raises `UserError`.

    Where Hertzmann et al. fill in B' pixel by pixel, here both pairs are matched as wholes, from
    coarse to fine, and B' is voted for from both sides (Simakov et al. 2008).
    """
    start, workers = checks.check_seed(seed), checks.thread_count(threads)
    like, became, new = (checks.picture(x, name) for x, name in ((a, "a"), (a2, "a2"), (b, "b")))
    if like.shape[:2] != became.shape[:2]:
        sizes = "{} x {} pixels and a2 {} x {}".format(*like.shape[:2], *became.shape[:2])
        raise UserError(f"a has {sizes}; give two pictures of one size")
    for value, name in ((guide, "guide"), (complete, "complete")):
        if not 0 <= value < np.inf:
            raise UserError(f"{name} is {value}; give a number from 0 on")
    checks.pair(like, new)
    p = checks.patch_size(patch, [like.shape, new.shape])
    share = guide * spread(became) / spread(like, new)
    pairs = pyramid(share * like.astype(np.float32), became, share * new.astype(np.float32), p)
    way = Way(p, complete, start, workers)
    there = back = drawn = None
    for pair in reversed(pairs):
        there = None if there is None else finer(there, pair.b.shape, pair.a.shape)
        back = None if back is None else finer(back, pair.a.shape, pair.b.shape)
        drawn, there, back = way.improved(pair, there, back)
    assert drawn is not None
    out = as_type(drawn, became.dtype)
    return out[..., 0] if np.ndim(a2) == 2 else out


@dataclass(frozen=True, eq=False)
class Pairs:
    """A, A' and B at one size, float32 (H, W, C), A and B already weighted."""

    a: np.ndarray
    a2: np.ndarray
    b: np.ndarray


def pyramid(a: np.ndarray, a2: np.ndarray, b: np.ndarray, patch: int) -> list[Pairs]:
    """From the pictures as they are to the coarsest."""
    pairs = [Pairs(a, a2.astype(np.float32), b)]
    while min(*pairs[-1].a.shape[:2], *pairs[-1].b.shape[:2]) >= 2 * COARSEST * patch:
        last = pairs[-1]
        pairs.append(Pairs(*(smaller(x) for x in (last.a, last.a2, last.b))))
    return pairs


def copied(picture: np.ndarray, field: np.ndarray) -> np.ndarray:
    """Pixel by pixel: means would wash out textures before their places are settled."""
    return picture[field[..., 0], field[..., 1]]


def smaller(x: np.ndarray) -> np.ndarray:
    return halved(x, np.zeros(x.shape[:2], np.bool_))[0]


def spread(*pictures: np.ndarray) -> float:
    """The standard deviation of the numbers of all; 1 where they are all the same."""
    numbers = np.concatenate([x.astype(np.float64).ravel() for x in pictures])
    return float(numbers.std()) or 1.0


@dataclass(frozen=True)
class Way:
    """How one level is worked on."""

    patch: int
    complete: float
    seed: int
    threads: int

    def improved(
        self, pair: Pairs, there: np.ndarray | None, back: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """B' by some rounds of matching and one vote, and the fields of b in a, and of a in b."""
        if there is None:
            there = self.field(pair.b, pair.a, None, 0)
        drawn = copied(pair.a2, there)
        known = np.concatenate([pair.a, pair.a2], axis=-1)
        for n in range(1, ROUNDS + 1):
            both = np.concatenate([pair.b, drawn], axis=-1)
            there = self.field(both, known, there, n)
            drawn = copied(pair.a2, there)
        drawn = voted(pair.a2, there, self.patch, self.threads)
        if self.complete:
            both = np.concatenate([pair.b, drawn], axis=-1)
            back = self.field(known, both, back, ROUNDS + 1)
            drawn = self.completed(pair, drawn, back)
        return drawn, there, back

    def field(
        self, of: np.ndarray, within: np.ndarray, init: np.ndarray | None, n: int
    ) -> np.ndarray:
        iterations = 5 if init is None else ITERATIONS
        found = match(
            of, within, self.patch, iterations, (self.seed + n) % 2**64, init, threads=self.threads
        )
        return found.field

    def completed(self, pair: Pairs, drawn: np.ndarray, back: np.ndarray) -> np.ndarray:
        """With the votes of the patches of a2 for the places in b that they look like.

        As in Simakov et al. each side's votes are counted by the number of its patches.
        """
        r, (H, W) = self.patch // 2, drawn.shape[:2]
        sums = np.zeros((H + 2 * r, W + 2 * r, drawn.shape[2]), np.float32)
        counts = np.zeros((H + 2 * r, W + 2 * r), np.float32)
        cast(checks.repeat_edges(pair.a2, self.patch), back, sums, counts, self.patch)
        inner = np.s_[r : H + r, r : W + r]
        share = self.complete * back[..., 0].size ** -1.0 * H * W
        ours = np.float32(self.patch**2)
        total = ours + share * counts[inner]
        return (drawn * ours + share * sums[inner]) / total[..., None].astype(np.float32)
