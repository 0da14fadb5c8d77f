"""The PixelCNN model: likelihood, walk, samples, completion."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

import smalti
from smalti.autoregressive.naive_walker import NaiveWalker
from smalti.core.errors import UserError
from smalti.core.protocols import Batch
from smalti.core.rng import Rng
from smalti.core.sampling_inputs import SamplingInputs
from smalti.data.pictures import Pictures
from smalti.evaluation.bits import compute_bits_per_dim
from smalti.pixelcnn import (
    Ancestral,
    Autoregressive,
    Categorical,
    Choice,
    GatedPixelCNNConfig,
    Levels,
    PixelCNNConfig,
)
from tests.tiny import draw_pictures, pixelcnn_config, randomize_zeros

AB = ("a", "b")


def small(**changes: Any) -> Autoregressive:
    """Weights three times the initial ones, so that inputs matter."""
    torch.manual_seed(0)
    model = randomize_zeros(pixelcnn_config(**changes).build()).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
    return model


def all_pictures(shape: tuple[int, int, int], levels: int) -> Tensor:
    numbers = itertools.product(range(levels), repeat=math.prod(shape))
    return torch.tensor(list(numbers)).unflatten(1, shape) / (levels - 1)


@pytest.mark.parametrize("network", [GatedPixelCNNConfig, PixelCNNConfig])
@pytest.mark.parametrize("shape", [(1, 2, 3), (3, 1, 2)])
def test_probabilities_of_all_pictures_sum_to_one(network: Any, shape: Any) -> None:
    model = small(shape=shape, levels=3, kind=network)
    pictures = all_pictures(shape, 3)
    score = model.score(Batch(pictures), Rng(range(len(pictures))))
    assert score.kind == "exact"
    assert score.dims == math.prod(shape)
    assert (-score.nats).exp().sum().item() == pytest.approx(1, abs=1e-12)


def test_a_model_with_classes_sums_over_them_when_none_is_given() -> None:
    model = small(shape=(1, 2, 2), levels=3, classes=AB)
    pictures = all_pictures((1, 2, 2), 3)
    rng = Rng(range(len(pictures)))
    p = [(-model.score(Batch(pictures, torch.full((81,), k)), rng).nats).exp() for k in (0, 1)]
    torch.testing.assert_close((-model.score(Batch(pictures), rng).nats).exp(), (p[0] + p[1]) / 2)
    assert not torch.allclose(p[0], p[1])


def test_loss_is_the_mean_of_the_score() -> None:
    model = small(shape=(3, 4, 5), levels=5, classes=AB)
    batch = Batch(torch.rand(6, 3, 4, 5).double(), torch.arange(6) % 2)
    loss = model.loss(batch, 0)
    bits = model.score(batch, Rng(range(6))).bits_per_dim.mean()
    assert loss.terms["bits_per_dim"].item() == pytest.approx(bits.item(), rel=1e-9)
    assert loss.total.item() == pytest.approx(bits.item() * math.log(2), rel=1e-9)


def test_bytes_are_learned_from_as_levels_over_255() -> None:
    model = small(levels=256).float()
    pixels = torch.randint(0, 256, (4, 1, 8, 8), dtype=torch.uint8)
    losses = [model.loss(Batch(x), 0).total for x in (pixels, pixels / 255)]
    assert torch.equal(*losses)


def test_evaluation_takes_exact_scores() -> None:
    model = small(levels=256).float()
    pixels = torch.randint(0, 256, (5, 1, 8, 8), dtype=torch.uint8)
    bits = compute_bits_per_dim(model, Pictures(pixels, None, (), "noise"))
    assert bits.kind == "exact"
    assert bits.n == 5
    assert bits.terms == {}
    assert bits.mean > 8  # noise cannot be predicted


def test_walking_gives_the_score_symbol_by_symbol() -> None:
    """Along given pictures the walk's distributions give the same nats as the full network."""
    model = small(shape=(3, 3, 4), levels=4, classes=AB)
    pictures, labels = torch.rand(3, 3, 3, 4), torch.tensor([0, 1, 1])
    levels, nats, places = model.encode(pictures), torch.zeros(3).double(), []

    def choose(k: int, symbols: Any) -> Tensor:
        places.append(k)
        level = levels[:, k % 3, k // 12, k // 3 % 4]
        nats.sub_(symbols.logits.gather(1, level[:, None])[:, 0])
        torch.testing.assert_close(symbols.logits.exp().sum(1), torch.ones(3).double())
        return level

    states = list(model.walk(choose, 3, SamplingInputs(labels=labels)))
    assert [(state.step, state.steps, state.unit) for state in states] == [
        (i, 3, "row") for i in (1, 2, 3)
    ]
    canvases = [state.symbols for state in states]
    assert places == list(range(3 * 4 * 3))
    assert len(canvases) == 3
    assert torch.equal(canvases[-1], levels)
    assert torch.equal(canvases[0][:, :, 0], levels[:, :, 0])
    assert not canvases[0][:, :, 1:].any()
    torch.testing.assert_close(nats, model.score(Batch(pictures, labels), Rng(range(3))).nats)


def test_samples_follow_the_probabilities() -> None:
    model = small(shape=(1, 1, 2), levels=2)
    pictures = all_pictures((1, 1, 2), 2)
    p = (-model.score(Batch(pictures), Rng(range(4))).nats).exp()
    many = draw_pictures(model, 4000)
    share = torch.stack([(many == x).flatten(1).all(1).double().mean() for x in pictures])
    torch.testing.assert_close(share, p, atol=0.03, rtol=0)


def test_temperature_0_takes_the_likeliest_and_1_does_not() -> None:
    model = small(levels=8)
    coldly = [draw_pictures(model, seeds=[s], sampler=Ancestral(0.0)) for s in (1, 2)]
    assert torch.equal(*coldly)
    assert not torch.equal(*[draw_pictures(model, seeds=[s]) for s in (1, 2)])


def test_draws_of_a_categorical() -> None:
    symbols = Categorical().build_distribution(
        torch.tensor([[0.5, 0.0, 0.25, 0.25]]).log(), torch.empty(1, 0), 0, 4
    )
    u = torch.tensor([0.0, 0.4999, 0.5001, 0.7499, 0.7501, 0.9999])
    levels = [int(symbols.sample(torch.stack([x, x])[None])) for x in u]
    assert levels == [0, 0, 2, 2, 3, 3]  # never the level of no probability
    warm = [int(symbols.sample(torch.stack([x, x])[None], temperature=1e-3)) for x in u]
    assert warm == [0] * 6


def test_known_numbers_stay_and_the_rest_is_drawn() -> None:
    model = small(shape=(3, 5, 4), levels=16)
    known = model.codec.decode(torch.randint(0, 16, (2, 3, 5, 4)))
    mask = torch.rand(2, 1, 5, 4) < 0.5
    filled = draw_pictures(model, seeds=[4, 9], inputs=SamplingInputs(known=known, mask=mask))
    where = mask.expand_as(known)
    assert torch.equal(filled[~where], known[~where])
    other = draw_pictures(model, seeds=[5, 6], inputs=SamplingInputs(known=known, mask=mask))
    assert (filled != other)[where].any()
    nothing = draw_pictures(
        model, seeds=[4, 9], inputs=SamplingInputs(known=known, mask=torch.ones(5, 4).bool())
    )
    assert torch.equal(nothing, draw_pictures(model, seeds=[4, 9]))


def test_completion_depends_on_the_known_part() -> None:
    model = small(shape=(1, 4, 4), levels=16)
    mask = torch.zeros(4, 4).bool()
    mask[2:] = True
    ends = [
        draw_pictures(
            model,
            seeds=range(8),
            inputs=SamplingInputs(known=torch.full((8, 1, 4, 4), v), mask=mask),
        )
        for v in (0.0, 1.0)
    ]
    assert (ends[0] != ends[1])[:, :, 2:].any()


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        (SamplingInputs(known=torch.zeros(2, 1, 8, 8)), "mask"),
        (
            SamplingInputs(known=torch.zeros(2, 1, 8, 7), mask=torch.ones(8, 8).bool()),
            "known has shape",
        ),
        (
            SamplingInputs(known=torch.full((2, 1, 8, 8), 2.0), mask=torch.ones(8, 8).bool()),
            "0 to 1",
        ),
        (SamplingInputs(known=torch.zeros(2, 1, 8, 8), mask=torch.ones(8, 8)), "booleans"),
        (
            SamplingInputs(known=torch.zeros(2, 1, 8, 8), mask=torch.ones(3, 8).bool()),
            "mask has shape",
        ),
    ],
)
def test_holes_that_do_not_fit_are_refused(inputs: SamplingInputs, words: str) -> None:
    with pytest.raises(UserError, match=words):
        smalti.sample(small(), 2, inputs=inputs)


@pytest.mark.parametrize("labels", [[0, 2], [0, -1], [0.0, 1.0], [0]])
def test_classes_that_are_not_there_are_refused(labels: list) -> None:
    with pytest.raises(UserError, match="class"):
        smalti.sample(small(classes=AB), 2, cond=torch.tensor(labels))


def test_a_vector_is_a_condition_and_enters_everywhere() -> None:
    for config in (
        GatedPixelCNNConfig(condition_width=5, blocks=1),
        PixelCNNConfig(condition_width=5, blocks=1),
    ):
        network = randomize_zeros(config.build()).double()
        x, y = torch.rand(2, 1, 4, 4).double(), torch.eye(5).double()
        by_class = network(x, torch.tensor([3, 1]))
        assert torch.equal(by_class, network(x, y[[3, 1]]))
        assert torch.equal(network(x), network(x, 0 * y[:2]))
        other = network(x, y[[3, 2]])
        assert torch.equal(other[0], by_class[0])
        assert (other[1] != by_class[1]).all()
        with pytest.raises(UserError, match="y has shape"):
            network(x, torch.zeros(2, 4))


def test_mismatched_configs_are_refused() -> None:
    good = pixelcnn_config(levels=8)
    with pytest.raises(UserError, match=r"network\.outputs is 8.*require 256"):
        replace(good, codec=Levels(256, (1, 8, 8)))
    with pytest.raises(UserError, match=r"network\.condition_width"):
        replace(good, conditions=(Choice(AB),))
    with pytest.raises(UserError, match=r"network\.channels"):
        replace(good, codec=Levels(8, (3, 8, 8)))
    with pytest.raises(UserError, match="multiple of the 3"):
        GatedPixelCNNConfig(channels=3, width=32)
    with pytest.raises(UserError, match="temperature"):
        Ancestral(-1.0)


def test_the_callers_modes_stay() -> None:
    model = small(classes=AB).train()
    states = smalti.stream(model, 2)
    next(states)
    assert model.training
    assert torch.is_grad_enabled()


def test_the_naive_walker_gives_the_networks_numbers() -> None:
    network = GatedPixelCNNConfig(outputs=5, width=6, head_width=6, blocks=1).build().double()
    values, symbols = torch.rand(5).double(), torch.randint(5, (2, 1, 3, 4))
    walker, logits = NaiveWalker(network, 2, (3, 4), None, values), network(values[symbols])
    for k, (i, j) in enumerate(itertools.product(range(3), range(4))):
        torch.testing.assert_close(walker.predict(k), logits[..., i, j].detach())
        walker.set_symbols(k, symbols[:, 0, i, j])
