"""The rungs from plain Python to parallel differ in time alone."""

from __future__ import annotations

import numpy as np
import pytest

from smalti.patchmatch import exact, match
from smalti.tasks.ladder import RUNGS, Case, ladder


def case(patch: int = 3) -> Case:
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 256, size, dtype=np.uint8) for size in ((9, 13, 3), (12, 8, 3)))
    return Case(a, b, patch, 3, 5)


@pytest.mark.parametrize("name", RUNGS)
def test_every_rung_finds_what_match_finds(name: str):
    on = case()
    found, seconds = on.climbed(name)
    want = match(on.a, on.b, on.patch, on.iterations, on.seed)
    assert np.array_equal(found.field, want.field)
    assert np.array_equal(found.distance, want.distance)
    assert seconds > 0


def test_slow_rungs_run_on_a_crop_and_compiling_is_told_apart():
    steps = list(ladder(case(), crop=6, threads=2, brute=True))
    assert [s.pixels for s in steps] == [36, 36, *[9 * 13] * 6]
    assert steps[0].compiling < 0.1  # of plain Python
    on = case()
    assert steps[-1].name == "exact, 2 threads"
    assert steps[-1].distance == pytest.approx(exact(on.a, on.b).distance.mean())
    assert steps[-2].distance >= steps[-1].distance
