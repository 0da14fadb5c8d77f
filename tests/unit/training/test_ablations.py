"""The ablations of `benchmarks.ablations`."""

from __future__ import annotations

import torch
from torch import nn

from benchmarks.ablations import ABLATIONS, TimelessConfig, build_loop, format_results
from benchmarks.speedrun import train_for
from smalti.data import digit_pictures
from smalti.diffusion import UNetConfig


def test_a_network_without_the_time_code_ignores_the_level():
    torch.manual_seed(0)
    config = UNetConfig(widths=(8,), attention=(False,), blocks=1)
    timed, timeless = config.build(), TimelessConfig(config).build()
    for network in (timed, timeless):
        for parameter in network.parameters():
            nn.init.normal_(parameter, std=0.1)
    x, low, high = torch.randn(1, 1, 8, 8), torch.tensor([3]), torch.tensor([900])
    assert not torch.equal(timed(x, low), timed(x, high))
    assert torch.equal(timeless(x, low), timeless(x, high))


def test_every_ablation_trains():
    pictures = digit_pictures("valid")
    for variant, timed in ABLATIONS.values():
        loop = build_loop(variant, timed, pictures, 0, "32")
        train_for(loop, 1e-6)
        assert loop.step == 1


def test_a_row_is_a_mean():
    row = {"steps": 2, "seconds": 1.0, "loss": 0.5, "accuracy": 0.5, "frechet": 1.0}
    assert "    3 steps in   1.0 s, loss 0.6000," in format_results(
        [row, row | {"steps": 4, "loss": 0.7}]
    )
