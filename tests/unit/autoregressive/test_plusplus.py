"""The network of PixelCNN++: receptive field, initialization, its walker against the network."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from smalti.autoregressive.pixelcnn.plusplus.blocks import LevelEmbedding, WeightNorm
from smalti.autoregressive.pixelcnn.walkers import build_walker
from smalti.convert import from_reference, read_weights
from smalti.core.errors import UserError
from smalti.core.protocols import Batch
from smalti.core.rng import Rng
from smalti.layers.condition_encoder import make_choices
from smalti.pixelcnn import (
    Autoregressive,
    AutoregressiveConfig,
    Categorical,
    Levels,
    LogisticMixture,
    PixelCNNPlusPlusConfig,
)
from tests.expect import expect_user_error
from tests.naive.kernels import Naive

GOLDEN = Path(__file__).parents[2] / "golden"


def network(size: tuple[int, int] = (7, 6), **changes: Any) -> Any:
    """Initialized on noise, so that every layer matters; in float64 and eval mode."""
    torch.manual_seed(0)
    values: dict[str, Any] = {"outputs": 6, "filters": 5, "blocks": 1, "dropout": 0.5, **changes}
    config = PixelCNNPlusPlusConfig(**values)
    built = config.build().double().eval()
    x = 2 * torch.rand(8, config.channels, *size, dtype=torch.float64) - 1
    built.initialize(
        x, torch.arange(8) % config.condition_width if config.condition_width else None
    )
    return built


@torch.no_grad()
@pytest.mark.parametrize("scales", [1, 2, 3])
@pytest.mark.parametrize(("channels", "embed"), [(1, 0), (3, 0), (1, 4), (3, 4)])
def test_a_pixel_sees_all_before_it_and_nothing_later(
    scales: int, channels: int, embed: int
) -> None:
    H, W = 6, 5
    net = network((H, W), scales=scales, channels=channels, blocks=2, embedding_width=embed)
    x = torch.randint(0, 255, (channels, H, W))
    changed = x.flatten() + torch.eye(x.numel(), dtype=torch.int64)  # one level, one number
    both = torch.cat([x.flatten()[None], changed]).unflatten(1, x.shape).double() / 127.5 - 1
    params = net(both)
    moved = (params[1:] - params[:1]).abs().amax(1).unflatten(0, x.shape)  # (C, H, W, H, W)
    order = torch.arange(H * W).reshape(H, W)
    before = order[:, :, None, None] < order
    assert (moved * ~before).max() < 1e-13  # 0, but for how a processor rounds a batch's rows
    assert moved[:, before].min() > 1e-10


@torch.no_grad()
@pytest.mark.parametrize("y", [torch.tensor([0, 2]), torch.tensor([[1.0, 2, 3], [0, -1, 2]])])
def test_the_condition_reaches_every_block(y: Tensor) -> None:
    net = network(condition_width=3)
    x = torch.zeros(2, 1, 7, 6, dtype=torch.float64)
    assert (net(x, y)[0] != net(x, y)[1]).any()
    blocks: list[Any] = [m for m in net.modules() if getattr(m, "condition", None) is not None]
    assert len(blocks) == 2 * (3 * 1 + 1 + 2 + 2)  # u and ul; one block a level, one more upwards
    for block in blocks:
        old, weight = net(x, y), block.condition.weight
        weight.add_(1.0)
        assert (net(x, y) != old).any()
    with expect_user_error("y has shape", "(2, 3)"):
        net(x, torch.zeros(2, 4))


def test_initialization_depends_on_the_data() -> None:
    """Every normed layer then outputs mean 0 and its configured standard deviation."""
    torch.manual_seed(0)
    net = PixelCNNPlusPlusConfig(filters=6, blocks=1, dropout=0.0).build().double()
    x = torch.rand(16, 1, 8, 8, dtype=torch.float64) * 2 - 1
    seen: list[tuple[float, Tensor, Tensor]] = []

    def note(module: Any, _: Any, out: Tensor) -> None:
        if "Deconv" not in type(module).__name__:  # cropped after initialization
            seen.append((module.weight.scale, *torch.std_mean(out, (0, 2, 3), correction=0)))

    for module in net.modules():
        if isinstance(getattr(module, "weight", None), WeightNorm):
            module.register_forward_hook(note)
    net.initialize(x)
    seen.clear()
    net(x)
    assert len(seen) > 40
    for scale, deviation, mean in seen:
        torch.testing.assert_close(deviation, torch.full_like(deviation, scale), rtol=1e-6, atol=0)
        assert mean.abs().max() < 1e-6


def test_a_constant_batch_does_not_blow_it_up() -> None:
    net = PixelCNNPlusPlusConfig(filters=4, blocks=1).build()
    net.initialize(torch.full((4, 1, 8, 8), -1.0))
    assert net.eval()(torch.rand(2, 1, 8, 8) * 2 - 1).abs().max() < 100


def test_only_the_first_loss_initializes_it() -> None:
    torch.manual_seed(0)
    model = Autoregressive(config(dropout=0.5))
    batch = Batch(torch.rand(4, 1, 7, 6))
    assert not model.network.is_initialized
    model.loss(batch, 0)
    first = {k: v.clone() for k, v in model.state_dict().items()}
    assert first["network.initialized"]
    model.loss(Batch(torch.rand(4, 1, 7, 6)), 0)
    assert all(torch.equal(v, first[k]) for k, v in model.state_dict().items())


def test_nonsense_is_refused() -> None:
    with expect_user_error("filters is 0"):
        PixelCNNPlusPlusConfig(filters=0)
    with expect_user_error("dropout is 1"):
        PixelCNNPlusPlusConfig(dropout=1.0)
    with expect_user_error("outputs is 5", "15"):
        AutoregressiveConfig(network=PixelCNNPlusPlusConfig(outputs=5), output=LogisticMixture(5))
    with expect_user_error("levels is 256", "16"):
        network = PixelCNNPlusPlusConfig(outputs=16, embedding_width=4)
        AutoregressiveConfig(Levels(16), network, Categorical())


@torch.no_grad()
def test_every_level_has_its_own_vector() -> None:
    """In single precision, too, and whatever the values' rounding."""
    embedding = LevelEmbedding(256, 5)
    values = 2 * torch.arange(256) / 255 - 1
    seen = embedding(values[None, None, None])  # (1, 1 + 5, 1, 256)
    torch.testing.assert_close(seen[0, 0, 0], values, atol=0, rtol=0)
    torch.testing.assert_close(seen[0, 1:, 0].T, embedding.table.weight, atol=0, rtol=0)


# ---- the walker


def config(**changes: Any) -> AutoregressiveConfig:
    channels = changes.pop("channels", 1)
    output = changes.pop("output", LogisticMixture(2))
    values: dict[str, Any] = {"filters": 5, "blocks": 1, "dropout": 0.0, **changes}
    numbers = output.count_parameters(channels, 9)
    return AutoregressiveConfig(
        Levels(9, (channels, 7, 6)),
        PixelCNNPlusPlusConfig(channels=channels, outputs=numbers, **values),
        output,
        make_choices(tuple("abc"[: values.get("condition_width", 0)])),
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"blocks": 2},
        {"channels": 3, "condition_width": 3},
        {"scales": 2, "output": Categorical()},
        {"scales": 1, "condition_width": 2},
        {"scales": 2, "output": Categorical(), "embedding_width": 3, "levels": 9},
        {"channels": 3, "embedding_width": 2, "levels": 9},
    ],
)
def test_the_same_uniforms_give_the_same_pixels(changes: dict[str, Any]) -> None:
    wanted = config(**changes)
    quick, naive = Autoregressive(wanted), Naive(wanted)
    quick.network = naive.network = network(**vars(wanted.network))
    pictures = [
        [state.symbols for state in model.stream(Rng(range(3)))] for model in (quick, naive)
    ]
    assert all(torch.equal(a, b) for a, b in zip(*pictures, strict=True))
    assert pictures[0][-1].unique().numel() > 3


@torch.no_grad()
@pytest.mark.parametrize("kind", ["pclucas_pixelcnnpp_rgb", "pclucas_pixelcnnpp_gray"])
def test_the_golden_networks_walk(kind: str) -> None:
    """For any pixels, the walker's parameters are the full network's."""
    weights, reference = read_weights(GOLDEN / f"{kind}.safetensors")
    assert reference is not None
    net: Any = from_reference(kind, reference, weights).double()
    C, H, W = reference["input_channels"], 9, 10  # sides that the scales do not divide
    values, symbols = 2 * torch.rand(20).double() - 1, torch.randint(20, (3, C, H, W))
    whole, walker = net(values[symbols]), build_walker(net, 3, (H, W), None, values)
    for k, (i, j, c) in enumerate(itertools.product(range(H), range(W), range(C))):
        got = walker.predict(k)
        torch.testing.assert_close(got, whole[..., i, j], atol=1e-12, rtol=0)
        walker.set_symbols(k, symbols[:, c, i, j])


def test_symbols_without_values_are_refused() -> None:
    with pytest.raises(UserError, match="takes values"):
        build_walker(network(filters=4, blocks=1), 1, (2, 2))
