"""Training objectives and learned variance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smalti.core.changes import change_config
from smalti.core.config import from_json, to_json
from smalti.core.protocols import Batch
from smalti.core.rng import Rng
from smalti.diffusion import (
    DDIM,
    DDPM,
    Bound,
    BoundEstimator,
    Cosine,
    DiffusionConfig,
    Hybrid,
    Linear,
    Simple,
)
from smalti.diffusion.likelihood import (
    clip_posterior_variance,
    compute_log_variance,
    extract,
    shift_alpha_bars,
)
from smalti.diffusion.network import ConditionKind, check_equal
from smalti.diffusion.objective import MAX_WEIGHT, draw_noisy_batch, split_output
from smalti.diffusion.process import Prediction, compute_eps, compute_target, compute_x0
from tests.expect import expect_user_error
from tests.tiny import FormulaConfig, diffusion_config, draw_pictures, randomize_zeros

SHAPE = (3, 4, 4)
PREDICTIONS: tuple[Prediction, ...] = ("eps", "x0", "v")


def pictures(B: int = 6, shape: tuple[int, int, int] = SHAPE) -> Tensor:
    return torch.randint(256, (B, *shape)) / 255


def with_v(v: float, **changes: Any) -> DiffusionConfig:
    """A model that predicts a paler picture, and this v."""

    def network(x: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        return torch.cat([0.3 * x, torch.full_like(x, v)], dim=1)

    changes = {"objective": Hybrid(), "prediction": "x0", "schedule": Linear(20), **changes}
    return diffusion_config(SHAPE, network=FormulaConfig(network), **changes)


# ---- the choice


def test_a_config_without_an_objective_has_the_simple_one() -> None:
    config = to_json(diffusion_config())
    del config["objective"]
    assert from_json(config) == diffusion_config()
    assert diffusion_config().objective == Simple()


@pytest.mark.parametrize("objective", [Simple(5.0), Hybrid(0.01), Bound("beta")])
def test_an_objective_is_saved_with_the_config(objective: Any) -> None:
    config = diffusion_config(objective=objective)
    assert from_json(to_json(config)) == config


def test_an_objective_is_chosen_by_its_tag() -> None:
    changes = {"objective": "hybrid", "objective.weight": 0.1}
    assert change_config(diffusion_config(), changes).objective == Hybrid(0.1)


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("error", PREDICTIONS)
def test_the_error_of_another_quantity_is_that_of_the_same_picture(
    prediction: Prediction, error: Prediction
) -> None:
    """Whatever is predicted means a picture, whose eps or v can be compared as well."""
    a = Linear(20).compute_alpha_bars()[4:10]  # at the ends errors weigh as much as they may
    noisy = draw_noisy_batch(pictures().double() * 2 - 1, a)
    a_t = extract(a, noisy.t)
    output = torch.randn_like(noisy.x0)
    x0_hat = compute_x0(prediction, output, noisy.x, a_t)
    implied = compute_target(error, x0_hat, compute_eps(x0_hat, noisy.x, a_t), a_t)
    expected = compute_target(error, noisy.x0, noisy.eps, a_t)
    loss = Simple(loss_space=error).loss(noisy, output, prediction, a).total
    assert loss.item() == pytest.approx(F.mse_loss(implied, expected).item(), rel=1e-9)


def test_near_the_picture_an_error_does_not_weigh_without_bound() -> None:
    a = Cosine(1000).compute_alpha_bars()
    weights = Simple(loss_space="v").compute_weight("x0", a)
    assert weights.max() == weights[0] == MAX_WEIGHT
    assert weights[-1] == pytest.approx(1 / (1 - a[-1].item()))


def test_min_snr_and_another_error_exclude_each_other() -> None:
    with expect_user_error("gamma is 5.0 and loss_space 'v'", "give one of the two"):
        Simple(gamma=5.0, loss_space="v")


@pytest.mark.parametrize("objective", [Hybrid(), Bound()])
def test_only_a_learned_variance_doubles_the_output(objective: Any) -> None:
    outputs = {
        name: diffusion_config(SHAPE, objective=o)
        .build()
        .network(torch.zeros(2, *SHAPE), torch.zeros(2))
        for name, o in {"simple": Simple(), "fixed": Bound("beta"), "learned": objective}.items()
    }
    assert {n: o.shape[1] for n, o in outputs.items()} == {"simple": 3, "fixed": 3, "learned": 6}


def test_wrong_numbers_are_refused() -> None:
    with expect_user_error("gamma is 0", "more than 0"):
        Simple(gamma=0.0)
    with expect_user_error("weight is 0", "more than 0"):
        Hybrid(weight=0.0)
    with expect_user_error("3 channels", "needs 6"):
        split_output(torch.zeros(1, 3, 2, 2), 3, learns_variance=True)


# ---- the simple loss


def test_min_snr_weights_the_error_of_the_picture() -> None:
    """Weight min(SNR, gamma) on the error of x0 (arXiv:2303.09556), whatever is predicted."""
    a = Cosine(50).compute_alpha_bars()
    noisy = draw_noisy_batch(pictures(40).double() * 2 - 1, a)
    a_t = extract(a, noisy.t)
    x0_hat = noisy.x0 + 0.1 * torch.randn_like(noisy.x0)
    eps = (noisy.x - a_t.sqrt() * x0_hat) / (1 - a_t).sqrt()
    expected = ((a_t / (1 - a_t)).clamp(max=5) * (x0_hat - noisy.x0) ** 2).mean()
    for prediction in PREDICTIONS:
        output = compute_target(prediction, x0_hat, eps, a_t)
        torch.testing.assert_close(Simple(5.0).loss(noisy, output, prediction, a).total, expected)


def test_without_gamma_all_levels_weigh_alike() -> None:
    a = Cosine(50).compute_alpha_bars()
    noisy = draw_noisy_batch(pictures() * 2 - 1, a)
    output = torch.randn_like(noisy.x0)
    expected = ((output - noisy.eps) ** 2).mean()  # of the same numbers, in another order
    torch.testing.assert_close(Simple().loss(noisy, output, "eps", a).total, expected)


# ---- the bound


@pytest.mark.parametrize("kind", ["beta", "beta-tilde", "learned"])
@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_the_bound_is_what_score_estimates(kind: Any, prediction: Prediction) -> None:
    torch.manual_seed(0)
    config = diffusion_config(
        (1, 2, 2), objective=Bound(kind), schedule=Linear(6), prediction=prediction
    )
    m = randomize_zeros(config.build()).eval()
    one, n = pictures(1, (1, 2, 2)), 1800
    estimator = BoundEstimator(strata=None, variance=kind, clip=False)
    score = m.score(Batch(one.expand(120, 1, 2, 2)), Rng(range(120)), estimator)
    losses = torch.stack([m.loss(Batch(one.expand(60, 1, 2, 2)), 0).total for _ in range(n // 60)])
    bits = score.bits_per_dim
    error = (bits.var() / len(bits) + losses.detach().var() / len(losses)).sqrt()
    assert abs(float(losses.detach().mean() - bits.mean())) < 4 * error
    assert error < 0.05 * bits.mean()


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_the_hybrid_moves_the_mean_by_the_simple_loss_alone(prediction: Prediction) -> None:
    a = Linear(20).compute_alpha_bars()
    noisy, output = (
        draw_noisy_batch(pictures() * 2 - 1, a),
        torch.randn(6, 6, 4, 4, requires_grad=True),
    )

    def gradient(objective: Any, output: Tensor) -> Tensor:
        loss = objective.loss(noisy, output, prediction, a).total
        return torch.autograd.grad(loss, output)[0]

    hybrid, bound = gradient(Hybrid(), output), gradient(Bound(), output)
    simple = gradient(Simple(), output[:, :3].detach().requires_grad_())
    assert torch.equal(hybrid[:, :3], simple)
    torch.testing.assert_close(hybrid[:, 3:], 0.001 * bound[:, 3:])
    assert hybrid[:, 3:].abs().min() > 0
    assert bound[:, :3].abs().min() > 0


def test_the_hybrid_reports_its_parts() -> None:
    m = diffusion_config(objective=Hybrid(0.01)).build()
    loss = m.loss(Batch(pictures(4, (1, 8, 8))), 0)
    assert set(loss.terms) == {"loss", "simple", "bits_per_dim"}
    torch.testing.assert_close(
        loss.total.detach(), loss.terms["simple"] + 0.01 * loss.terms["bits_per_dim"]
    )


# ---- the learned variance


@pytest.mark.parametrize("schedule", [Linear(20), Cosine(20)])
def test_the_ends_of_v_are_beta_and_beta_tilde(schedule: Any) -> None:
    a, t = schedule.compute_alpha_bars(), torch.arange(20)
    one = torch.ones(20, 1, 1, 1).double()
    low, beta = clip_posterior_variance(a), 1 - a / shift_alpha_bars(a)
    # a logarithm's last bit may depend on its place in a vector
    for v, variance in ((one, beta), (-one, low)):
        ours = compute_log_variance("learned", v, t, a).flatten()
        torch.testing.assert_close(ours, variance.log(), rtol=1e-14, atol=1e-14)
    middle = compute_log_variance("learned", 0 * one, t, a).flatten()
    torch.testing.assert_close(middle.exp(), (beta * low).sqrt())


@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize(("v", "fixed"), [(-1.0, "beta-tilde"), (1.0, "beta")])
def test_a_sampler_takes_the_learned_variance(v: float, fixed: Any, stride: int) -> None:
    m = with_v(v).build()
    learned, same = (
        draw_pictures(m, 3, sampler=DDPM(kind, stride=stride)) for kind in ("learned", fixed)
    )
    torch.testing.assert_close(learned, same, rtol=0, atol=1e-6)
    other = draw_pictures(m, 3, sampler=DDPM("beta" if v < 0 else "beta-tilde", stride=stride))
    assert (learned - other).abs().max() > 1e-3


def test_a_stride_takes_the_steps_of_eta_1() -> None:
    """Over the same levels, DDPM with the posterior's variance is DDIM with eta 1."""
    m = randomize_zeros(diffusion_config(schedule=Linear(20)).build()).eval()
    levels = DDPM(stride=4).choose_timesteps(20)
    assert levels == [19, 15, 11, 7, 3]
    samples = [
        draw_pictures(m, 3, sampler=s)
        for s in (DDPM(stride=4, clip=False), DDIM(spacing=tuple(levels), eta=1, clip=False))
    ]
    torch.testing.assert_close(*samples)
    with expect_user_error("stride is 0", "1 or more"):
        DDPM(stride=0)


def test_guidance_leaves_the_variance_as_the_class_has_it() -> None:
    def network(x: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        assert y is not None
        return y.to(x)[:, None, None, None].expand(len(x), 2 * SHAPE[0], *SHAPE[1:])

    config = diffusion_config(SHAPE, ("a", "b"), network=FormulaConfig(network), objective=Hybrid())
    c, c_uncond = torch.eye(3)[[1]], torch.eye(3)[[2]]
    output = config.build().predict_guided(torch.zeros(1, *SHAPE), 5, c, c_uncond, 3.0)
    assert output[:, :3].unique().tolist() == [2 + 3 * (1 - 2)]
    assert output[:, 3:].unique().tolist() == [1]


def test_a_model_without_learned_variance_is_not_asked_for_it() -> None:
    with expect_user_error("no learned variance", "beta or beta-tilde"):
        draw_pictures(diffusion_config().build(), 1, sampler=DDPM("learned"))


def test_other_samplers_leave_the_variance_aside() -> None:
    low, high = (draw_pictures(with_v(v).build(), 2, sampler=DDIM(steps=4)) for v in (-1.0, 1.0))
    assert torch.equal(low, high)


@dataclass(frozen=True)
class PerceptronConfig:
    """A network of two layers for pictures of two numbers, which trains in a blink."""

    condition_kinds: ClassVar[tuple[ConditionKind, ...]] = ()
    free_size: ClassVar[bool] = False

    def check_fit(self, shape: tuple[int, int, int], condition: int) -> None:
        """UserError for other pictures."""
        check_equal("shape", (1, 1, 2), shape)

    def build(self, outputs: int = 1) -> Perceptron:
        return Perceptron(outputs)


class Perceptron(nn.Module):
    def __init__(self, outputs: int):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(22, 64), nn.SiLU(), nn.Linear(64, 2 * outputs))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        level = F.one_hot(t, 20).to(x.dtype)
        return self.layers(torch.cat([x.flatten(1), level], 1)).view(len(x), -1, 1, 2)


def measure_bits_after(objective: Any, steps: int) -> Callable[[Any], float]:
    """Trains on pictures of a number that is always 0 and one that is anything, since the best
    variance is beta-tilde for the one and near beta for the other; gives their bits/dim."""
    torch.manual_seed(0)
    network = PerceptronConfig()
    config = diffusion_config((1, 1, 2), network=network, objective=objective, schedule=Cosine(20))
    m, levels = config.build(), torch.stack([torch.zeros(64), 4 * torch.arange(64)], 1)
    batch = Batch(levels.view(64, 1, 1, 2) / 255)
    optimizer = torch.optim.Adam(m.parameters(), lr=1e-2)
    for step in range(steps):
        optimizer.zero_grad()
        m.loss(Batch(batch.require_pictures()[torch.randperm(64)]), step).total.backward()
        optimizer.step()

    def bits(variance: Any) -> float:
        estimator = BoundEstimator(strata=None, draws=1, variance=variance)
        return float(m.score(batch, Rng(range(64)), estimator).bits_per_dim.mean())

    return bits


def test_the_hybrid_learns_a_better_variance_than_either_fixed_one() -> None:
    bits_of = measure_bits_after(Hybrid(), steps=200)
    bits = {kind: bits_of(kind) for kind in ("learned", "beta", "beta-tilde", None)}
    assert bits["learned"] < 0.95 * min(bits["beta"], bits["beta-tilde"])
    assert bits[None] == bits["learned"]


@pytest.mark.parametrize("kind", ["beta-tilde", "learned"])
def test_the_bound_comes_down_when_it_is_trained(kind: Any) -> None:
    before, after = (measure_bits_after(Bound(kind), steps)(kind) for steps in (0, 150))
    assert after < 0.8 * before
