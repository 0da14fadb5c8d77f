"""Evaluate a translator on held-out pairs: BLEU and chrF, greedy and with beam search.

    python scripts/evaluate_translator.py en-zh-help --data FOLDER --split test --beam 1 4

Scores are sacrebleu's (zh tokenizer; its signature is printed), or without it a simple BLEU
within one point of it. The model is a shipped one, a checkpoint, or a file of
train_translator.py, which `--int8` rounds as for shipping. Intervals are bootstrapped over
documents.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from translator_file import load

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
import smalti
from smalti.core.int8 import dequantize_weights, quantize_weights
from smalti.translation import Beam, SubwordTokenizer, Translator, translate
from smalti.translation.cleaning import PLACEHOLDER
from smalti.translation.model import build_translator
from smalti.translation.texts import default_beam, find_fault

OFFICE = "libreoffice-help"


class Row(NamedTuple):
    """A sentence with its reference."""

    source: str  # of the corpus
    document: str
    english: str
    chinese: str


def read_rows(path: Path) -> list[Row]:
    return [Row(**json.loads(line)) for line in path.read_text("utf-8").splitlines()]


def thin_out(rows: list[Row], limit: int) -> list[Row]:
    """Every k-th sentence of LibreOffice and of the others, at most `limit` of each."""
    kept = []
    for office in (True, False):
        group = [row for row in rows if (row.source == OFFICE) == office]
        kept += group[:: max(1, len(group) // limit)][:limit]
    return kept


def group_rows(rows: list[Row]) -> dict[str, list[int]]:
    """Group the rows that are scored together, by name."""

    def select_rows(fits: Callable[[Row], bool]) -> list[int]:
        return [k for k, row in enumerate(rows) if fits(row)]

    found = {
        "LibreOffice": select_rows(lambda row: row.source == OFFICE),
        "other prose": select_rows(lambda row: row.source != OFFICE),
        "all": select_rows(lambda row: True),
        "all of 8 words and more": select_rows(lambda row: len(row.english.split()) >= 8),
    }
    for source in sorted({row.source for row in rows} - {OFFICE}):
        found[source] = select_rows(lambda row, source=source: row.source == source)
    return found


def score_bleu(translations: list[str], references: list[str]) -> float:
    try:
        from sacrebleu import corpus_bleu  # pyright: ignore
    except ImportError:
        return score_tokens(translations, references)
    return corpus_bleu(translations, [references], tokenize="zh").score


def score_chrf(translations: list[str], references: list[str]) -> float:
    try:
        from sacrebleu import corpus_chrf  # pyright: ignore
    except ImportError:
        return math.nan
    return corpus_chrf(translations, [references]).score


def score_tokens(translations: list[str], references: list[str]) -> float:
    """Compute BLEU over Chinese characters, Latin words and punctuation."""
    hits, counts, lengths = [0] * 4, [0] * 4, [0, 0]
    for texts in zip(translations, references, strict=True):
        own, gold = (re.findall(r"[A-Za-z0-9]+|\S", text) for text in texts)
        lengths = [lengths[0] + len(own), lengths[1] + len(gold)]
        for n in range(4):
            ours, theirs = (
                Counter(tuple(tokens[i : i + n + 1]) for i in range(len(tokens) - n))
                for tokens in (own, gold)
            )
            hits[n] += (ours & theirs).total()
            counts[n] += ours.total()
    if not all(hits):
        return 0.0
    mean = sum(math.log(hit / count) for hit, count in zip(hits, counts, strict=True)) / 4
    return 100 * math.exp(mean + min(0.0, 1 - lengths[1] / lengths[0]))


def count_placeholders(rows: list[Row], translations: list[str]) -> tuple[int, int]:
    """Count the kept placeholders and tags, and those that source and reference share."""
    kept = total = 0
    for row, text in zip(rows, translations, strict=True):
        own = Counter(PLACEHOLDER.findall(row.english)) & Counter(PLACEHOLDER.findall(row.chinese))
        total += own.total()
        kept += (own & Counter(PLACEHOLDER.findall(text))).total()
    return kept, total


def format_interval(
    rows: list[Row], translations: list[str], indices: list[int], n_resamples: int = 1000
) -> str:
    """Format the 95% bootstrap interval of BLEU over documents; "" without sacrebleu."""
    try:
        from sacrebleu.metrics import BLEU  # pyright: ignore
    except ImportError:
        return ""
    bleu = BLEU(tokenize="zh")
    gold = [rows[k].chinese for k in indices]
    counts = bleu._extract_corpus_statistics([translations[k] for k in indices], [gold])
    documents: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(len(counts[0])))
    for k, row in zip(indices, counts, strict=True):
        documents[f"{rows[k].source}/{rows[k].document}"] += row
    table, random = np.stack([*documents.values()]), np.random.default_rng(0)
    drawn = random.integers(0, len(table), (n_resamples, len(table)))
    scores = [bleu._compute_score_from_stats(list(table[d].sum(0))).score for d in drawn]
    low, high = np.percentile(scores, [2.5, 97.5])
    return f" ({low:.1f} to {high:.1f}, {len(table)} documents)"


def load_translator(path: str, rounded: bool) -> Translator:
    """Load a shipped model, a checkpoint, or a file of train_translator.py."""
    if not path.endswith(".safetensors"):
        return smalti.load(path)
    network, models = load(Path(path))
    model = build_translator(
        network, SubwordTokenizer(models["source"]), SubwordTokenizer(models["target"])
    )
    if rounded:
        model.load_state_dict(dequantize_weights(quantize_weights(model.state_dict())))
    return model


def translate_all(model: Translator, text: list[str], beam: Beam) -> list[str]:
    """Translate as `smalti translate` does; rejected texts are kept unchanged."""
    fit = [one for one in text if not find_fault(model, one)]
    found = dict(zip(fit, translate(model, fit, beam, batch_size=64), strict=True))
    return [found.get(one, one) for one in text]


def print_scores(rows: list[Row], translations: list[str], brief: bool) -> None:
    for name, where in group_rows(rows).items():
        if brief and name not in ("LibreOffice", "other prose"):
            continue
        if not where:
            continue
        own, gold = [translations[k] for k in where], [rows[k].chinese for k in where]
        print(f"  {name:26} {len(where):5} sentences  BLEU {score_bleu(own, gold):5.2f}", end="")
        end = (
            ""
            if brief
            else f"  chrF {score_chrf(own, gold):5.2f}{format_interval(rows, translations, where)}"
        )
        print(end)
    kept, total = count_placeholders(rows, translations)
    if not brief:
        print(f"  placeholders kept: {kept} of {total}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("model")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", choices=("valid", "test", "strings"), default="valid")
    parser.add_argument("--beam", type=int, nargs="+", default=[1])
    parser.add_argument("--penalty", type=float, help="length penalty (default: the model's)")
    parser.add_argument("--int8", action="store_true", help="round a file as for shipping")
    parser.add_argument("--limit", type=int, help="sentences of each group")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--brief", action="store_true")
    parser.add_argument("--out", type=Path, help="sources, references and translations, as TSV")
    parser.add_argument("--examples", type=int, help="number of sentences to print")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = load_translator(options.model, options.int8)
    native_beam = default_beam(model)
    rows = read_rows(options.data / f"{options.split}.jsonl")
    rows = thin_out(rows, options.limit) if options.limit else rows
    for width in options.beam:
        penalty = native_beam.length_penalty if options.penalty is None else options.penalty
        begun, beam = time.monotonic(), Beam(width, penalty)
        found = translate_all(model, [row.english for row in rows], beam)
        print(
            f"{Path(options.model).name}, {options.split}, {beam}: {time.monotonic() - begun:.1f} s"
        )
        print_scores(rows, found, options.brief)
        if options.brief:
            print(
                "".join(f"  {rows[k].english[:80]} -> {found[k][:60]}\n" for k in (2, -2)), end=""
            )
        if options.examples:
            print_examples(rows, found, options.examples)
        if options.out:
            lines = ["\t".join([*row, text]) for row, text in zip(rows, found, strict=True)]
            options.out.with_suffix(f".beam{width}.tsv").write_text("\n".join(lines), "utf-8")
    if not options.brief:
        print_signature()


def print_examples(rows: list[Row], translations: list[str], n: int) -> None:
    """A Markdown table of the n sentences whose English has the smallest SHA-256."""
    order = sorted(range(len(rows)), key=lambda k: sha256(rows[k].english.encode()).hexdigest())
    print("| English | reference | translation | source |\n|---|---|---|---|")
    for k in order[:n]:
        cells = rows[k].english, rows[k].chinese, translations[k], rows[k].source
        print("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")


def print_signature() -> None:
    try:
        from sacrebleu.metrics import BLEU  # pyright: ignore
    except ImportError:
        print("simple BLEU: sacrebleu is not installed")
        return
    bleu = BLEU(tokenize="zh")
    bleu.corpus_score(["一"], [["一"]])
    print(bleu.get_signature())


if __name__ == "__main__":
    main()
