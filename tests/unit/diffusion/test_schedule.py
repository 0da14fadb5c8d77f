"""Noise schedules."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from smalti.diffusion import Cosine, Linear, Sigmoid
from smalti.diffusion.schedule import LARGEST_BETA, Schedule
from tests.expect import expect_user_error

KINDS: list[Any] = [Linear, Cosine, Sigmoid]


def compute_betas(schedule: Schedule) -> torch.Tensor:
    a = schedule.compute_alpha_bars()
    return 1 - a / torch.cat([torch.ones(1), a[:-1]])


@pytest.mark.parametrize("kind", KINDS)
@given(T=st.integers(2, 3000))
def test_alpha_bars_fall_between_1_and_0(kind: Any, T: int) -> None:
    a = kind(T).compute_alpha_bars()
    assert a.shape == (T,)
    assert a.dtype == torch.float64
    assert (a > 0).all()
    assert (a < 1).all()
    assert (a.diff() < 0).all()
    assert compute_betas(kind(T)).max() <= LARGEST_BETA + 1e-12


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("T", [50, 1000])
def test_from_almost_a_picture_to_almost_noise(kind: Any, T: int) -> None:
    a = kind(T).compute_alpha_bars()
    assert a[0] > 0.99
    assert a[-1] < 1e-4


def test_linear_is_the_papers() -> None:
    b = compute_betas(Linear())
    torch.testing.assert_close(b, torch.linspace(1e-4, 0.02, 1000).double(), atol=1e-7, rtol=0)


@given(T=st.integers(100, 4000))
def test_linear_ends_as_noisy_for_any_T(T: int) -> None:
    ends = [schedule.compute_alpha_bars()[-1].log() for schedule in (Linear(T), Linear())]
    assert abs(ends[0] / ends[1] - 1) < 0.1
    assert compute_betas(Linear(T))[0] == pytest.approx(1e-4 * 1000 / T)


@pytest.mark.parametrize("T", [10, 1000])
def test_cosine_is_eq_17(T: int) -> None:
    f = [math.cos((t / T + 0.008) / 1.008 * math.pi / 2) ** 2 for t in range(T + 1)]
    expected = torch.tensor([value / f[0] for value in f[1:-1]], dtype=torch.float64)
    torch.testing.assert_close(Cosine(T).compute_alpha_bars()[:-1], expected)


def test_cosines_last_beta_is_cut() -> None:
    assert compute_betas(Cosine())[-1] == pytest.approx(LARGEST_BETA)


@given(T=st.integers(2, 500), tau=st.floats(0.3, 3))
def test_sigmoid_is_half_way_in_the_middle(T: int, tau: float) -> None:
    """Algorithm 1 with start = -end is point-symmetric: alpha-bar(u) + alpha-bar(1 - u) = 1."""
    a = Sigmoid(T, tau=tau).compute_alpha_bars()[:-1]  # levels 1/T .. 1 - 1/T
    torch.testing.assert_close(a + a.flip(0), torch.ones_like(a))


def test_a_warm_sigmoid_is_a_straight_line() -> None:
    line = 1 - torch.arange(1, 100, dtype=torch.float64) / 100
    bends = [
        (Sigmoid(100, tau=tau).compute_alpha_bars()[:-1] - line).abs().max() for tau in (0.5, 1, 50)
    ]
    assert bends[0] > bends[1] > bends[2]
    assert bends[2] < 1e-3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("T", [1, 0, -3])
def test_too_few_levels_are_refused(kind: Any, T: int) -> None:
    with expect_user_error(f".T is {T}", "2 or more"):
        kind(T)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Linear(beta_start=0), ["linear.beta_start is 0", "more than 0"]),
        (lambda: Linear(beta_end=1), ["to 1", "< 1"]),
        (lambda: Linear(beta_start=0.5, beta_end=0.1), ["from 0.5 to 0.1"]),
        (lambda: Linear(beta_start=math.nan), ["linear.beta_start is nan"]),
        (lambda: Linear(beta_start=1e-18), ["1e-18", "does not decrease"]),
        (lambda: Cosine(s=-0.5), ["s is -0.5"]),
        (lambda: Cosine(s=math.inf), ["cosine.s is inf"]),
        (lambda: Sigmoid(start=3, end=-3), ["from 3.0 to -3.0"]),
        (lambda: Sigmoid(tau=0), ["sigmoid.tau is 0"]),
        (lambda: Sigmoid(tau=0.01), ["tau=0.01", "does not decrease"]),
        (lambda: Sigmoid(start=-1000, end=1000), ["sigmoid.start is -1000"]),
    ],
)
def test_what_does_not_decrease_is_refused(make: Any, words: list[str]) -> None:
    with expect_user_error(*words):
        make()
