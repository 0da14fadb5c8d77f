"""`match`: a field of nearest patches."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from smalti.core.errors import UserError
from smalti.patchmatch import checks, kernels
from smalti.patchmatch.leaves import leaves_of, settle, sweep
from smalti.patchmatch.patches import pair_of
from smalti.patchmatch.result import Match
from smalti.patchmatch.waves import Tile, Waves

Method = Literal["classic", "accurate"]
METHODS = ("classic", "accurate")


def match(
    a: np.ndarray,
    b: np.ndarray,
    patch: int = 3,
    iterations: int = 5,
    seed: int = 0,
    init: np.ndarray | None = None,
    mask: np.ndarray | None = None,
    method: Method = "classic",
    threads: int | None = None,
) -> Match:
    """For every patch of a, a patch of b that looks like it.

    a, b: pictures (H, W) or (H, W, C) of uint8 or float, of any sizes and the same channels; their
    edges are repeated where a patch reaches beyond them.  patch: an odd width in pixels.
    init: a field to begin with, (Ha, Wa, 2); otherwise it is drawn from the seed.
    mask: (Hb, Wb) of b, true where no match's centre may lie.
    method: "classic", where an iteration is propagation and random search (Barnes et al. 2009,
    "PatchMatch"); or "accurate", where one looks through the leaves of a kd-tree in which the
    neighbours' matches lie, shifted (He and Sun 2012, "Computing nearest-neighbor fields via
    propagation-assisted kd-trees"): nearer at once, for more memory.
    threads: at most so many at once, as many as there are cores by default; the result does not
    depend on it.  Raises `UserError` for anything else.
    """
    two = checks.pair(a, b)
    p = checks.patch_size(patch, [two.a.shape, two.b.shape])
    rounds, start, workers = checks.check_search(iterations, seed, threads)
    closed = checks.closed(mask, two.b.shape)
    if method not in METHODS:
        raise UserError(f"method is {method!r}; give {' or '.join(METHODS)}")
    if init is None:
        field = drawn(two.a.shape, two.b.shape, closed, start)
    else:
        field = checks.beginning(init, two.a.shape, two.b.shape)
    cost = np.empty(field.shape[:2], np.float32)
    found = Found(field, cost, closed)
    with Waves(two.a.shape[:2], workers) as waves:
        (classic if method == "classic" else accurate)(two, p, rounds, start, found, waves)
    numbers = p * p * two.a.shape[2]
    return Match(field, (cost * two.scale**2 / np.float64(numbers)).astype(np.float32))


class Found(NamedTuple):
    """A field (Ha, Wa, 2), its costs (Ha, Wa), and where no match may lie: (Hb, Wb) or empty."""

    field: np.ndarray
    cost: np.ndarray
    closed: np.ndarray


def classic(two: checks.Pair, patch: int, rounds: int, seed: int, found: Found, waves: Waves):
    """Improve what was found by so many rounds of propagation and random search."""
    pair, (field, cost, closed) = pair_of(two.a, two.b, patch), found
    waves.each(lambda tile: kernels.measure(pair, closed, field, cost, tile))
    for n in range(rounds):
        key = np.uint64((seed * 0x9E3779B97F4A7C15 + (n + 1) * 2**40) % 2**64)
        step = 1 - 2 * (n % 2)

        def work(tile: Tile, key: np.uint64 = key, step: int = step) -> None:
            kernels.sweep(pair, closed, field, cost, tile, key, step)

        waves.each(work, step)


def accurate(two: checks.Pair, patch: int, rounds: int, seed: int, found: Found, waves: Waves):
    """The same through leaves of a kd-tree; nothing is random but the field to begin with."""
    pair, (field, cost, closed) = pair_of(two.a, two.b, patch), found
    leaves = leaves_of(two.a, two.b, patch, closed)
    waves.each(lambda tile: settle(pair, leaves, field, cost, tile))
    moved = np.zeros(cost.shape, np.int32)
    for n in range(rounds):

        def work(tile: Tile, n: int = n) -> None:
            sweep(pair, leaves, field, cost, moved, tile, n)

        waves.each(work, 1 - 2 * (n % 2))


def drawn(a: tuple[int, ...], b: tuple[int, ...], closed: np.ndarray, seed: int) -> np.ndarray:
    """A random field (Ha, Wa, 2) that avoids what is closed."""
    rng = np.random.Generator(np.random.Philox(key=seed % 2**64))
    if closed.size:
        places = np.flatnonzero(~closed)
        flat = places[rng.integers(places.size, size=a[:2])]
    else:
        flat = rng.integers(b[0] * b[1], size=a[:2])
    return np.ascontiguousarray(np.stack(np.divmod(flat, b[1]), axis=-1), dtype=np.int32)
