"""Precision and recall against a loop over pairs, and on sets with a known answer."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from smalti.evaluation.coverage import find_covered, precision_recall
from tests.expect import expect_user_error
from tests.naive import set_metrics


def draw_features(n: int, d: int, seed: int) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=20)
@given(
    n=st.integers(1, 12),
    m=st.integers(4, 12),
    d=st.integers(1, 4),
    k=st.integers(1, 3),
    seed=st.integers(0, 999),
)
def test_is_what_a_loop_finds(n: int, m: int, d: int, k: int, seed: int):
    # whole numbers: of equal distances, no rounding makes one the larger
    points, members = ((10 * draw_features(*s)).round() for s in ((n, d, seed), (m, d, seed + 1)))
    found = find_covered(points, members, k)
    assert found.tolist() == set_metrics.are_covered(points.numpy(), members.numpy(), k)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch):
    a, b = draw_features(40, 3, 0), draw_features(50, 3, 1)
    whole = precision_recall(a, b)
    monkeypatch.setattr("smalti.evaluation.coverage.BLOCK", 7)
    assert precision_recall(a, b) == whole


def test_a_set_covers_itself():
    a = draw_features(30, 4, 0)
    assert precision_recall(a, a) == (1.0, 1.0)


def test_far_samples_have_neither():
    a = draw_features(30, 4, 0)
    assert precision_recall(a + 100, a) == (0.0, 0.0)


def test_one_mode_of_two_is_precise_and_lacks_recall():
    mode = draw_features(40, 2, 0)
    precision, recall = precision_recall(draw_features(40, 2, 1), torch.cat([mode, mode + 50]))
    assert precision > 0.8
    assert recall <= 0.5


def test_noise_about_one_mode_is_reached_and_imprecise():
    mode = draw_features(40, 2, 0)
    precision, recall = precision_recall(torch.cat([draw_features(40, 2, 1), mode + 50]), mode)
    assert precision <= 0.6
    assert recall > 0.8


def test_too_few_are_refused():
    with expect_user_error("3 pictures", "give more"):
        precision_recall(draw_features(3, 2, 0), draw_features(9, 2, 1))
