"""Distribution matching: the student's loss, its auxiliary models, and training of both."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from smalti.core.protocols import Batch
from smalti.diffusion import DDIM, Consistency, Cosine, Diffusion, DistributionMatching, Hybrid
from smalti.diffusion.consistency import PredictPicture
from tests.expect import expect_user_error
from tests.tiny import diffusion_config, randomize_zeros

ALPHA_BARS = Cosine().compute_alpha_bars()


def clip(x: Tensor) -> Tensor:
    return x.clamp(-1, 1)


def compute_loss(fake: float, real: float, x0: Tensor) -> tuple[Any, Tensor, Tensor]:
    """The loss of a network that draws x everywhere, its samples and the gradient of x."""
    x = torch.full_like(x0, 0.5, requires_grad=True)

    def say(value: float) -> PredictPicture:
        return lambda noisy, t: torch.full_like(noisy, value)

    mu_real, mu_fake = say(real), say(fake)
    loss, samples = DistributionMatching().loss(
        lambda noisy, t, rows: x[rows], x0, "x0", ALPHA_BARS, [990, 430], mu_real, mu_fake, clip
    )
    loss.total.backward()
    assert x.grad is not None
    return loss, samples, x.grad


def test_samples_move_from_the_auxiliary_model_to_the_teacher() -> None:
    x0 = torch.rand(6, 1, 4, 4)
    loss, samples, grad = compute_loss(fake=0.5, real=0.1, x0=x0)
    assert loss.total.item() == pytest.approx(0.4) and samples.unique().tolist() == [0.5]
    assert (grad > 0).all()  # descent makes x darker, as the teacher would have it
    torch.testing.assert_close(grad, torch.full_like(grad, 0.4 / 6))
    assert compute_loss(fake=0.3, real=0.3, x0=x0)[2].abs().max() == 0


def test_auxiliary_models_see_samples_as_they_are_drawn() -> None:
    x0, seen = torch.rand(4, 1, 4, 4), []

    def mu(x: Tensor, t: Tensor) -> Tensor:
        seen.append(x)
        return x

    _, drawn = DistributionMatching().loss(
        lambda x, t, rows: torch.full_like(x, 3), x0, "x0", ALPHA_BARS, [9, 8], mu, mu, clip
    )
    assert (drawn == 1).all() and (seen[0] < 1.5).all()


def test_the_student_draws_at_the_levels_of_its_sampler_from_its_own_samples() -> None:
    torch.manual_seed(0)
    asked: list[tuple[Tensor, Tensor, slice]] = []
    compared: list[Tensor] = []

    def predict(x: Tensor, t: Tensor, rows: slice) -> Tensor:
        asked.append((x.clone(), t.clone(), rows))
        return torch.full_like(x, t[0].item() / 1000)  # tells the levels apart

    def mu(x: Tensor, t: Tensor) -> Tensor:
        compared.append(t)
        return x

    levels, x0 = [900, 600, 300], torch.full((6, 1, 64, 64), -0.5)
    DistributionMatching().loss(predict, x0, "x0", ALPHA_BARS, levels, mu, mu, clip)
    assert [(t.unique().tolist(), rows) for _, t, rows in asked[:2]] == [
        ([900], slice(2, 6)),
        ([600], slice(4, 6)),
    ]
    x, t, rows = asked[2]
    assert t.tolist() == [900, 900, 600, 600, 300, 300] and rows == slice(6)
    assert x[:2].mean().abs() < 0.03 and x[:2].std() == pytest.approx(1, abs=0.02)
    for part, level, drawn in ((x[2:4], 600, 0.9), (x[4:], 300, 0.6)):
        a = ALPHA_BARS[level].float()
        assert part.mean().item() == pytest.approx(float(drawn * a.sqrt()), abs=0.03)
        assert part.std().item() == pytest.approx(float((1 - a).sqrt()), abs=0.02)
    assert (compared[0] < t).all() and torch.equal(*compared)


def make_student(steps: int = 2) -> tuple[Diffusion, Diffusion]:
    torch.manual_seed(1)
    config = diffusion_config(classes=("a", "b"), sampler=DDIM(guidance=1.5))
    teacher = randomize_zeros(config.build())
    config = replace(
        teacher.config,
        objective=DistributionMatching(teacher_guidance=1.5),
        sampler=Consistency(steps),
        condition_dropout=0.0,
    )
    student = config.build()
    student.load_state_dict(teacher.state_dict())
    student.set_start(teacher)
    return student.train(), teacher


def test_student_and_auxiliary_models_learn_from_one_batch_each_from_its_own_loss() -> None:
    student, teacher = make_student()
    batch = Batch(pictures=torch.rand(6, 1, 8, 8), labels=torch.tensor([0, 1, 0, 1, 0, 1]))
    players = student.named_players()
    assert [*players] == ["model", "auxiliary"] and players["model"] is student
    loss = student.loss(batch, 0)
    loss.total.backward()
    auxiliary: Any = players["auxiliary"]
    assert all(w.grad is not None for w in student.network.parameters())
    assert all(w.grad is None for w in auxiliary.parameters())
    before = [w.grad for w in student.network.parameters()]
    before = [w.clone() for w in before if w is not None]
    auxiliary.loss(batch, 0, loss.carry).total.backward()
    after = [w.grad for w in student.network.parameters() if w.grad is not None]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    trained = [w.grad is not None for name, w in auxiliary.named_parameters() if "network" in name]
    assert all(trained) and trained
    assert len(auxiliary.models) == 2  # one for each level of the sampler
    assert all(w.grad is None for w in teacher.parameters())
    assert student.state_dict().keys() == teacher.state_dict().keys()  # neither is saved


def test_a_teacher_may_have_learned_its_variance() -> None:
    config = diffusion_config(classes=("a", "b"), objective=Hybrid())
    teacher = randomize_zeros(config.build())
    changes = {"objective": DistributionMatching(0.0), "sampler": Consistency(1)}
    student = replace(config, condition_dropout=0.0, **changes).build()
    student.set_start(teacher)
    assert student.teacher is not None and student.teacher.guidance == 0
    batch = Batch(pictures=torch.rand(2, 1, 8, 8), labels=torch.tensor([0, 1]))
    loss = student.loss(batch, 0)
    auxiliary: Any = student.named_players()["auxiliary"]
    assert loss.total.isfinite() and auxiliary.loss(batch, 0, loss.carry).total.isfinite()


def test_consistency_tuning_comes_first() -> None:
    student, _ = make_student()
    batch = Batch(pictures=torch.rand(6, 1, 8, 8), labels=torch.tensor([0, 1, 0, 1, 0, 1]))
    student.set_total_steps(10)
    auxiliary: Any = student.named_players()["auxiliary"]
    kinds = []
    for step in (0, 3, 4, 9):
        loss = student.loss(batch, step)
        kinds.append("distance" in loss.terms)
        assert kinds[-1] == (loss.carry is None)
        assert (auxiliary.loss(batch, step, loss.carry).total == 0) == kinds[-1]
    assert kinds == [True, True, False, False]  # 0.4 of 10 steps
    assert student.list_phases() == [4]  # the learning rate begins anew there


def test_what_is_missing_is_said() -> None:
    student, _ = make_student()
    student.teacher = None
    batch = Batch(pictures=torch.rand(2, 1, 8, 8), labels=torch.tensor([0, 1]))
    with expect_user_error("distribution matching needs a teacher"):
        student.loss(batch, 0)
    with expect_user_error("no start is given"):
        student.set_start(None)
    with expect_user_error("start is a Linear"):
        student.set_start(nn.Linear(1, 1))
    with expect_user_error("sampler is DDIM", "give sampler consistency"):
        diffusion_config(objective=DistributionMatching())
