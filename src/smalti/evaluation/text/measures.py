"""Measures of translators by name, and the files of their reports."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from smalti.core.files import write_atomically
from smalti.core.messages import format_count
from smalti.evaluation.cost import count_parameters
from smalti.evaluation.measures import Measure
from smalti.evaluation.report import Row
from smalti.evaluation.text.comparison import TextComparison
from smalti.evaluation.text.held_out_pairs import WHOLE
from smalti.evaluation.text.scores import estimate_score, sum_documents
from smalti.evaluation.text.token_scores import score_tokens
from smalti.translation.markup import PLACEHOLDER, keeps_placeholders

N_EXAMPLES = 30
BASELINES = {
    "copy": "the source as its own translation",
    "memory": "the translation of the most similar training sentence",
}


def measure_bleu(comparison: TextComparison) -> list[Row]:
    return measure_likeness(comparison, "bleu")


def measure_chrf(comparison: TextComparison) -> list[Row]:
    return measure_likeness(comparison, "chrf")


def measure_likeness(comparison: TextComparison, metric: str) -> list[Row]:
    """Score searches and baselines on each part: "bleu beam 4", "bleu copy: libreoffice-help"."""
    scorer, data = comparison.make_scorer(metric), comparison.data
    rows: dict[tuple[str, str], Row] = {}
    for system in comparison.system_texts:
        statistics = comparison.count_statistics(metric, system)
        for part, indices in data.parts.items():
            table = sum_documents(statistics[indices], data.documents[indices])
            found = estimate_score(scorer, table, comparison.bootstraps, comparison.bootstrap_seed)
            note = describe_part(len(indices), len(table) if data.has_documents else 0)
            if part == WHOLE and system in BASELINES:
                note = BASELINES[system]
            rows[part, system] = Row(
                f"{metric} {system}{f': {part}' if part else ''}",
                found.value,
                found.error,
                better="higher",
                note=note,
                low=found.low,
                high=found.high,
            )
    return [row for part in data.parts for (own, _), row in rows.items() if own == part]


def describe_part(n_sentences: int, n_documents: int) -> str:
    sentences = format_count(n_sentences, "sentence")
    return f"{sentences}, {format_count(n_documents, 'document')}" if n_documents else sentences


def measure_tokens(comparison: TextComparison) -> list[Row]:
    found = score_tokens(comparison.model, comparison.data.pairs, comparison.on_progress)
    note = f"the true words before each fed in; of {found.n_tokens:,} tokens"
    return [
        Row("token accuracy", found.accuracy, better="higher", note=note),
        Row("token loss", found.nats, better="lower", unit="nats", note="nats per token"),
    ]


def measure_placeholders(comparison: TextComparison) -> list[Row]:
    """Measure in how many sentences all placeholders and tags are kept, in a usable order."""
    sources = comparison.data.sources
    rows = [k for k, text in enumerate(sources) if PLACEHOLDER.search(text)]
    found = []
    for name, translations in comparison.translations.items():
        row_name = f"placeholders kept {name}"
        kept = sum(keeps_placeholders(sources[k], translations.texts[k]) for k in rows)
        note = f"in {kept} of {format_count(len(rows), 'sentence')} with placeholders or tags"
        share = kept / len(rows) if rows else None
        note = note if rows else "left out: no sentence has any"
        found.append(Row(row_name, share, better="higher", note=note))
    return found


def measure_speed(comparison: TextComparison) -> list[Row]:
    rows = []
    for name, found in comparison.translations.items():
        batches = (
            f"{len(found.texts):,} sentences in batches of {comparison.batch_size}; "
            f"{found.processor_seconds:.1f} s of processor time"
        )
        rate = found.n_tokens / max(found.seconds, 1e-9)
        rows += [
            Row(f"seconds {name}", found.seconds, better="lower", unit="s", note=batches),
            Row(f"tokens/s {name}", rate, better="higher", note="tokens of the translations"),
        ]
    return [*rows, Row("parameters", float(count_parameters(comparison.model)))]


def write_translations(comparison: TextComparison, path: Path) -> None:
    """Write a JSON object per sentence: source, target, document, corpus, and each search's."""
    lines = []
    for k, pair in enumerate(comparison.data.pairs):
        found = {name: one.texts[k] for name, one in comparison.translations.items()}
        lines.append(json.dumps({**pair._asdict(), **found}, ensure_ascii=False) + "\n")
    write_atomically(path, lambda temporary: temporary.write_text("".join(lines), "utf-8"))


def write_examples(comparison: TextComparison, path: Path) -> None:
    """Write a Markdown table of the 30 sentences whose source has the smallest SHA-256.

    The rule selects without regard to quality.
    """
    data, found = comparison.data, comparison.translations[comparison.main_search]
    order = sorted(
        range(len(data.pairs)), key=lambda k: sha256(data.sources[k].encode()).hexdigest()
    )
    lines = ["| source | reference | translation | corpus |", "|---|---|---|---|"]
    for k in order[:N_EXAMPLES]:
        pair = data.pairs[k]
        cells = pair.source, pair.target, found.texts[k], pair.corpus
        lines.append("| " + " | ".join(escape_cell(cell) for cell in cells) + " |")
    text = "\n".join(lines) + "\n"
    write_atomically(path, lambda temporary: temporary.write_text(text, "utf-8"))


def escape_cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


MEASURES = {
    "bleu": Measure(measure_bleu, ("bleu",)),
    "chrf": Measure(measure_chrf, ("chrf",)),
    "tokens": Measure(measure_tokens, ("token accuracy", "token loss")),
    "placeholders": Measure(measure_placeholders, ("placeholders kept",)),
    "speed": Measure(measure_speed, ("seconds", "tokens/s", "parameters")),
}
SHEETS: dict[str, Callable[[Any, Path], object]] = {
    "translations.jsonl": write_translations,
    "examples.md": write_examples,
}
"""A report's files by name, and the function that writes each."""
