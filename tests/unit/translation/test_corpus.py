"""Preparation of a corpus: cleaning, splits by document, overlaps."""

from __future__ import annotations

import random

import pytest

from smalti.data.corpora import SentencePair
from smalti.translation.cleaning import hash_folded_text
from smalti.translation.corpus import CorpusSplits, prepare_corpus
from tests.expect import expect_user_error

LETTERS = "abcdefghijklmnop"


def draw_pairs(n: int, n_documents: int, seed: int = 0) -> list[SentencePair]:
    rng = random.Random(seed)
    words = ["".join(rng.choices(LETTERS, k=7)) for _ in range(3000)]
    return [
        SentencePair(" ".join(rng.sample(words, 8)), "字" * 12, f"page {k * n_documents // n}", "c")
        for k in range(n)
    ]


def list_documents(pairs: list[SentencePair]) -> set[str]:
    return {pair.document for pair in pairs}


def list_splits(splits: CorpusSplits) -> list[list[SentencePair]]:
    return [splits.train, splits.valid, splits.test, splits.messages]


@pytest.mark.parametrize(("n", "n_documents"), [(2000, 200), (3000, 1), (60, 2), (20, 1)])
def test_documents_are_whole(n: int, n_documents: int) -> None:
    splits = prepare_corpus(draw_pairs(n, n_documents))
    parts = [list_documents(part) for part in list_splits(splits)[:3]]
    assert all(parts)
    assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]
    assert sum(map(len, list_splits(splits))) == n == splits.report.n_pairs
    sections = [document.partition("#")[0] for document in parts[0]]
    assert (len({*sections}) < len(sections)) == (n_documents < 20)


def test_both_directions_are_split_alike() -> None:
    pairs = draw_pairs(500, 50)
    turned = [pair._replace(source=pair.target, target=pair.source) for pair in pairs]
    there = prepare_corpus(pairs)
    back = prepare_corpus(turned, languages=("zh", "en"))
    for one, other in zip(list_splits(there), list_splits(back), strict=True):
        assert [pair.source for pair in one] == [pair.target for pair in other]


def test_overlaps_are_dropped_from_training() -> None:
    pairs = draw_pairs(2000, 200)
    test = prepare_corpus(pairs).test
    long = test[0].source
    longer = SentencePair(f"And so {long}, friend", "字" * 14, "a new page", "c")
    splits = prepare_corpus([*pairs, longer])
    assert test == splits.test
    assert splits.report.overlaps == {"equal": 0, "overlapping": 1}
    assert not any(long in pair.source for pair in splits.train)


def test_held_out_sentences_are_in_no_split() -> None:
    pairs = draw_pairs(200, 20)
    chosen = {hash_folded_text(pair.source) for pair in pairs[::10]}
    splits = prepare_corpus(pairs, held_out=chosen)
    assert splits.report.count_steps() == {"held out": 20}
    left = [pair for part in list_splits(splits) for pair in part]
    assert len(left) == 180
    assert not {hash_folded_text(pair.source) for pair in left} & chosen


def test_messages_and_corpora_of_training_alone() -> None:
    pairs = draw_pairs(400, 40)
    messages = [
        SentencePair(f"Open {pair.source} %s", "字" * 9 + "%s", "po", "m")
        for pair in draw_pairs(400, 1, seed=1)
    ]
    only = [pair._replace(corpus="only") for pair in draw_pairs(100, 10, seed=2)]
    splits = prepare_corpus(
        pairs + messages + only, messages=["m"], train_only=["only"], leave_out={"x": "why"}
    )
    assert 0 < len(splits.messages) < 60
    assert {pair.corpus for pair in splits.messages} == {"m"}
    assert {pair.corpus for pair in splits.valid + splits.test} == {"c"}
    assert {pair.corpus for pair in splits.train} == {"c", "m", "only"}


def test_equal_sentences_of_two_corpora_are_kept_once() -> None:
    pairs = draw_pairs(200, 20)
    splits = prepare_corpus([*pairs, *(pair._replace(corpus="copy") for pair in pairs)])
    assert splits.report.steps == {"c": {}, "copy": {"repeated": 200}}


def test_a_corpus_that_is_dropped_is_told() -> None:
    with expect_user_error("none of 30 pairs is left", "30 were dropped as wrong script"):
        prepare_corpus([SentencePair(f"Line {k} here", "Zeile hier") for k in range(30)])
