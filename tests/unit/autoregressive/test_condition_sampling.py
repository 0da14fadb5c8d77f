"""Conditions of an autoregressive model: several at once, marginalized, or drawn."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import smalti
from smalti.autoregressive import (
    Autoregressive,
    Choice,
    FrozenCodec,
    GPTConfig,
    Levels,
    build_config,
)
from smalti.core.protocols import Batch
from smalti.core.rng import Rng
from smalti.core.sampling_inputs import SamplingInputs
from smalti.layers.caption import CaptionConfig
from smalti.pixelcnn import (
    GatedPixelCNNConfig,
    LogisticMixture,
    PixelCNNConfig,
    PixelCNNPlusPlusConfig,
)
from tests.expect import expect_user_error
from tests.tiny import GPT, draw_pictures, randomize_zeros

CLASSES, STYLES = Choice(("a", "b")), Choice(("x", "y", "z"), name="style")
TWO = (CLASSES, STYLES)
SMALL: dict[str, Any] = {"width": 8, "blocks": 1, "head_width": 8, "first_kernel_size": 3}
NETWORKS = {
    "plain": PixelCNNConfig(**SMALL),
    "gated": GatedPixelCNNConfig(**SMALL),
    "plusplus": PixelCNNPlusPlusConfig(filters=8, blocks=1, scales=1, dropout=0.0),
    "gpt": GPT,
}


def model(network: Any, conditions: Any = TWO, **others: Any) -> Autoregressive:
    """Large weights, so that conditions matter."""
    torch.manual_seed(0)
    built = randomize_zeros(
        build_config(Levels(3, (1, 2, 3)), network, conditions=conditions, **others).build()
    )
    if hasattr(built.network, "initialize"):
        built.loss(Batch(torch.rand(4, 1, 2, 3), torch.zeros(4).long(), conditions=style(0, 4)), 0)
    with torch.no_grad():
        for name, weight in built.named_parameters():
            if not name.endswith(".g"):
                weight.mul_(3)
    return built.double().eval()


def style(k: int, n: int) -> dict[str, Tensor]:
    return {"style": torch.full((n,), k)}


def nats(model: Autoregressive, **conditions: Any) -> Tensor:
    """Nats (3,) of the same pictures."""
    pictures = torch.linspace(0, 1, 18).view(3, 1, 2, 3).double()
    return model.score(Batch(pictures, **conditions), Rng(range(3))).nats


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_two_conditions_at_once(network: Any) -> None:
    net = model(network)
    assert [c.name for c in net.spec.conditions] == ["class", "style"]
    each = [
        nats(net, labels=torch.full((3,), a), conditions=style(b, 3))
        for a in range(2)
        for b in range(3)
    ]
    assert torch.stack(each).unique(dim=0).shape[0] == 6
    by_style = -torch.logsumexp(-torch.stack(each).view(2, 3, 3), 0) + torch.tensor(2.0).log()
    for b in range(3):  # an unspecified choice is marginalized
        torch.testing.assert_close(
            nats(net, conditions=style(b, 3)), by_style[b], atol=1e-5, rtol=0
        )
    everything = -torch.logsumexp(-torch.stack(each), 0) + torch.tensor(6.0).log()
    torch.testing.assert_close(nats(net), everything, atol=1e-5, rtol=0)
    named = SamplingInputs(conditions={"class": ["b", "a"], "style": ["z", "x"]})
    by_name = draw_pictures(net, 2, inputs=named)
    counted = SamplingInputs(
        labels=torch.tensor([1, 0]), conditions={"style": torch.tensor([2, 0])}
    )
    assert torch.equal(draw_pictures(net, 2, inputs=counted), by_name)
    with expect_user_error("style"):
        smalti.sample(net, 2, inputs=SamplingInputs(conditions={"style": ["z", "w"]}))


@pytest.mark.parametrize("network", [NETWORKS["gated"], NETWORKS["gpt"]], ids=["gated", "gpt"])
def test_none_can_be_requested_if_it_was_learned(network: Any) -> None:
    net = model(network, condition_dropout=0.1)
    none = nats(net, conditions={"class": ["none"] * 3, "style": ["none"] * 3})
    assert torch.equal(nats(net), none)
    assert not torch.equal(nats(net, labels=torch.zeros(3).long()), none)
    with expect_user_error("not trained without"):
        smalti.sample(model(network), 1, inputs=SamplingInputs(conditions={"class": ["none"]}))


def test_a_caption_and_a_class() -> None:
    net = model(NETWORKS["gated"], (CLASSES, CaptionConfig(width=4, buckets=16)))
    red, green = (
        nats(net, labels=torch.zeros(3).long(), text=[word] * 3) for word in ("red", "green")
    )
    assert (red != green).all()
    with expect_user_error("text", "tokens"):
        build_config(Levels(), GPTConfig(), conditions=(CaptionConfig(),))


@pytest.mark.parametrize("network", [NETWORKS["gated"], NETWORKS["gpt"]], ids=["gated", "gpt"])
@pytest.mark.parametrize("end", [0, 1, 4])
def test_the_class_is_drawn_from_its_posterior(network: Any, end: int) -> None:
    """By Bayes' rule from the pixels before the first gap, and from no others."""
    net = model(network, (CLASSES,))
    known = net.codec.decode(torch.tensor([[[[2, 0, 1], [1, 2, 0]]]]))
    mask = torch.zeros(6, dtype=torch.bool)
    mask[end] = True
    nats = torch.zeros(2).double()
    symbols = net.encode(known).flatten()

    def choose(k: int, distribution: Any) -> Tensor:
        if k < end:
            nats.sub_(distribution.logits[:, symbols[k]])
        return symbols[k].expand(2)

    list(net.walk(choose, 2, SamplingInputs(labels=torch.arange(2))))
    n = 400
    inputs = SamplingInputs(known=known.expand(n, -1, -1, -1), mask=mask.view(2, 3))
    labels = net.draw_conditions(Rng(range(n)), inputs).labels
    assert labels is not None
    u = Rng(range(n)).uniform()
    assert torch.equal(labels, (u >= (-nats).softmax(0)[0]).long())
    given = SamplingInputs(known=inputs.known, mask=inputs.mask, labels=labels)
    assert torch.equal(draw_pictures(net, n, inputs=inputs), draw_pictures(net, n, inputs=given))


def test_mismatched_parts_are_refused() -> None:
    codes = FrozenCodec("vqvae-digits")
    with expect_user_error("LogisticMixture", "64 codes", "Categorical"):
        build_config(codes, GatedPixelCNNConfig(), LogisticMixture())
    with expect_user_error("takes values", "64 codes"):
        build_config(codes, PixelCNNPlusPlusConfig()).build()
    with expect_user_error("GPT", "Categorical"):
        build_config(Levels(), GPTConfig(), LogisticMixture())
    with expect_user_error("all 3", "PixelCNNPlusPlusConfig"):
        build_config(
            Levels(256, (3, 8, 8)),
            GatedPixelCNNConfig(3, width=12, head_width=12),
            LogisticMixture(),
        )
    with expect_user_error("all 3 channels together", "LogisticMixture"):
        build_config(Levels(256, (3, 8, 8)), PixelCNNPlusPlusConfig())


def test_explicit_network_sizes_are_not_overruled() -> None:
    with expect_user_error("network.outputs is 9", "require 8"):
        build_config(Levels(8), GatedPixelCNNConfig(outputs=9))
    assert build_config(Levels(8), GatedPixelCNNConfig()).network.outputs == 8  # pyright: ignore
