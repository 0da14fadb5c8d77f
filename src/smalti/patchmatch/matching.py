"""Approximate nearest-neighbor fields: PatchMatch and propagation-assisted kd-trees."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from smalti.core.errors import UserError
from smalti.patchmatch import checks, kernels
from smalti.patchmatch.kdtree import build_kdtree, search_initial_leaves, sweep
from smalti.patchmatch.patches import build_patch_pair
from smalti.patchmatch.result import Match
from smalti.patchmatch.wavefront import Tile, Wavefront

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
    """Find a similar patch of b for every patch of a.

    a, b: pictures (H, W) or (H, W, C), uint8 or float, of any sizes and equal channels; edges are
    repeated where a patch extends beyond them.  patch: patch width in pixels, odd.
    init: initial field, (Ha, Wa, 2).  Default: drawn from the seed.
    mask: (Hb, Wb) of b, true where match centers are not allowed.
    method: "classic", propagation and random search (Barnes et al. 2009, "PatchMatch"); or
    "accurate", which searches the kd-tree leaves of the neighbors' shifted matches (He and Sun
    2012, "Computing nearest-neighbor fields via propagation-assisted kd-trees"): more accurate
    per iteration, and needs more memory.
    threads: number of threads, at most.  Default: one per core.  Does not affect the result.
    Raises `UserError` for invalid arguments.
    """
    pictures = checks.to_picture_pair(a, b)
    p = checks.check_patch(patch, [pictures.a.shape, pictures.b.shape])
    rounds, start, workers = checks.check_search(iterations, seed, threads)
    excluded = checks.read_excluded(mask, pictures.b.shape)
    if method not in METHODS:
        raise UserError(f"method is {method!r}; give {' or '.join(METHODS)}")
    if init is None:
        field = draw_random_field(pictures.a.shape, pictures.b.shape, excluded, start)
    else:
        field = checks.read_init(init, pictures.a.shape, pictures.b.shape)
    cost = np.empty(field.shape[:2], np.float32)
    state = SearchState(field, cost, excluded)
    with Wavefront(pictures.a.shape[:2], workers) as wavefront:
        (run_classic if method == "classic" else run_accurate)(
            pictures, p, rounds, start, state, wavefront
        )
    numbers = p * p * pictures.a.shape[2]
    return Match(field, (cost * pictures.scale**2 / np.float64(numbers)).astype(np.float32))


class SearchState(NamedTuple):
    """A field (Ha, Wa, 2), its costs (Ha, Wa), and the excluded positions: (Hb, Wb) or empty."""

    field: np.ndarray
    cost: np.ndarray
    excluded: np.ndarray


def run_classic(
    pictures: checks.PicturePair,
    patch: int,
    iterations: int,
    seed: int,
    state: SearchState,
    wavefront: Wavefront,
):
    """Run PatchMatch: iterations of propagation and random search."""
    pair, (field, cost, excluded) = build_patch_pair(pictures.a, pictures.b, patch), state
    wavefront.run(lambda tile: kernels.compute_costs(pair, excluded, field, cost, tile))
    for n in range(iterations):
        key = np.uint64((seed * 0x9E3779B97F4A7C15 + (n + 1) * 2**40) % 2**64)
        step = 1 - 2 * (n % 2)

        def sweep_tile(tile: Tile, key: np.uint64 = key, step: int = step) -> None:
            kernels.sweep(pair, excluded, field, cost, tile, key, step)

        wavefront.run(sweep_tile, step)


def run_accurate(
    pictures: checks.PicturePair,
    patch: int,
    iterations: int,
    seed: int,
    state: SearchState,
    wavefront: Wavefront,
):
    """Run the kd-tree search; only the initial field is random."""
    pair, (field, cost, excluded) = build_patch_pair(pictures.a, pictures.b, patch), state
    tree = build_kdtree(pictures.a, pictures.b, patch, excluded)
    wavefront.run(lambda tile: search_initial_leaves(pair, tree, field, cost, tile))
    changed_at = np.zeros(cost.shape, np.int32)
    for n in range(iterations):

        def sweep_tile(tile: Tile, n: int = n) -> None:
            sweep(pair, tree, field, cost, changed_at, tile, n)

        wavefront.run(sweep_tile, 1 - 2 * (n % 2))


def draw_random_field(
    a: tuple[int, ...], b: tuple[int, ...], excluded: np.ndarray, seed: int
) -> np.ndarray:
    """A random field (Ha, Wa, 2) that avoids excluded positions."""
    rng = np.random.Generator(np.random.Philox(key=seed % 2**64))
    if excluded.size:
        indices = np.flatnonzero(~excluded)
        flat = indices[rng.integers(indices.size, size=a[:2])]
    else:
        flat = rng.integers(b[0] * b[1], size=a[:2])
    return np.ascontiguousarray(np.stack(np.divmod(flat, b[1]), axis=-1), dtype=np.int32)
