"""The rungs from plain Python to parallel differ in time alone."""

from __future__ import annotations

import numpy as np
import pytest

from smalti.patchmatch import match, match_brute_force
from smalti.tasks.patchmatch_variants import VARIANTS, Problem, time_variants


def make_problem(patch: int = 3) -> Problem:
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 256, size, dtype=np.uint8) for size in ((9, 13, 3), (12, 8, 3)))
    return Problem(a, b, patch, 3, 5)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_rung_finds_what_match_finds(name: str):
    on = make_problem()
    found, seconds = on.run_variant(name)
    want = match(on.a, on.b, on.patch, on.iterations, on.seed)
    assert np.array_equal(found.field, want.field)
    assert np.array_equal(found.distance, want.distance)
    assert seconds > 0


def test_slow_rungs_run_on_a_crop_and_compiling_is_told_apart():
    steps = list(time_variants(make_problem(), crop=6, threads=2, brute_force=True))
    assert [s.n_pixels for s in steps] == [36, 36, *[9 * 13] * 6]
    assert steps[0].compile_seconds < 0.1  # of plain Python
    on = make_problem()
    assert steps[-1].name == "exact, 2 threads"
    assert steps[-1].mean_distance == pytest.approx(match_brute_force(on.a, on.b).distance.mean())
    assert steps[-2].mean_distance >= steps[-1].mean_distance
