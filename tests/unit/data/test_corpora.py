"""Readers of corpora of sentence pairs."""

from __future__ import annotations

import gzip
import json
import lzma
from pathlib import Path

import pytest

from smalti.data.corpora import SentencePair, guess_languages, read_pairs
from tests.expect import expect_user_error

PAIRS = [SentencePair("Save the file.", "保存文件。"), SentencePair("“Open” it", "打开它")]


def write_lines(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def take_texts(pairs: list[SentencePair]) -> list[tuple[str, str]]:
    return [pair[:2] for pair in pairs]


def test_aligned_files(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "a.en", [pair.source for pair in PAIRS])
    target = write_lines(tmp_path / "a.zh", [pair.target for pair in PAIRS])
    assert read_pairs(source, target) == [
        pair._replace(document="a.en", corpus="a") for pair in PAIRS
    ]
    assert guess_languages(target, source) == ("zh", "en")
    write_lines(target, ["一", "二", "三"])
    with expect_user_error("a.en has 2 lines and", "a.zh 3"):
        read_pairs(source, target)
    write_lines(target, ["一"])
    with expect_user_error("a.en has 2 lines and", "a.zh 1"):
        read_pairs(source, target)
    with expect_user_error("give the file of the other language"):
        read_pairs(source)


def test_tsv_with_and_without_names(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.tsv", [f"{p.source}\t{p.target}\t7" for p in PAIRS])
    assert read_pairs(path) == [pair._replace(document="a.tsv", corpus="a") for pair in PAIRS]
    rows = ["document\tchinese\tenglish", f"page 3\t{PAIRS[0].target}\t{PAIRS[0].source}"]
    write_lines(path, rows)
    assert read_pairs(path) == [PAIRS[0]._replace(document="page 3", corpus="a")]
    assert read_pairs(path, languages=("zh", "en"))[0][:2] == PAIRS[0][1::-1]
    write_lines(path, ["a\tb", "c"])
    with expect_user_error("a.tsv, line 2", "1 columns"):
        read_pairs(path)


@pytest.mark.parametrize(
    "row",
    [
        {"english": "Hi", "chinese": "你好"},
        {"en": "Hi", "zh": "你好"},
        {"source": "Hi", "target": "你好"},
        {"translation": {"en": "Hi", "zh": "你好"}},
    ],
)
def test_json_lines(tmp_path: Path, row: dict) -> None:
    path = write_lines(tmp_path / "a.jsonl", [json.dumps(row, ensure_ascii=False)])
    assert take_texts(read_pairs(path)) == [("Hi", "你好")]


def test_json_lines_tell_document_and_corpus(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.xz"
    row = {"source": "help", "doc": "page", "en": "Hi", "zh": "你好"}
    path.write_bytes(lzma.compress(json.dumps(row).encode()))
    assert read_pairs(path) == [SentencePair("Hi", "你好", "page", "help")]
    write_lines(tmp_path / "b.jsonl", ['{"en": "a", "zh": "b"}', '{"en": 3, "zh": "b"}', "{"])
    with expect_user_error("b.jsonl, line 2", "no texts in en and zh"):
        read_pairs(tmp_path / "b.jsonl")
    write_lines(tmp_path / "b.jsonl", ['{"en": "a", "zh": "b"}', "{"])
    with expect_user_error("b.jsonl, line 2", "is not JSON"):
        read_pairs(tmp_path / "b.jsonl")
    write_lines(tmp_path / "b.jsonl", [r'{"en": "a\ud800", "zh": "b"}'])
    with expect_user_error("b.jsonl, line 1", "half a surrogate pair"):
        read_pairs(tmp_path / "b.jsonl")


def test_wrong_encodings_and_bombs_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_bytes("a\t甲\n".encode() + "b\t乙\n".encode("gb18030"))
    with expect_user_error("a.tsv, line 2", "is not UTF-8"):
        read_pairs(path)
    path.write_bytes(b"")
    with expect_user_error("is empty"):
        read_pairs(path)
    bomb = tmp_path / "b.tsv.gz"
    bomb.write_bytes(gzip.compress((b"a" * 1000 + b"\tb\n") * 2**15))
    with expect_user_error("expands to more than 200 times"):
        read_pairs(bomb)
    bomb.write_bytes(gzip.compress(b"a\tb\n" * 999)[:-9])
    with expect_user_error("cannot be decompressed"):
        read_pairs(bomb)


def test_several_corpora_are_told_apart(tmp_path: Path) -> None:
    write_lines(tmp_path / "b.jsonl", ['{"en": "a", "zh": "b"}'])
    write_lines(tmp_path / "a.en", ["Hi"])
    write_lines(tmp_path / "a.zh", ["你好"])
    found = read_pairs(tmp_path / "b.jsonl", tmp_path / "a.en", tmp_path / "a.zh")
    assert [pair.corpus for pair in found] == ["b", "a"]
    assert {pair[:2] for pair in read_pairs(tmp_path)} == {("a", "b"), ("Hi", "你好")}
