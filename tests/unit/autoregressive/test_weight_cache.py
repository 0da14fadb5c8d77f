"""Packed weights are kept until the network changes, however it does."""

from __future__ import annotations

import copy
import gc
import weakref
from typing import Any

import pytest
import torch

from smalti.autoregressive.naive_walker import NaiveWalker
from smalti.autoregressive.pixelcnn.walkers import build_walker
from smalti.autoregressive.pixelcnn.weight_cache import entries
from smalti.pixelcnn import GatedPixelCNNConfig, PixelCNNConfig, PixelCNNPlusPlusConfig

SMALL: Any = {"width": 8, "blocks": 1, "head_width": 8, "outputs": 5, "first_kernel_size": 3}
NETWORKS = {
    "plain": PixelCNNConfig(**SMALL, batch_norm=True),
    "gated": GatedPixelCNNConfig(**SMALL),
    "++": PixelCNNPlusPlusConfig(filters=8, blocks=1, scales=1, outputs=5, dropout=0.0),
}
VALUES = torch.linspace(0, 1, 5).double()


def network(name: str = "gated") -> Any:
    torch.manual_seed(0)
    return NETWORKS[name].build().double().eval()


def compare_walkers(net: Any, values: torch.Tensor = VALUES) -> None:
    """Compare a new walker with the naive one at the second pixel."""
    predicted = []
    for build in (build_walker, NaiveWalker):
        walker = build(net, 2, (2, 2), None, values)
        walker.predict(0)
        walker.set_symbols(0, torch.tensor([1, 4]))
        predicted.append(walker.predict(1))
    torch.testing.assert_close(*predicted, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_same_weights_are_packed_once(name: str) -> None:
    net = network(name)
    compare_walkers(net)
    packed = entries[net].weights
    compare_walkers(net)
    assert entries[net].weights is packed
    build_walker(copy.deepcopy(net), 1, (1, 1), None, VALUES)
    assert entries[net].weights is packed


@pytest.mark.parametrize("name", NETWORKS)
def test_every_change_is_noticed(name: str) -> None:
    net = network(name)
    compare_walkers(net)
    for tensor in [x for x in (*net.parameters(), *net.buffers()) if x.is_floating_point()]:
        packed = entries[net].weights
        tensor.data.add_(1)  # which no version counts
        compare_walkers(net)
        assert entries[net].weights is not packed
    packed = entries[net].weights
    compare_walkers(net, VALUES**2)
    assert entries[net].weights is not packed
    packed = entries[net].weights
    net.float()
    assert build_walker(net, 1, (1, 1), None, VALUES).predict(0).dtype == torch.float32


def test_bfloat16_weights_are_compared_too() -> None:
    net = network().bfloat16()
    first = build_walker(net, 1, (1, 1), None, VALUES).predict(0)
    with torch.no_grad():
        net.head.out.bias.add_(1)
    second = build_walker(net, 1, (1, 1), None, VALUES).predict(0)
    assert (second - first).min() > 0.9


def test_a_network_that_is_gone_takes_its_weights_along() -> None:
    net = network()
    build_walker(net, 1, (1, 1), None, VALUES)
    gone = weakref.ref(entries[net].weights)
    del net
    gc.collect()
    assert gone() is None
