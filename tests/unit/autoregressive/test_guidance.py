"""Classifier-free guidance on the logits of symbols."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import smalti
from smalti.autoregressive import Ancestral, Choice, Levels, build_config
from smalti.autoregressive.guidance import guide_choice
from smalti.autoregressive.output import SoftmaxDistribution
from smalti.core.protocols import SymbolDistribution
from smalti.core.sampling_inputs import SamplingInputs
from smalti.pixelcnn import GatedPixelCNNConfig, LogisticMixture, PixelCNNPlusPlusConfig
from tests.expect import expect_user_error
from tests.tiny import GPT, draw_pictures, pixelcnn_config, randomize_zeros

SMALL: dict[str, Any] = {"width": 8, "blocks": 1, "head_width": 8, "first_kernel_size": 3}
PLUSPLUS = PixelCNNPlusPlusConfig(filters=8, blocks=1, scales=1, dropout=0.0)
NETWORKS = {
    "gated": (GatedPixelCNNConfig(**SMALL), {}),
    "gpt": (GPT, {}),
    "mixture": (PLUSPLUS, {"output": LogisticMixture(2)}),
}


def model(name: str, dropout: float = 0.5, **others: Any) -> Any:
    torch.manual_seed(0)
    network, parts = NETWORKS[name]
    conditions = (Choice(("a", "b")),)
    config = build_config(
        Levels(4, (1, 3, 4)),
        network,
        conditions=conditions,
        condition_dropout=dropout,
        **parts,
        **others,
    )
    built = randomize_zeros(config.build())
    with torch.no_grad():
        for weight in built.parameters():
            weight.mul_(3)
    return built.double().eval()


def list_logits(net: Any, label: Any, z: Tensor, guidance: float = 1.0) -> Tensor:
    """(T, n, K) log-probabilities along a walk over symbols z (n, T)."""
    found = []

    def choose(k: int, symbols: SymbolDistribution) -> Tensor:
        found.append(symbols.logits)
        return z[:, k]

    inputs = SamplingInputs(conditions={"class": [label] * len(z)})
    assert len([*net.walk(choose, len(z), inputs, guidance)]) == 3
    return torch.stack(found)


@pytest.mark.parametrize("name", NETWORKS)
def test_logits_move_from_none_through_the_class(name: str) -> None:
    net, z = model(name), torch.randint(0, 4, (3, 12))
    cond, none = list_logits(net, "b", z), list_logits(net, "none", z)
    assert (cond - none).abs().max() > 0.05
    for guidance in (0.0, 2.5):
        expected = (none + guidance * (cond - none)).log_softmax(-1)
        torch.testing.assert_close(list_logits(net, "b", z, guidance), expected, atol=1e-9, rtol=0)


@pytest.mark.parametrize("name", NETWORKS)
def test_guidance_1_changes_nothing(name: str) -> None:
    net = model(name)
    for sampler in (Ancestral(), Ancestral(top_k=2), Ancestral(0.5, top_p=0.7)):
        plain, guided = (
            draw_pictures(net, 6, cond=1, sampler=one)
            for one in (sampler, Ancestral(sampler.temperature, sampler.top_k, sampler.top_p, 1.0))
        )
        assert torch.equal(plain, guided)
    far = draw_pictures(net, 6, cond=1, sampler=Ancestral(guidance=5.0))
    assert not torch.equal(far, draw_pictures(net, 6, cond=1))


def test_it_works_with_temperature_top_k_and_completion() -> None:
    net = model("gpt")
    sampler = Ancestral(0.0, guidance=3.0)
    assert (draw_pictures(net, 4, cond=1, sampler=sampler).diff(dim=0) == 0).all()
    best = draw_pictures(net, 4, cond=1, sampler=Ancestral(top_k=1, guidance=3.0))
    assert torch.equal(best, draw_pictures(net, 4, cond=1, sampler=sampler))
    known = torch.zeros(4, 1, 3, 4)
    mask = torch.tensor([False, True, True])[:, None].expand(3, 4)
    filled = draw_pictures(
        net, 4, inputs=SamplingInputs(known=known, mask=mask), sampler=Ancestral(guidance=3.0)
    )
    assert filled.shape == (4, 1, 3, 4) and not filled[:, :, 0].any()


def test_a_sample_depends_on_its_own_seed_and_states_are_of_n() -> None:
    net, sampler = model("gated"), Ancestral(guidance=2.0)
    both = draw_pictures(net, seeds=[3, 8], cond=[0, 1], sampler=sampler)
    assert torch.equal(both[1:], draw_pictures(net, seeds=[8], cond=[1], sampler=sampler))
    states = [*smalti.stream(net, 2, cond=0, sampler=sampler)]
    assert [state.symbols.shape for state in states] == [(2, 1, 3, 4)] * 3


def test_symbols_that_neither_allows_stay_impossible() -> None:
    row = torch.tensor([[0.0, -torch.inf, -1.0]]).double()
    seen = []

    def choose(k: int, symbols: SymbolDistribution) -> Tensor:
        seen.append(symbols.logits)
        return torch.zeros(1).long()

    guided = guide_choice(choose, 2.0)(0, SoftmaxDistribution(row.repeat(2, 1)))
    assert guided.tolist() == [0, 0] and seen[0][0, 1] == -torch.inf
    torch.testing.assert_close(seen[0], row.log_softmax(1))


def test_models_that_cannot_be_guided_refuse() -> None:
    with expect_user_error("guidance is 2", "not trained without class", "set guidance to 1"):
        smalti.sample(model("gpt", dropout=0.0), 1, cond=0, sampler=Ancestral(guidance=2.0))
    with expect_user_error("guidance is 2", "has no conditions", "set guidance to 1"):
        smalti.sample(pixelcnn_config().build(), 1, sampler=Ancestral(guidance=2.0))
    with expect_user_error("guidance is 2", "not trained without class"):
        model("gpt", dropout=0.0, sampler=Ancestral(guidance=2.0))
    with expect_user_error("guidance is 100000"):
        Ancestral(guidance=1e5)
