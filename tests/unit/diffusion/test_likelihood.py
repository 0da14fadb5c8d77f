"""The variational bound, on data for which it can be worked out by hand: independent Gaussians.

For x0 ~ N(MU, S^2) the best network is known, E[x0 | x_t], and so is the variance of the step back.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from smalti.core.protocols import Batch, Score
from smalti.core.rng import Rng
from smalti.diffusion import BoundEstimator, Cosine, Diffusion, Hybrid, Linear
from smalti.diffusion.likelihood import (
    clip_posterior_variance,
    compute_log_variance,
    discretized_gaussian_nats,
    extract,
    level_nats,
    prior_nats,
    shift_alpha_bars,
    split_strata,
)
from smalti.diffusion.process import Prediction, add_noise, compute_eps, compute_target
from tests.expect import expect_user_error
from tests.tiny import FormulaConfig, diffusion_config, randomize_zeros

MU, S = 0.1, 0.25
LEVELS = torch.linspace(-1, 1, 256, dtype=torch.float64)
SCHEDULES = {"linear": Linear(40), "cosine": Cosine(40)}
each_schedule = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)


def predict_best_x0(x: Tensor, a_t: Tensor) -> Tensor:
    """E[x0 | x_t]."""
    return (MU * (1 - a_t) + S**2 * a_t.sqrt() * x) / (a_t * S**2 + 1 - a_t)


def predict_best_v(alpha_bars: Tensor) -> Tensor:
    """(T,) v of the true variance of x_s given x_t: the posterior's, and what is unsure of x0."""
    a_t, a_s = alpha_bars, shift_alpha_bars(alpha_bars)
    beta, unsure = 1 - a_t / a_s, S**2 * (1 - a_t) / (a_t * S**2 + 1 - a_t)
    true = (1 - a_s) / (1 - a_t) * beta + (a_s.sqrt() * beta / (1 - a_t)) ** 2 * unsure
    low = clip_posterior_variance(alpha_bars)
    return 2 * (true / low).log() / (beta / low).log() - 1


def compute_expected_nats(
    x0: Tensor,
    t: Tensor,
    kind: Any,
    alpha_bars: Tensor,
    nodes: int,
    network: Callable[[Tensor, Tensor], Tensor] = predict_best_x0,
) -> Tensor:
    """(B,) level_nats of pictures of one number, the noise integrated out by Gauss and Hermite."""
    points, weights = np.polynomial.hermite_e.hermegauss(nodes)
    v = extract(predict_best_v(alpha_bars), t) if kind == "learned" else None
    log_var, total = compute_log_variance(kind, v, t, alpha_bars), torch.zeros(len(t)).double()
    for point, weight in zip(points, weights / weights.sum(), strict=True):
        x = add_noise(x0, torch.full_like(x0, point), extract(alpha_bars, t))
        x0_hat = network(x, extract(alpha_bars, t))
        total += weight * level_nats(x0, x, t, x0_hat, log_var, alpha_bars)
    return total


def compute_exact_bound(schedule: Any, kind: Any) -> tuple[float, float]:
    """(Bound, entropy) of data that are N(MU, S^2) on the 256 levels, in nats."""
    a, x0 = schedule.compute_alpha_bars(), LEVELS[:, None, None, None]
    p = (-discretized_gaussian_nats(LEVELS, torch.tensor(MU), torch.tensor(S**2).log())).exp()
    zero, t = torch.zeros(256).long(), torch.arange(1, schedule.T).repeat_interleave(256)
    sums = (
        compute_expected_nats(x0.repeat(schedule.T - 1, 1, 1, 1), t, kind, a, 3)
        .view(-1, 256)
        .sum(0)
    )
    nats = prior_nats(x0, a) + sums + compute_expected_nats(x0, zero, kind, a, 60)
    return float((p * nats).sum()), float(-(p * p.log()).sum())


# ---- the terms


@each_schedule
@pytest.mark.parametrize("kind", ["beta", "beta-tilde", "learned"])
def test_the_terms_are_those_worked_out_by_hand(schedule: Any, kind: Any) -> None:
    a = schedule.compute_alpha_bars()
    t = torch.arange(1, schedule.T)
    a_t, a_s = a[1:], a[:-1]
    x0 = 0.3
    c = a_s.sqrt() * (1 - a_t / a_s) / (1 - a_t)  # of x0 in the posterior's mean
    D = a_t * S**2 + 1 - a_t
    squared = ((x0 - MU) ** 2 * (1 - a_t) ** 2 + S**4 * a_t * (1 - a_t)) / D**2  # E (x0 - best)^2
    tilde, beta = (1 - a_s) / (1 - a_t) * (1 - a_t / a_s), 1 - a_t / a_s
    unsure = S**2 * (1 - a_t) / D
    variance = {"beta": beta, "beta-tilde": tilde, "learned": tilde + c**2 * unsure}[kind]
    by_hand = 0.5 * (tilde / variance - 1 - (tilde / variance).log() + c**2 * squared / variance)
    ours = compute_expected_nats(torch.full((len(t), 1, 1, 1), x0).double(), t, kind, a, 3)
    torch.testing.assert_close(ours, by_hand, rtol=1e-6, atol=1e-12)


@each_schedule
def test_the_prior_term_is_a_divergence_of_gaussians(schedule: Any) -> None:
    a, x0 = schedule.compute_alpha_bars(), torch.rand(5, 3, 2, 2).double() * 2 - 1
    end = Normal(a[-1].sqrt() * x0, (1 - a[-1]).sqrt())
    theirs = kl_divergence(end, Normal(torch.zeros_like(x0), torch.ones_like(x0)))
    torch.testing.assert_close(prior_nats(x0, a), theirs.flatten(1).sum(1), rtol=1e-6, atol=1e-14)


@given(st.floats(-1.5, 1.5), st.floats(-14, 2))
def test_the_masses_of_all_levels_sum_to_one(mean: float, log_var: float) -> None:
    nats = discretized_gaussian_nats(LEVELS, torch.tensor(mean), torch.tensor(log_var))
    assert abs(float((-nats).exp().sum()) - 1) < 1e-6


@given(st.integers(0, 255), st.floats(-1.5, 1.5), st.floats(-6, 2))
def test_a_mass_is_a_difference_of_two_cdfs(k: int, mean: float, log_var: float) -> None:
    x, normal = LEVELS[k], Normal(torch.tensor(mean).double(), np.exp(log_var / 2))
    above = torch.tensor(1.0) if k == 255 else normal.cdf(x + 1 / 255)
    below = torch.tensor(0.0) if k == 0 else normal.cdf(x - 1 / 255)
    exact = torch.tensor(log_var, dtype=torch.float64)
    ours = (-discretized_gaussian_nats(x, normal.mean, exact)).exp()
    torch.testing.assert_close(ours, (above - below).double(), rtol=1e-6, atol=1e-12)


def test_far_from_the_mean_the_nats_stay_right_and_have_a_gradient() -> None:
    mean = torch.tensor([1.0, -1.0, 0.5, 7.0, -7.0]).double().requires_grad_()
    x0, log_var = torch.tensor([-1.0, 1.0, -0.5, 1.0, -1.0]).double(), torch.tensor(-11.0)
    nats = discretized_gaussian_nats(x0, mean, log_var)
    nats.sum().backward()
    squared = ((x0 - mean.detach()).abs() - 1 / 255).square() / 2 / log_var.exp()
    torch.testing.assert_close(nats[:3].detach(), squared[:3], rtol=1e-3, atol=0)
    assert nats[3:].tolist() == [0, 0]  # all of the mass beyond the end is the end's
    assert mean.grad is not None and mean.grad[:3].sign().tolist() == [1, -1, 1]
    assert mean.grad.isfinite().all()


# ---- their sum


@pytest.mark.parametrize("kind", ["beta", "beta-tilde", "learned"])
@each_schedule
def test_the_bound_lies_above_the_entropy(schedule: Any, kind: Any) -> None:
    bound, entropy = compute_exact_bound(schedule, kind)
    assert bound > entropy


def test_with_the_true_variance_hardly_anything_is_lost_in_ten_levels() -> None:
    """For Gaussian data each step back is Gaussian, and the bound is tight at any T; what remains
    is that a picture stands in the middle of its level."""
    gaps = {
        kind: np.subtract(*compute_exact_bound(Linear(10), kind)) for kind in ("learned", "beta")
    }
    assert gaps["learned"] < 1e-4 < 1e-3 * gaps["beta"]


def test_with_more_levels_the_bound_comes_down_to_the_entropy() -> None:
    """Of pictures that have few levels, for which the best network is known, too. Near the picture
    it is sure of x0, so that beta-tilde is the true variance; beta's loss there remains."""
    gaps = [np.subtract(*compute_few_levels_bound(T, "beta-tilde")) for T in (100, 1000, 4000)]
    assert all(gap > 0 for gap in gaps)
    assert all(b < 0.15 * a for a, b in pairwise(gaps))
    assert gaps[-1] < 0.02
    assert np.subtract(*compute_few_levels_bound(4000, "beta")) > 0.3


def compute_few_levels_bound(T: int, kind: Any) -> tuple[float, float]:
    """(Bound, entropy) of pictures of one number that has five levels, in nats."""
    a = Linear(T, beta_start=1e-5).compute_alpha_bars()
    values, p = LEVELS[[40, 90, 128, 150, 220]], torch.tensor([0.1, 0.2, 0.4, 0.2, 0.1]).double()

    def network(x: Tensor, a_t: Tensor) -> Tensor:
        distance = (x - a_t.sqrt() * values) ** 2 / (2 * (1 - a_t))  # (B, 1, 1, 5)
        return ((p.log() - distance).softmax(-1) * values).sum(-1, keepdim=True)

    x0, t = values.repeat(T)[:, None, None, None], torch.arange(T).repeat_interleave(5)
    terms = compute_expected_nats(x0, t, kind, a, 24, network).view(T, 5).sum(0)
    return float((p * (terms + prior_nats(x0[:5], a))).sum()), float(-(p * p.log()).sum())


# ---- the estimate


def model(prediction: Prediction = "x0", learned: bool = False, T: int = 30) -> Diffusion:
    """The best network for the Gaussian, of 1x1 pictures."""
    schedule = Linear(T)
    a = schedule.compute_alpha_bars()

    def network(x: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        x, a_t = x.double(), extract(a, t)
        x0_hat = predict_best_x0(x, a_t)
        output = compute_target(prediction, x0_hat, compute_eps(x0_hat, x, a_t), a_t)
        v = extract(predict_best_v(a), t).expand_as(output)
        return torch.cat([output, v], 1) if learned else output

    changes: dict[str, Any] = {"objective": Hybrid()} if learned else {}
    config = diffusion_config(
        (1, 1, 1),
        network=FormulaConfig(network),
        schedule=schedule,
        prediction=prediction,
        **changes,
    )
    return config.build()


def score_copies(m: Diffusion, n: int, level: int = 160, **estimator: Any) -> Score:
    """n estimates for one and the same picture."""
    pictures = torch.full((n, 1, 1, 1), level / 255)
    return m.score(Batch(pictures), Rng(range(n)), BoundEstimator(clip=False, **estimator))


def compute_true_bound(m: Diffusion, kind: Any, level: int = 160) -> float:
    a, T = m.alpha_bars, len(m.alpha_bars)
    x0 = LEVELS[level].view(1, 1, 1, 1)
    levels = compute_expected_nats(x0.expand(T, 1, 1, 1), torch.arange(T), kind, a, 60)
    return float(levels.sum() + prior_nats(x0, a))


@pytest.mark.parametrize("strata_", [2, 5, None])
@pytest.mark.parametrize("kind", ["beta", "beta-tilde", "learned"])
def test_the_estimate_has_no_bias_and_an_honest_error(strata_: int | None, kind: Any) -> None:
    m, n = model(learned=kind == "learned"), 4000 if strata_ else 500
    score = score_copies(m, n, strata=strata_, variance=kind)
    mean, error = score.nats.mean(), score.nats.std() / n**0.5
    assert abs(float(mean) - compute_true_bound(m, kind)) < 4 * error
    assert score.standard_error is not None
    ratio = float(score.standard_error.square().mean() / score.nats.var())
    assert 0.8 < ratio < 1.25
    assert score.kind == "bound" and score.dims == 1
    torch.testing.assert_close(
        score.terms["L_T"] + score.terms["L_t"] + score.terms["L_0"], score.nats
    )


def test_one_draw_has_no_error_and_no_bias() -> None:
    m = model()
    score = score_copies(m, 4000, strata=5, draws=1)
    assert score.standard_error is None
    assert (
        abs(float(score.nats.mean()) - compute_true_bound(m, "beta-tilde"))
        < 4 * score.nats.std() / 4000**0.5
    )


def test_more_strata_estimate_better() -> None:
    few, many = (score_copies(model(), 500, strata=k, draws=2).nats.std() for k in (2, 10))
    assert many < 0.5 * few


def test_all_predictions_of_one_network_score_alike() -> None:
    scores = [score_copies(model(p), 20).nats for p in ("eps", "x0", "v")]
    for other in scores[1:]:
        torch.testing.assert_close(other, scores[0], rtol=1e-4, atol=1e-4)


@given(st.integers(2, 60), st.data())
def test_strata_are_all_levels_once(T: int, data: Any) -> None:
    count = data.draw(st.integers(2, T) | st.none())
    ranges = list(split_strata(T, count))
    assert [level for r in ranges for level in r] == list(range(T))
    assert len(ranges) == (count or T) and all(map(len, ranges))
    assert len(ranges[0]) == 1


# ---- pictures, streams, classes


def awake_model(classes: tuple[str, ...] = ()) -> Diffusion:
    torch.manual_seed(0)
    return randomize_zeros(diffusion_config((3, 4, 4), classes).build())


def test_a_row_depends_on_its_stream_alone() -> None:
    m, pictures = awake_model(), torch.randint(256, (4, 3, 4, 4)) / 255
    together = m.score(Batch(pictures), Rng([5, 0, 9, 2]))
    torch.manual_seed(1)
    apart = m.score(Batch(pictures[2:3]), Rng([9]))
    torch.testing.assert_close(apart.nats, together.nats[2:3], rtol=1e-4, atol=1e-4)
    assert together.nats.dtype == torch.float64 and together.dims == 48
    assert not together.nats.requires_grad
    assert m.training  # and left as it was


def test_classes_are_used_where_they_are_given() -> None:
    m, pictures = awake_model(("a", "b")), torch.randint(256, (2, 3, 4, 4)) / 255
    a, b, none = (
        m.score(Batch(pictures, y), Rng([0, 1])).nats
        for y in (torch.tensor([0, 0]), torch.tensor([1, 1]), None)
    )
    assert not torch.isclose(a, b).any()
    assert not torch.isclose(a, none).any()
    with expect_user_error("class 2", "0 to 1"):  # what stands for no class has no number
        m.score(Batch(pictures, torch.tensor([2, 2])), Rng([0, 1]))


def test_clipping_tightens() -> None:
    m, pictures = awake_model(), torch.randint(256, (4, 3, 4, 4)) / 255
    clipped, free = (
        m.score(Batch(pictures), Rng(range(4)), BoundEstimator(clip=c)) for c in (True, False)
    )
    assert (clipped.nats < free.nats).all()


def test_bits_per_dim() -> None:
    score = awake_model().score(Batch(torch.zeros(2, 3, 4, 4)), Rng([0, 1]))
    torch.testing.assert_close(score.bits_per_dim, score.nats / 48 / np.log(2))


def test_what_cannot_be_scored_is_refused() -> None:
    m, black = awake_model(("a", "b")), torch.zeros(2, 3, 4, 4)
    with expect_user_error("8-bit", "levels / 255"):
        m.score(Batch(black + 0.5), Rng([0, 1]))
    with expect_user_error("8-bit", "levels / 255"):
        m.score(Batch(black - 2 / 255), Rng([0, 1]))
    with expect_user_error("1 channels", "3"):
        m.score(Batch(black[:, :1]), Rng([0, 1]))
    with expect_user_error("3 random streams", "2 pictures"):
        m.score(Batch(black), Rng([0, 1, 2]))
    with expect_user_error("class 7"):
        m.score(Batch(black, torch.tensor([0, 7])), Rng([0, 1]))
    with expect_user_error("no learned variance", "beta-tilde"):
        m.score(Batch(black), Rng([0, 1]), BoundEstimator(variance="learned"))
    with expect_user_error("strata is 1001", "1000"):
        m.score(Batch(black), Rng([0, 1]), BoundEstimator(strata=1001))
    with expect_user_error("strata is 1", "2 or more"):
        BoundEstimator(strata=1)
    with expect_user_error("draws is 0", "1"):
        BoundEstimator(draws=0)
