"""The translator as a model, and the functions for text, files and catalogs."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

import smalti
from smalti.core.checkpoint import save
from smalti.core.errors import Notice
from smalti.core.rng import Rng
from smalti.core.sampling_inputs import SamplingInputs
from smalti.layers.symbol_sampling import Ancestral
from smalti.translation import (
    Beam,
    Hypothesis,
    SubwordTokenizer,
    TransformerConfig,
    Translator,
    find_translations,
    train_tokenizer,
    translate,
    translate_catalog,
    translate_file,
    translate_lines,
)
from smalti.translation.model import build_translator
from smalti.translation.tokenizer import PAD
from tests.expect import expect_user_error

ENGLISH = ["Open a file", "Click OK to save the document.", "Open %s", "{0} files are %d"]
CHINESE = ["打开文件", "单击“确定”保存文档。", "打开 %s", "{0} 个文件 %d"]


@pytest.fixture(scope="module")
def tiny() -> Translator:
    """Random, sharp and small."""
    torch.manual_seed(3)
    source, target = (
        train_tokenizer(ENGLISH, 60),
        train_tokenizer(CHINESE, 46, add_dummy_prefix=False),
    )
    config = TransformerConfig(60, 46, width=16, heads=2, encoder_layers=2, feed_forward_width=24)
    network = config.build()
    for p in network.parameters():
        p.data *= 2
    return build_translator(network, source, target, sampler=Beam(2, max_length=12))


@pytest.fixture(scope="module")
def shipped() -> Translator:
    return smalti.load("en-zh-help")


# ---- the model


def test_it_comes_back_with_its_vocabularies(tiny: Translator, tmp_path: Path) -> None:
    again = smalti.load(save(tiny, tmp_path / "model"))
    assert again.source_tokenizer.model == tiny.source_tokenizer.model
    assert again.target_tokenizer.size == tiny.target_tokenizer.size
    assert again.spec.output == "text"
    assert smalti.sample(again, cond=ENGLISH[:2]) == smalti.sample(tiny, cond=ENGLISH[:2])


@pytest.mark.parametrize(
    "sampler", [None, Beam(1, max_length=9), Beam(3, 0.5, 9), Ancestral(top_k=5)]
)
def test_sentences_grow_symbol_by_symbol(tiny: Translator, sampler: Any) -> None:
    states = list(smalti.stream(tiny, cond=ENGLISH, sampler=sampler))
    lengths = [state.symbols.shape[1] for state in states]
    assert lengths == sorted(lengths) or isinstance(sampler, Beam) or sampler is None
    assert all(s.symbols.dtype == torch.int64 and len(s.symbols) == 4 for s in states)
    assert [s.step for s in states] == [*range(1, len(states) + 1)]
    assert all(s.step <= s.steps and s.unit == "symbol" for s in states)
    assert smalti.sample(tiny, cond=ENGLISH, sampler=sampler) == tiny.render(states[-1])


def test_the_last_state_is_what_the_search_finds(tiny: Translator) -> None:
    for beam in (Beam(1, max_length=9), Beam(3, max_length=9)):
        *_, last = smalti.stream(tiny, cond=ENGLISH, sampler=beam)
        found = [[k for k in row if k != PAD] for row in last.symbols.tolist()]
        assert found == [rows[0].symbols for rows in tiny.search(ENGLISH, beam)]


def test_draws_depend_on_their_seeds(tiny: Translator) -> None:
    def draw(seeds: list[int]) -> Any:
        return smalti.sample(tiny, seeds=seeds, cond=ENGLISH[0], sampler=Ancestral())

    found = draw([0, 1, 2, 3])
    assert len(set(found)) > 1
    assert draw([2, 1]) == [found[2], found[1]]


def test_what_the_model_does_not_take(tiny: Translator) -> None:
    with expect_user_error("no text is given", "2 translations"):
        smalti.sample(tiny, 2)
    with expect_user_error("1 sentences are given", "2 translations"):
        smalti.sample(tiny, 2, cond=["one"])
    with expect_user_error("labels", "takes text"):
        smalti.sample(tiny, cond=[1])
    state = {k: v.clone() for k, v in tiny.state_dict().items()}
    other = tiny.config.build()
    other.load_state_dict({**state, "source_model": torch.zeros_like(tiny.source_model)})
    with expect_user_error("not a sentencepiece model"):
        smalti.sample(other, cond=["one"])
    swapped = build_translator(tiny.network, tiny.target_tokenizer, tiny.source_tokenizer)
    with expect_user_error("source vocabulary has 46 symbols", "the network 60"):
        smalti.sample(swapped, cond=["one"])


# ---- texts


class Scripted:
    """Returns the given answers, or else the piece in capitals."""

    def __init__(self, tiny: Translator, **answers: list[str]):
        self.spec = tiny.spec
        self.config, self.source_tokenizer, self.target_tokenizer = (
            tiny.config,
            tiny.source_tokenizer,
            self,
        )
        self.answers, self.queries = answers, []
        self.outputs: list[str] = []

    def search(self, pieces: Sequence[str], beam: Beam, batch_size: int) -> list[list[Hypothesis]]:
        self.queries += pieces
        return [[self.add_output(one, -k) for k, one in enumerate(self.look_up(p))] for p in pieces]

    def look_up(self, piece: str) -> list[str]:
        return self.answers.get(piece, [piece.upper()])

    def add_output(self, text: str, score: float) -> Hypothesis:
        self.outputs.append(text)
        return Hypothesis([len(self.outputs) - 1], score)

    def decode(self, symbols: Sequence[Sequence[int]]) -> list[str]:
        return [self.outputs[one[0]] for one in symbols]


def make_scripted(tiny: Translator, **answers: list[str]) -> Any:
    return Scripted(tiny, **answers)


def test_what_loses_a_placeholder_is_not_taken(tiny: Translator) -> None:
    model = make_scripted(tiny, **{"Open %s": ["打开", "打开 %s"]})
    assert translate(model, ["Open %s"]) == ["打开 %s"]
    assert model.queries == ["Open %s"]
    model = make_scripted(tiny, **{"Open %s": ["打开"], "Open {0}": ["打 {0} {0}", "开 {0}"]})
    assert translate(model, ["Open %s"]) == ["开 %s"]
    said = {"Open %s a": ["打开"], "Open {0} a": ["打"], "Open": ["开"], "a": ["%d"]}
    assert translate(make_scripted(tiny, **said), ["Open %s a"]) == ["开 %s a"]


def test_access_keys_and_line_breaks_are_kept(tiny: Translator) -> None:
    model = make_scripted(tiny, **{"Open a file": ["打开文件"]})
    text = "  &Open a file\n\n%d\nOpen a file\\n"
    assert translate(model, [text]) == ["  打开文件(&O)\n\n%d\n打开文件\\n"]
    assert model.queries == ["Open a file"]


def test_the_best_translations_come_with_scores(tiny: Translator) -> None:
    model = make_scripted(tiny, **{"Open": ["一", "二", "三"]})
    found = find_translations(model, ["Open", "Open\nfile", "%s"], 2)
    assert [[tuple(one) for one in row] for row in found] == [
        [("一", 0), ("二", -1)],
        [("一\nFILE", 0), ("二\nFILE", -0.5)],
        [("%s", 0)],
    ]
    real = find_translations(tiny, ENGLISH, 3, Beam(3, max_length=9))
    assert all(row == sorted(row, key=lambda one: -one.score) for row in real)


def test_texts_that_are_none_are_refused(tiny: Translator) -> None:
    with expect_user_error("text 2 is empty"):
        translate(tiny, ["Open", " "])
    with expect_user_error("text 1 is not English", "打开文件", "only English"):
        translate(tiny, ["打开文件"])
    with expect_user_error("text 1 is not English"):
        translate(tiny, ["Открыть файл"])
    assert translate(tiny, ["%d"]) == ["%d"]


def test_unknown_characters_are_told(tiny: Translator) -> None:
    model = make_scripted(tiny)
    with pytest.warns(Notice, match="unknown to the model, omitted: ☃"):
        assert translate(model, ["a☃ file {☃}"]) == ["A FILE {☃}"]


def test_a_sentence_that_is_too_long_is_told(tiny: Translator) -> None:
    model, sentence = make_scripted(tiny), "Click OK to save the document. "
    assert translate(model, [sentence * 9]) == [(sentence * 9).upper()]
    with pytest.warns(Notice, match="1 sentence is longer than 50 symbols"):
        translate(model, [sentence + "Click OK to save the document " * 9])


# ---- files


def test_lines_keep_their_ends_and_what_is_no_english(tiny: Translator) -> None:
    counts: Counter[str] = Counter()
    lines = ["file\r\n", "\n", "打开\n", "42\n", "file"]
    found = list(translate_lines(make_scripted(tiny), lines, counts=counts, group_size=2))
    assert found == ["FILE\r\n", "\n", "打开\n", "42\n", "FILE"]
    assert counts == {"translated": 2, "kept": 3}


def test_a_file_is_translated_whole_or_not_at_all(tiny: Translator, tmp_path: Path) -> None:
    source, out = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_text("a\nfile\n")
    done: list[tuple[int, int]] = []
    translate_file(make_scripted(tiny), source, out, on_progress=lambda at: done.append(at[1:3]))
    assert out.read_text() == "A\nFILE\n"
    assert done == [(1, 2), (2, 2)]
    reader, writer = os.pipe()
    os.write(writer, b"file\n")
    os.close(writer)
    translate_file(make_scripted(tiny), f"/dev/fd/{reader}", out)
    os.close(reader)
    assert out.read_text() == "FILE\n"
    with expect_user_error("out.txt", "is the input file"):
        translate_file(make_scripted(tiny), out, out)
    source.write_bytes(b"a\nf\xfcr\n")
    with expect_user_error("in.txt, line 2", "0xfc is not UTF-8", "iconv"):
        translate_file(make_scripted(tiny), source, out)
    assert out.read_text() == "FILE\n"
    assert {path.name for path in tmp_path.iterdir()} == {"in.txt", "out.txt"}


def test_a_catalog_is_filled(tiny: Translator, tmp_path: Path) -> None:
    path = tmp_path / "zh.po"
    text = 'msgid "Open %s\\n"\nmsgstr ""\n\nmsgid "打开"\nmsgstr ""\n'
    path.write_text(text)
    assert translate_catalog(make_scripted(tiny), path) == {"filled": 1, "left": 1}
    expected = text.replace('msgstr ""', 'msgstr "OPEN %s\\n"', 1)
    assert path.read_text() == "#, fuzzy\n" + expected.replace("OPEN %s", "OPEN %s")
    path.write_text('msgid ""\nmsgstr "Language: de\\n"\n')
    with expect_user_error("zh.po", "catalog for de", "writes Chinese"):
        translate_catalog(make_scripted(tiny), path)


# ---- what is shipped


def test_the_shipped_model_translates(shipped: Translator) -> None:
    texts = ["Click OK to save the document.", "&File", "Could not open %s: %d of {name}"]
    found = translate(shipped, texts)
    assert "保存文档" in found[0]
    assert found[1] == "文件(&F)"
    assert Counter("%s" in found[2] and "%d" in found[2] and "{name}" in found[2] for _ in "a") == {
        True: 1
    }
    assert isinstance(shipped.source_tokenizer, SubwordTokenizer)
    state = list(shipped.stream(Rng([0]), SamplingInputs(text=["Save the file."])))[-1]
    assert "保存" in shipped.render(state)[0]
