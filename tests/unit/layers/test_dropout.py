"""Dropout by bytes: exact mean, rate, and what is left to PyTorch."""

from __future__ import annotations

import pytest
import torch

from smalti.layers.dropout import Dropout, draw_bytes
from tests.expect import expect_user_error


@pytest.mark.parametrize("p", [0.05, 0.3, 0.999, 0.01])
def test_the_mean_stays_and_a_share_is_dropped(p: float) -> None:
    torch.manual_seed(0)
    x = torch.ones(1000, 500, requires_grad=True)
    y = Dropout(p)(x)
    rounded = min(255, round(256 * p)) / 256 if p > 0.03 else p
    share = float((y == 0).float().mean())
    assert abs(share - rounded) < 4 * (p * (1 - p) / 500_000) ** 0.5  # four standard deviations
    torch.testing.assert_close(y[y != 0], torch.tensor(1 / (1 - rounded)).expand((y != 0).sum()))
    y.sum().backward()
    assert x.grad is not None and torch.equal(x.grad, y)


def test_masks_follow_the_seed() -> None:
    drop, x = Dropout(0.5), torch.randn(7, 9)
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(drop(x))
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
    assert drop(x.bfloat16()).dtype == torch.bfloat16


def test_nothing_is_dropped_in_eval_mode() -> None:
    x = torch.randn(3, 4)
    assert Dropout(0.5).eval()(x) is x and Dropout(0.0)(x) is x
    with expect_user_error("dropout is 1.0"):
        Dropout(1.0)


def test_all_bits_of_the_bytes_are_random() -> None:
    torch.manual_seed(0)
    drawn = draw_bytes(80_001)
    assert drawn.shape == (80_001,)
    for bit in range(8):
        for place in range(8):
            share = float((drawn[place::8] >> bit & 1).float().mean())
            assert abs(share - 0.5) < 0.03  # six standard deviations of 10,000 draws
