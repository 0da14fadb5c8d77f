"""Nearest training pictures, and whether samples are copies of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from smalti.data.pictures import Pictures
from smalti.evaluation.memorization import (
    compute_copying_z,
    compute_median_ratio,
    compute_near_share,
    mann_whitney,
)
from smalti.evaluation.neighbors import find_nearest
from tests.expect import expect_user_error
from tests.naive import set_metrics
from tests.toys import make_pictures


def draw_pictures(n: int, seed: int) -> torch.Tensor:
    return torch.rand(n, 1, 4, 4, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=15)
@given(n=st.integers(1, 5), m=st.integers(1, 30), k=st.integers(1, 4), seed=st.integers(0, 999))
def test_is_what_a_loop_finds(n: int, m: int, k: int, seed: int):
    queries, among = draw_pictures(n, seed), draw_pictures(m, seed + 1)
    found = find_nearest(queries, among, k)
    for i in range(n):
        wanted = set_metrics.nearest(queries[i].flatten().numpy(), among.flatten(1).numpy(), k)
        assert found.rows[i].tolist() == [row for _, row in wanted]
        assert found.distances[i].tolist() == pytest.approx([d for d, _ in wanted], rel=1e-5)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch):
    queries, among = draw_pictures(6, 0), draw_pictures(50, 1)
    whole = find_nearest(queries, among, 3)
    monkeypatch.setattr("smalti.evaluation.neighbors.BLOCK", 4)
    part = find_nearest(queries, among, 3)
    assert torch.equal(whole.rows, part.rows)
    torch.testing.assert_close(whole.distances, part.distances)


def test_a_copy_is_at_no_distance_at_all():
    train = make_pictures(40)
    found = find_nearest(train.take_floats(slice(5, 9)), train)
    assert found.rows[:, 0].tolist() == [5, 6, 7, 8]
    assert found.distances.max() == 0


def test_rows_are_those_of_the_part():
    train = make_pictures(40).select(torch.tensor([7, 3, 30]), "few")
    found = find_nearest(make_pictures(40).take_floats([3]), train)
    assert found.rows.tolist() == [[1]]


def test_a_mirrored_copy_is_found_when_it_is_looked_for():
    train = make_pictures(40)
    queries = train.take_floats([4]).flip(-1)
    assert find_nearest(queries, train).distances.item() > 0.5
    found = find_nearest(queries, train, 2, mirrored=True)
    assert found.rows[0, 0] == 4 and found.distances[0, 0] == 0
    assert found.mirrored[0, 0]
    assert found.distances[0, 1] > 0.5


def test_pictures_of_another_shape_are_refused():
    with expect_user_error("(2, 1, 4, 4)", "(24, 1, 8, 8)", "one shape"):
        find_nearest(draw_pictures(2, 0), make_pictures())


numbers = st.lists(st.integers(0, 6), min_size=1, max_size=12)


@given(a=numbers, b=numbers)
def test_u_counts_pairs(a: list[int], b: list[int]):
    x, y = torch.tensor(a).float(), torch.tensor(b).float()
    assert mann_whitney(x, y) == set_metrics.mann_whitney(x.numpy(), y.numpy())


def test_z_gives_scipy_s_p_value():
    rng = np.random.default_rng(0)
    a, b = rng.normal(-0.3, 1, 50), rng.normal(0, 1, 60)
    z = compute_copying_z(torch.tensor(a), torch.tensor(b))
    wanted = stats.mannwhitneyu(a, b, alternative="less", method="asymptotic", use_continuity=False)
    assert stats.norm.cdf(z) == pytest.approx(wanted.pvalue, rel=1e-6)


def test_new_pictures_look_like_held_out_ones():
    train, held, samples = draw_pictures(300, 0), draw_pictures(200, 1), draw_pictures(200, 2)
    near, real = (find_nearest(x, train).distances[:, 0] for x in (samples, held))
    assert compute_median_ratio(near, real) == pytest.approx(1, abs=0.05)
    assert abs(compute_copying_z(near, real)) < 3
    assert compute_near_share(near, real) < 0.05


def test_copies_are_told():
    train, held = draw_pictures(300, 0), draw_pictures(200, 1)
    near, real = (find_nearest(x, train).distances[:, 0] for x in (train[:200] + 0.01, held))
    assert compute_median_ratio(near, real) < 0.1
    assert compute_copying_z(near, real) < -10
    assert compute_near_share(near, real) == 1


def test_a_few_copies_among_new_ones_show_in_the_share():
    train, held = draw_pictures(300, 0), draw_pictures(200, 1)
    samples = torch.cat([draw_pictures(180, 2), train[:20]])
    near, real = (find_nearest(x, train).distances[:, 0] for x in (samples, held))
    assert compute_median_ratio(near, real) > 0.9
    assert compute_near_share(near, real) >= 0.1


def test_nothing_to_compare_is_refused():
    with expect_user_error("0 samples", "3 held-out"):
        compute_median_ratio(torch.zeros(0), torch.ones(3))


def test_bytes_count_from_0_to_1():
    black, white = (Pictures(torch.full((1, 1, 2, 2), v).byte(), None, (), "x") for v in (0, 255))
    assert find_nearest(black.pixels, white).distances.item() == pytest.approx(2)
