"""Orders of a GPT's symbols: the reference's permutations, and a model that works with each."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from smalti.autoregressive import (
    Alternate,
    Autoregressive,
    Levels,
    RowMajor,
    Spiral,
    build_config,
)
from smalti.autoregressive.raster_order import to_grid, to_sequence
from smalti.coding import compress, decompress
from smalti.core.config import from_json, to_json
from smalti.core.protocols import Batch
from smalti.core.rng import Rng
from smalti.core.sampling_inputs import SamplingInputs
from smalti.layers.condition_encoder import make_choices
from smalti.pixelcnn import GatedPixelCNNConfig
from tests.expect import expect_user_error
from tests.tiny import GPT, draw_pictures, randomize_zeros

ORDERS = {"alternate": Alternate(), "in": Spiral(), "out": Spiral(outward=True)}


def model(order: Any, shape: tuple[int, int, int] = (3, 3, 4), levels: int = 3) -> Autoregressive:
    torch.manual_seed(0)
    config = build_config(Levels(levels, shape), GPT, conditions=make_choices(("a",)), order=order)
    built = randomize_zeros(config.build())
    with torch.no_grad():
        for weight in built.parameters():
            weight.mul_(4)
    return built.double().eval()


def test_places_are_those_of_taming_transformers() -> None:
    """`AlternateParsing`, `SpiralIn` and `SpiralOut` of their permuter.py, worked out by hand."""
    spiral = [15, 11, 7, 3, 2, 1, 0, 4, 8, 12, 13, 14, 10, 6, 5, 9]
    assert RowMajor().list_places(2, 3).tolist() == [0, 1, 2, 3, 4, 5]
    assert Alternate().list_places(3, 3).tolist() == [0, 1, 2, 5, 4, 3, 6, 7, 8]
    assert Spiral().list_places(4, 4).tolist() == spiral
    assert Spiral(outward=True).list_places(4, 4).tolist() == spiral[::-1]
    assert Spiral(outward=True).list_places(2, 2).tolist() == [2, 0, 1, 3]


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (5, 1), (7, 7), (4, 6), (6, 3)])
def test_a_sequence_visits_neighbors_and_comes_back(order: Any, size: tuple[int, int]) -> None:
    h, w = size
    places = order.list_places(h, w)
    assert places.sort().values.tolist() == [*range(h * w)]
    steps = (places // w).diff().abs() + (places % w).diff().abs()
    assert (steps == 1).all()
    z = torch.randint(0, 9, (2, 3, h, w))
    assert torch.equal(to_grid(to_sequence(z, places), (3, h, w), places), z)


@torch.no_grad()
@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_a_symbol_depends_on_those_before_it_in_the_order(order: Any) -> None:
    net = model(order)
    z = torch.randint(0, 3, (1, 3, 3, 4))
    T = z.numel()
    changed = (net.to_sequence(z) + torch.eye(T, dtype=torch.int64)) % 3  # one symbol each
    grids = torch.cat([z, net.requirements.to_grid(changed)])
    y = net.encode_conditions({"class": torch.zeros(T + 1).long()}, T + 1)
    out = net.conditioning.predict(net.network, grids, y, None, torch.float64)  # (N, K, C, h, w)
    moved = (out[1:] - out[:1]).abs().amax(1)  # (changed, C, h, w)
    influences = net.to_sequence(moved) > 1e-9  # (changed, seen from)
    assert torch.equal(influences, torch.ones(T, T).triu(1).bool())


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_walks_scores_and_completion_agree(order: Any) -> None:
    net = model(order)
    pictures = torch.randint(0, 3, (3, 3, 3, 4)).double() / 2
    batch, nats = Batch(pictures, torch.zeros(3).long()), torch.zeros(3).double()
    z = net.to_sequence(net.encode(pictures))

    def choose(k: int, symbols: Any) -> Tensor:
        nats.sub_(symbols.logits.gather(1, z[:, k : k + 1])[:, 0])
        return z[:, k]

    *_, last = net.walk(choose, 3, SamplingInputs(labels=batch.labels))
    assert torch.equal(net.render(last), pictures.float())
    torch.testing.assert_close(nats, net.score(batch, Rng(range(3))).nats, atol=1e-5, rtol=0)
    mask = torch.zeros(3, 4, dtype=torch.bool)
    mask[1:, 1:] = True
    filled = draw_pictures(net, 3, inputs=SamplingInputs(known=pictures.float(), mask=mask))
    assert torch.equal(filled[..., ~mask], pictures.float()[..., ~mask])
    assert not torch.equal(filled, pictures.float())


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_pictures_are_compressed_losslessly(order: Any) -> None:
    net = model(order, levels=2).float()
    pixels = torch.randint(0, 2, (3, 3, 3, 4), dtype=torch.uint8) * 255
    assert torch.equal(decompress(net, compress(net, pixels)), pixels)


def test_it_is_saved_and_a_pixelcnn_takes_row_by_row_alone() -> None:
    config = model(Spiral(outward=True)).config
    assert from_json(to_json(config)) == config
    old = to_json(model(RowMajor()).config)
    del old["order"]
    assert from_json(old) == model(RowMajor()).config
    with expect_user_error("order is Spiral", "row by row", "give order RowMajor, or a GPT"):
        build_config(Levels(2, (1, 4, 4)), GatedPixelCNNConfig(), order=Spiral())
