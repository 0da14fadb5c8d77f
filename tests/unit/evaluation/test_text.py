"""Translators are scored by BLEU, chrF, token accuracy, placeholders kept and speed."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

import smalti
from smalti.data.corpora import SentencePair
from smalti.evaluation import Plan, Report, evaluate_model
from smalti.evaluation.bootstrap import draw_resamples
from smalti.evaluation.text import scores
from smalti.evaluation.text.comparison import Translations, prepare_text_comparison
from smalti.evaluation.text.held_out_pairs import HeldOutPairs, count_words
from smalti.evaluation.text.measures import measure_placeholders
from smalti.evaluation.text.nearest_source import find_nearest_sources, split_words
from smalti.evaluation.text.paired import compare_reports
from smalti.evaluation.text.scores import compare_scores, estimate_score, make_scorer
from smalti.evaluation.text.token_scores import score_tokens
from smalti.layers.symbol_sampling import Ancestral
from smalti.translation import Beam, TransformerConfig, Translator, train_tokenizer, translate
from smalti.translation.model import build_translator
from smalti.translation.tokenizer import BOS
from tests.expect import expect_user_error
from tests.toys import make_pictures

PAIRS = [
    SentencePair("Open a file", "打开文件", "a", "help"),
    SentencePair("Click OK to save the document and close its windows.", "单击保存。", "a", "help"),
    SentencePair("Open %s", "打开 %s", "b", "help"),
    SentencePair("{0} files are %d", "{0} 个文件 %d", "c", "messages"),
    SentencePair("Save the file", "保存文件", "d", "manual"),
]  # fmt: skip
TEXTS = ["打开文件", "单击确定以保存。", "打开 %s 文件", "文件", "保存"]


@pytest.fixture(scope="module")
def tiny() -> Translator:
    """Random, sharp and small."""
    torch.manual_seed(3)
    source = train_tokenizer([pair.source for pair in PAIRS], 60)
    target = train_tokenizer([pair.target for pair in PAIRS], 38, add_dummy_prefix=False)
    config = TransformerConfig(60, 38, width=16, heads=2, encoder_layers=2, feed_forward_width=24)
    network = config.build()
    for p in network.parameters():
        p.data *= 2
    return build_translator(network, source, target, sampler=Beam(2, max_length=12))


@pytest.fixture(scope="module")
def report(tiny: Translator) -> Report:
    return smalti.evaluate(tiny, PAIRS, memory=PAIRS[1:], bootstraps=20, name="tiny")


def score_naively(metric: Any, texts: Sequence[str], pairs: Sequence[SentencePair]) -> float:
    return metric.corpus_score([*texts], [[pair.target for pair in pairs]]).score


def test_scores_of_parts_are_sacrebleus(tiny: Translator, report: Report):
    for name, beam in (("greedy", Beam(1, max_length=12)), ("beam 2", None)):
        texts = translate(tiny, [pair.source for pair in PAIRS], beam)
        for metric, scorer in (("bleu", BLEU(trg_lang="zh")), ("chrf", CHRF())):
            row = report[f"{metric} {name}"]
            assert row.value == pytest.approx(score_naively(scorer, texts, PAIRS))
            row = report[f"{metric} {name}: all but help"]
            assert row.value == pytest.approx(score_naively(scorer, texts[3:], PAIRS[3:]))
            assert row.note == "2 sentences, 2 documents"
    assert report["bleu memory"].value == pytest.approx(
        score_naively(BLEU(trg_lang="zh"), [PAIRS[k or 2].target for k in range(5)], PAIRS)
    )
    assert report["chrf copy: 8 words and more"].value == 0
    assert report["token accuracy"].value is not None and report["tokens/s beam 2"].value
    assert {row.name.partition(": ")[2] for row in report.rows} == {
        "", "8 words and more", "all but help", "help", "messages", "manual"
    }  # fmt: skip


def test_a_report_is_json(report: Report):
    content = json.loads(json.dumps(report.to_json(), allow_nan=False))
    again = Report.from_json(content)
    assert again == report and again.protocol.shape is None
    assert "memory: of 4 training pairs" in report.notes and report.sampler["width"] == 2
    assert "BLEU: nrefs:1|case:mixed|eff:no|tok:zh|smooth:exp|version" in report.notes[0]


def test_intervals_resample_whole_documents():
    data, scorer = HeldOutPairs(PAIRS), make_scorer("bleu", "zh")
    statistics = scorer.count_statistics(TEXTS, data.targets)
    table = scores.sum_documents(statistics, data.documents)
    assert table.shape[0] == 4
    found = estimate_score(scorer, table, 30, seed=5)
    members = [np.flatnonzero(data.documents == k) for k in range(4)]
    drawn = [
        [row for document in resample.tolist() for row in members[document]]
        for resample in draw_resamples(4, 30, 5)
    ]
    naive = [
        score_naively(BLEU(trg_lang="zh"), [TEXTS[k] for k in rows], [PAIRS[k] for k in rows])
        for rows in drawn
    ]
    assert found.error == pytest.approx(np.std(naive, ddof=1))
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(naive, [2.5, 97.5])))
    alone = estimate_score(scorer, table[:1], 30, 0)
    assert alone.error is None and alone.low is None


def test_differences_are_paired():
    """All documents gain: the difference is significant though the intervals overlap."""
    data, scorer = HeldOutPairs(PAIRS), make_scorer("chrf", "zh")
    first, other = (
        scores.sum_documents(scorer.count_statistics(texts, data.targets), data.documents)
        for texts in (TEXTS, [pair.target for pair in PAIRS])
    )
    gain = compare_scores(scorer, first, other, 50, 0)
    assert gain.value == pytest.approx(100 - scorer.compute_score(first.sum(0)))
    assert gain.low is not None and gain.low > 0
    same = compare_scores(scorer, first, first, 50, 0)
    assert same == (0, 0, 0, 0)


def test_saved_reports_are_compared_pairwise(tiny: Translator, report: Report):
    other = smalti.evaluate(tiny, PAIRS, ["chrf"], sampler=Beam(1, max_length=12), bootstraps=20)
    (row,) = compare_reports(report, Report.from_json(other.to_json()))
    first, second = report["chrf beam 2"].value, other["chrf greedy"].value
    assert first is not None and second is not None
    assert row.name == "chrf" and row.value == pytest.approx(second - first)
    broken = Report.from_json({**other.to_json(), "statistics": {"chrf": ["a"], "language": "zh"}})
    with expect_user_error("the statistics of a report are damaged"):
        compare_reports(broken, other)


def test_tokens_are_scored_one_by_one(tiny: Translator):
    correct, nats, n = 0, 0.0, 0
    for pair in PAIRS:
        source = torch.tensor(tiny.source_tokenizer.encode([pair.source]))
        (gold,) = tiny.target_tokenizer.encode([pair.target])
        for k, symbol in enumerate(gold):
            with torch.no_grad():
                logits = tiny.network(source, torch.tensor([[BOS, *gold[:k]]]))[0, -1]
            correct += int(logits.argmax() == symbol)
            nats -= float(logits.log_softmax(-1)[symbol])
            n += 1
    found = score_tokens(tiny, PAIRS)
    assert found.n_tokens == n and found.accuracy == correct / n
    assert found.nats == pytest.approx(nats / n, rel=1e-4)


def test_the_memory_finds_the_most_similar_sentence():
    sources = [pair.source for pair in PAIRS] + ["文件的名称", "文件 名"]
    queries = ["save THE file", "open %s now", "close its windows", "名", "xyz"]
    frequency = {
        w: sum(w in split_words(s) for s in sources) for s in sources for w in split_words(s)
    }

    def weigh(text: str) -> dict[str, float]:
        words = [word for word in split_words(text) if word in frequency]
        found = {w: words.count(w) * (math.log(8 / (1 + frequency[w])) + 1) for w in words}
        norm = math.sqrt(sum(v * v for v in found.values())) or 1
        return {word: value / norm for word, value in found.items()}

    def find_naively(query: str) -> int:
        own = weigh(query)
        near = [sum(v * own.get(w, 0) for w, v in weigh(source).items()) for source in sources]
        return int(np.argmax(near))

    found = find_nearest_sources(queries, sources)
    assert found.tolist() == [find_naively(query) for query in queries]
    assert found.tolist() == [4, 2, 1, 6, 0]


def test_words_are_counted_in_any_script():
    assert count_words("Click OK to save.") == 4
    assert count_words("单击确定以保存文档") == pytest.approx(9 / 1.6)


def test_placeholders_count_by_sentence(tiny: Translator):
    data = HeldOutPairs([*PAIRS[2:4], SentencePair("No placeholder", "无")])
    comparison = prepare_text_comparison(tiny, data, Plan(), lambda _: None)
    comparison.__dict__["translations"] = {"greedy": Translations(["%s", "%d {1}", "%s"], 1.0, 4)}
    (row,) = measure_placeholders(comparison)
    assert (row.value, row.name) == (0.5, "placeholders kept greedy")


def test_sentences_without_documents_are_resampled_alone(tiny: Translator):
    bare = [SentencePair(pair.source, pair.target, "all.en") for pair in PAIRS]
    found = smalti.evaluate(tiny, bare, ["bleu"], bootstraps=5)
    assert found["bleu greedy"].low is not None
    assert found["bleu greedy"].note == "5 sentences"
    assert "documents are unknown" in found.notes[-1]


def test_text_in_another_language_counts_as_it_stands(tiny: Translator):
    found = smalti.evaluate(tiny, [*PAIRS, SentencePair("打开", "打开")], ["chrf"], bootstraps=5)
    assert "1 sentence is not in the source language" in found.notes[-1]


def test_files_of_a_report(tiny: Translator, tmp_path: Path):
    found = evaluate_model(tiny, HeldOutPairs([*PAIRS, SentencePair("a | b", "甲|乙\n丙")]))
    found.write_sheets(tmp_path)
    lines = (tmp_path / "translations.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["source"] for row in rows[:5]] == [pair.source for pair in PAIRS]
    assert {*rows[0]} == {"source", "target", "document", "corpus", "greedy", "beam 2"}
    table = (tmp_path / "examples.md").read_text(encoding="utf-8").splitlines()
    assert len(table) == 8 and all(line.replace("\\|", "").count("|") == 5 for line in table)


def test_without_sacrebleu_the_rest_is_measured(tiny: Translator, monkeypatch: pytest.MonkeyPatch):
    make_scorer.cache_clear()
    for name in ("sacrebleu", "sacrebleu.metrics", "sacrebleu.metrics.bleu"):
        monkeypatch.setitem(sys.modules, name, None)
    found = smalti.evaluate(tiny, PAIRS[:2], ["bleu", "tokens"])
    assert found["bleu"].note == (
        "left out: BLEU and chrF need sacrebleu; run `pip install 'smalti[translate]'`"
    )
    assert found["token loss"].value is not None
    make_scorer.cache_clear()


def test_languages_have_their_tokenizers():
    assert "tok:13a" in make_scorer("bleu", "de").signature
    assert "tok:zh" in make_scorer("bleu", "zh").signature
    assert any(f"tok:{t}" in make_scorer("bleu", "ja").signature for t in ("char", "ja-mecab"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data": None}, "data are missing: its held-out pairs are unknown; give held-out"),
        ({"data": []}, "contains no held-out sentence pairs"),
        ({"data": 5}, "data is 5; give held-out sentence pairs"),
        ({"data": [("a",)]}, "give files, or (source, target) pairs"),
        ({"data": "nowhere.jsonl"}, "nowhere.jsonl does not exist"),
        ({"memory": 5}, "memory is 5"),
        ({"n": 5}, "n is 5, an option for models of pictures"),
        ({"features": "digits"}, "features is digits"),
        ({"sampler": Ancestral()}, "measured with beam search"),
        ({"metrics": ["blue"]}, "no metric 'blue'; did you mean 'bleu'?"),
    ],
)
def test_what_does_not_fit_is_refused(tiny: Translator, changes: dict[str, Any], words: str):
    with expect_user_error(words):
        smalti.evaluate(tiny, **{"data": PAIRS, "metrics": ["tokens"], **changes})


def test_text_and_pictures_do_not_mix(tiny: Translator):
    with expect_user_error("translates and ddpm-digits draws pictures"):
        smalti.compare([tiny, "ddpm-digits"], PAIRS)
    with expect_user_error("give one folder or file of pictures"):
        smalti.evaluate("ddpm-digits", PAIRS)
    with expect_user_error("data are Pictures; a translator needs sentence pairs"):
        prepare_text_comparison(tiny, make_pictures(2), Plan(), lambda _: None)
