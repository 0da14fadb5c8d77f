"""One stream per sample."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from smalti.core.rng import Rng
from tests.expect import expect_user_error

SEEDS = st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=5)


@pytest.mark.parametrize("draw", ["normal", "uniform"])
@given(seeds=SEEDS, shape=st.lists(st.integers(0, 4), max_size=3))
def test_rows_come_from_their_own_seed(draw: str, seeds: list[int], shape: list[int]) -> None:
    together = getattr(Rng(seeds), draw)(*shape)
    alone = torch.cat([getattr(Rng([seed]), draw)(*shape) for seed in seeds])
    assert together.shape == (len(seeds), *shape)
    assert together.dtype == torch.float64
    assert torch.equal(together, alone)


@pytest.mark.parametrize("draw", ["normal", "uniform"])
@given(seeds=SEEDS, cuts=st.lists(st.integers(0, 40), max_size=4))
def test_one_draw_or_many_give_the_same(draw: str, seeds: list[int], cuts: list[int]) -> None:
    rng, edges = Rng(seeds), [0, *sorted(cuts), 40]
    parts = [getattr(rng, draw)(b - a) for a, b in pairwise(edges)]
    assert torch.equal(torch.cat(parts, dim=1), getattr(Rng(seeds), draw)(40))


def test_a_stream_goes_on() -> None:
    rng = Rng([0])
    assert not torch.equal(rng.normal(3), rng.normal(3))


def test_seeds_differ() -> None:
    rows = Rng(range(20)).normal(8)
    assert len({tuple(row) for row in rows.tolist()}) == 20


def test_the_distributions() -> None:
    n = 200_000
    rng = Rng([3])
    z, u = rng.normal(n), rng.uniform(n)
    assert abs(z.mean()) < 4 / math.sqrt(n)
    assert abs(z.var() - 1) < 4 * math.sqrt(2 / n)
    assert 0 <= u.min() < 1e-3
    assert 1 - 1e-3 < u.max() < 1
    assert abs(u.mean() - 0.5) < 4 / math.sqrt(12 * n)


def test_the_numbers_stay_those_of_the_first_release() -> None:
    """A seed names a sample for good: published pictures must come back."""
    expected = torch.tensor([[-0.2059740286292238], [0.561455211185646]], dtype=torch.float64)
    torch.testing.assert_close(Rng([0, 1]).normal(1), expected, atol=1e-12, rtol=0)


def test_nothing_of_torchs_generator_is_used() -> None:
    before = torch.get_rng_state()
    Rng([0]).normal(5)
    assert torch.equal(torch.get_rng_state(), before)


def test_no_seeds_give_no_rows() -> None:
    assert Rng([]).normal(2, 3).shape == (0, 2, 3)
    assert Rng([]).normal(2, 3).dtype == torch.float64
    assert len(Rng([])) == 0


def test_negative_seeds_are_refused() -> None:
    with expect_user_error("seed is -2", "0 or more"):
        Rng([1, -2])
