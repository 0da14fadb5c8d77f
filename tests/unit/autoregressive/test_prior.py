"""Priors over codes: the walker, conditions, sampling, augmentation in training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import smalti
from smalti.autoregressive import AutoregressiveConfig, FrozenCodec, GPTConfig
from smalti.autoregressive.augment import corrupt_symbols, shift_pictures
from smalti.autoregressive.gpt.walker import GPTWalker
from smalti.core.protocols import Batch
from smalti.core.rng import Rng
from smalti.data.pictures import Pictures
from smalti.evaluation.bits import compute_bits_per_dim
from smalti.layers.symbol_sampling import Ancestral, draw_symbols, filter_logits
from tests.expect import expect_user_error
from tests.tiny import draw_pictures, prior_config


def network(**changes: Any) -> Any:
    """Large random weights, so that every token matters."""
    torch.manual_seed(0)
    values: dict[str, Any] = {
        "vocab_size": 11,
        "context_length": 12,
        "layers": 2,
        "heads": 2,
        "width": 8,
    }
    net = GPTConfig(**{**values, "dropout": 0.0, **changes}).build().double().eval()
    with torch.no_grad():
        for weight in net.parameters():
            weight.add_(0.5 * torch.randn_like(weight))
    return net


@torch.no_grad()
def test_a_position_sees_itself_and_what_is_before() -> None:
    net, tokens = network(), torch.randint(0, 11, (1, 12))
    changed = tokens.repeat(12, 1)
    changed[range(12), range(12)] = (tokens[0] + 1) % 11
    moved = (net(changed) - net(tokens)).abs().amax(2)  # (changed, seen from)
    assert moved.triu().flatten().unique().numel() > 60
    assert moved.tril(-1).max() < 1e-12  # of values near 1 in float64
    assert moved.diagonal().min() > 1e-6


@torch.no_grad()
@pytest.mark.parametrize("c", [1, 3])
def test_the_walker_gives_the_networks_logits(c: int) -> None:
    net, tokens = network(), torch.randint(0, 11, (5, 12))
    whole = net(tokens)
    walker = GPTWalker(net, tokens[:, :c], 13 - c)
    for k in range(13 - c):
        torch.testing.assert_close(walker.predict(k), whole[:, c - 1 + k], atol=1e-12, rtol=0)
        walker.set_symbols(k, tokens[:, c + k] if c + k < 12 else tokens[:, 0])


@torch.no_grad()
def test_a_walker_can_be_reordered() -> None:
    net, tokens, rows = network(), torch.randint(0, 11, (5, 12)), torch.tensor([4, 1, 1])
    walker = GPTWalker(net, tokens[:, :3], 9)
    walker.set_symbols(0, tokens[:, 3])
    walker.reorder(rows)
    walker.set_symbols(1, tokens[rows, 4])
    whole = net(tokens)[rows]
    torch.testing.assert_close(walker.predict(2), whole[:, 4], atol=1e-12, rtol=0)


def test_temperature_top_k_and_top_p() -> None:
    p = torch.tensor([[0.1, 0.4, 0.2, 0.3]], dtype=torch.float64)
    u = torch.linspace(0, 1, 10_001, dtype=torch.float64)[:-1]

    def shares(**options: Any) -> Tensor:
        found = draw_symbols(p.log().expand(len(u), 4), u, Ancestral(**options))
        return found.bincount(minlength=4) / len(u)

    def near(found: Tensor, wanted: list[float]) -> None:
        torch.testing.assert_close(found.double(), torch.tensor(wanted).double(), atol=2e-4, rtol=0)

    near(shares(), [0.1, 0.4, 0.2, 0.3])
    near(shares(temperature=0.5), [0.01 / 0.3, 0.16 / 0.3, 0.04 / 0.3, 0.09 / 0.3])
    near(shares(temperature=0), [0, 1, 0, 0])
    near(shares(top_k=2), [0, 4 / 7, 0, 3 / 7])
    near(shares(top_k=9), [0.1, 0.4, 0.2, 0.3])
    near(shares(top_p=0.5), [0, 4 / 7, 0, 3 / 7])
    near(shares(top_p=0.3), [0, 1, 0, 0])
    near(shares(top_k=3, top_p=0.75), [0, 4 / 7, 0, 3 / 7])


def test_of_equal_symbols_the_first_are_kept() -> None:
    kept = filter_logits(torch.zeros(1, 5), top_k=2).isfinite()
    assert kept.tolist() == [[True, True, False, False, False]]


def test_a_class_decides_what_is_drawn() -> None:
    torch.manual_seed(0)
    model = prior_config(("left", "right")).build()
    sides = torch.zeros(2, 1, 8, 8)
    sides[0, :, :, :4] = sides[1, :, :, 4:] = 1
    batch = Batch(sides, torch.tensor([0, 1]))
    optimizer = torch.optim.Adam(model.network.parameters(), lr=1e-2)
    for step in range(150):
        optimizer.zero_grad()
        model.loss(batch, step).total.backward()
        optimizer.step()
    pictures = draw_pictures(model, 4, cond=[0, 1, 1, 0], sampler=Ancestral(temperature=0))
    wanted = model.codec.reconstruct(sides)[[0, 1, 1, 0]]
    torch.testing.assert_close(pictures, wanted, atol=1e-5, rtol=0)


def test_scores_are_of_codes_and_given_the_class() -> None:
    model = prior_config(("a", "b")).build()
    pictures = torch.rand(3, 1, 8, 8)
    score = model.score(Batch(pictures, torch.tensor([0, 1, 0])), Rng(range(3)))
    assert (score.kind, score.dims) == ("codes", 4)
    z = model.encode(pictures).flatten(1)
    tokens = torch.cat([torch.tensor([[64], [65], [64]]), z], dim=1)
    logits = model.network.eval()(tokens[:, :-1])[..., :64].double().log_softmax(2)
    wanted = -logits.gather(2, z[..., None])[..., 0].sum(1)
    torch.testing.assert_close(score.nats, wanted, atol=1e-4, rtol=0)
    with expect_user_error("no bits/dim"):
        _ = score.bits_per_dim
    pixels = (pictures * 255).to(torch.uint8)
    found = compute_bits_per_dim(
        model, Pictures(pixels, torch.tensor([0, 1, 0]), ("a", "b"), "noise")
    )
    assert found.kind == "codes"
    again = model.score(Batch(pixels / 255, torch.tensor([0, 1, 0])), Rng(range(3)))
    assert found.mean == pytest.approx(again.nats.mean().item() / 4)


def test_codes_are_corrupted_in_training_alone() -> None:
    z = torch.zeros(400, 1, 7, 7, dtype=torch.int64)
    seen = corrupt_symbols(z, 64, 0.5)
    assert (seen != 0).double().mean().item() == pytest.approx(0.5 * 63 / 64, abs=0.02)
    assert seen.unique().numel() == 64
    model, batch = prior_config(symbol_noise=0.5).build(), Batch(torch.rand(4, 1, 8, 8))
    losses = [model.train(mode).loss(batch, 0).total for mode in (True, True, False, False)]
    assert losses[0] != losses[1]
    assert losses[2] == losses[3]


def test_pictures_are_shifted_and_the_network_knows() -> None:
    x = torch.arange(12.0).reshape(1, 1, 3, 4).expand(2, 1, 3, 4)
    moved = shift_pictures(x, torch.tensor([[1, 0], [0, -2]]))
    assert moved[0, 0].tolist() == [[0, 1, 2, 3], [0, 1, 2, 3], [4, 5, 6, 7]]
    assert moved[1, 0, 0].tolist() == [2, 3, 3, 3]
    model = prior_config(("a",), max_shift=1).build()
    prefix: Any = model.encode_conditions({"class": torch.tensor([0, 0])}, 2, torch.tensor([0, 5]))
    assert prefix.tolist() == [
        [64, 66],
        [64, 66 + 5],
    ]  # the codes come first, then "a" and its none
    prefix = model.encode_conditions({"class": torch.tensor([0])}, 1)
    assert prefix.tolist() == [[64, 66 + 4]]  # no shift
    x, shifts = model.train().shift_randomly(torch.rand(50, 1, 8, 8))
    assert shifts is not None and shifts.unique().tolist() == [*range(9)]
    assert model.network.config.vocab_size == 64 + 2 + 9


def test_what_does_not_fit_is_refused() -> None:
    with expect_user_error("vocab_size is 512", "64 codes", "65"):
        AutoregressiveConfig(FrozenCodec(), GPTConfig(context_length=49)).build()
    with expect_user_error("ddpm-digits is not a codec"):
        FrozenCodec("ddpm-digits").load()
    with expect_user_error("is not the codec", "00000000"):
        FrozenCodec("vqvae-digits", "0" * 64).load()
    model = prior_config(("a", "b")).build()
    with expect_user_error("class 2"):
        smalti.sample(model, 1, cond=2)
    with expect_user_error("top_p is 0"):
        Ancestral(top_p=0)
    with expect_user_error("width is 10", "4 heads"):
        GPTConfig(width=10)


def test_a_codec_in_a_folder_is_found_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smalti.save(smalti.load("vqvae-digits"), tmp_path / "codec")
    monkeypatch.chdir(tmp_path)
    pinned = FrozenCodec("codec").pin_hash()
    monkeypatch.chdir(tmp_path.parent)
    assert pinned.load().spec.output == "codes"
    assert FrozenCodec("vqvae-digits").pin_hash().model == "vqvae-digits"
