"""Priors with several conditions: attributes, captions, joint dropout, cached shifts."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest
import torch

import smalti
from smalti.autoregressive import CaptionTokens, FrozenCodec, GPTConfig, build_config
from smalti.autoregressive.augment import list_shifts, shift_all, shift_pictures
from smalti.core.conditions import SHIFT, resolve_conditions
from smalti.core.protocols import Batch
from smalti.data.attributes import make_attributes
from smalti.data.code_cache import encode_with_cache
from smalti.data.pictures import Pictures, Splits
from smalti.layers.condition_encoder import Choice
from smalti.layers.symbol_sampling import Ancestral
from smalti.recipes.selected_conditions import (
    list_condition_names,
    make_all_choices,
    select_conditions,
)
from tests.albums import make_noise
from tests.expect import expect_user_error
from tests.tiny import GPT

CODEC = FrozenCodec("vqvae-digits", shape=(1, 8, 8))
WORDS = CaptionTokens(length=3, buckets=4).learn_words(["red heart", "red apple"])
STYLE = Choice(("flat", "3d"), "style", optional=True)


def make_model(**changes: Any) -> Any:
    torch.manual_seed(0)
    values: dict[str, Any] = {"conditions": (STYLE, WORDS), "condition_dropout": 0.1, **changes}
    return build_config(CODEC, values.pop("network", GPT), **values).build().eval()


def make_data(n: int = 6) -> Pictures:
    """Pictures with classes, captions and two attributes."""
    words = {
        "style": ["flat", "3d", "flat", "3d", "ink", "ink"][:n],
        "hue": ["red"] * n,
    }
    return Pictures(
        torch.from_numpy(make_noise(n, 1, 8, 8)),
        torch.arange(n) % 2,
        ("a", "b"),
        "some",
        tuple(f"picture {k}" for k in range(n)),
        attributes=make_attributes(words, np.arange(n)),
    )


def test_a_subset_keeps_the_attributes_of_its_pictures() -> None:
    part = make_data().select(torch.tensor([4, 1]), "part")
    assert part.attributes["style"].list_words() == ["ink", "3d"]
    assert part.attributes["style"].values == ("3d", "flat", "ink")
    batch = part.make_batch(torch.tensor([1, 0]), torch.device("cpu"))
    assert torch.as_tensor(batch.conditions["style"]).tolist() == [0, 2]
    facts = [p.collect_facts() for p in (part, make_data().select(torch.tensor([4, 0]), "part"))]
    assert facts[0]["attributes"] != facts[1]["attributes"]


def test_conditions_are_selected_by_name() -> None:
    splits = Splits(make_data(), make_data(2))
    assert list_condition_names(splits.train) == ["class", "text", "hue", "style"]
    some = select_conditions(splits, ("style", "text")).train
    assert (some.labels, some.classes, list(some.attributes)) == (None, (), ["style"])
    assert some.captions
    assert [c.name for c in make_all_choices(some)] == ["style"]
    usual = select_conditions(splits, None).valid
    assert usual.classes and usual.captions and not usual.attributes
    with expect_user_error("condition sytle is given, but some has class, text, hue, style"):
        select_conditions(splits, ("sytle",))


def test_each_known_word_has_a_row_and_others_share_the_buckets() -> None:
    tokenizer = WORDS.build()
    assert WORDS.words == ("red", "apple", "heart") and tokenizer.vocab_size == 7
    tokens = tokenizer.encode(["Red APPLE!", "blue heart of gold"], torch.device("cpu")).tolist()
    assert tokens[0] == [4, 5, 0]
    assert tokens[1][1] == 6 and 1 <= tokens[1][0] <= 3 and 1 <= tokens[1][2] <= 3


def test_without_words_captions_are_hashed_as_before() -> None:
    tokens = CaptionTokens(length=2).build().encode(["red heart"], torch.device("cpu"))
    assert tokens.tolist() == [[zlib.crc32(word) % 4095 + 1 for word in (b"red", b"heart")]]


def test_an_attribute_that_is_not_given_is_none() -> None:
    model = make_model()
    spec = {c.name: c for c in model.spec.conditions}
    assert spec["style"].has_default and not spec["text"].has_default
    drawn = model.draw_conditions(smalti.Rng([0, 1]), smalti.SamplingInputs(text=["red", "red"]))
    assert "style" not in drawn.conditions
    inputs = smalti.SamplingInputs(conditions={"style": ["none"]}, text=["red"])
    without = smalti.SamplingInputs(text=["red"])
    rows = [
        model.encode_conditions(resolve_conditions(x, model.spec, 1), 1) for x in (inputs, without)
    ]
    assert torch.equal(*rows)


@pytest.mark.parametrize("kind", ["tokens", "vector"])
def test_joint_dropout_drops_all_conditions_of_a_picture(kind: str) -> None:
    changes: dict[str, Any] = {"condition_dropout": 1e-9, "joint_dropout": 0.5}
    if kind == "vector":
        kinds = Choice(("x", "y"), "kind")
        changes |= {"conditions": (STYLE, kinds), "network": smalti.pixelcnn.GatedPixelCNNConfig(
            width=4, blocks=1, head_width=4)}  # fmt: skip
        values: Any = {"style": torch.ones(400).long(), "kind": torch.zeros(400).long()}
    else:
        values = {"style": torch.ones(400).long(), "text": ["red heart"] * 400}
    model = make_model(**changes)
    full, none = model.encode_conditions(values, 400), model.encode_conditions({}, 400)
    y = model.train().encode_conditions(values, 400)
    dropped = (y == none).all(1)
    assert 150 < int(dropped.sum()) < 250
    assert torch.equal(y[~dropped], full[~dropped])
    with expect_user_error("joint_dropout is 0.5, but condition_dropout is 0; give both"):
        make_model(condition_dropout=0.0, joint_dropout=0.5)


@torch.no_grad()
def test_a_head_of_codes_alone_draws_and_scores_the_same() -> None:
    small = make_model(network=GPTConfig(layers=1, heads=2, width=8, output_size=64, dropout=0.0))
    large = make_model(network=GPTConfig(layers=1, heads=2, width=8, dropout=0.0))
    assert small.network.head.out_features == 64 < large.network.head.out_features
    state = small.state_dict()
    head = torch.zeros_like(large.network.head.weight)
    head[:64] = state["network.head.weight"]
    large.load_state_dict({**state, "network.head.weight": head})
    x = make_data(2).take_floats([0, 1])
    batch = Batch(x, text=["red", "heart"])
    scores = [m.score(batch, smalti.Rng([0, 1])).nats for m in (small, large)]
    torch.testing.assert_close(*scores)
    inputs = {"cond": {"text": ["red", "heart"]}, "sampler": Ancestral(top_k=5)}
    torch.testing.assert_close(smalti.sample(small, 2, **inputs), smalti.sample(large, 2, **inputs))
    wide = smalti.SamplingInputs(text=["red"], size=(8, 16))
    pictures = [smalti.sample(m, 1, inputs=wide) for m in (small, large)]
    torch.testing.assert_close(*pictures)


def test_every_shift_is_encoded_once_and_told(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMALTI_DATA", str(tmp_path))
    pictures, codec = make_data(), CODEC.load()
    shifts = [lambda x, s=s: shift_all(x, *s) for s in list_shifts(1)]
    device = torch.device("cpu")
    codes = encode_with_cache(pictures, codec, "0" * 64, device, shifts=shifts)
    assert len(codes.shifted_codes) == 9
    assert torch.equal(codes.shifted_codes[4], codes.stored_codes)
    batch = codes.make_batch(torch.arange(6), device)
    told = torch.as_tensor(batch.conditions[SHIFT])
    moves = torch.stack([told // 3 - 1, told % 3 - 1], dim=1)
    x = shift_pictures(pictures.take_floats(torch.arange(6)), moves)
    assert batch.codes is not None
    assert torch.equal(batch.codes[:, 0], codec.encode(x))
    model = make_model(max_shift=1)
    assert model.read_symbols(batch, {})[2] is batch.conditions[SHIFT]
    assert make_model().read_symbols(batch, {})[2] is None
