"""Bootstrap errors."""

from __future__ import annotations

import pytest
import torch

from smalti.evaluation.bootstrap import bootstrap_error, compute_spread, draw_resamples
from smalti.evaluation.frechet import bootstrap_frechet, compute_moments, frechet_distance


def mean(x: torch.Tensor) -> float:
    return float(x.mean())


def test_the_error_of_a_mean_is_the_textbook_s():
    x = torch.randn(200, generator=torch.Generator().manual_seed(0)).double()
    found = bootstrap_error(mean, (x, draw_resamples(200, 400)))
    assert found == pytest.approx(float(x.std()) / 200**0.5, rel=0.15)


def test_two_sides_are_drawn_again_apart():
    x = torch.randn(100, generator=torch.Generator().manual_seed(0)).double()

    def difference(a: torch.Tensor, b: torch.Tensor) -> float:
        return mean(a) - mean(b)

    both = bootstrap_error(
        difference, (x, draw_resamples(100, 300, 0)), (x, draw_resamples(100, 300, 1))
    )
    assert both == pytest.approx(2**0.5 * float(x.std()) / 10, rel=0.2)


def test_a_class_keeps_its_number():
    labels = torch.tensor([0, 1, 1, 2, 2, 2] * 3)
    for rows in draw_resamples(18, 5, labels=labels):
        assert torch.equal(labels[rows], labels)
    assert len({tuple(rows.tolist()) for rows in draw_resamples(18, 5, labels=labels)}) == 5


def test_draws_depend_on_the_seed_alone():
    same, again, other = (torch.stack([*draw_resamples(9, 4, seed)]) for seed in (3, 3, 4))
    assert torch.equal(same, again) and not torch.equal(same, other)


def test_one_draw_has_no_spread():
    assert compute_spread([1.0]) != compute_spread([1.0])  # NaN


def draw_features(n: int, d: int, seed: int) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    mix = torch.randn(d, d, generator=torch.Generator().manual_seed(99)).double()
    return torch.randn(n, d, generator=g).double() @ mix


@pytest.mark.parametrize("n", [5, 40])  # fewer than dimensions, and more
def test_a_frechet_replicate_is_the_distance_of_its_rows(n: int):
    x, real = draw_features(n, 12, 0), compute_moments(draw_features(100, 12, 1))
    rows = [*draw_resamples(n, 4)]
    wanted = [frechet_distance(x[r], real) for r in rows]
    assert bootstrap_frechet(x, real, rows) == pytest.approx(wanted, rel=1e-8)


def test_their_spread_is_that_of_fresh_samples():
    real = compute_moments(draw_features(2000, 4, 10**6))
    fresh = [frechet_distance(draw_features(200, 4, k) + 2, real) for k in range(100)]
    again = bootstrap_frechet(draw_features(200, 4, 0) + 2, real, draw_resamples(200, 100))
    assert compute_spread(again) == pytest.approx(compute_spread(fresh), rel=0.4)


def test_frechet_replicates_lie_above_the_distance_so_their_mean_is_not_used():
    real, x = compute_moments(draw_features(2000, 4, 10**6)), draw_features(200, 4, 0)
    again = bootstrap_frechet(x, real, draw_resamples(200, 50))
    assert sum(again) / 50 > 1.3 * frechet_distance(x, real)
