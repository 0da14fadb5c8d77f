"""Other pictures in front of a GPT's codes: numbering, training, sampling, coordinates."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import smalti
from smalti.autoregressive import (
    Ancestral,
    Autoregressive,
    CaptionTokens,
    Choice,
    CoordinateCodec,
    FrozenCodec,
    IndexCodec,
    Levels,
    PictureCondition,
    build_config,
)
from smalti.autoregressive.augment import crop_pictures
from smalti.autoregressive.coordinates import make_coordinates
from smalti.core.config import from_json, to_json
from smalti.core.protocols import Batch, SymbolDistribution
from smalti.core.rng import Rng
from smalti.core.sampling_inputs import SamplingInputs
from smalti.layers.caption import CaptionConfig
from smalti.layers.condition_pictures import find_edges
from tests.expect import expect_user_error
from tests.tiny import GPT, draw_pictures, randomize_zeros

DIGITS = FrozenCodec("vqvae-digits", shape=(1, 8, 8))  # 2x2 codes of 64
SMALL = PictureCondition(Levels(4, (1, 2, 2)))
COORDINATES = PictureCondition(CoordinateCodec(16, (1, 4, 4), 2), "coordinates", "coordinates")


def model(*conditions: Any, codec: Any = DIGITS, **others: Any) -> Autoregressive:
    torch.manual_seed(0)
    built = randomize_zeros(build_config(codec, GPT, conditions=conditions, **others).build())
    with torch.no_grad():
        for weight in built.parameters():
            weight.mul_(4)
    return built.eval()


def encode(net: Autoregressive, n: int, **values: Any) -> list[list[int]]:
    tokens = net.encode_conditions(values, n)
    assert tokens is not None
    return tokens.tolist()


def test_tokens_have_their_own_rows_or_the_symbols() -> None:
    classes, small = Choice(("a", "b")), torch.tensor([[[0, 1], [2, 3]]])
    own = model(classes, SMALL, condition_dropout=0.1)
    assert encode(own, 1, **{"class": torch.tensor([1]), "picture": small}) == [
        [65, 67, 68, 69, 70]
    ]
    assert encode(own, 1) == [[66, 71, 71, 71, 71]]
    assert own.requirements.vocab_size == 64 + 3 + 5
    shared = model(classes, SMALL, shared_table=True)
    assert encode(shared, 1, **{"class": torch.tensor([1]), "picture": small}) == [[1, 0, 1, 2, 3]]
    assert shared.requirements.vocab_size == 64
    dropped = model(classes, SMALL, shared_table=True, condition_dropout=0.1)
    assert encode(dropped, 1) == [[64, 65, 65, 65, 65]]
    assert dropped.requirements.vocab_size == 66
    start = model(shared_table=True)  # as the reference's sos_token 0
    assert encode(start, 1) == [[0]] and start.requirements.vocab_size == 64
    wide = model(PictureCondition(IndexCodec(99, (2, 2)), source="given"), shared_table=True)
    assert wide.requirements.vocab_size == 99
    assert from_json(to_json(own.config)) == own.config


def test_in_training_it_is_derived_from_the_picture_and_may_be_hidden() -> None:
    x, seen = torch.rand(40, 1, 8, 8), []
    net = model(SMALL, condition_dropout=0.5)
    net.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    net.train().loss(Batch(x), 0)
    expected = 65 - 1 + Levels(4).encode(F.interpolate(x, size=(2, 2), mode="area")).flatten(1)
    prefix = seen[0][:, :4]
    hidden = (prefix == 64 + 4).all(1)
    assert 8 < hidden.sum() < 32
    assert torch.equal(prefix[~hidden], expected[~hidden])
    net.eval().loss(Batch(x), 0)
    assert torch.equal(seen[1][:, :4], expected)
    assert torch.equal(seen[1][:, 4:], net.encode(x).flatten(1)[:, :-1])
    score = net.score(Batch(x), Rng(range(40)))
    given = net.score(Batch(x, conditions={"picture": x}), Rng(range(40)))
    assert torch.equal(score.nats, given.nats)
    other = net.score(Batch(x, conditions={"picture": x.flip(0)}), Rng(range(40)))
    assert not torch.equal(score.nats, other.nats)


def test_symbol_noise_replaces_codes_alone() -> None:
    """pkeep of the reference: uniform over all codes, in training; the prefix and targets stay."""
    x, seen = torch.rand(200, 1, 8, 8), []
    net = model(SMALL, symbol_noise=0.5).train()
    net.network.register_forward_hook(lambda _, inputs, out: seen.append((inputs[0], out)))
    loss = net.loss(Batch(x), 0).total
    (tokens, logits), z = seen[0], net.encode(x).flatten(1)
    assert torch.equal(tokens[:, :4], torch.tensor(encode(net, 200, picture=x)))
    assert 0.4 < (tokens[:, 4:] != z[:, :-1]).double().mean() < 0.6
    clean = F.cross_entropy(logits[:, 3:, :64].flatten(0, 1), z.flatten())
    torch.testing.assert_close(loss, clean)


def test_walks_see_it_as_scores_do() -> None:
    net, x = model(Choice(("a", "b")), SMALL).double(), torch.rand(3, 1, 8, 8)
    y, nats = torch.tensor([0, 1, 1]), torch.zeros(3).double()
    z = net.encode(x).flatten(1)

    def choose(k: int, symbols: SymbolDistribution) -> Tensor:
        nats.sub_(symbols.logits.gather(1, z[:, k : k + 1])[:, 0])
        return z[:, k]

    list(net.walk(choose, 3, SamplingInputs(y, picture=x)))
    torch.testing.assert_close(nats, net.score(Batch(x, y), Rng(range(3))).nats)


def test_samples_take_pictures_of_any_size_or_codes() -> None:
    net = model(SMALL, condition_dropout=0.5)
    assert set(net.spec.accepted_inputs) >= {"picture", "conditions"}
    x = torch.rand(3, 1, 8, 8)
    small = F.interpolate(x, size=(2, 2), mode="area")
    drawn = draw_pictures(net, 3, cond=x)
    for same in (
        {"cond": small},
        {"cond": {"picture": small}},
        {"inputs": SamplingInputs(conditions={"picture": Levels(4).encode(small)})},
    ):
        assert torch.equal(draw_pictures(net, 3, **same), drawn)
    assert not torch.equal(draw_pictures(net, 3, cond=1 - x), drawn)
    assert not torch.equal(draw_pictures(net, 3), drawn)  # without
    guided = draw_pictures(net, 3, cond=x, sampler=Ancestral(guidance=3.0))
    assert guided.shape == (3, 1, 8, 8)


def test_a_trained_model_follows_it() -> None:
    """Which half is bright is known from four numbers alone."""
    torch.manual_seed(0)
    net = build_config(DIGITS, GPT, conditions=(SMALL,)).build()
    sides = torch.zeros(2, 1, 8, 8)
    sides[0, :, :, :4] = sides[1, :, :, 4:] = 1
    optimizer = torch.optim.Adam(net.network.parameters(), lr=1e-2)
    for step in range(100):
        optimizer.zero_grad()
        net.loss(Batch(sides), step).total.backward()
        optimizer.step()
    few = torch.tensor([[[[1.0, 0], [1, 0]]], [[[0, 1.0], [0, 1]]]])[[1, 0, 1]]
    drawn = draw_pictures(net, 3, cond=few, sampler=Ancestral(temperature=0))
    torch.testing.assert_close(drawn, net.codec.reconstruct(sides)[[1, 0, 1]], atol=1e-5, rtol=0)


def test_edges_and_colors() -> None:
    x = torch.zeros(1, 1, 4, 6)
    x[..., 3:] = 1
    assert find_edges(x)[0, 0, 1].tolist() == [0, 0, 1, 1, 0, 0]
    assert find_edges(torch.full((1, 1, 4, 6), 0.7)).max() < 1e-6
    gray = PictureCondition(Levels(256, (1, 2, 2)), source="edges").build()
    red = torch.zeros(1, 3, 2, 2)
    red[:, 0] = 1
    assert not gray.encode(red, torch.device("cpu")).any()
    low = PictureCondition(Levels(256, (1, 2, 2))).build()
    assert low.encode(red, torch.device("cpu")).unique().tolist() == [round(0.299 * 255)]
    color = PictureCondition(Levels(4, (3, 1, 1)), resize="nearest").build()
    assert color.encode(red, torch.device("cpu")).tolist() == [[3, 0, 0]]
    with expect_user_error("picture has 3 channels", "takes 2"):
        PictureCondition(Levels(4, (2, 1, 1))).build().encode(red, torch.device("cpu"))


def test_coordinates_are_quantized_as_in_the_reference() -> None:
    """round(n_embed * area mean), by hand; the last one would be beyond the table."""
    codec = CoordinateCodec(16, (1, 4, 4), 2)
    full = make_coordinates(1, (4, 4))
    assert full.flatten().tolist() == [k / 16 for k in range(16)]
    assert codec.encode(full).tolist() == [[[2, 4], [10, 12]]]  # means 2.5, 4.5, 10.5, 12.5
    assert codec.encode(torch.ones(1, 1, 4, 4)).max() == 15
    assert codec.decode(codec.encode(full)).shape == (1, 1, 4, 4)


def test_crops_know_where_they_are() -> None:
    net, seen = model(COORDINATES, codec=Levels(4, (1, 4, 4))), []
    net.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    codec, size, full = CoordinateCodec(16, (1, 4, 4), 2), (4, 4), make_coordinates(1, (8, 6))
    corners = {
        tuple(codec.encode(crop_pictures(full, torch.tensor([[i, j]]), size)).flatten().tolist())
        for i in range(5)
        for j in range(3)
    }
    x = torch.rand(1, 1, 8, 6).expand(50, -1, -1, -1)
    net.train().loss(Batch(x), 0)
    prefix = {tuple(row) for row in (seen[0][:, :4] - 4).tolist()}
    assert len(prefix) > 5 and prefix <= corners
    assert seen[0][:, 4:].unique(dim=0).shape[0] >= len(prefix)
    in_the_middle = net.score(Batch(x[:1]), Rng([0])).nats
    assert torch.equal(seen[1][:, 4:], net.encode(x[:1, :, 2:6, 1:5]).flatten(1)[:, :-1])
    whole = net.score(Batch(x[:1, :, 2:6, 1:5]), Rng([0])).nats
    assert (in_the_middle - whole).abs() > 1e-3
    drawn = draw_pictures(net, 2)  # as a whole canvas
    given = {"coordinates": make_coordinates(2, size)}
    assert torch.equal(drawn, draw_pictures(net, 2, cond=given))
    assert "picture" not in net.spec.accepted_inputs


def test_what_does_not_fit_is_refused() -> None:
    net, x = model(SMALL), torch.rand(2, 1, 8, 8)
    with expect_user_error("not trained without picture", "give one for each of 2"):
        smalti.sample(net, 2)
    with expect_user_error("3 of picture are given for 2 pictures"):
        smalti.sample(net, 2, cond=torch.rand(3, 1, 8, 8))
    with expect_user_error("picture is a picture; give pictures (n, C, H, W)"):
        smalti.sample(net, 2, cond={"picture": [0, 1]})
    with expect_user_error("picture has values from", "give pictures in 0 to 1"):
        smalti.sample(net, 2, cond=2 + x)
    with expect_user_error("codes of picture have shape (1, 3, 3)", "(1, 2, 2)"):
        smalti.sample(
            net, 2, inputs=SamplingInputs(conditions={"picture": torch.ones(2, 3, 3).long()})
        )
    with expect_user_error("codes of picture are from 9 to 9", "0 to 3"):
        smalti.sample(
            net, 1, inputs=SamplingInputs(conditions={"picture": torch.full((1, 2, 2), 9)})
        )
    with expect_user_error("picture and conditions['picture'] are both given"):
        smalti.sample(net, 2, inputs=SamplingInputs(picture=x, conditions={"picture": x}))
    with expect_user_error("guidance is 2", "not trained without picture"):
        smalti.sample(net, 2, cond=x, sampler=Ancestral(guidance=2.0))
    with expect_user_error("two conditions are named 'picture'"):
        build_config(DIGITS, GPT, conditions=(SMALL, SMALL))
    with expect_user_error("max_shift is 2", "coordinates would not shift", "give max_shift 0"):
        build_config(DIGITS, GPT, conditions=(COORDINATES,), max_shift=2)
    with expect_user_error("pictures have shape (1, 9, 9)", "resize them"):
        net.score(Batch(torch.rand(1, 1, 9, 9)), Rng([0]))
    with expect_user_error("'text' is a vector", "give CaptionTokens, or a PixelCNN"):
        model(CaptionConfig())
    given = model(PictureCondition(Levels(4, (1, 2, 2)), "style", "given"))
    with expect_user_error("not trained without style"):
        given.loss(Batch(x), 0)


def test_captions_are_words_in_front() -> None:
    words = CaptionTokens(length=3, buckets=50)
    net = model(words, SMALL, condition_dropout=0.1)
    assert net.requirements.vocab_size == 64 + 51 + 5
    (row,) = encode(net, 1, text=["Red, HEART"])
    assert 65 <= row[0] < 64 + 50 and row[0] != row[1] and row[2] == 64
    assert encode(net, 1, text=["red heart"]) == [row]
    assert encode(net, 1, text=["heart red blue green"])[0][:2] == [row[1], row[0]]
    assert encode(net, 1)[0][:3] == [64 + 50] * 3
    alone = model(words)
    x = torch.rand(2, 1, 8, 8)
    one, other = (
        alone.score(Batch(x, text=[text] * 2), Rng(range(2))).nats for text in ("red", "heart")
    )
    assert not torch.equal(one, other)
    assert alone.train().loss(Batch(x, text=["red", "heart"]), 0).total.isfinite()
    assert draw_pictures(alone, 2, cond="red heart").shape == (2, 1, 8, 8)
    with expect_user_error("not trained without text", "give one for each of 2 pictures"):
        smalti.sample(alone, 2)
    assert from_json(to_json(net.config)) == net.config


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_posteriors_of_classes_use_it(dropout: float) -> None:
    net = model(Choice(("a", "b")), SMALL, codec=Levels(3, (1, 4, 4)), condition_dropout=dropout)
    x = torch.rand(3, 1, 4, 4).mul(2).round() / 2
    mask = torch.tensor([False, False, True, True])[:, None].expand(4, 4)
    inputs = SamplingInputs(picture=x, known=x, mask=mask)
    assert draw_pictures(net, 3, inputs=inputs).shape == (3, 1, 4, 4)
