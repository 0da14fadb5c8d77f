"""What every codec must do."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import smalti
from smalti.core.checkpoint import save
from smalti.core.protocols import Batch
from tests.contract.models import CODECS, LATENT_CODECS, ModelCase

ALL = {**CODECS, **LATENT_CODECS}
every_codec = pytest.mark.parametrize("case", ALL.values(), ids=ALL.keys())
with_codes = pytest.mark.parametrize("case", CODECS.values(), ids=CODECS.keys())
continuous = pytest.mark.parametrize("case", LATENT_CODECS.values(), ids=LATENT_CODECS.keys())


def make_pictures(case: ModelCase, B: int = 4) -> Tensor:
    """Of two gray levels each, left and right."""
    C, H, W = case.shape
    sides = torch.rand(B, C, 1, 2).repeat_interleave(W // 2 + 1, dim=3)
    return sides[..., :W].expand(B, C, H, W)


def train_codec(
    case: ModelCase, steps: int = 3, loss_fraction: float = 0.0
) -> tuple[Any, list[float]]:
    """A codec and its losses, on one batch and the same draws at every step.

    It stops early if the loss is below `loss_fraction` of the first.
    """
    torch.manual_seed(0)
    model = case.config().build().train()
    batch = Batch(make_pictures(case))
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    losses = []
    for step in range(steps):
        torch.manual_seed(1)
        optimizer.zero_grad()
        loss = model.loss(batch, step)
        loss.total.backward()
        optimizer.step()
        getattr(model, "after_step", int)()
        losses.append(loss.total.item())
        if losses[-1] < loss_fraction * losses[0]:
            break
    return model, losses


@cache
def train_once(case: ModelCase) -> Any:
    return train_codec(case)[0]


def train_briefly(case: ModelCase) -> Any:
    """A codec after three steps. Most tests need it, so it is trained once and copied."""
    return deepcopy(train_once(case))


@every_codec
@pytest.mark.parametrize("mode", [True, False])
def test_loss_is_finite(case: ModelCase, mode: bool) -> None:
    model = case.config().build().train(mode)
    loss = model.loss(Batch(make_pictures(case)), 0)
    assert loss.total.shape == () and loss.total.requires_grad and loss.total.isfinite()
    assert all(v.isfinite() and not v.requires_grad for v in loss.terms.values())


@every_codec
def test_a_gradient_reaches_every_trained_parameter(case: ModelCase) -> None:
    """In float64, after some steps, summed over several batches, for a code may have no place."""
    model = train_briefly(case).double()
    model.zero_grad()
    for step in range(4):
        model.loss(Batch(torch.rand(32, *case.shape).double()), step).total.backward()
    sizes = {n: 0 if p.grad is None else p.grad.abs().max().item() for n, p in
             model.named_parameters() if p.requires_grad}  # fmt: skip
    assert sizes
    # the third of an attention's maps that makes keys has a bias that softmax does not see
    assert [n for n, size in sizes.items() if size < 1e-9 and not n.endswith(".k.bias")] == []


@every_codec
def test_one_tiny_batch_can_be_overfitted(case: ModelCase) -> None:
    losses = train_codec(case, steps=120, loss_fraction=0.1)[1]
    assert losses[-1] < 0.1 * losses[0]


@every_codec
def test_save_and_load_give_equal_bits(case: ModelCase, tmp_path: Path) -> None:
    model, x = train_briefly(case).eval(), make_pictures(case)
    again = smalti.load(save(model, tmp_path / "model"))
    assert again.config == model.config and again.spec == model.spec
    weights, others = model.state_dict(), again.state_dict()
    assert weights.keys() == others.keys()
    assert all(torch.equal(weights[key], others[key]) for key in weights)
    assert torch.equal(again.encode_latents(x), model.encode_latents(x))
    assert torch.equal(again.reconstruct(x), model.reconstruct(x))


@with_codes
def test_pictures_become_a_grid_of_symbols_and_come_back(case: ModelCase) -> None:
    model, x = train_briefly(case).eval(), make_pictures(case)
    codes = model.encode(x)
    assert codes.dtype == torch.int64
    assert codes.shape == (4, *model.compute_code_shape(case.shape[1:]))
    assert 0 <= codes.min() <= codes.max() < model.vocab_size
    y = model.decode(codes, case.shape[1:])
    assert y.shape == x.shape and y.dtype == torch.float32 and 0 <= y.min() <= y.max() <= 1
    assert torch.equal(model.encode(x), codes)  # nothing is drawn


@with_codes
def test_latents_are_quantized_on_their_way_to_a_picture(case: ModelCase) -> None:
    model, x = train_briefly(case).eval(), make_pictures(case)
    z = model.encode_latents(x)
    assert z.is_floating_point() and z.shape[2:] == model.compute_code_shape(case.shape[1:])
    assert torch.equal(model.decode_latents(z, case.shape[1:]), model.reconstruct(x))


@with_codes
def test_splitting_the_batch_changes_nothing(case: ModelCase) -> None:
    model, x = train_briefly(case).eval(), make_pictures(case)
    codes = model.encode(x)
    assert torch.equal(torch.cat([model.encode(part) for part in x.split(1)]), codes)
    parts = torch.cat([model.decode(part) for part in codes.split(3)])
    torch.testing.assert_close(parts, model.decode(codes), atol=1e-4, rtol=0)


@continuous
def test_continuous_latents_become_pictures(case: ModelCase) -> None:
    model, x = train_briefly(case).eval(), make_pictures(case)
    z = model.encode_latents(x)
    assert z.shape == (4, model.latent_channels, *model.compute_code_shape(case.shape[1:]))
    y = model.decode_latents(z, case.shape[1:])
    assert y.shape == x.shape and y.dtype == torch.float32 and 0 <= y.min() <= y.max() <= 1
    assert torch.equal(y, model.reconstruct(x))  # nothing is drawn
    parts = torch.cat([model.encode_latents(part) for part in x.split(3)])
    torch.testing.assert_close(parts, z, atol=1e-4, rtol=0)
