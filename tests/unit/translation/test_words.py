"""Word vocabularies: cutting, caps, layouts, word-count files, and text that comes back."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from smalti.translation import (
    LAYOUTS,
    SubwordTokenizer,
    WordTokenizer,
    learn_words,
    read_word_counts,
    train_tokenizer,
    write_word_counts,
)
from smalti.translation.tokenizer import BOS, EOS, PAD, UNK
from smalti.translation.words import CUTS, CutName, parse_words, split_english
from tests.expect import expect_user_error

ENGLISH = ["Don't open it.", "Open (all) files!", "Open it: now; twice<br />please"]
CHINESE = ["打开 Word 文档。", "保存 文档", "打开 文档"]


def test_english_is_cut_as_by_basic_english() -> None:
    assert split_english(ENGLISH[0]) == ["don", "'", "t", "open", "it", "."]
    assert split_english(ENGLISH[2]) == ["open", "it", "now", "twice", "please"]
    assert split_english('Say "yes", please?') == ["say", "yes", ",", "please", "?"]


def test_chinese_is_cut_by_jieba() -> None:
    assert CUTS["jieba"].split("打开 Word 文档。") == ["打开", "Word", "文档", "。"]
    assert CUTS["jieba"].join(["打开", "My", "Word", "文档"]) == "打开My Word文档"
    assert CUTS["letters"].split("打开 it's 3 文档。") == ["打开", "it's", "文档"]


@pytest.mark.parametrize("cut", CUTS)
@given(text=st.lists(st.text("aB'é打开文档。, (%s)3\t\u3000\x85"), max_size=3))
def test_words_come_back(cut: CutName, text: list[str]) -> None:
    tokenizer = learn_words(text, 100, cut)
    symbols = tokenizer.encode(text)
    assert all(row[-1] == EOS and not {UNK, PAD, BOS} & set(row) for row in symbols)
    decoded = tokenizer.decode(symbols)
    if cut == "jieba":  # the text comes back but for its spaces, which may have parted words
        assert ["".join(one.split()) for one in decoded] == ["".join(one.split()) for one in text]
    else:
        assert tokenizer.encode(decoded) == symbols
    again = parse_words(tokenizer.model)
    assert again == tokenizer and again.encode(text) == symbols


def test_caps_count_the_special_symbols() -> None:
    tokenizer = learn_words(ENGLISH, 7)
    assert tokenizer.size == 7
    assert tokenizer.words == ("<PAD>", "<UNK>", "<S>", "</S>", "open", "it", "don")
    assert tokenizer.encode(["open nothing"]) == [[4, UNK, EOS]]
    assert tokenizer.decode([[BOS, 4, UNK, 5, PAD, EOS, 6]]) == ["open \ufffd it"]
    assert learn_words(ENGLISH, 100, min_count=2).size == 6
    with expect_user_error("a vocabulary of 4"):
        learn_words(ENGLISH, 4)
    with expect_user_error("BPE-dropout is 0.1"):
        tokenizer.encode(["open"], dropout=0.1)


def test_both_layouts(tmp_path: Path) -> None:
    tokenizer = learn_words(CHINESE, 8, "jieba")
    other = tokenizer.with_layout(LAYOUTS["start-first"])
    assert other.words[:4] == ("<sos>", "<eos>", "<unk>", "<pad>")
    assert other.encode(["打开 x"]) == [[5, 2, 1]]
    assert other.decode([[0, 5, 3, 4, 1, 4]]) == ["打开文档"]
    for one in (tokenizer, other):
        path = write_word_counts(one, tmp_path / "cn.txt.vocab.tsv")
        assert read_word_counts(path, "jieba") == one
    rows = (tmp_path / "cn.txt.vocab.tsv").read_text("utf-8").splitlines()
    assert rows[0] == "<sos>\t1000000000" and rows[4:6] == ["打开\t2", "文档\t3"][::-1]
    assert read_word_counts(path, "jieba", min_count=2).size == 4 + sum(
        n > 1 for n in Counter(w for t in CHINESE for w in CUTS["jieba"].split(t)).values()
    )


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("open\t3\n", "begins with 'open'"),
        ("<PAD>\t1\n<UNK>\t1\n<S>\t1\n</S>\t1\nopen 3\n", "line 5 is 'open 3'"),
        ("<PAD>\t1\n<UNK>\t1\n<S>\t1\n</S>\t1\na\t3\na\t2\n", "line 6: 'a' is repeated"),
        ("", "line 1 is ''"),
    ],
)
def test_what_is_no_word_count_file_is_refused(tmp_path: Path, content: str, error: str) -> None:
    (tmp_path / "v.tsv").write_text(content)
    with expect_user_error("v.tsv", error):
        read_word_counts(tmp_path / "v.tsv")
    with expect_user_error("missing.tsv", "cannot be read"):
        read_word_counts(tmp_path / "missing.tsv")
    with expect_user_error("check the file"):
        parse_words(b"cut\tsaw\n")


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jieba", None)
    with expect_user_error("jieba", "smalti[translate]"):
        CUTS["jieba"].split("打开")


def test_subword_dropout_is_drawn_from_the_runs_generator() -> None:
    tokenizer = train_tokenizer(ENGLISH * 9, 50)
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(tokenizer.encode(ENGLISH * 3, dropout=0.5))
    assert drawn[0] == drawn[1] != drawn[2]
    assert tokenizer.decode(drawn[0]) == ENGLISH * 3
    assert isinstance(tokenizer, SubwordTokenizer) and isinstance(
        learn_words(ENGLISH, 9), WordTokenizer
    )
