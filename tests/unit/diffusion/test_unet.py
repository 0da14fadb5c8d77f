"""smalti's U-Net: any size, every parameter used, one clear line for a config that builds none."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from smalti.diffusion import UNet, UNetConfig
from tests.expect import expect_user_error
from tests.tiny import randomize_zeros, unet_config

SIZE = st.integers(1, 9)


def network(**changes: Any) -> UNet:
    torch.manual_seed(0)
    return randomize_zeros(unet_config(**changes).build()).eval()


def levels(*t: int) -> Tensor:
    return torch.tensor(t)


@pytest.fixture(scope="module")
def rgb() -> UNet:
    return network(channels=3, attention=(True, True))


@torch.no_grad()
@settings(max_examples=40)
@given(H=SIZE, W=SIZE)
def test_any_height_and_width(rgb: UNet, H: int, W: int) -> None:
    x = torch.randn(2, 3, H, W)
    y = rgb(x, levels(0, 999))
    assert y.shape == x.shape
    assert y.isfinite().all()
    whole = F.pad(x, (0, -W % 4, 0, -H % 4), mode="replicate")  # what fits goes through as it is
    torch.testing.assert_close(y, rgb(whole, levels(0, 999))[:, :, :H, :W])


@torch.no_grad()
@pytest.mark.parametrize("stem", [1, 2, 3, 4])
@pytest.mark.parametrize("widths", [(8,), (8, 12), (8, 16, 8)])
def test_stems_and_levels(stem: int, widths: tuple[int, ...]) -> None:
    net = network(stem=stem, widths=widths, attention=(False,) * (len(widths) - 1) + (True,))
    x = torch.randn(1, 1, 7, 10)
    assert net(x, levels(3)).shape == x.shape


@torch.no_grad()
def test_a_new_network_predicts_0() -> None:
    assert not unet_config().build()(torch.randn(2, 1, 8, 8), levels(0, 500)).any()


@pytest.mark.parametrize("blocks", [1, 2])
@pytest.mark.parametrize("classes", [0, 3])
def test_a_gradient_reaches_every_parameter(blocks: int, classes: int) -> None:
    net = network(condition_width=classes, blocks=blocks, attention=(True, True)).double().train()
    y = levels(1, 2) if classes else None
    (net(torch.randn(2, 1, 9, 8).double(), levels(3, 900), y) ** 2).sum().backward()
    largest = {
        name: 0 if p.grad is None else p.grad.abs().max() for name, p in net.named_parameters()
    }
    assert [name for name, size in largest.items() if size < 1e-9] == []


@torch.no_grad()
def test_time_matters() -> None:
    x = torch.randn(1, 1, 8, 8)
    net = network()
    assert (net(x, levels(10)) - net(x, levels(20))).abs().max() > 1e-3


@torch.no_grad()
def test_classes_matter_and_none_is_the_last_index() -> None:
    x, net = torch.randn(1, 1, 8, 8), network(condition_width=3)
    outputs = [net(x, levels(10), levels(k)) for k in (0, 1, 2)]
    for a, b in ((0, 1), (1, 2), (0, 2)):
        assert (outputs[a] - outputs[b]).abs().max() > 1e-3
    assert torch.equal(net(x, levels(10)), outputs[2])
    assert torch.equal(net(x, levels(10), torch.eye(3)[[1]]), outputs[1])


@torch.no_grad()
def test_samples_of_a_batch_do_not_mix() -> None:
    net = network(condition_width=3, attention=(True, True))
    x, t, y = torch.randn(3, 1, 8, 8), levels(1, 50, 900), levels(0, 1, 2)
    alone = [net(x[i : i + 1], t[i : i + 1], y[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(net(x, t, y), torch.cat(alone), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_attention_sees_the_whole_map() -> None:
    """Without it, a pixel reaches only as far as the convolutions do."""
    x = torch.randn(1, 1, 64, 64).double()
    other = x.clone()
    other[0, 0, 0, 0] += 1
    for attention, far in (((False,), False), ((True,), True)):
        net = network(widths=(8,), attention=attention, groups=1).double()
        norms = [m for m in net.modules() if isinstance(m, torch.nn.GroupNorm)]
        for norm in norms:  # group norm sees the whole map too
            norm.forward = lambda input: input
        change = net(other, levels(5)) - net(x, levels(5))
        assert change[0, 0, 0, 0] != 0
        assert bool(change[0, 0, -1, -1] != 0) is far


@torch.no_grad()
def test_float64_stays_float64() -> None:
    net = network(attention=(True, True))
    x = torch.randn(2, 1, 8, 8)
    wide = network(attention=(True, True)).double()(x.double(), levels(5, 500))
    assert wide.dtype == torch.float64
    torch.testing.assert_close(net(x, levels(5, 500)).double(), wide, atol=1e-4, rtol=0)


def test_dropout_acts_in_training_only() -> None:
    x, t = torch.randn(1, 1, 8, 8), levels(5)
    net = network(dropout=0.5)
    assert torch.equal(net(x, t), net(x, t))
    net.train()
    assert not torch.equal(net(x, t), net(x, t))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"channels": 0}, ["channels is 0"]),
        ({"blocks": 0}, ["blocks is 0"]),
        ({"stem": 0}, ["stem is 0"]),
        ({"heads": 0}, ["heads is 0"]),
        ({"groups": -1}, ["groups is -1"]),
        ({"condition_width": -1}, ["condition_width is -1"]),
        ({"dropout": 1.0}, ["dropout is 1.0"]),
        ({"dropout": float("nan")}, ["dropout is nan"]),
        ({"widths": (), "attention": ()}, ["widths is an empty list"]),
        ({"widths": (0, 8)}, ["widths is 0"]),
        ({"widths": (9, 8), "groups": 1, "heads": 1}, ["widths is (9, 8)", "even"]),
        ({"widths": (8, 12), "groups": 8}, ["width 12", "groups=8"]),
        ({"widths": (8, 12), "groups": 1, "heads": 8}, ["width 12", "heads=8"]),
        ({"attention": (True,)}, ["attention has 1 entries for 2 widths"]),
    ],
)
def test_configs_that_build_nothing_are_refused(fields: Any, words: list[str]) -> None:
    with expect_user_error(*words):
        UNetConfig(**fields)
