"""Pictures as maps beside the symbols of PixelCNNs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import smalti
from smalti.autoregressive import (
    Ancestral,
    CaptionTokens,
    Choice,
    CoordinateCodec,
    FrozenCodec,
    Levels,
    PictureCondition,
    build_config,
)
from smalti.autoregressive.map_encoder import PictureMap
from smalti.autoregressive.naive_walker import NaiveWalker
from smalti.autoregressive.pixelcnn.walkers import build_walker
from smalti.core.config import from_json, to_json
from smalti.core.protocols import Batch, SymbolDistribution
from smalti.core.rng import Rng
from smalti.core.sampling_inputs import SamplingInputs
from smalti.pixelcnn import (
    GatedPixelCNNConfig,
    LogisticMixture,
    PixelCNNConfig,
    PixelCNNPlusPlusConfig,
)
from tests.expect import expect_user_error
from tests.tiny import draw_pictures

SMALL: dict[str, Any] = {"width": 9, "blocks": 2, "head_width": 6, "first_kernel_size": 3}
NETWORKS: dict[str, Any] = {
    "plain": PixelCNNConfig(**SMALL),
    "gated": GatedPixelCNNConfig(**SMALL),
    "++": PixelCNNPlusPlusConfig(filters=8, blocks=2, scales=3, dropout=0.0),
}
SCALED = PictureCondition(Levels(4, (1, 2, 2)))
"""The picture in 2x2 pixels of 4 levels."""
VALUES = torch.linspace(0, 1, 5).double()


def network(name: str, channels: int = 1) -> Any:
    torch.manual_seed(1)
    fields = {"channels": channels, "outputs": 5, "condition_width": 3}
    config = NETWORKS[name]
    return type(config)(**{**vars(config), **fields}).build().double().eval()


def model(name: str, *conditions: Any, codec: Any = None, **others: Any) -> Any:
    torch.manual_seed(0)
    parts = {"output": LogisticMixture(2)} if name == "++" else {}
    codec = codec or Levels(4, (1, 6, 5))
    config = build_config(
        codec, NETWORKS[name], conditions=conditions or (SCALED,), **parts, **others
    )
    return config.build().eval()


@torch.no_grad()
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("n", "size"), [(1, (1, 1)), (3, (1, 4)), (9, (3, 1)), (2, (6, 5))])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_fast_walker_is_the_naive_one(
    name: str, n: int, size: tuple[int, int], channels: int
) -> None:
    net, y = network(name, channels), torch.randn(n, 3, *size).double()
    both = [build(net, n, size, y, VALUES) for build in (NaiveWalker, build_walker)]
    for k in range(size[0] * size[1] * channels):
        slow, fast = (walker.predict(k) for walker in both)
        torch.testing.assert_close(fast, slow, atol=1e-10, rtol=1e-10)
        symbols = torch.randint(5, (n,))
        for walker in both:
            walker.set_symbols(k, symbols)


@torch.no_grad()
@pytest.mark.parametrize("name", NETWORKS)
def test_a_constant_map_is_a_vector(name: str) -> None:
    net, y, x = network(name), torch.randn(2, 3).double(), torch.rand(2, 1, 4, 8).double()
    same = net(x, y[:, :, None, None].expand(-1, -1, 4, 8))
    torch.testing.assert_close(same, net(x, y), atol=1e-10, rtol=1e-10)
    y_map = torch.randn(2, 3, 4, 8).double()
    assert (net(x, y_map) - net(x, y)).abs().max() > 1e-3
    with expect_user_error("y has shape (2, 3, 4, 7)", "give (2, 3), or a map of (2, 3, 4, 8)"):
        net(x, y_map[..., 1:])


@torch.no_grad()
@pytest.mark.parametrize("name", ["plain", "gated"])
def test_a_position_of_the_map_is_not_masked(name: str) -> None:
    """The first position sees its own place of the map, though no symbol."""
    net, x, y = network(name), torch.rand(1, 1, 3, 3).double(), torch.zeros(1, 3, 3, 3).double()
    y[..., 0, 0] = 1
    changed = (net(x, y) - net(x, 0 * y)).abs().amax(1)[0]
    assert changed[0, 0] > 1e-4


def list_logits(net: Any, z: Tensor, inputs: SamplingInputs, guidance: float = 1.0) -> Tensor:
    """(T, n, K) log-probabilities along a walk over symbols z (n, T)."""
    found = []

    def choose(k: int, symbols: SymbolDistribution) -> Tensor:
        found.append(symbols.logits)
        return z[:, k]

    assert [*net.walk(choose, len(z), inputs, guidance)]
    return torch.stack(found)


@pytest.mark.parametrize("name", NETWORKS)
def test_training_scores_and_walks_agree(name: str) -> None:
    net = model(name, SCALED, Choice(("a", "b"))).double()
    x, y = torch.rand(3, 1, 6, 5).mul(3).round().div(3).double(), torch.tensor([0, 1, 1])
    assert net.spec.conditions[1].kind == "map" and net.spec.conditions[1].is_picture
    loss = net.loss(Batch(x, y), 0)  # it also initializes PixelCNN++
    nats = net.score(Batch(x, y), Rng(range(3))).nats
    torch.testing.assert_close(loss.total.detach(), nats.mean() / 30, atol=1e-9, rtol=0)
    z = net.encode(x).flatten(1)
    logits = list_logits(net, z, SamplingInputs(picture=x.float(), labels=y))
    walked = -logits.gather(2, z.T[..., None]).sum((0, 2))
    torch.testing.assert_close(walked, nats, atol=1e-4, rtol=1e-5)
    loss.total.backward()
    assert all(p.grad is not None for p in net.maps.parameters())
    other = net.score(Batch(x, y, conditions={"picture": 1 - x.float()}), Rng(range(3))).nats
    assert not torch.equal(other, nats)


@pytest.mark.parametrize("name", NETWORKS)
def test_samples_guidance_and_completion(name: str) -> None:
    net = model(name, condition_dropout=0.2)
    x = torch.rand(2, 1, 12, 10)  # of any size
    drawn = draw_pictures(net, 2, cond=x)
    assert drawn.shape == (2, 1, 6, 5)
    alone = draw_pictures(net, seeds=[1], cond=x[1:])
    assert torch.equal(alone, drawn[1:])
    z, given = torch.randint(0, 4, (2, 30)), SamplingInputs(picture=x)
    cond, none = list_logits(net, z, given), list_logits(net, z, SamplingInputs())
    assert (cond - none).abs().max() > 1e-3
    guided = (none + 2.5 * (cond - none)).log_softmax(-1)
    torch.testing.assert_close(list_logits(net, z, given, 2.5), guided, atol=1e-3, rtol=0)
    known, mask = drawn.roll(1, 0), (torch.arange(6) >= 3)[:, None].expand(6, 5)
    inputs = SamplingInputs(picture=x, known=known, mask=mask)
    completed = draw_pictures(net, 2, inputs=inputs, sampler=Ancestral(guidance=1.5))
    assert torch.equal(completed[:, :, :3], known[:, :, :3])


@pytest.mark.parametrize("source", ["given", "edges", "coordinates"])
def test_every_source_over_pixels_and_codes(source: Any) -> None:
    codec = CoordinateCodec(9, (1, 8, 8), 2) if source == "coordinates" else Levels(3, (1, 8, 8))
    for own in (Levels(4, (1, 8, 8)), FrozenCodec("vqvae-digits", shape=(1, 8, 8))):
        net = model("gated", PictureCondition(codec, "style", source), codec=own)
        x = torch.rand(2, 1, 8, 8)
        style = {} if source == "coordinates" else {"style": x}
        loss = net.train().loss(Batch(x, conditions=style if source == "given" else {}), 0)
        assert loss.total.isfinite()
        inputs = SamplingInputs(conditions=style)
        assert draw_pictures(net.eval(), 2, inputs=inputs).shape == (2, 1, 8, 8)
        assert from_json(to_json(net.config)) == net.config
        if source == "given":
            with expect_user_error("not trained without style", "give one for each of 2"):
                net.loss(Batch(x), 0)


def test_features_are_those_of_the_grid_and_see_what_comes_after() -> None:
    encode = PictureMap(4, (3, 4, 6))
    tokens = torch.randint(4, (2, 72))
    assert [encode(tokens, size).shape[2:] for size in ((2, 3), (4, 6), (7, 7))] == [
        (2, 3),
        (4, 6),
        (7, 7),
    ]
    changed = tokens.clone()
    changed[:, 7 * 3] = (tokens[:, 7 * 3] + 1) % 4  # of the pixel below and to the right
    first = [encode(t, (4, 6))[:, :, 0, 0] for t in (tokens, changed)]
    assert not torch.equal(*first)


def test_a_model_learns_to_follow_its_map() -> None:
    torch.manual_seed(0)
    given = PictureCondition(Levels(2, (1, 4, 4)), "picture", "given")
    net = model("plain", given, codec=Levels(2, (1, 4, 4))).train()
    optimizer = torch.optim.Adam(net.parameters(), 2e-2)
    for _ in range(40):
        x = torch.rand(16, 1, 4, 4).round()  # noise, so that the map alone tells it
        optimizer.zero_grad()
        net.loss(Batch(x, conditions={"picture": 1 - x}), 0).total.backward()
        optimizer.step()
    x = torch.rand(8, 1, 4, 4).round()
    drawn = draw_pictures(net.eval(), 8, cond=1 - x)
    assert (drawn == x).float().mean() > 0.95


def test_errors_are_one_line() -> None:
    net, x = model("gated"), torch.rand(2, 1, 6, 5)
    with expect_user_error("not trained without picture", "give one for each of 2"):
        smalti.sample(net, 2)
    with expect_user_error("3 of picture are given for 2 pictures"):
        smalti.sample(net, 2, cond=torch.rand(3, 1, 6, 5))
    with expect_user_error("codes of picture have shape (1, 3, 3)", "(1, 2, 2)"):
        smalti.sample(
            net, 2, inputs=SamplingInputs(conditions={"picture": torch.ones(2, 3, 3).long()})
        )
    with expect_user_error("guidance is 2", "not trained without picture"):
        smalti.sample(net, 2, cond=x, sampler=Ancestral(guidance=2.0))
    with expect_user_error("'text' is encoded as tokens", "takes vectors and maps", "give a GPT"):
        model("gated", CaptionTokens())
    with expect_user_error("network.condition_width is 7", "set it to 32"):
        build_config(
            Levels(4, (1, 6, 5)), GatedPixelCNNConfig(condition_width=7), conditions=(SCALED,)
        )
