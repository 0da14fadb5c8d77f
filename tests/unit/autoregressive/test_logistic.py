"""Discretized logistic mixtures: every level's cell, and draws that follow it."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import smalti.autoregressive.logistic as layer
from smalti.autoregressive.logistic import nll
from smalti.autoregressive.logistic_mixture import normalize_levels
from smalti.pixelcnn import LogisticMixture
from tests.expect import expect_user_error


def parameters(channels: int, K: int, *rest: int, spread: float = 2.0, seed: int = 0) -> Tensor:
    torch.manual_seed(seed)
    return spread * torch.randn(1, layer.count_parameters(channels, K), *rest, dtype=torch.float64)


def symbols(params: Tensor, previous: list[int], levels: int, K: int) -> Any:
    before = torch.tensor([previous]).expand(len(params), -1)
    return LogisticMixture(K).build_distribution(params, before, len(previous), levels)


@settings(max_examples=60, deadline=None)
@given(levels=st.integers(2, 256), seed=st.integers(0, 999), spread=st.sampled_from([0.1, 2, 30]))
def test_a_pixels_levels_sum_to_one(levels: int, seed: int, spread: float) -> None:
    params = parameters(1, 3, spread=spread, seed=seed)
    assert symbols(params, [], levels, 3).logits.exp().sum().item() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("levels", [2, 3, 256])
def test_all_levels_of_all_channels_sum_to_one(levels: int) -> None:
    params = parameters(3, 2)
    every = [levels - 1, 0, levels // 2]
    for previous in ([], every[:1], every[:2]):
        total = symbols(params, previous, levels, 2).logits.exp().sum().item()
        assert total == pytest.approx(1, abs=1e-12)


def test_a_colors_probability_is_the_product_of_its_channels() -> None:
    """The sum over components of products, written out, for all 27 colors of 3 levels."""
    levels, K = 3, 2
    params = parameters(3, K, 1, 1)
    colors = torch.tensor(list(itertools.product(range(levels), repeat=3)))  # (27, 3)
    x = normalize_levels(colors.double(), levels)[:, :, None, None]
    p = params.expand(27, -1, 1, 1)
    nats = nll(x, p, levels)
    assert (-nats).exp().sum().item() == pytest.approx(1, abs=1e-12)
    each = LogisticMixture(K).compute_nats(p, colors[:, :, None, None], levels)
    torch.testing.assert_close(each.flatten(1).sum(1), nats)
    for n, color in enumerate(colors.tolist()):
        for c in range(3):
            log_p = symbols(params[..., 0, 0], color[:c], levels, K).logits[0, color[c]]
            torch.testing.assert_close(log_p, -each[n, c, 0, 0])


@pytest.mark.parametrize("log_scale", [-20.0, -7.0, 0.0, 45.0, 300.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_no_scale_is_too_small_or_too_large(log_scale: float, dtype: torch.dtype) -> None:
    params = torch.tensor([[0.0, 0.9, log_scale]], dtype=dtype)[..., None, None]
    params = params.expand(256, -1, 1, 1).clone().requires_grad_()
    x = normalize_levels(torch.arange(256, dtype=dtype), 256)[:, None, None, None]
    nats = nll(x, params)
    nats.sum().backward()
    assert nats.isfinite().all()
    assert params.grad is not None
    assert params.grad.isfinite().all()


def test_a_cell_is_the_integral_of_the_density() -> None:
    levels, (mean, log_scale) = 8, (0.3, -1.2)
    mids = normalize_levels(torch.arange(levels).double(), levels)
    distribution = layer.compute_log_probs(
        mids, torch.tensor(mean).double(), torch.tensor(log_scale), levels
    ).exp()
    t = torch.linspace(-40, 40, 2_000_001, dtype=torch.float64)  # in scales
    x, density = mean + np.exp(log_scale) * t, torch.sigmoid(t) * torch.sigmoid(-t)
    cell = ((x + 1) / 2 * (levels - 1)).round().clamp(0, levels - 1).long()
    sums = torch.zeros(levels).double().index_add(0, cell, density * (t[1] - t[0]))
    torch.testing.assert_close(distribution, sums, atol=1e-4, rtol=0)


@pytest.mark.parametrize("previous", [[], [3], [0, 4]])
def test_draws_follow_the_probabilities(previous: list[int]) -> None:
    levels, n = 5, 100_000
    params = parameters(3, 3, spread=1.0, seed=len(previous)).expand(n, -1)
    distribution = symbols(params, previous, levels, 3)
    u = torch.rand(n, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    share = torch.bincount(distribution.sample(u), minlength=levels) / n
    p = distribution.logits[0].exp()
    assert p.min() > 0.01
    assert ((share - p).abs() < 5 * (p * (1 - p) / n).sqrt()).all()


def test_uniforms_at_the_ends_give_levels() -> None:
    distribution = symbols(parameters(1, 2).expand(4, -1), [], 256, 2)
    u = torch.tensor([[0.0, 0.0], [0.0, 1 - 1e-16], [1 - 1e-16, 0.0], [1 - 1e-16, 1 - 1e-16]])
    assert distribution.sample(u.double()).tolist() == [0, 255, 0, 255]


def test_temperature_narrows_and_0_takes_the_likeliest_components_mean() -> None:
    params = torch.tensor([[0.0, 1.0, -0.6, 0.5, -1.0, -1.0]]).double().expand(2000, -1)
    distribution = symbols(params, [], 256, 2)
    u = torch.rand(2000, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert distribution.sample(u, 0.0).unique().tolist() == [191]  # 0.5 of [-1, 1]
    spreads = [distribution.sample(u, t).double().std().item() for t in (0.1, 0.5, 1.0)]
    assert spreads == sorted(spreads)


def test_wrong_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="2 channels"):
        nll(torch.zeros(1, 2, 1, 1), torch.zeros(1, 10, 1, 1))
    with pytest.raises(ValueError, match="multiple of 10"):
        nll(torch.zeros(1, 3, 1, 1), torch.zeros(1, 12, 1, 1))
    with expect_user_error("4 channels", "1 or 3"):
        LogisticMixture().count_parameters(4, 256)
    with expect_user_error("components", "0"):
        LogisticMixture(0)
