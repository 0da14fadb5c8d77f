"""Which levels the samplers visit, and how their steps relate."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

from smalti.core.rng import Rng
from smalti.diffusion import DDIM, DDPM, Cosine, DiffusionState, Linear
from tests.expect import expect_user_error

SHAPE = (1, 3, 3)
SPACINGS: list[Any] = ["uniform", "quadratic"]


def walk(sampler: DDPM | DDIM, T: int = 20, denoise: Any = None) -> list[DiffusionState]:
    rng = Rng([0, 1])
    x = rng.normal(*SHAPE)
    denoise = denoise or (lambda x, t: (0.8 * x / (1 + t / T)).tanh())
    a, levels = Linear(T).compute_alpha_bars(), sampler.choose_timesteps(T)
    return list(sampler.stream(denoise, x, a, lambda: rng.normal(*SHAPE), levels))


def count_noises(sampler: DDPM | DDIM, T: int) -> int:
    """How many noises a sampler draws."""
    drawn = [0]

    def normal() -> Tensor:
        drawn[0] += 1
        return torch.zeros(1, *SHAPE, dtype=torch.float64)

    x = torch.ones(1, *SHAPE, dtype=torch.float64)
    for _ in sampler.stream(
        lambda x, t: x / 2, x, Linear(T).compute_alpha_bars(), normal, sampler.choose_timesteps(T)
    ):
        pass
    return drawn[0]


# ---- levels


@pytest.mark.parametrize("spacing", SPACINGS)
@given(data=st.data(), T=st.integers(2, 2000))
def test_levels_fall_from_the_last(spacing: Any, data: st.DataObject, T: int) -> None:
    steps = data.draw(st.integers(1, T))
    levels = DDIM(steps=steps, spacing=spacing).choose_timesteps(T)
    assert len(levels) == steps
    assert levels[0] == T - 1
    assert levels[-1] >= 0
    assert all(a > b for a, b in pairwise(levels))
    assert all(type(level) is int for level in levels)


@given(data=st.data(), T=st.integers(2, 2000))
def test_uniform_levels_are_cut_to_integers(data: st.DataObject, T: int) -> None:
    steps = data.draw(st.integers(1, T))
    expected = [int(T - Fraction(T * i, steps)) - 1 for i in range(steps)]
    assert DDIM(steps=steps).choose_timesteps(T) == expected


@given(data=st.data(), T=st.integers(50, 2000))
def test_quadratic_levels_grow_by_squares(data: st.DataObject, T: int) -> None:
    steps = data.draw(st.integers(2, 20))
    assume(steps**2 < T)  # else squares fall together, and move up
    levels = DDIM(steps=steps, spacing="quadratic").choose_timesteps(T)[::-1]
    assert levels == [math.floor(Fraction((T - 1) * i**2, (steps - 1) ** 2)) for i in range(steps)]


@pytest.mark.parametrize("spacing", SPACINGS)
def test_all_levels(spacing: Any) -> None:
    assert (
        DDIM(steps=30, spacing=spacing).choose_timesteps(30)
        == DDPM().choose_timesteps(30)
        == list(range(29, -1, -1))
    )


def test_the_articles_levels() -> None:
    assert DDIM().choose_timesteps(1000) == list(range(999, 0, -50))


def test_an_explicit_list_is_taken_as_it_is() -> None:
    sampler = DDIM(spacing=(17, 9, 4))
    assert sampler.choose_timesteps(20) == [17, 9, 4]
    assert [state.t for state in walk(sampler)] == [17, 9, 4, -1]


@pytest.mark.parametrize(
    ("sampler", "words"),
    [
        (DDIM(spacing=()), ["empty"]),
        (DDIM(spacing=(5, 5)), ["(5, 5)", "are not decreasing"]),
        (DDIM(spacing=(5, 9)), ["(5, 9)", "are not decreasing"]),
        (DDIM(spacing=(20, 3)), ["(20, 3)", "0..19"]),
        (DDIM(spacing=(5, -1)), ["(5, -1)", "0..19"]),
        (DDIM(steps=21), ["steps is 21", "20 noise levels"]),
        (DDIM(steps=21, spacing="quadratic"), ["steps is 21", "20 noise levels"]),
    ],
)
def test_levels_that_the_model_lacks_are_refused(sampler: DDIM, words: list[str]) -> None:
    with expect_user_error(*words):
        sampler.choose_timesteps(20)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"steps": 0}, ["steps is 0"]),
        ({"steps": -5}, ["steps is -5"]),
        ({"eta": -0.1}, ["eta is -0.1"]),
        ({"eta": 1.1}, ["eta is 1.1"]),
        ({"eta": float("nan")}, ["eta is nan"]),
    ],
)
def test_fields_that_make_no_sense_are_refused(fields: Any, words: list[str]) -> None:
    with expect_user_error(*words):
        DDIM(**fields)


# ---- states


@pytest.mark.parametrize("sampler", [DDPM(), DDIM(steps=7), DDIM(spacing=(9, 2)), DDIM(steps=1)])
def test_states_tell_where_they_are(sampler: DDPM | DDIM) -> None:
    states, levels = walk(sampler), sampler.choose_timesteps(20)
    assert [state.t for state in states] == [*levels, -1]
    assert [state.step for state in states] == list(range(len(levels) + 1))
    assert {state.steps for state in states} == {len(levels)}
    assert states[0].x0 is states[0].x


@pytest.mark.parametrize("sampler", [DDPM(), DDPM("beta"), DDIM(steps=7), DDIM(steps=7, eta=1)])
def test_the_last_step_gives_the_picture_that_is_seen(sampler: DDPM | DDIM) -> None:
    *_, last = walk(sampler)
    torch.testing.assert_close(last.x, last.x0)


def test_the_network_is_asked_at_the_levels() -> None:
    asked: list[int] = []

    def denoise(x: Tensor, t: int) -> Tensor:
        asked.append(t)
        return x / 2

    walk(DDIM(spacing=(17, 9, 4)), denoise=denoise)
    assert asked == [17, 9, 4]


def test_a_perfect_network_brings_the_picture_back() -> None:
    x0 = torch.rand(2, *SHAPE).double() * 2 - 1
    for sampler in (DDPM(), DDPM("beta"), DDIM(steps=3), DDIM(steps=3, sigma_hat=True)):
        torch.testing.assert_close(walk(sampler, denoise=lambda *_: x0)[-1].x, x0)


# ---- eta, sigma-hat and DDPM


def stack_x(states: list[DiffusionState]) -> Tensor:
    return torch.stack([state.x for state in states])


@pytest.mark.parametrize("T", [2, 20])
def test_eta_1_over_all_levels_is_ddpm(T: int) -> None:
    torch.testing.assert_close(
        stack_x(walk(DDIM(steps=T, eta=1), T)),
        stack_x(walk(DDPM("beta-tilde"), T)),
        atol=1e-9,
        rtol=0,
    )
    assert (stack_x(walk(DDPM("beta"), T)) - stack_x(walk(DDPM(), T))).abs().max() > 0.01


@given(eta=st.floats(0, 1), T=st.integers(2, 200), data=st.data())
def test_variance_carries_eta_squared(eta: float, T: int, data: st.DataObject) -> None:
    t = data.draw(st.integers(1, T - 1))
    s = data.draw(st.integers(0, t - 1))
    a_t, a_s = Cosine(T).compute_alpha_bars()[[t, s]]
    variance = (1 - a_s) / (1 - a_t) * (1 - a_t / a_s)
    sigma, scale = DDIM(eta=eta).compute_sigmas(a_t, a_s, is_last=False)
    assert sigma == scale
    torch.testing.assert_close(sigma**2, eta**2 * variance)


@given(T=st.integers(2, 200), data=st.data(), eta=st.floats(0, 1))
def test_sigma_hat_is_larger_than_eta_1(T: int, data: st.DataObject, eta: float) -> None:
    t = data.draw(st.integers(1, T - 1))
    a_t, a_s = Cosine(T).compute_alpha_bars()[[t, t - 1]]
    sigma, scale = DDIM(sigma_hat=True, eta=eta).compute_sigmas(a_t, a_s, is_last=False)
    assert sigma == DDIM(eta=1).compute_sigmas(a_t, a_s, is_last=False)[0]
    torch.testing.assert_close(scale**2, 1 - a_t / a_s)
    assert scale > sigma


def test_noise_is_drawn_where_it_is_used() -> None:
    """One draw fewer or more would give every later step another noise."""
    steps, sampler = 6, DDIM(steps=6)
    assert count_noises(sampler, 20) == 0
    assert count_noises(replace(sampler, eta=0.5), 20) == steps - 1
    assert count_noises(replace(sampler, sigma_hat=True), 20) == steps - 1
    assert count_noises(replace(sampler, sigma_hat=True, noise_last_step=True), 20) == steps
    assert count_noises(replace(sampler, noise_last_step=True), 20) == 0  # is for sigma-hat alone
    assert count_noises(DDPM(), 20) == count_noises(DDPM("beta"), 20) == 19


def test_sigma_hats_last_noise() -> None:
    """The article's code adds it; the paper does not."""
    rng = Rng([0, 1])
    noises = [rng.normal(*SHAPE) for _ in range(7)]  # x_T, then one a step
    with_noise = walk(DDIM(steps=6, sigma_hat=True, noise_last_step=True))
    without = walk(DDIM(steps=6, sigma_hat=True))
    torch.testing.assert_close(stack_x(with_noise[:-1]), stack_x(without[:-1]), atol=0, rtol=0)
    a_t = Linear(20).compute_alpha_bars()[DDIM(steps=6).choose_timesteps(20)[-1]]
    difference = with_noise[-1].x - without[-1].x
    torch.testing.assert_close(difference, (1 - a_t).sqrt() * noises[-1])


EXACT = [DDPM(), DDIM(steps=5), DDIM(steps=5, eta=0.7), DDIM(spacing=(19, 8, 1), eta=1)]


@pytest.mark.parametrize("sampler", EXACT)
def test_states_are_as_noisy_as_their_level(sampler: DDPM | DDIM) -> None:
    """Lemma 1 of DDIM: with x_0 known, x_s has q(x_s | x_0)'s mean and variance at every s."""
    T, n, x0 = 20, 40_000, 0.6
    a = Linear(T).compute_alpha_bars()
    rng = Rng([0])

    def normal() -> Tensor:
        return rng.normal(n, 1, 1)[0].reshape(n, 1, 1, 1)

    start = a[-1].sqrt() * x0 + (1 - a[-1]).sqrt() * normal()
    levels = sampler.choose_timesteps(T)
    states = list(sampler.stream(lambda x, t: torch.full_like(x, x0), start, a, normal, levels))
    for state in states[:-1]:
        assert abs(state.x.mean() - a[state.t].sqrt() * x0) < 4 / n**0.5
        assert abs(state.x.var() / (1 - a[state.t]) - 1) < 4 * (2 / n) ** 0.5
    torch.testing.assert_close(states[-1].x, torch.full_like(start, x0))
