"""The noising process, single steps back, and interpolation on the sphere."""

from __future__ import annotations

import math
from typing import Any, get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from smalti.diffusion import slerp
from smalti.diffusion.process import (
    Prediction,
    add_noise,
    compute_eps,
    compute_target,
    compute_x0,
    ddim_step,
    ddpm_step,
    posterior_variance,
)
from smalti.diffusion.schedule import Linear

PREDICTIONS = get_args(Prediction)
SHAPE = (2, 1, 3, 4)
SHARE = st.floats(1e-4, 1 - 1e-4)


def normal(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape or SHAPE, dtype=torch.float64, generator=generator)


def number(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


@pytest.mark.parametrize("prediction", PREDICTIONS)
@given(share=SHARE)
def test_the_picture_comes_back_from_the_target(prediction: Prediction, share: float) -> None:
    x0, eps, a_t = normal(seed=1), normal(seed=2), number(share)
    x = add_noise(x0, eps, a_t)
    x0_hat = compute_x0(prediction, compute_target(prediction, x0, eps, a_t), x, a_t)
    torch.testing.assert_close(x0_hat, x0, atol=1e-9, rtol=0)
    torch.testing.assert_close(compute_eps(x0_hat, x, a_t), eps, atol=1e-9, rtol=0)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_every_sample_may_have_its_own_level(prediction: Prediction) -> None:
    x0, eps, shares = normal(seed=1), normal(seed=2), number(0.0) + torch.tensor([0.9, 0.2])
    a_t = shares[:, None, None, None]
    together = compute_target(prediction, x0, eps, a_t) + add_noise(x0, eps, a_t)
    for i, a in enumerate(shares):
        alone = compute_target(prediction, x0[i], eps[i], a) + add_noise(x0[i], eps[i], a)
        torch.testing.assert_close(together[i], alone)


def test_noise_keeps_unit_variance() -> None:
    x = add_noise(normal(100_000, seed=1), normal(100_000, seed=2), number(0.3))
    assert x.var() == pytest.approx(1, abs=0.02)


def test_the_velocity_is_the_derivative_along_the_circle() -> None:
    """x = cos(phi) x0 + sin(phi) eps, and v = dx/dphi: arXiv:2202.00512, appendix D."""
    x0, eps, phi, step = normal(seed=1), normal(seed=2), number(0.7), 1e-5
    after, before = (add_noise(x0, eps, (phi + d).cos() ** 2) for d in (step, -step))
    v = compute_target("v", x0, eps, phi.cos() ** 2)
    torch.testing.assert_close(v, (after - before) / (2 * step), atol=1e-8, rtol=0)


@given(T=st.integers(2, 300), data=st.data())
def test_a_ddpm_step_is_the_textbooks(T: int, data: st.DataObject) -> None:
    """Algorithm 2 of DDPM: x_{t-1} = (x - beta / sqrt(1 - a) eps) / sqrt(alpha) + sigma z."""
    t = data.draw(st.integers(1, T - 1))
    a = Linear(T).compute_alpha_bars()
    beta, a_t, a_s = 1 - a[t] / a[t - 1], a[t], a[t - 1]
    x, eps, z = normal(seed=1), normal(seed=2), normal(seed=3)
    textbook = (x - beta / (1 - a_t).sqrt() * eps) / (1 - beta).sqrt() + 0.3 * z
    x0 = compute_x0("eps", eps, x, a_t)
    ours = ddpm_step(x, x0, a_t, a_s, variance=number(0.09), noise=z)
    torch.testing.assert_close(ours, textbook)
    beta_tilde = (1 - a_s) / (1 - a_t) * beta
    torch.testing.assert_close(posterior_variance(a_t, a_s), beta_tilde)
    assert beta_tilde <= beta


@given(levels=st.lists(SHARE, min_size=2, max_size=2, unique=True), eta=st.floats(0, 1))
def test_a_ddim_step_to_the_same_picture_and_noise(levels: list[float], eta: float) -> None:
    """With the true x0 and eps, eta 0 lands where the process was; noise replaces some of eps."""
    a_t, a_s = map(number, sorted(levels))
    x0, eps, z = normal(seed=1), normal(seed=2), normal(seed=3)
    sigma = eta * posterior_variance(a_t, a_s).sqrt()
    x = ddim_step(x0, eps, a_s, sigma=sigma, scale=sigma, noise=z)
    rest = (1 - a_s - sigma**2).sqrt()
    torch.testing.assert_close(x, a_s.sqrt() * x0 + rest * eps + sigma * z)
    if eta == 0:
        torch.testing.assert_close(x, add_noise(x0, eps, a_s))


# ---- slerp


def compute_norms(x: Tensor) -> Tensor:
    return x.flatten(-3).norm(dim=-1)


@given(seed=st.integers(0, 99))
def test_slerp_starts_at_a_and_ends_at_b(seed: int) -> None:
    a, b = normal(seed=seed), normal(seed=seed + 1)
    torch.testing.assert_close(slerp(a, b, 0), a)
    torch.testing.assert_close(slerp(a, b, 1), b)


@given(seed=st.integers(0, 99), fraction=st.floats(0, 1))
def test_slerp_stays_on_the_sphere_at_an_even_pace(seed: int, fraction: float) -> None:
    a, b = normal(seed=seed), normal(seed=seed + 1)
    a, b = (7 * v / compute_norms(v)[:, None, None, None] for v in (a, b))
    c = slerp(a, b, fraction)
    torch.testing.assert_close(compute_norms(c), torch.full((2,), 7.0).double())
    angle, whole = (((a * v).flatten(1).sum(1) / 49).clamp(-1, 1).acos() for v in (c, b))
    torch.testing.assert_close(angle, fraction * whole, atol=1e-6, rtol=0)


def test_slerp_from_both_sides() -> None:
    a, b = normal(seed=1), normal(seed=2)
    torch.testing.assert_close(slerp(a, b, 0.3), slerp(b, a, 0.7))


@pytest.mark.parametrize("lead", [(), (1,), (2, 5)])
def test_slerp_takes_any_leading_dimensions(lead: tuple[int, ...]) -> None:
    a, b = normal(*lead, 1, 3, 4, seed=1), normal(*lead, 1, 3, 4, seed=2)
    together = slerp(a, b, 0.4)
    assert together.shape == a.shape
    pairs = zip(a.reshape(-1, 1, 3, 4), b.reshape(-1, 1, 3, 4), strict=True)
    alone = torch.stack([slerp(p, q, 0.4) for p, q in pairs]).reshape(a.shape)
    torch.testing.assert_close(together, alone)


DEGENERATE: dict[str, Any] = {
    "equal": lambda a: a,
    "parallel": lambda a: 3 * a,
    "opposite": lambda a: -a,
    "zero": lambda a: 0 * a,
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("case", DEGENERATE)
def test_slerp_goes_straight_where_there_is_no_one_arc(case: str, dtype: torch.dtype) -> None:
    a, b = normal(seed=1).to(dtype), normal(seed=2).to(dtype)
    mixed = torch.cat([b[:1], DEGENERATE[case](a[1:])])  # the first pair has its arc
    c = slerp(a, mixed, 0.25)
    straight = 0.75 * a[1:] + 0.25 * mixed[1:]
    torch.testing.assert_close(c[1:], straight, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(c[:1], slerp(a[:1], b[:1], 0.25))
    assert (c[0] - (0.75 * a[0] + 0.25 * b[0])).abs().max() > 0.01


def test_slerp_is_smooth_where_the_arc_is_short() -> None:
    a = normal(1, 1, 3, 4, seed=1)
    for angle in 10.0 ** torch.arange(-9, -2):
        turned = normal(1, 1, 3, 4, seed=2)
        turned = turned - (turned * a).sum() / (a * a).sum() * a  # at right angles to a
        b = (
            math.cos(angle) * a
            + math.sin(angle) * compute_norms(a) / compute_norms(turned) * turned
        )
        error = (slerp(a, b, 0.5) - (a + b) / 2).abs().max()
        assert error <= angle**2
