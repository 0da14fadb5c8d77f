"""Muon against its naive twin, AdamW for the rest against PyTorch's."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from smalti.core.config import from_json, to_json
from smalti.layers.caption import CaptionConfig
from smalti.training.config import Training
from smalti.training.optimizers import Muon, orthogonalize, split_matrices
from smalti.training.step import build_optimizer
from tests.naive.muon import take_muon_steps


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(5, 4)
        self.wide, self.tall = nn.Conv2d(4, 3, 3), nn.Linear(4, 9)
        self.norm, self.fixed = nn.GroupNorm(1, 4), nn.Linear(4, 4).requires_grad_(False)


def set_gradients(module: nn.Module, seed: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    gradients = {}
    for name, p in module.named_parameters():
        if p.requires_grad:
            p.grad = gradients[name] = torch.randn_like(p)
    return gradients


@pytest.mark.parametrize("name", ["wide.weight", "tall.weight"])
def test_matrices_move_as_in_the_naive_twin(name: str):
    torch.manual_seed(0)
    module = Small()
    before = copy.deepcopy(module.get_parameter(name).data)
    optimizer = build_optimizer(
        module, Training(optimizer="muon", learning_rate=0.02, weight_decay=0.1)
    )
    gradients = []
    for seed in range(3):
        gradients.append(set_gradients(module, seed)[name].clone())
        optimizer.step()
    expected = take_muon_steps(before, gradients, lr=0.02, weight_decay=0.1, momentum=0.95)
    torch.testing.assert_close(module.get_parameter(name).double(), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["table.weight", "wide.bias", "norm.weight"])
def test_other_parameters_move_as_in_adamw(name: str):
    torch.manual_seed(0)
    module = Small()
    twin = copy.deepcopy(module)
    ours = build_optimizer(module, Training(optimizer="muon", learning_rate=0.02))
    theirs = torch.optim.AdamW(
        [p for p in twin.parameters() if p.requires_grad],
        lr=0.02,
        betas=(0.9, 0.99),
        weight_decay=0.0,
    )
    for seed in range(3):
        for each, optimizer in ((module, ours), (twin, theirs)):
            set_gradients(each, seed)
            optimizer.step()
    torch.testing.assert_close(module.get_parameter(name), twin.get_parameter(name))


def test_every_trainable_parameter_is_in_one_group():
    module = Small()
    matrices, others = split_matrices(module)
    assert {id(p) for p in matrices} == {id(module.wide.weight), id(module.tall.weight)}
    assert len(matrices) + len(others) == sum(p.requires_grad for p in module.parameters())


def test_hashed_captions_are_looked_up_too() -> None:
    encoder = CaptionConfig(width=8, buckets=16).build()
    matrices, others = split_matrices(encoder)
    assert {id(p) for p in matrices} == {id(encoder.hidden.weight), id(encoder.out.weight)}
    assert any(p is encoder.table for p in others)


def test_singular_values_become_about_one():
    torch.manual_seed(0)
    for shape in ((2, 8, 30), (2, 30, 8), (1, 16, 16)):
        values = torch.linalg.svdvals(orthogonalize(torch.randn(shape)))
        assert float(values.min()) > 0.3 and float(values.max()) < 1.25


def test_a_zero_gradient_moves_no_matrix():
    module = nn.Linear(3, 3, bias=False)
    before = module.weight.detach().clone()
    optimizer = Muon(*split_matrices(module), lr=0.1)
    module.weight.grad = torch.zeros(3, 3)
    optimizer.step()
    assert torch.equal(module.weight, before)


def test_a_restored_optimizer_continues_exactly():
    torch.manual_seed(0)
    module, training = Small(), Training(optimizer="muon", learning_rate=0.01)
    optimizer = build_optimizer(module, training)
    set_gradients(module, 0)
    optimizer.step()
    twin = copy.deepcopy(module)
    restored = build_optimizer(twin, training)
    restored.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for each, mover in ((module, optimizer), (twin, restored)):
        set_gradients(each, 1)
        mover.step()
    for p, q in zip(module.parameters(), twin.parameters(), strict=True):
        assert torch.equal(p, q)


def test_a_run_from_before_muon_resumes_with_adamw():
    stored = to_json(Training(learning_rate=1e-3))
    del stored["optimizer"]
    training = from_json(stored)
    assert isinstance(training, Training)
    assert isinstance(build_optimizer(nn.Linear(2, 2), training), torch.optim.AdamW)
