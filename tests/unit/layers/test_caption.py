"""The caption encoder, and captions in training and models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from smalti.core.protocols import Batch
from smalti.core.rng import Rng
from smalti.core.sampling import sample
from smalti.core.sampling_inputs import SamplingInputs
from smalti.data.pictures import Pictures
from smalti.evaluation.bits import compute_bits_per_dim
from smalti.evaluation.sample_set import choose_captions, draw_sample_set
from smalti.layers.caption import CaptionConfig, CaptionEncoder, split_caption
from smalti.pixelcnn import (
    Autoregressive,
    AutoregressiveConfig,
    GatedPixelCNNConfig,
    Levels,
    build_config,
)
from smalti.training import Training, preview, resume, run
from smalti.training.run_record import find_last_step, read_trainer_state
from tests.expect import expect_user_error
from tests.toys import KillAfterStep, PowerCut, are_equal

CPU = torch.device("cpu")
SMALL = CaptionConfig(width=8, buckets=64)


def encoder(**changes: object) -> CaptionEncoder:
    torch.manual_seed(0)
    return replace(SMALL, **changes).build().eval()


def vectors(encode: CaptionEncoder, *text: str) -> Tensor:
    return encode(*encode.tokenize(text))


# ------------------------------------------------------------------------------------ the encoder


def test_case_spaces_and_punctuation_are_ignored():
    h = vectors(encoder(), "red heart", " Red,  HEART! ", "red\nheart", "red_heart")
    torch.testing.assert_close(h, h[:1].expand_as(h))  # rows of one batch: up to rounding
    composed, apart = "caf\u00e9", "cafe\u0301"
    assert split_caption(composed, SMALL) == split_caption(apart, SMALL)


def test_the_order_of_words_counts_only_in_pairs():
    bag, paired = encoder(word_pairs=False), encoder(buckets=4096)
    a, b = vectors(bag, "white on red", "red on white")
    torch.testing.assert_close(a, b)
    a, b = vectors(paired, "white on red", "red on white")
    assert (a - b).abs().max() > 1e-3


def test_an_empty_caption_is_a_vector_of_its_own():
    encode = encoder(buckets=4096)
    nothing = encode.out(torch.nn.functional.silu(encode.hidden(encode.norm.bias)))
    h = vectors(encode, "", "a", "?!", "b", "")
    for k in (0, 2, 4):
        torch.testing.assert_close(h[k], nothing)
    assert (h[1] - nothing).abs().max() > 1e-3 and (h[1] - h[3]).abs().max() > 1e-3
    assert vectors(encode, "", "").shape == (2, 8)
    assert vectors(encode).shape == (0, 8)


def test_the_same_rows_on_every_machine():
    rows, shares, starts = encoder(buckets=4096).tokenize(["Red heart", "", "ox"])
    # CRC-32 of <red> <re red ed> "red heart", <heart> <he hea ear art rt>, <ox> <ox ox>
    red = [78, 2885, 3983, 977, 2073]
    assert rows.tolist() == [*red, 2131, 414, 3494, 2607, 1620, 1141, 2637, 2944, 2906]
    assert shares.tolist() == pytest.approx([1 / 10] * 5 + [1 / 12] * 6 + [1 / 3] * 3)
    assert starts.tolist() == [0, 11, 11]


@settings(max_examples=50)
@given(st.lists(st.text(max_size=30), max_size=5), st.integers(0, 4), st.booleans())
def test_any_text_is_a_mean_of_rows(text: list[str], grams: int, pairs: bool):
    encode = encoder(ngram_size=grams, word_pairs=pairs)
    rows, shares, starts = encode.tokenize(text)
    assert len(starts) == len(text) and len(rows) == len(shares)
    assert not len(rows) or 0 <= rows.min() <= rows.max() < SMALL.buckets
    ends = [*starts.tolist()[1:], len(rows)] if text else []
    for a, b in zip(starts.tolist(), ends, strict=True):
        assert a == b or float(shares[a:b].sum()) == pytest.approx(1, abs=1e-5)
    h = vectors(encode, *text)
    assert h.shape == (len(text), 8) and h.isfinite().all()
    for k, one in enumerate(text):  # a caption's vector does not depend on those beside it
        torch.testing.assert_close(vectors(encode, one)[0], h[k])


def test_an_unseen_word_is_near_the_one_that_it_is_built_from():
    encode = encoder(buckets=4096, width=64)
    heart, hearts, ladder = encode.norm(mean_rows(encode, "heart", "hearts", "ladder"))
    near = torch.nn.functional.cosine_similarity(heart, hearts, dim=0)
    far = torch.nn.functional.cosine_similarity(heart, ladder, dim=0)
    assert near > 0.4 > 0.3 > far


def mean_rows(encode: CaptionEncoder, *text: str) -> Tensor:
    rows, shares, starts = encode.tokenize(text)
    return torch.nn.functional.embedding_bag(
        rows, encode.table, starts, mode="sum", per_sample_weights=shares
    )


def test_a_gradient_reaches_the_rows_of_the_words_and_no_others():
    encode = encoder()
    rows = encode.tokenize(["red heart"])[0]
    vectors(encode, "red heart", "").square().sum().backward()
    assert encode.table.grad is not None
    touched = encode.table.grad.abs().sum(1).nonzero()[:, 0]
    assert touched.tolist() == sorted(set(rows.tolist()))
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in encode.parameters())


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"width": 0}, "width is 0"), ({"ngram_size": -1}, "ngram_size is -1")],
)
def test_a_wrong_config_is_refused(wrong: dict, words: str):
    with expect_user_error(words):
        replace(SMALL, **wrong)


# ------------------------------------------------------------------------------------ the model


CODEC = Levels(4, (1, 4, 4))


def config() -> AutoregressiveConfig:
    network = GatedPixelCNNConfig(width=8, blocks=1)
    return build_config(CODEC, network, conditions=(SMALL,), condition_dropout=0.1)


def halves(n: int = 24) -> Pictures:
    """Alternating black and white pictures, and their captions."""
    pixels = torch.zeros(n, 1, 4, 4, dtype=torch.uint8)
    pixels[1::2] = 255
    words = ("dark night", "bright day", "Dark.", "bright", "a night, dark", "A day, bright!")
    captions = tuple(words[k % 6] for k in range(n))
    return Pictures(pixels, None, (), "halves", captions)


@pytest.fixture(scope="module")
def learned() -> Autoregressive:
    torch.manual_seed(0)
    model = config().build().train()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
    batch = halves().make_batch(torch.arange(24), CPU)
    for step in range(80):
        optimizer.zero_grad()
        model.loss(batch, step).total.backward()
        optimizer.step()
    return model.eval()


def test_a_model_draws_what_is_described(learned: Autoregressive):
    text = ["Bright day!", "dark night", "dark", "bright"]
    pictures = sample(learned, 4, cond=text)
    assert isinstance(pictures, Tensor)
    means = pictures.mean((1, 2, 3)).round().tolist()
    assert means == [1, 0, 0, 1]
    again = sample(learned, seeds=[2], inputs=SamplingInputs(text=["dark"]))
    assert isinstance(again, Tensor) and torch.equal(again[0], pictures[2])


def test_one_text_is_for_all(learned: Autoregressive):
    one, each = sample(learned, 3, cond="bright day"), sample(learned, 3, cond=["bright day"] * 3)
    assert isinstance(one, Tensor) and isinstance(each, Tensor) and torch.equal(one, each)


def test_without_text_the_caption_is_empty(learned: Autoregressive):
    plain, empty = sample(learned, 4), sample(learned, 4, cond="")
    assert isinstance(plain, Tensor) and isinstance(empty, Tensor) and torch.equal(plain, empty)


def test_score_is_given_the_caption(learned: Autoregressive):
    pictures = halves(2).take_floats(slice(None))
    right = learned.score(Batch(pictures, None, ["dark night", "bright day"]), Rng([0, 1])).nats
    wrong = learned.score(Batch(pictures, None, ["bright day", "dark night"]), Rng([0, 1])).nats
    none = learned.score(Batch(pictures), Rng([0, 1])).nats
    assert (right < none).all() and (none < wrong).all()
    with expect_user_error("1 of text are given for 2 pictures"):
        learned.score(Batch(pictures, None, ["dark"]), Rng([0, 1]))


def test_evaluation_uses_the_captions_of_held_out_pictures(learned: Autoregressive):
    held = halves(6)
    bits = compute_bits_per_dim(learned, held).mean
    assert bits < 0.5 * compute_bits_per_dim(learned, replace(held, captions=())).mean
    text = choose_captions(8, learned.spec.accepted_inputs, held)
    assert text is not None and text == [*held.captions, *held.captions[:2]]
    drawn = draw_sample_set(learned, 8, text=text, batch_size=3)
    means = drawn.pictures.mean((1, 2, 3)).round().tolist()
    assert means == [float("bright" in one) for one in text]
    assert choose_captions(2, learned.spec.accepted_inputs, replace(held, captions=())) == ["", ""]
    assert choose_captions(2, ("labels",), held) is None


def test_what_does_not_fit_is_refused(learned: Autoregressive):
    with expect_user_error("2 of text are given for 3 pictures"):
        sample(learned, 3, cond=["a", "b"])
    with expect_user_error("network.condition_width is 8", "16"):
        replace(config(), conditions=(replace(SMALL, width=16),))
    plain = build_config(CODEC, GatedPixelCNNConfig(width=8, blocks=1))
    with expect_user_error("text is given", "known, mask"):
        sample(plain.build(), 1, cond="red heart")


# ------------------------------------------------------------------------------------ training

PLAN = Training(steps=6, batch_size=8, warmup=2, precision="32", save_every=4)


@pytest.fixture(autouse=True)
def few_on_a_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview, "PREVIEW_SIZE", 8)


def test_a_batch_has_its_captions():
    pictures = halves(6).select(torch.tensor([5, 2, 1]), "three")
    batch = pictures.make_batch(torch.tensor([2, 0, 1]), CPU)
    assert batch.text == ["bright day", "A day, bright!", "Dark."]
    assert batch.require_pictures()[:, 0, 0, 0].tolist() == [1, 1, 0]
    assert replace(pictures, captions=()).make_batch(torch.tensor([0]), CPU).text is None


def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path: Path):
    train, valid = halves(20), halves(4)
    whole = run(config(), train, valid, PLAN, tmp_path / "whole")
    with pytest.raises(PowerCut):
        run(config(), train, valid, PLAN, tmp_path / "cut", on_event=KillAfterStep(5))
    other = find_last_step(tmp_path / "cut")
    assert other is not None and other.name == "step-4"
    other = resume(tmp_path / "cut", train, valid)
    assert other.name == whole.name == "step-6"
    assert are_equal(read_trainer_state(whole)["model"], read_trainer_state(other)["model"])
    assert (whole / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()


def test_other_captions_are_noticed_by_a_resume(tmp_path: Path):
    train, valid = halves(20), halves(4)
    run(config(), train, valid, PLAN, tmp_path / "run")
    for captions in (("day", *train.captions[1:]), ()):
        with expect_user_error("train pictures changed", "captions"):
            resume(tmp_path / "run", replace(train, captions=captions), valid)


def test_text_is_split_as_pictures_are_when_memory_runs_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    seen: list[Batch] = []
    loss = Autoregressive.loss

    def small(self: Autoregressive, batch: Batch, step: int, carry: object = None) -> object:
        if len(batch.require_pictures()) > 3:
            raise MemoryError
        seen.append(batch)
        return loss(self, batch, step, carry)

    monkeypatch.setattr(Autoregressive, "loss", small)
    train = halves(20)
    run(config(), train, train.select(slice(0), "none"), replace(PLAN, steps=2), tmp_path / "run")
    assert [len(batch.require_pictures()) for batch in seen] == [2] * 8
    for batch in seen:
        bright = ["bright" in text for text in batch.text or ()]
        assert bright == batch.require_pictures()[:, 0, 0, 0].bool().tolist()


def test_the_grid_of_a_run_is_drawn_from_held_out_captions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    asked: list[str] = []
    walk = Autoregressive.walk

    def spy(
        self: Autoregressive,
        choose_symbols: object,
        n: int,
        inputs: SamplingInputs = SamplingInputs(),
        *others: object,
    ) -> object:
        asked.extend(inputs.text or ())
        return walk(self, choose_symbols, n, inputs, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(Autoregressive, "walk", spy)
    valid = replace(halves(3), captions=("a", "b", "c"))
    run(config(), halves(20), valid, replace(PLAN, steps=1), tmp_path / "run")
    assert asked == ["a", "b", "c", "a", "b", "c", "a", "b"]
