"""Which inputs influence which predictions, measured by changing them one at a time."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from smalti.pixelcnn import GatedPixelCNNConfig, PixelCNNConfig
from tests.tiny import randomize_zeros

SIZE = (7, 6)
ROUNDING = 1e-12
"""Rows of a batch may be rounded differently: sums of some hundred terms below 1 in float64 move by
1e-14 at most. One level of one number moves what sees it by 1e-7 or more."""
SMALL: dict[str, Any] = {"outputs": 3, "width": 24, "head_width": 24, "condition_width": 2}
RGB = {**SMALL, "channels": 3}
NETWORKS = {
    "plain": PixelCNNConfig(**SMALL, blocks=2, first_kernel_size=3),
    "plain-7": PixelCNNConfig(**SMALL, blocks=1, first_kernel_size=7, batch_norm=True),
    "plain-rgb": PixelCNNConfig(**RGB, blocks=1, first_kernel_size=3),
    "plain-no-block": PixelCNNConfig(**RGB, blocks=0, first_kernel_size=5),
    "gated": GatedPixelCNNConfig(**SMALL, blocks=2, first_kernel_size=3),
    "gated-7": GatedPixelCNNConfig(**SMALL, blocks=1, first_kernel_size=7, batch_norm=True),
    "gated-rgb": GatedPixelCNNConfig(**RGB, blocks=1, first_kernel_size=3),
    "gated-no-block": GatedPixelCNNConfig(**RGB, blocks=0, first_kernel_size=5),
}


@torch.no_grad()
def find_influences(config: Any) -> Tensor:
    """Whether inputs (C, H, W) influence predictions (C, H, W), as one bool tensor of both."""
    torch.manual_seed(0)
    network = randomize_zeros(config.build()).double().eval()
    C, (H, W) = config.channels, SIZE
    influences = torch.zeros(C * H * W, C, H, W, dtype=torch.bool)
    for _ in range(6):  # a ReLU may be inactive at one picture
        x = torch.randint(0, 255, (C, H, W))
        changed = x.flatten() + torch.eye(C * H * W, dtype=torch.int64)  # one level, one number
        both = torch.cat([x.flatten()[None], changed]).unflatten(1, (C, H, W)).double() / 255
        logits = network(both, torch.zeros(len(both), dtype=torch.int64))
        logits = logits.reshape(len(both), -1, C, H, W)
        influences |= ((logits[1:] - logits[:1]).abs() > ROUNDING).any(1)
    return influences.unflatten(0, (C, H, W))


def build_raster_order(C: int) -> Tensor:
    """Index of each symbol in raster order: rows, columns, then R, G, B. (C, H, W)."""
    H, W = SIZE
    return torch.arange(H * W * C).reshape(H, W, C).permute(2, 0, 1)


@pytest.mark.parametrize("config", NETWORKS.values(), ids=NETWORKS.keys())
def test_nothing_later_leaks_and_what_is_declared_arrives(config: Any) -> None:
    influences, order = find_influences(config), build_raster_order(config.channels)
    network = config.build()
    for i in range(SIZE[0]):
        for j in range(SIZE[1]):
            for c in range(config.channels):
                seen = influences[..., c, i, j]
                assert not seen[order >= order[c, i, j]].any()
                assert torch.equal(seen, network.compute_receptive_field((i, j, c), SIZE))


def test_gated_has_no_blind_spot_and_plain_has_one() -> None:
    """With enough blocks, gated sees all that comes before; above right, plain never does."""
    i, j = 6, 1
    before = build_raster_order(1) < build_raster_order(1)[0, i, j]
    assert torch.equal(
        GatedPixelCNNConfig(blocks=6, first_kernel_size=3)
        .build()
        .compute_receptive_field((i, j, 0), SIZE),
        before,
    )
    plain = (
        PixelCNNConfig(blocks=40, first_kernel_size=3)
        .build()
        .compute_receptive_field((i, j, 0), SIZE)
    )
    assert (before & ~plain).any()
    rows, columns = (before & ~plain)[0].nonzero(as_tuple=True)
    assert (columns - j > i - rows).all()  # right of the diagonal, and nothing else
    assert plain.sum() + len(rows) == before.sum()
