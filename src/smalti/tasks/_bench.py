"""bench_patchmatch: time several implementations of PatchMatch on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from scipy import ndimage

from smalti.core.config import coerce_value
from smalti.core.errors import UserError
from smalti.core.progress import OnProgress, Progress, ignore_event
from smalti.core.ranges import Range, Seed, ThreadCount, Width
from smalti.core.short_repr import add_short_repr
from smalti.data.decode import make_preprocessing
from smalti.data.single_picture import read_picture_file
from smalti.patchmatch import checks
from smalti.tasks.patchmatch_variants import VARIANTS, Problem, Timing, time_variants

PICTURE_SIZE, CROP_SIDE = (244, 326), 40
"""Size of the pictures, and side of the crop that the slow variants run on."""
QUICK_PICTURE_SIZE, QUICK_CROP_SIDE = (60, 80), 12
"""The same for `quick`."""
Iterations = Annotated[int, Range(1, 10_000)]


@dataclass(frozen=True, eq=False)
@add_short_repr
class Benchmark:
    """What was matched, and the time of each variant."""

    problem: Problem
    timings: tuple[Timing, ...]


def bench_patchmatch(
    a: str | Path | np.ndarray | None = None,
    b: str | Path | np.ndarray | None = None,
    *,
    patch: Width = 3,
    iterations: Iterations = 5,
    seed: Seed = 0,
    whole: bool = False,
    exact: bool = False,
    quick: bool = False,
    threads: ThreadCount | None = None,
    on_progress: OnProgress = ignore_event,
) -> Benchmark:
    """Time PatchMatch in Python, NumPy and Numba.

    The variants are plain Python, NumPy, Numba, Numba with early stopping, tuned, and tuned with
    threads. All of them compute the same field. The accurate method, and optionally the exact
    field, are timed for comparison.

    a: Picture to match (default: a generated pair).
    b: Picture to search.
    patch: Patch width in pixels; odd.
    iterations: Rounds of propagation and random search.
    seed: Seed of the random search.
    whole: Run Python and NumPy on all of A (minutes). By default they run on a crop.
    exact: Also find the exact field. Shows the error of the others.
    quick: Use small pictures. Takes a few seconds, most of them to compile.
    threads: Maximum number of threads (default: CPU cores).
    """
    if (a is None) != (b is None):
        raise UserError(f"{b if a is None else a} is one picture; give two to match, or none")
    if a is None or b is None:
        pair = make_clouds(QUICK_PICTURE_SIZE if quick else PICTURE_SIZE)
    else:
        pair = read_rgb(a, "a"), read_rgb(b, "b")
    p = checks.check_patch(patch, [x.shape for x in pair])
    iterations = coerce_value(iterations, Iterations, "iterations")
    _, seed, workers = checks.check_search(iterations, seed, threads)
    problem, crop = (
        Problem(*pair, p, iterations, seed),
        max(QUICK_CROP_SIDE if quick else CROP_SIDE, p),
    )
    timings, total = [], len(VARIANTS) + 3 + exact
    on_progress(Progress("timing", 0, total))
    for step in time_variants(problem, None if whole else crop, workers, exact):
        timings.append(step)
        on_progress(Progress("timing", len(timings), total, step.name))
    return Benchmark(problem, tuple(timings))


def read_rgb(picture: str | Path | np.ndarray, name: str) -> np.ndarray:
    """(H, W, 3) uint8."""
    if isinstance(picture, np.ndarray):
        return checks.to_picture(picture, name)
    levels = read_picture_file(Path(picture), make_preprocessing(None, "rgb", "white", crop=False))
    return np.ascontiguousarray(levels.transpose(1, 2, 0))


def make_clouds(size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Two noise pictures (H, W, 3) uint8, the second a mix of the first, shifted, and new noise."""
    rng = np.random.default_rng(0)

    def make_picture() -> np.ndarray:
        layers = [
            s * ndimage.gaussian_filter(rng.normal(size=(*size, 3)), (s, s, 0)) for s in (1, 3, 9)
        ]
        total = np.sum(layers, axis=0)
        return (total - total.min()) / np.ptp(total) * 255

    a, other = make_picture(), make_picture()
    moved = np.roll(a, (5, 9), axis=(0, 1))
    return a.astype(np.uint8), (0.8 * moved + 0.2 * other).astype(np.uint8)
