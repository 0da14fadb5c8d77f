"""GPT's compiled step against the network run in full at every position."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import smalti
from smalti.autoregressive import GPTConfig
from smalti.autoregressive.gpt import compiled_step, quantize_for_sampling
from smalti.autoregressive.gpt.int8_weights import Int8Weights
from smalti.autoregressive.gpt.walker import GPTWalker
from smalti.autoregressive.naive_walker import NaiveTokenWalker
from smalti.core.int8 import dequantize_weights, quantize_weights
from smalti.kernels.transformer_step import _erf32, erf
from tests.expect import expect_user_error
from tests.tiny import draw_pictures


def network(dtype: torch.dtype = torch.float64, **changes: Any) -> Any:
    """Large random weights, so that every token matters."""
    torch.manual_seed(0)
    values = {"vocab_size": 11, "context_length": 12, "layers": 2, "heads": 2, "width": 8}
    net = GPTConfig(**{**values, **changes}).build().to(dtype).eval()
    with torch.no_grad():
        for weight in net.parameters():
            weight.add_(torch.randn_like(weight) / 4)
    return net


def walk_along(walker: Any, tokens: Tensor, c: int) -> Tensor:
    """The walker's logits (T, n, vocab_size) along tokens (n, c + T - 1), after a prefix of c."""
    found = [walker.predict(0)]
    for k in range(tokens.shape[1] - c):
        walker.set_symbols(k, tokens[:, c + k])
        found.append(walker.predict(k + 1))
    return torch.stack(found)


SIZES = [
    {},
    {"heads": 1, "width": 1, "vocab_size": 2},
    {"heads": 3, "width": 21, "vocab_size": 33},
    {"heads": 4, "width": 20, "layers": 1},
    {"heads": 2, "width": 64, "vocab_size": 100, "layers": 3},
]


@pytest.fixture
def three_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Threads that work at small sizes, too."""
    monkeypatch.setattr(compiled_step, "COSTLY_STEP", 0)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("n", [1, 4, 6])
def test_a_step_gives_the_networks_logits(size: dict[str, int], n: int) -> None:
    for dtype, error in ((torch.float64, 1e-11), (torch.float32, 1e-4)):
        net = network(dtype, **size)
        tokens = torch.randint(0, net.config.vocab_size, (n, 12))
        for c in (1, 5):
            quick = walk_along(GPTWalker(net, tokens[:, :c], 13 - c), tokens, c)
            slow = walk_along(NaiveTokenWalker(net, tokens[:, :c]), tokens, c)
            torch.testing.assert_close(quick, slow, atol=error, rtol=0)


def test_greedy_integers_are_the_naive_walkers() -> None:
    net, prefix = network(width=24, vocab_size=40, context_length=40), torch.randint(0, 40, (3, 2))

    def draw(walker: Any) -> list[list[int]]:
        found = []
        for k in range(39):
            found.append(walker.predict(k).argmax(1))
            walker.set_symbols(k, found[-1])
        return torch.stack(found, dim=1).tolist()

    drawn = draw(GPTWalker(net, prefix, 39))
    assert drawn == draw(NaiveTokenWalker(net, prefix))
    assert len({*drawn[0], *drawn[1]}) > 3


@pytest.mark.usefixtures("three_threads")
def test_threads_share_a_step() -> None:
    net, tokens = network(width=10, vocab_size=13), torch.randint(0, 13, (3, 5))
    walker = GPTWalker(net, tokens[:, :2], 4)
    assert walker.step is not None and walker.step.threads == 3
    slow = walk_along(NaiveTokenWalker(net, tokens[:, :2]), tokens, 2)
    torch.testing.assert_close(walk_along(walker, tokens, 2), slow, atol=1e-11, rtol=0)


def test_a_sequence_does_not_depend_on_its_batch() -> None:
    net, tokens = network(torch.float32, width=24), torch.randint(0, 11, (7, 12))
    together = walk_along(GPTWalker(net, tokens[:, :1], 12), tokens, 1)[1:]
    for part in (slice(0, 1), slice(2, 5), slice(5, 7)):
        alone = walk_along(GPTWalker(net, tokens[part, :1], 12), tokens[part], 1)[1:]
        torch.testing.assert_close(alone, together[:, part], atol=1e-5, rtol=0)


def test_logits_stay_when_the_walker_goes_on() -> None:
    net, tokens = network(), torch.randint(0, 11, (2, 12))
    walker = GPTWalker(net, tokens[:, :1], 12)
    walker.set_symbols(0, tokens[:, 1])
    first = walker.predict(1)
    copy = first.clone()
    walker.set_symbols(1, tokens[:, 2])
    assert torch.equal(first, copy)


def test_a_reordered_walker_goes_on_with_fewer_or_more() -> None:
    net, tokens = network(), torch.randint(0, 11, (4, 12))
    for rows in (torch.tensor([3]), torch.tensor([1, 1, 0, 2, 2, 3, 0])):
        walker = GPTWalker(net, tokens[:, :2], 10)
        walker.set_symbols(0, tokens[:, 2])
        walker.reorder(rows)
        walker.set_symbols(1, tokens[rows, 3])
        with torch.no_grad():
            whole = net(tokens[rows, :4])[:, -1]
        torch.testing.assert_close(walker.predict(2), whole, atol=1e-11, rtol=0)


def test_other_devices_and_types_take_steps_of_pytorch() -> None:
    net, tokens = network(torch.bfloat16), torch.randint(0, 11, (3, 12))
    walker = GPTWalker(net, tokens[:, :2], 10)
    assert walker.step is None
    found = walk_along(walker, tokens, 2)
    wide = walk_along(GPTWalker(net.float(), tokens[:, :2], 10), tokens, 2)
    torch.testing.assert_close(found.float(), wide, atol=0.3, rtol=0.1)


@pytest.mark.parametrize("n", [1, 3])
def test_int8_steps_are_those_of_the_rounded_weights(n: int) -> None:
    net: Any = network(torch.float32, heads=3, width=39, vocab_size=31)
    tokens = torch.randint(0, 31, (n, 12))
    net.int8_weights = Int8Weights(net)
    quick = walk_along(GPTWalker(net, tokens[:, :1], 12), tokens, 1)[1:]
    exact = walk_along(NaiveTokenWalker(net, tokens[:, :1]), tokens, 1)[1:]
    linear = {
        f"{name}.weight": layer.weight
        for name, layer in net.named_modules()
        if isinstance(layer, torch.nn.Linear)
    }
    net.load_state_dict(dequantize_weights(quantize_weights(linear)), strict=False)
    rounded = walk_along(NaiveTokenWalker(net, tokens[:, :1]), tokens, 1)[1:]
    spread = exact.std()
    assert (quick - rounded).std() < 0.01 * spread  # of the cache alone
    assert 1e-4 * spread < (quick - exact).std() < 0.03 * spread


def test_8_bits_change_the_priors_nats_by_less_than_a_hundredth() -> None:
    model: Any = smalti.load("vqvae-digits-gpt")
    pictures = smalti.data.digits("valid")
    x, labels = pictures[0][:24], pictures[1][:24]
    with torch.no_grad():
        z = model.encode(x)
        y = model.encode_conditions({"class": labels}, len(x))
    tokens = torch.cat([y, z.flatten(1)], dim=1)[:, :-1]

    def measure_nats() -> float:
        walker = model.build_walker(len(x), y)
        logits = walk_along(walker, tokens, y.shape[1])[..., : model.requirements.n_symbols]
        p = logits.double().log_softmax(2).transpose(0, 1)
        return -p.gather(2, z.flatten(1)[..., None]).mean().item()

    exact = measure_nats()
    quantize_for_sampling(model)
    assert 0 < abs(measure_nats() - exact) < 0.01
    assert draw_pictures(model, 2, cond=3).isfinite().all()


def test_quantizing_keeps_the_weights_and_needs_a_gpt() -> None:
    model: Any = smalti.load("vqvae-digits-gpt")
    before = {name: w.clone() for name, w in model.state_dict().items()}
    quantize_for_sampling(model)
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(w, after[name]) for name, w in before.items())
    with expect_user_error("GatedPixelCNN", "give a model of a GPT"):
        quantize_for_sampling(smalti.load("gated-pixelcnn-digits"))


def test_erf_is_accurate_in_float32() -> None:
    assert erf(0.5) == math.erf(0.5)
    x = torch.linspace(-6, 6, 1001)
    net: Any = network(torch.float32)
    block = net.blocks[0]
    assert isinstance(block.hidden[1], torch.nn.GELU) and block.hidden[1].approximate == "none"
    found = np.array([_erf32(v) for v in x.numpy()])
    assert np.abs(found - torch.erf(x).numpy()).max() < 5e-7
