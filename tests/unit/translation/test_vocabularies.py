"""Vocabularies learned from pairs, and datasets that are tokenized anew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from smalti.core.config import from_json, to_json
from smalti.data.corpora.pair import SentencePair
from smalti.data.sentence_pairs import TextPairs
from smalti.recipes import find_recipe
from smalti.training import Training, resume, run
from smalti.training.run_record import find_last_step, read_trainer_state
from smalti.translation import SubwordTokenizer, WordTokenizer
from smalti.translation.vocabularies import (
    VocabularyConfig,
    choose_dropout,
    choose_subword_size,
    learn_vocabularies,
    make_text_pairs,
)
from tests.expect import expect_user_error
from tests.toys import KillAfterStep, PowerCut, are_equal

EN_ZH = ("en", "zh")
PAIRS = [
    SentencePair(f"Open the {a} of {b} now.", f"现在打开{b}的{c}。")
    for a, c in (("file", "文件"), ("window", "窗口"), ("page", "页面"), ("door", "门"))
    for b in ("Anna", "Bob", "Carl", "Dora", "Eve")
]
CPU = torch.device("cpu")
TINY = {"network.width": 16, "network.heads": 2, "network.encoder_layers": 1,
        "network.decoder_layers": 1, "network.feed_forward_width": 16}  # fmt: skip


def test_subwords_are_learned_for_each_language() -> None:
    source, target = learn_vocabularies(PAIRS, VocabularyConfig(), EN_ZH)
    assert isinstance(source, SubwordTokenizer) and isinstance(target, SubwordTokenizer)
    for tokenizer, side in ((source, 0), (target, 1)):
        text = [pair[side] for pair in PAIRS]
        assert tokenizer.decode(tokenizer.encode(text)) == text
    again = learn_vocabularies(PAIRS, VocabularyConfig(), EN_ZH)
    assert again.source.model == source.model and again.target.model == target.model


def test_sizes_are_at_most_those_given() -> None:
    config = VocabularyConfig(source_size=45, target_size=50)
    source, target = learn_vocabularies(PAIRS, config, EN_ZH)
    assert (source.size, target.size) == (45, 50)
    with expect_user_error("a vocabulary of 9 symbols has no room"):
        learn_vocabularies(PAIRS, VocabularyConfig(source_size=9), EN_ZH)


def test_a_joint_vocabulary_is_one() -> None:
    source, target = learn_vocabularies(PAIRS, VocabularyConfig(joint=True), EN_ZH)
    assert source is target
    recipe = find_recipe("translate").change(model=TINY, vocabulary={"joint": True})
    splits = recipe.make_splits(PAIRS, [], EN_ZH)
    model = recipe.make_config(splits.train, EN_ZH).build()
    assert model.network.source.weight is model.network.target.weight is model.network.out.weight


def test_words_are_cut_by_language() -> None:
    source, target = learn_vocabularies(PAIRS, VocabularyConfig(kind="words", target_size=9), EN_ZH)
    assert isinstance(source, WordTokenizer) and isinstance(target, WordTokenizer)
    assert (source.cut, target.cut, target.size) == ("basic-english", "jieba", 9)


def test_configs_come_back_and_refuse() -> None:
    config = VocabularyConfig(joint=True, dropout=0.2)
    assert from_json(to_json(config)) == config
    with expect_user_error("joint", "words"):
        VocabularyConfig(kind="words", joint=True)
    with expect_user_error("source_size is 300", "target_size 400"):
        VocabularyConfig(joint=True, source_size=300, target_size=400)


def test_defaults_fit_the_number_of_pairs() -> None:
    sizes = [choose_subword_size(n) for n in (10, 3_000, 50_000, 200_000, 10**8)]
    assert sizes == [200, 1_100, 4_500, 8_900, 16_000]
    dropouts = [choose_dropout(n) for n in (10, 50_000, 10**6)]
    assert dropouts == sorted(dropouts, reverse=True)


def make_pairs(dropout: float, max_symbols: int = 128) -> TextPairs:
    vocabularies = learn_vocabularies(PAIRS, VocabularyConfig(), EN_ZH)
    return make_text_pairs(PAIRS, vocabularies, "pairs", max_symbols, dropout)


def test_text_is_tokenized_anew_for_every_batch() -> None:
    plain, dropped, rows = make_pairs(0.0), make_pairs(0.5), torch.tensor([3, 1])
    whole, same = (data.make_batch(rows, CPU).pairs for data in (plain, plain.tokenized))
    assert whole is not None and same is not None and torch.equal(whole[0], same[0])
    torch.manual_seed(1)
    one, other = (dropped.make_batch(rows, CPU).pairs for _ in range(2))
    assert one is not None and other is not None
    for pair in (one, other):
        texts = dropped.source_tokenizer.decode(pair[0].tolist())  # pyright: ignore
        assert texts == [PAIRS[3].source, PAIRS[1].source]
    assert one[0].shape != other[0].shape or not torch.equal(one[0], other[0])
    assert dropped.growth > 1 == plain.growth
    assert dropped.compute_fingerprint() == plain.compute_fingerprint()


def test_long_sentences_are_left_out() -> None:
    long = SentencePair(" ".join(["Open the file now."] * 9), "现在打开文件。")
    vocabularies = learn_vocabularies(PAIRS, VocabularyConfig(), EN_ZH)
    kept = make_text_pairs([*PAIRS, long], vocabularies, "pairs", max_symbols=30)
    assert kept.source_texts == [pair.source for pair in PAIRS]


def test_examples_are_spread_over_the_pairs() -> None:
    examples = make_pairs(0.0).list_examples(3)
    assert len(set(examples)) == 3 and examples[0] in [(p.source, p.target) for p in PAIRS]
    assert len(make_pairs(0.0).list_examples(99)) == len(PAIRS)


@pytest.mark.parametrize("r_drop", [0.0, 2.0])
def test_a_run_goes_on_with_the_same_subwords(tmp_path: Path, r_drop: float) -> None:
    recipe = find_recipe("translate").change(
        model={**TINY, "r_drop": r_drop}, vocabulary={"dropout": 0.5}
    )
    train, valid = recipe.make_splits(PAIRS, PAIRS[:3], EN_ZH)
    config = recipe.make_config(train, EN_ZH)
    plan = Training(steps=4, batch_size=64, warmup=0, precision="32", save_every=2)
    run(config, train, valid, plan, tmp_path / "whole")
    with pytest.raises(PowerCut):
        run(config, train, valid, plan, tmp_path / "cut", on_event=KillAfterStep(3))
    resume(tmp_path / "cut", train, valid)
    steps = [find_last_step(tmp_path / name) for name in ("whole", "cut")]
    weights = [read_trainer_state(step)["model"] for step in steps if step]
    assert are_equal(*weights)
    other = replace(train, source_texts=[*train.source_texts[1:], "Open it"])
    with expect_user_error("train sentence pairs changed"):
        resume(tmp_path / "cut", other, valid)
