"""The Frechet distance against SciPy's matrix root, and its known properties."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from smalti.core.errors import UserError
from smalti.evaluation import compute_moments, frechet_distance


def draw_samples(n: int, d: int, seed: int) -> torch.Tensor:
    """Correlated features with a random mean, (n, d) float64."""
    g = torch.Generator().manual_seed(seed)
    mix = torch.randn(d, d, generator=g, dtype=torch.float64)
    x = torch.randn(n, d, generator=g, dtype=torch.float64)
    return x @ mix + torch.randn(d, generator=g, dtype=torch.float64)


def compute_by_scipy(a: torch.Tensor, b: torch.Tensor) -> float:
    x, y = a.numpy(), b.numpy()
    s, t = np.cov(x.T), np.cov(y.T)
    root = np.trace(np.real(np.asarray(sqrtm(s @ t))))
    return float(((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(s) + np.trace(t) - 2 * root)


@settings(deadline=None, max_examples=15)
@given(d=st.integers(2, 24), extra=st.integers(8, 60), seed=st.integers(0, 2**31))
def test_agrees_with_scipy(d: int, extra: int, seed: int) -> None:
    a, b = draw_samples(d + extra, d, seed), draw_samples(2 * d + extra, d, seed + 1)
    assert frechet_distance(a, b) == pytest.approx(compute_by_scipy(a, b), rel=1e-6)


def test_agrees_with_scipy_when_the_sets_are_alike() -> None:
    a, b = draw_samples(1000, 64, 0), draw_samples(1000, 64, 0)
    b = b + 0.01 * draw_samples(1000, 64, 1)
    assert frechet_distance(a, b) == pytest.approx(compute_by_scipy(a, b), rel=1e-6)


def test_a_set_is_at_no_distance_from_itself() -> None:
    a = draw_samples(100, 16, 0)
    assert 0 <= frechet_distance(a, a) < 1e-9 * float(compute_moments(a).covariance.trace())


def test_a_shift_counts_squared() -> None:
    a = draw_samples(50, 3, 0)
    shift = torch.tensor([3.0, 0.0, -4.0])
    assert frechet_distance(a, a + shift) == pytest.approx(25.0)


def test_a_stretch_in_one_dimension() -> None:
    # of N(0, s^2) and N(0, t^2) the distance is (s - t)^2
    a = torch.tensor([[-1.0], [1.0]]) / 2**0.5  # unit variance
    assert frechet_distance(3 * a, 5 * a) == pytest.approx(4.0)


def test_is_symmetric_and_takes_moments() -> None:
    a, b = draw_samples(40, 5, 0), draw_samples(60, 5, 1)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-10)
    assert frechet_distance(compute_moments(a), b) == frechet_distance(a, compute_moments(b))


@pytest.mark.filterwarnings("ignore:Matrix is :scipy.linalg.LinAlgWarning")  # it is singular
@settings(deadline=None, max_examples=10)
@given(n=st.integers(2, 12), m=st.integers(2, 40), seed=st.integers(0, 2**31))
def test_agrees_with_scipy_on_fewer_samples_than_dimensions(n: int, m: int, seed: int) -> None:
    # SciPy's root of the singular S T is not accurate, that of the symmetric R T R is
    a, b = draw_samples(n, 16, seed), draw_samples(m, 16, seed + 1)
    x, y = a.numpy(), b.numpy()
    s, t = np.cov(x.T), np.cov(y.T)
    root = np.real(sqrtm(s))
    middle = root @ t @ root
    trace = np.trace(np.real(sqrtm((middle + middle.T) / 2)))
    wanted = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(s) + np.trace(t) - 2 * trace
    assert frechet_distance(a, b) == pytest.approx(float(wanted), rel=1e-6)


def test_fewer_samples_than_dimensions() -> None:
    a = torch.eye(4, 10, dtype=torch.float64)
    # of N(0, S) and N(0, 9 S), S = cov(a), the distance is (3 - 1)^2 tr S
    wanted = 4 * float(compute_moments(a).covariance.trace()) + 4 * float(
        compute_moments(a).mean.square().sum()
    )
    assert frechet_distance(a, 3 * a) == pytest.approx(wanted, rel=1e-6)


def test_moments_are_those_of_numpy() -> None:
    a = draw_samples(30, 4, 2)
    m = compute_moments(a.float())
    assert m.n == 30 and m.covariance.dtype == torch.float64
    torch.testing.assert_close(m.covariance, torch.from_numpy(np.cov(a.float().double().numpy().T)))


@pytest.mark.parametrize(
    ("features", "words"),
    [
        (torch.zeros(1, 4), "at least 2"),
        (torch.zeros(0, 4), "at least 2"),
        (torch.zeros(4), r"\(N, D\)"),
        (torch.zeros(4, 0), r"\(N, D\)"),
        (torch.tensor([[0.0], [float("nan")], [1.0]]), "sample 1 are not finite"),
    ],
)
def test_what_cannot_be_measured_is_refused(features: torch.Tensor, words: str) -> None:
    with pytest.raises(UserError, match=words):
        frechet_distance(features, draw_samples(10, 4, 0))


def test_different_networks_are_refused() -> None:
    with pytest.raises(UserError, match="4 and 5 dimensions"):
        frechet_distance(draw_samples(10, 4, 0), draw_samples(10, 5, 0))
