"""Variants of one PatchMatch, from plain Python to compiled and parallel, and their timing.

They follow the article on which this package is based. All variants draw the same random numbers
and find the same field, so only the time differs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numba
import numpy as np

from smalti.patchmatch.brute_force import match_brute_force
from smalti.patchmatch.checks import repeat_edges
from smalti.patchmatch.kernels import splitmix64
from smalti.patchmatch.matching import draw_random_field, match
from smalti.patchmatch.result import Match

MAX_DISTANCE = 2**62
MAX_REPEATED_SECONDS = 10
"""A call that takes longer is not repeated."""


@dataclass(frozen=True)
class Timing:
    """Time of a variant, without and of its compilation, and the mean distance of its matches."""

    name: str
    seconds: float
    compile_seconds: float
    mean_distance: float
    n_pixels: int
    """Matched pixels of a; a variant that ran on a crop has fewer."""


def python_distance(a, b, position, candidate, patch, best):
    """a, b: padded pictures as nested lists [H][W][C] of numbers."""
    (i, j), (r, c), total = position, candidate, 0
    for t in range(patch):
        for x, y in zip(a[i + t][j : j + patch], b[r + t][c : c + patch], strict=True):
            for u, v in zip(x, y, strict=True):
                total += (u - v) ** 2
    return total


def numpy_distance(a, b, position, candidate, patch, best):
    """a, b: padded pictures (H, W, C) of int64."""
    (i, j), (r, c) = position, candidate
    d = a[i : i + patch, j : j + patch] - b[r : r + patch, c : c + patch]
    return int((d * d).sum())


def loop_distance(a, b, position, candidate, patch, best):
    """a, b: padded pictures (H, W, C) of int64; stops once the sum reaches `best`."""
    (i, j), (r, c), total = position, candidate, 0
    for t in range(patch):
        for u in range(patch):
            for k in range(a.shape[2]):
                d = a[i + t, j + u, k] - b[r + t, c + u, k]
                total += d * d
        if total >= best:
            return total
    return total


@cache
def build_sweep(name: str) -> Callable[..., None]:
    """The scanline PatchMatch of a variant, in plain or compiled loops."""
    variant = VARIANTS[name]
    build = numba.njit(nogil=True) if variant.compiled else lambda function: function
    distance, stops = build(variant.distance), variant.stops_early

    @build
    def try_candidate(pictures, field, cost, position, candidate, patch):
        (a, b), (i, j), (r, c) = pictures, position, candidate
        d = distance(a, b, position, candidate, patch, cost[i, j] if stops else MAX_DISTANCE)
        if d < cost[i, j]:
            field[i, j, 0], field[i, j, 1], cost[i, j] = r, c, d

    @build
    def propagate(pictures, field, cost, position, step, size, patch):
        (i, j), (H, W) = position, cost.shape
        for down, right in ((0, step), (step, 0), (step, step)):
            if 0 <= i - down < H and 0 <= j - right < W:
                r, c = field[i - down, j - right, 0] + down, field[i - down, j - right, 1] + right
                if 0 <= r < size[0] and 0 <= c < size[1]:
                    try_candidate(pictures, field, cost, position, (r, c), patch)

    @build
    def search(pictures, field, cost, position, draws, size, patch):
        (i, j), radius, k = position, max(size[0], size[1]), 0
        while radius > 0:
            r, c = field[i, j, 0], field[i, j, 1]
            top, left = max(r - radius, 0), max(c - radius, 0)
            tall = min(r + radius, size[0] - 1) - top + 1
            wide = min(c + radius, size[1] - 1) - left + 1
            candidate = top + (tall * draws[k, 0] >> 32), left + (wide * draws[k, 1] >> 32)
            try_candidate(pictures, field, cost, position, candidate, patch)
            radius, k = radius // 2, k + 1

    @build
    def sweep(pictures, field, cost, draws, step, size, patch):
        """One iteration.  field (H, W, 2), cost (H, W), draws (H, W, radii, 2) of 32 bits."""
        H, W = cost.shape
        for k in range(H * W):
            i, j = divmod(k if step > 0 else H * W - 1 - k, W)
            if cost[i, j] == MAX_DISTANCE:
                try_candidate(
                    pictures, field, cost, (i, j), (field[i, j, 0], field[i, j, 1]), patch
                )
            propagate(pictures, field, cost, (i, j), step, size, patch)
            search(pictures, field, cost, (i, j), draws[i, j], size, patch)

    return sweep


@dataclass(frozen=True)
class Problem:
    """Pictures a and b (H, W, C) uint8 to match, and the options."""

    a: np.ndarray
    b: np.ndarray
    patch: int
    iterations: int
    seed: int

    def crop_center(self, side: int) -> Problem:
        """The problem on center crops of at most `side` rows and columns."""
        a, b = (
            x[slice_center(x.shape[0], side), slice_center(x.shape[1], side)]
            for x in (self.a, self.b)
        )
        return Problem(a, b, self.patch, self.iterations, self.seed)

    def draw_numbers(self, n: int) -> np.ndarray:
        """(H, W, radii, 2): the random numbers of iteration n of `match`."""
        (H, W), size = self.a.shape[:2], max(self.b.shape[:2])
        key = np.uint64((self.seed * 0x9E3779B97F4A7C15 + (n + 1) * 2**40) % 2**64)
        state = splitmix64.py_func(key + np.arange(H * W, dtype=np.uint64).reshape(H, W))
        draws = np.empty((H, W, size.bit_length(), 2), np.int64)
        for k in range(size.bit_length()):
            state = splitmix64.py_func(state)
            draws[:, :, k, 0], draws[:, :, k, 1] = state & np.uint64(2**32 - 1), state >> 32
        return draws

    def run_variant(self, name: str) -> tuple[Match, float]:
        """The match of a variant, and its seconds without drawing random numbers."""
        sweep, pack = build_sweep(name), VARIANTS[name].prepare
        size = self.b.shape[:2]
        pictures = tuple(pack(repeat_edges(x, self.patch)) for x in (self.a, self.b))
        field = draw_random_field(self.a.shape, self.b.shape, np.zeros((0, 0), np.bool_), self.seed)
        field, cost = field.astype(np.int64), np.full(field.shape[:2], MAX_DISTANCE)
        seconds = 0.0
        for n in range(self.iterations):
            draws, begun = self.draw_numbers(n), time.perf_counter()
            sweep(pictures, field, cost, draws, 1 - 2 * (n % 2), size, self.patch)
            seconds += time.perf_counter() - begun
        mean = cost / (self.patch**2 * self.a.shape[2])
        return Match(field.astype(np.int32), mean.astype(np.float32)), seconds


def slice_center(length: int, side: int) -> slice:
    first = max(0, length - side) // 2
    return slice(first, first + side)


def to_int64(x: np.ndarray) -> np.ndarray:
    return x.astype(np.int64)


class Variant(NamedTuple):
    """An implementation of the distance of two patches."""

    distance: Callable
    prepare: Callable[[np.ndarray], Any] = to_int64
    """Converts a picture to what `distance` takes."""
    compiled: bool = True
    """The others are slow, and by default run on a crop."""
    stops_early: bool = False
    """Whether `distance` gets the smallest distance so far."""


VARIANTS = {
    "plain Python": Variant(python_distance, np.ndarray.tolist, compiled=False),
    "NumPy": Variant(numpy_distance, compiled=False),
    "Numba": Variant(loop_distance),
    "Numba, stopping early": Variant(loop_distance, stops_early=True),
}


def time_variants(
    problem: Problem, crop: int | None = 40, threads: int = 2, brute_force: bool = False
) -> Iterator[Timing]:
    """Time every variant.

    crop: Side of the crop for the variants that are not compiled; None for all of the picture.
    brute_force: Also time the exact field.
    """
    for name, variant in VARIANTS.items():
        timed_problem = problem if crop is None or variant.compiled else problem.crop_center(crop)
        begun = time.perf_counter()
        if variant.compiled:
            problem.crop_center(problem.patch).run_variant(name)
        compiling = time.perf_counter() - begun
        result, seconds = timed_problem.run_variant(name)
        yield Timing(name, seconds, compiling, float(result.distance.mean()), result.distance.size)
    settings, thread_count = (
        (problem.patch, problem.iterations, problem.seed),
        f"{threads} thread{'s' * (threads > 1)}",
    )
    calls: dict[str, Callable[[], Match]] = {
        "tuned, 1 thread": lambda: match(problem.a, problem.b, *settings, threads=1),
        f"tuned, {thread_count}": lambda: match(problem.a, problem.b, *settings, threads=threads),
        f"accurate, {thread_count}": lambda: match(
            problem.a, problem.b, *settings, method="accurate", threads=threads
        ),
    }
    if brute_force:
        calls[f"exact, {thread_count}"] = lambda: match_brute_force(
            problem.a, problem.b, problem.patch, threads=threads
        )
    for name, work in calls.items():
        yield time_call(name, work)


def time_call(name: str, call: Callable[[], Match]) -> Timing:
    """Time a call. The first of two loads the compiled code, or compiles it."""
    taken = []
    for _ in range(2):
        begun = time.perf_counter()
        result = call()
        taken.append(time.perf_counter() - begun)
        if taken[0] > MAX_REPEATED_SECONDS:
            break
    mean = float(result.distance.mean())
    return Timing(name, taken[-1], max(0.0, taken[0] - taken[-1]), mean, result.distance.size)
