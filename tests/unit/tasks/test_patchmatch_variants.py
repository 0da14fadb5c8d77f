"""All variants find the same field."""

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
def test_every_variant_finds_what_match_finds(name: str):
    problem = make_problem()
    result, seconds = problem.run_variant(name)
    expected = match(problem.a, problem.b, problem.patch, problem.iterations, problem.seed)
    assert np.array_equal(result.field, expected.field)
    assert np.array_equal(result.distance, expected.distance)
    assert seconds > 0


def test_slow_variants_run_on_a_crop_and_compile_time_is_separate():
    timings = list(time_variants(make_problem(), crop=6, threads=2, brute_force=True))
    assert [s.n_pixels for s in timings] == [36, 36, *[9 * 13] * 6]
    assert timings[0].compile_seconds < 0.1  # plain Python
    problem = make_problem()
    assert timings[-1].name == "exact, 2 threads"
    assert timings[-1].mean_distance == pytest.approx(
        match_brute_force(problem.a, problem.b).distance.mean()
    )
    assert timings[-2].mean_distance >= timings[-1].mean_distance
