"""What every model must do."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest
import torch

import smalti
from smalti.core.checkpoint import save
from smalti.core.protocols import Batch
from tests.contract.models import MODELS, ModelCase
from tests.tiny import draw_pictures

pytestmark = pytest.mark.parametrize("case", MODELS.values(), ids=MODELS.keys())
SEEDS = [0, 11, 5, 3, 8]


def make_batch(case: ModelCase, model: Any, B: int = 4) -> Batch:
    """Pictures of two gray levels each, left and right, and their classes or captions."""
    C, H, W = case.shape
    sides = torch.rand(B, C, 1, 2).repeat_interleave(W // 2 + 1, dim=3)
    labels = torch.arange(B) % len(model.spec.classes) if model.spec.classes else None
    text = [f"picture {k}" for k in range(B)] if "text" in model.spec.accepted_inputs else None
    return Batch(sides[..., :W].expand(B, C, H, W), labels, text)


def run_steps(case: ModelCase, model: Any) -> Iterator[float]:
    """Train on one batch, with the same draws at every step; yield the losses."""
    batch = make_batch(case, model)
    optimizer = torch.optim.Adam(
        [p for p in model.parameters() if p.requires_grad], lr=case.learning_rate
    )
    for step in count():
        torch.manual_seed(1)
        optimizer.zero_grad()
        loss = model.loss(batch, step)
        loss.total.backward()
        optimizer.step()
        yield loss.total.item()


def build_model(case: ModelCase) -> Any:
    torch.manual_seed(0)
    return case.config().build().train()


@cache
def train_once(case: ModelCase) -> Any:
    model = build_model(case)
    assert len([*islice(run_steps(case, model), 3)]) == 3
    return model


def train_model(case: ModelCase) -> Any:
    """A model after three steps. Most tests need it, so it is trained once and copied."""
    return deepcopy(train_once(case))


@pytest.mark.parametrize("mode", [True, False])
def test_loss_is_finite(case: ModelCase, mode: bool) -> None:
    model = case.config().build().train(mode)
    loss = model.loss(make_batch(case, model), 0)
    assert loss.total.shape == ()
    assert loss.total.requires_grad
    assert loss.total.isfinite()
    assert loss.terms
    assert all(v.isfinite() and not v.requires_grad for v in loss.terms.values())


def test_a_gradient_reaches_every_trained_parameter(case: ModelCase) -> None:
    """In float64, so that what should be 0 is not hidden by rounding; after some steps, because
    layers that start at 0 hold up the rest."""
    model = train_model(case).double()
    model.zero_grad()
    given = make_batch(case, model)
    given = given._replace(pictures=given.require_pictures().double())
    for step in range(4):  # what is dropped at random in one step is there in another
        model.loss(given, step).total.backward()
    sizes = {
        name: 0 if p.grad is None else p.grad.abs().max().item()
        for name, p in model.named_parameters()
        if p.requires_grad
    }
    assert sizes
    assert [name for name, size in sizes.items() if size < 1e-7] == []


def test_one_tiny_batch_can_be_overfitted(case: ModelCase) -> None:
    """To a tenth of the loss, three times in a row, within 120 steps."""
    losses: list[float] = []
    for loss in islice(run_steps(case, build_model(case)), 120):
        losses.append(loss)
        if max(losses[-3:]) < 0.1 * losses[0]:
            return
    raise AssertionError(f"the loss went from {losses[0]:.3g} to {losses[-1]:.3g}")


def test_save_and_load_give_equal_bits(case: ModelCase, tmp_path: Path) -> None:
    model = train_model(case).eval()
    again = smalti.load(save(model, tmp_path / "model"))
    assert again.config == model.config
    assert again.spec == model.spec
    weights, others = model.state_dict(), again.state_dict()
    assert weights.keys() == others.keys()
    assert all(torch.equal(weights[key], others[key]) for key in weights)
    assert torch.equal(draw_pictures(again, seeds=SEEDS), draw_pictures(model, seeds=SEEDS))


def test_the_same_seeds_give_the_same_samples(case: ModelCase) -> None:
    model = train_model(case)
    first = draw_pictures(model, seeds=SEEDS)
    torch.manual_seed(99)
    assert torch.equal(draw_pictures(model, seeds=SEEDS), first)
    assert first.shape == (len(SEEDS), *case.shape)
    assert first.dtype == torch.float32
    assert 0 <= first.min() <= first.max() <= 1
    assert first.flatten(1).unique(dim=0).shape[0] == len(SEEDS)  # and other seeds others


def test_splitting_the_batch_changes_nothing(case: ModelCase) -> None:
    model = train_model(case)
    split = torch.cat(
        [draw_pictures(model, seeds=seeds) for seeds in (SEEDS[:1], SEEDS[1:3], SEEDS[3:])]
    )
    torch.testing.assert_close(split, draw_pictures(model, seeds=SEEDS), atol=1e-4, rtol=0)


def test_sample_is_the_last_state_rendered(case: ModelCase) -> None:
    model = train_model(case)
    states = list(smalti.stream(model, seeds=SEEDS))
    assert len(states) > 1
    assert torch.equal(draw_pictures(model, seeds=SEEDS), model.render(states[-1]))
    for state in states:  # the earlier ones can be shown, too
        assert model.render(state).shape == (len(SEEDS), *case.shape)
