"""The fast solvers: their order on a case with an exact solution, and what they share with DDIM."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from smalti.core.rng import Rng
from smalti.diffusion import DDIM, Cosine, DiffusionState, DPMSolver, Linear, UniPC
from smalti.diffusion.solvers import h_phi
from tests.expect import expect_user_error

SHAPE = (1, 3, 3)
SOLVERS = [DPMSolver(), DPMSolver(order=1), UniPC(), UniPC(order=3), UniPC(variant="bh1")]
each = pytest.mark.parametrize
tanh: Any = lambda x, t: (0.8 * x).tanh()  # noqa: E731


def walk(
    sampler: Any, alpha_bars: Tensor, denoise: Any, levels: list[int] | None = None
) -> list[DiffusionState]:
    def normal() -> Tensor:
        raise AssertionError("no noise is drawn")

    x = Rng([0, 1]).normal(*SHAPE)
    levels = levels or sampler.choose_timesteps(len(alpha_bars))
    return list(sampler.stream(denoise, x, alpha_bars, normal, levels))


# ---- the order: pictures from N(MEAN, SPREAD^2), whose best denoiser is known

MEAN, SPREAD = 0.3, 0.5


def measure_error(sampler: Any, steps: int) -> float:
    """Of the last state before the clean picture, on levels that are even in lambda."""
    a = Linear(20_000).compute_alpha_bars()
    lamb = (a / (1 - a)).log() / 2
    targets = torch.linspace(-2, 2, steps + 1, dtype=torch.float64)
    levels = tuple(int((lamb - value).abs().argmin()) for value in targets)
    spread = (a * SPREAD**2 + 1 - a).sqrt()  # of x_t

    def denoise(x: Tensor, t: int) -> Tensor:
        return MEAN + a[t].sqrt() * SPREAD**2 / spread[t] ** 2 * (x - a[t].sqrt() * MEAN)

    first, *_, last, _ = walk(replace(sampler, spacing=levels), a, denoise)
    z = (first.x - a[levels[0]].sqrt() * MEAN) / spread[levels[0]]  # does not change on the way
    exact = a[levels[-1]].sqrt() * MEAN + spread[levels[-1]] * z
    return (last.x - exact).abs().max().item()


@each(
    ("sampler", "order"),
    [
        (DPMSolver(order=1), 1),
        (DPMSolver(), 2),
        (UniPC(order=1, corrector=False), 1),
        (UniPC(order=1), 1),
        (UniPC(order=2, corrector=False), 2),
        (UniPC(), 2),
        (UniPC(variant="bh1"), 2),
        (UniPC(order=3, lower_order_final=False), 3),
    ],
)
def test_the_error_falls_with_the_order(sampler: Any, order: int) -> None:
    coarse, fine = measure_error(sampler, 20), measure_error(sampler, 40)
    assert math.log2(coarse / fine) > order - 0.25


def test_what_is_worth_more_gives_less_error() -> None:
    ddim, dpm, unipc, third = (
        measure_error(s, 20) for s in (DDIM(), DPMSolver(), UniPC(), UniPC(order=3))
    )
    assert third < unipc < dpm < ddim


# ---- compared with DDIM


@each("sampler", [DPMSolver(order=1), UniPC(order=1, corrector=False)])
@given(data=st.data(), T=st.integers(2, 60))
@settings(max_examples=20)
def test_order_1_is_ddim_without_noise(sampler: Any, data: st.DataObject, T: int) -> None:
    spacing: Any = data.draw(st.sampled_from(["uniform", "quadratic"]))
    levels: Any = {"steps": data.draw(st.integers(1, T)), "spacing": spacing}
    a = Cosine(T).compute_alpha_bars()
    ours = walk(replace(sampler, **levels), a, tanh)
    for state, other in zip(ours, walk(DDIM(**levels), a, tanh), strict=True):
        torch.testing.assert_close(state.x, other.x, atol=1e-9, rtol=1e-9)
        assert (state.t, state.step, state.steps) == (other.t, other.step, other.steps)


@each("sampler", SOLVERS)
def test_a_perfect_network_brings_the_picture_back(sampler: Any) -> None:
    x0 = torch.rand(2, *SHAPE).double() * 2 - 1
    for steps in (1, 2, 5):
        *_, last = walk(
            replace(sampler, steps=steps), Cosine(50).compute_alpha_bars(), lambda *_: x0
        )
        assert torch.equal(last.x, x0)


@each("sampler", SOLVERS)
def test_the_network_is_asked_once_a_step_at_the_levels(sampler: Any) -> None:
    asked: list[int] = []

    def denoise(x: Tensor, t: int) -> Tensor:
        asked.append(t)
        return x / 2

    states = walk(replace(sampler, spacing=(17, 9, 4, 0)), Linear(20).compute_alpha_bars(), denoise)
    assert asked == [17, 9, 4, 0]
    assert [state.t for state in states] == [17, 9, 4, 0, -1]
    assert [state.step for state in states] == [0, 1, 2, 3, 4]
    assert states[0].x0 is states[0].x
    assert states[-1].x.isfinite().all()


@each("sampler", [*SOLVERS, DDIM()])
def test_a_walk_may_begin_on_the_way(sampler: Any) -> None:
    a = Linear(20).compute_alpha_bars()
    states = walk(sampler, a, tanh, levels=[6, 2])
    other = walk(replace(sampler, spacing=(6, 2)), a, tanh)
    assert [state.t for state in states] == [6, 2, -1]
    assert all(torch.equal(s.x, o.x) for s, o in zip(states, other, strict=True))


# ---- arithmetic


@each("k", [1, 2, 3, 4])
@given(h=st.floats(-12, 12))
def test_phi_is_its_integral(k: int, h: float) -> None:
    """phi_k(h) = integral over u in [0, 1] of e^((1-u) h) u^(k-1) / (k-1)!."""
    u, w = torch.from_numpy(NODES), torch.from_numpy(WEIGHTS)
    integral = (w * ((1 - u) * h).exp() * u ** (k - 1)).sum() / math.factorial(k - 1)
    assert h_phi(k, h) == pytest.approx(h * integral.item(), rel=1e-9, abs=1e-300)


def gauss() -> tuple[Any, Any]:
    import numpy as np

    nodes, weights = np.polynomial.legendre.leggauss(40)
    return (nodes + 1) / 2, weights / 2


NODES, WEIGHTS = gauss()


def test_many_steps_stay_exact() -> None:
    """Where h is tiny, differences of nearly equal numbers would drown the higher orders."""
    assert measure_error(UniPC(order=3), 1000) < 1e-7


@each(
    ("make", "words"),
    [
        (lambda: DPMSolver(steps=0), ["steps is 0", "give 1 or more"]),
        (lambda: DPMSolver(order=3), ["order is 3", "1 or more, 2 at most"]),
        (lambda: UniPC(steps=-1), ["steps is -1", "give 1 or more"]),
        (lambda: UniPC(order=0), ["order is 0", "1 or more, 3 at most"]),
        (lambda: UniPC(steps=21).choose_timesteps(20), ["steps is 21", "20 noise levels"]),
        (lambda: DPMSolver(spacing=(3, 5)).choose_timesteps(20), ["(3, 5)", "are not decreasing"]),
    ],
)
def test_what_makes_no_sense_is_refused(make: Any, words: list[str]) -> None:
    with expect_user_error(*words):
        make()
