"""The kernel distance against a loop over pairs, and its known properties."""

from __future__ import annotations

import statistics

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from smalti.evaluation.bootstrap import compute_spread, draw_resamples
from smalti.evaluation.kernel import bootstrap_kernel, kernel_distance
from tests.expect import expect_user_error
from tests.naive import set_metrics


def draw_features(n: int, d: int, seed: int, shift: float = 0.0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed)).double() + shift


@settings(max_examples=15)
@given(n=st.integers(2, 9), m=st.integers(2, 9), d=st.integers(1, 5), seed=st.integers(0, 999))
def test_is_the_sum_over_pairs(n: int, m: int, d: int, seed: int):
    a, b = draw_features(n, d, seed), draw_features(m, d, seed + 1)
    assert kernel_distance(a, b) == pytest.approx(set_metrics.kernel_distance(a.numpy(), b.numpy()))


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch):
    a, b = draw_features(50, 4, 0), draw_features(30, 4, 1)
    whole = kernel_distance(a, b)
    monkeypatch.setattr("smalti.evaluation.kernel.BLOCK", 7)
    assert kernel_distance(a, b) == pytest.approx(whole, rel=1e-12)


def test_is_without_bias_between_sets_of_one_distribution():
    found = [
        kernel_distance(draw_features(20, 3, 2 * k), draw_features(20, 3, 2 * k + 1))
        for k in range(200)
    ]
    error = torch.tensor(found).std() / len(found) ** 0.5
    assert abs(torch.tensor(found).mean()) < 4 * error
    assert min(found) < 0 < max(found)


def test_is_without_bias_where_classes_are_set():
    """Two classes far apart: with one of each, plain pairs are always of two classes."""

    def drawn(n: int, seed: int, labels: torch.Tensor) -> torch.Tensor:
        return draw_features(n, 3, seed) + 3.0 * labels[:, None]

    generator, turns = torch.Generator().manual_seed(0), torch.arange(20) % 2
    plain, stratified = [], []
    for k in range(200):
        other = torch.randint(0, 2, (20,), generator=generator)
        a, b = drawn(20, 2 * k, turns), drawn(20, 2 * k + 1, other)
        plain.append(kernel_distance(a, b))
        stratified.append(kernel_distance(a, b, turns))
    error = torch.tensor(stratified).std() / len(stratified) ** 0.5
    assert abs(torch.tensor(stratified).mean()) < 4 * error
    assert torch.tensor(plain).mean() < -5 * error


@settings(max_examples=15)
@given(d=st.integers(1, 4), seed=st.integers(0, 999))
def test_with_classes_is_the_sum_over_pairs_of_classes(d: int, seed: int):
    a, b = draw_features(9, d, seed), draw_features(6, d, seed + 1)
    labels = torch.tensor([0, 1, 1, 0, 2, 2, 2, 1, 1])
    found = kernel_distance(a, b, labels)
    assert found == pytest.approx(
        set_metrics.class_kernel_distance(a.numpy(), b.numpy(), labels.tolist())
    )
    (same,) = bootstrap_kernel(a, b, [torch.randperm(9)], labels)
    assert same == pytest.approx(found)


def test_a_class_of_one_is_no_class():
    a, b = draw_features(6, 3, 0), draw_features(8, 3, 1)
    labels = torch.tensor([0, 0, 0, 1, 1, 2])
    assert kernel_distance(a, b, labels) == pytest.approx(kernel_distance(a, b))


def test_sees_a_shift():
    a = draw_features(200, 3, 0)
    assert kernel_distance(a, draw_features(200, 3, 1, shift=1.0)) > 5 * abs(
        kernel_distance(a, draw_features(200, 3, 1))
    )


def kernel_by_subsets(
    a: Tensor, b: Tensor, subsets: int = 100, size: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Mean and standard deviation over random subsets of `size`, as KID is often published.

    The deviation is that of one subset, not the error of the mean.
    """
    size = min(size, len(a), len(b))
    generator = np.random.Generator(np.random.Philox(seed))

    def part(x: Tensor) -> Tensor:
        return x[torch.from_numpy(generator.choice(len(x), size, replace=False))]

    found = [kernel_distance(part(a), part(b)) for _ in range(subsets)]
    return statistics.mean(found), statistics.stdev(found) if subsets > 1 else float("nan")


def test_subsets_give_the_same_on_average():
    a, b = draw_features(60, 3, 0), draw_features(50, 3, 1, shift=0.5)
    mean, deviation = kernel_by_subsets(a, b, subsets=400, size=20)
    assert mean == pytest.approx(kernel_distance(a, b), abs=4 * deviation / 400**0.5)


def test_a_subset_as_large_as_the_set_is_the_set():
    a, b = draw_features(12, 3, 0), draw_features(12, 3, 1)
    mean, deviation = kernel_by_subsets(a, b, subsets=3)
    assert mean == pytest.approx(kernel_distance(a, b))
    assert deviation == pytest.approx(0, abs=1e-12)


def test_replicates_are_the_distance_of_rows_drawn_once_each():
    a, b = draw_features(10, 3, 0), draw_features(8, 3, 1)
    (same,) = bootstrap_kernel(a, b, [torch.randperm(10)])
    assert same == pytest.approx(kernel_distance(a, b))


def test_their_spread_is_that_of_fresh_samples():
    b = draw_features(400, 3, 10**6)
    fresh = [kernel_distance(draw_features(100, 3, k, shift=0.3), b) for k in range(100)]
    again = bootstrap_kernel(draw_features(100, 3, 0, shift=0.3), b, draw_resamples(100, 100))
    assert compute_spread(again) == pytest.approx(compute_spread(fresh), rel=0.5)


@pytest.mark.parametrize(
    ("a", "words"),
    [(torch.zeros(1, 3), "2 rows or more"), (torch.zeros(4, 2), "2 and 3 dimensions")],
)
def test_what_cannot_be_measured_is_refused(a: torch.Tensor, words: str):
    with expect_user_error(words):
        kernel_distance(a, torch.zeros(4, 3))
