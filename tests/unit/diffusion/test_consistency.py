"""Consistency tuning and its sampler: pairs of levels, the loss of a perfect network, sampling."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from smalti.core.protocols import Batch
from smalti.core.rng import Rng
from smalti.diffusion import DDIM, Consistency, ConsistencyTuning, Cosine, DiffusionConfig
from smalti.diffusion.process import compute_target
from smalti.layers.start_weights import replace_fields
from tests.expect import expect_user_error
from tests.tiny import (
    FormulaConfig,
    diffusion_config,
    draw_pictures,
    latent_config,
    randomize_zeros,
)

ALPHA_BARS = Cosine().compute_alpha_bars()
SIGMAS = (1 / ALPHA_BARS - 1).sqrt()


def test_pairs_follow_the_paper_and_come_nearer() -> None:
    torch.manual_seed(0)
    tuning = ConsistencyTuning(steps=400, stages=4, q=4.0, log_sigma_mean=-0.9, log_sigma_std=2.0)
    gaps = []
    for step in (0, 99, 100, 399, 10_000):
        t, r = tuning.draw_pairs(4096, SIGMAS, step)
        sigma, k = SIGMAS[t], min(step // 100, 3)
        assert (r < t).all()
        assert sigma.log().mean().item() == pytest.approx(-0.9, abs=0.05)
        assert sigma.log().std().item() == pytest.approx(2.0, abs=0.1)  # cut at the least level
        target = sigma * (1 - (1 + 8 / (1 + sigma.exp())) / 4 ** (k + 1)).clamp(min=0)
        level = torch.where(r < 0, 0.0, SIGMAS[r.clamp(min=0)])
        above = SIGMAS[(r + 1).clamp(max=999)]
        assert ((level <= target) & (target < above) | (r == t - 1)).all()
        gaps.append((t - r).double().mean().item())
    assert gaps[1] == pytest.approx(gaps[0], rel=0.05)
    assert gaps[0] > 2 * gaps[2] > 4 * gaps[3]


def test_an_error_of_v_costs_much_the_same_at_every_level() -> None:
    """With the weight of squared errors it cost as much as 1 / sigma: only fine noise counted."""
    torch.manual_seed(0)
    x0 = torch.rand(1, 1, 16, 16, dtype=torch.float64) * 2 - 1

    def errs(x: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        a = ALPHA_BARS[t][:, None, None, None]
        return compute_target("v", x0, (x - a.sqrt() * x0) / (1 - a).sqrt(), a) + 1

    costs = []
    for sigma in (0.02, 0.1, 0.5, 2.0, 20.0):  # q of about 1: the target is the picture itself
        tuning = ConsistencyTuning(
            q=1.001, log_sigma_mean=math.log(sigma), log_sigma_std=1e-3, c=1e-6
        )
        costs.append(tuning.loss(errs, x0, None, "v", ALPHA_BARS, 0).terms["loss"].item())
    assert max(costs) < 2 * min(costs)


def test_a_network_that_knows_the_picture_has_no_loss() -> None:
    torch.manual_seed(0)
    x0 = torch.rand(8, 1, 4, 4, dtype=torch.float64) * 2 - 1

    def knows(x: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        a = ALPHA_BARS[t][:, None, None, None]
        return compute_target("v", x0, (x - a.sqrt() * x0) / (1 - a).sqrt(), a)

    tuning = ConsistencyTuning(steps=4)
    for step in range(4):
        loss = tuning.loss(knows, x0, None, "v", ALPHA_BARS, step)
        assert loss.terms["distance"] < 1e-9
    blind = tuning.loss(lambda x, t, y: torch.zeros_like(x), x0, None, "v", ALPHA_BARS, 3)
    assert blind.total > 0.01


def test_a_teacher_that_knows_the_picture_adds_the_same_noise() -> None:
    x0 = torch.rand(8, 1, 4, 4, dtype=torch.float64) * 2 - 1
    tuning = ConsistencyTuning(steps=4)
    losses = []
    for teach in (None, lambda x, t: x0):
        torch.manual_seed(0)
        loss = tuning.loss(lambda x, t, y: x.sin(), x0, None, "v", ALPHA_BARS, 3, teach)
        losses.append(loss.total)
    torch.testing.assert_close(losses[1], losses[0], rtol=1e-9, atol=0)


def test_stages_cover_the_run_unless_steps_say_otherwise() -> None:
    tuning = ConsistencyTuning(stages=2)
    model: Any = diffusion_config(objective=tuning, sampler=Consistency(2)).build()
    assert torch.equal(  # the last stage where no run is known
        count_gaps(model.objective, 0), count_gaps(model.objective, 99)
    )
    model.set_total_steps(100)
    assert model.objective.steps == 100
    assert count_gaps(model.objective, 49).sum() > 2 * count_gaps(model.objective, 50).sum()
    objective = replace(tuning, steps=4)
    named: Any = diffusion_config(objective=objective, sampler=Consistency(2)).build()
    named.set_total_steps(100)
    assert named.objective.steps == 4


def count_gaps(tuning: ConsistencyTuning, step: int) -> Tensor:
    torch.manual_seed(0)
    t, r = tuning.draw_pairs(512, SIGMAS, step)
    return t - r


def test_the_teacher_is_guided_and_frozen() -> None:
    """The loss of a student with the teacher's weights depends on the teacher's guidance alone."""
    torch.manual_seed(1)
    teacher = randomize_zeros(diffusion_config(classes=("a", "b")).build())
    batch = Batch(pictures=torch.rand(6, 1, 8, 8), labels=torch.tensor([0, 1, 0, 1, 0, 1]))
    losses, student = [], teacher
    for guidance in (1.0, 1.0, 3.0):
        objective = ConsistencyTuning(teacher_guidance=guidance)
        config = replace(
            teacher.config,
            objective=objective,
            sampler=Consistency(2),
            condition_dropout=0.0,
        )
        student = config.build()
        student.load_state_dict(teacher.state_dict())
        student.set_start(teacher)
        torch.manual_seed(2)
        loss = student.train().loss(batch, 0)
        loss.total.backward()
        losses.append(loss.total.item())
    assert losses[0] == losses[1] != losses[2]
    assert all(w.grad is None and not w.requires_grad for w in teacher.parameters())
    assert all(w.grad is not None for w in student.network.parameters())
    assert student.state_dict().keys() == teacher.state_dict().keys()


def test_a_teacher_must_fit() -> None:
    objective = ConsistencyTuning(teacher_guidance=1.0)
    student = diffusion_config(classes=("a",), objective=objective, sampler=Consistency(2)).build()
    with expect_user_error("teacher_guidance is 1", "no start is given"):
        student.set_start(None)
    with expect_user_error("start is a Linear"):
        student.set_start(nn.Linear(1, 1))
    with expect_user_error("other conditions"):
        student.set_start(diffusion_config(classes=("b",)).build())


@pytest.mark.parametrize("steps", [1, 2, 3, 4])
def test_every_evaluation_sees_the_picture_anew(steps: int) -> None:
    """The network predicts 0.5 everywhere: its next input is that picture with fresh noise."""
    config = DiffusionConfig(
        shape=(1, 64, 64),
        network=FormulaConfig(lambda x, t, y: torch.full_like(x, 0.5)),
        prediction="x0",
        sampler=Consistency(steps),
    )
    model = config.build()
    network: Any = model.network
    states = list(model.stream(Rng([3])))
    assert [s.step for s in states] == list(range(steps + 1))
    assert (states[-1].x - 0.5).abs().max() < 1e-12
    assert [call.t.item() for call in network.calls] == Consistency(steps).choose_timesteps(1000)
    for call in network.calls[1:]:
        a = ALPHA_BARS[call.t.item()]
        noise = (call.x - a.sqrt() * 0.5) / (1 - a).sqrt()
        assert noise.mean().item() == pytest.approx(0, abs=5 / 64)
        assert noise.std().item() == pytest.approx(1, abs=5 / 64 / math.sqrt(2))


def test_it_takes_classes_like_any_sampler() -> None:
    model = diffusion_config(classes=("a", "b"), sampler=Consistency(2)).build()
    assert draw_pictures(model, 2, cond=[0, 1]).shape == (2, 1, 8, 8)


def test_nonsense_is_refused() -> None:
    with expect_user_error("steps is 5", "4 at most"):
        Consistency(5)
    with expect_user_error("q is 1.0"):
        ConsistencyTuning(q=1.0)
    with expect_user_error("stages is 0"):
        ConsistencyTuning(stages=0)


def test_a_student_lives_in_the_space_of_its_teacher() -> None:
    start = latent_config(classes=("a", "b"), sampler=DDIM(guidance=1.4))
    tuning = ConsistencyTuning(teacher_guidance=1.0)
    own = diffusion_config(
        shape=start.shape,
        conditions=start.conditions,
        objective=tuning,
        sampler=Consistency(),
        condition_dropout=0.0,
    )
    student = own.follow_start(start)
    assert (student.space, student.network) == (start.space, start.network)
    noisy = replace(start, network=replace_fields(start.network, dropout=0.2))
    assert own.follow_start(noisy).network == start.network  # samples are to be sharp
    assert student.objective == replace(tuning, teacher_guidance=1.4)
    model = student.build()
    model.set_start(start.build())
    batch = Batch(pictures=torch.rand(2, *start.shape), labels=torch.tensor([0, 1]))
    loss = model.train().loss(batch, 0)
    assert loss.total.isfinite()
