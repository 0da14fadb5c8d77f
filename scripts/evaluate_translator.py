"""Measure a translator on pairs that it has not seen: BLEU and chrF, greedy and with a beam.

    python scripts/evaluate_translator.py FILE.safetensors --data FOLDER --split test --beam 1 4

Scores are sacrebleu's (zh tokenizer, its signature is printed), or without it those of an own count
that is within a point of them. `--bits 8` rounds every matrix by rows first, as for shipping.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from translator_file import load

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
from smalti.translation.cleaning import PLACEHOLDER
from smalti.translation.decoding import Beam, translate
from smalti.translation.transformer import Transformer
from smalti.translation.vocabulary import Subwords

OFFICE = "libreoffice-help"


class Row(NamedTuple):
    """A sentence with its reference."""

    source: str  # of the corpus
    english: str
    chinese: str


def read_rows(path: Path) -> list[Row]:
    lines = path.read_text("utf-8").splitlines()
    return [Row(r["source"], r["english"], r["chinese"]) for r in map(json.loads, lines)]


def thin_out(rows: list[Row], limit: int) -> list[Row]:
    """Every k-th sentence of LibreOffice and of the others, at most `limit` of each."""
    kept = []
    for office in (True, False):
        group = [row for row in rows if (row.source == OFFICE) == office]
        kept += group[:: max(1, len(group) // limit)][:limit]
    return kept


def groups(rows: list[Row]) -> dict[str, list[int]]:
    """Which rows are scored together, by name."""

    def where(fits: Callable[[Row], bool]) -> list[int]:
        return [k for k, row in enumerate(rows) if fits(row)]

    found = {
        "LibreOffice": where(lambda row: row.source == OFFICE),
        "other prose": where(lambda row: row.source != OFFICE),
        "all": where(lambda row: True),
        "all of 8 words and more": where(lambda row: len(row.english.split()) >= 8),
    }
    for source in sorted({row.source for row in rows} - {OFFICE}):
        found[source] = where(lambda row, source=source: row.source == source)
    return found


def score_bleu(found: list[str], wanted: list[str]) -> float:
    try:
        from sacrebleu import corpus_bleu  # pyright: ignore
    except ImportError:
        return score_tokens(found, wanted)
    return corpus_bleu(found, [wanted], tokenize="zh").score


def score_chrf(found: list[str], wanted: list[str]) -> float:
    try:
        from sacrebleu import corpus_chrf  # pyright: ignore
    except ImportError:
        return math.nan
    return corpus_chrf(found, [wanted]).score


def score_tokens(found: list[str], wanted: list[str]) -> float:
    """BLEU over Chinese characters, Latin words and signs."""
    hits, counts, lengths = [0] * 4, [0] * 4, [0, 0]
    for texts in zip(found, wanted, strict=True):
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


def count_placeholders(rows: list[Row], found: list[str]) -> tuple[int, int]:
    """Placeholders and tags kept, of those in sources whose reference keeps them."""
    kept = total = 0
    for row, text in zip(rows, found, strict=True):
        own = Counter(PLACEHOLDER.findall(row.english)) & Counter(PLACEHOLDER.findall(row.chinese))
        total += own.total()
        kept += (own & Counter(PLACEHOLDER.findall(text))).total()
    return kept, total


def round_rows(network: Transformer, bits: int) -> None:
    """Every matrix to integers of so many bits, with a scale for each row."""
    most = 2 ** (bits - 1) - 1
    with torch.no_grad():
        for p in network.parameters():
            if p.ndim > 1:
                scale = p.abs().amax(1, keepdim=True).clamp_min(1e-12) / most
                p.copy_((p / scale).round() * scale)


def report(rows: list[Row], found: list[str], brief: bool) -> None:
    for name, where in groups(rows).items():
        if brief and name not in ("LibreOffice", "other prose"):
            continue
        if not where:
            continue
        own, gold = [found[k] for k in where], [rows[k].chinese for k in where]
        print(f"  {name:26} {len(where):5} sentences  BLEU {score_bleu(own, gold):5.2f}", end="")
        print("" if brief else f"  chrF {score_chrf(own, gold):5.2f}")
    kept, total = count_placeholders(rows, found)
    if not brief:
        print(f"  placeholders kept: {kept} of {total}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", choices=("valid", "test", "strings"), default="valid")
    parser.add_argument("--beam", type=int, nargs="+", default=[1])
    parser.add_argument("--penalty", type=float, default=1.0)
    parser.add_argument("--bits", type=int, help="round matrices, by rows, to so many bits")
    parser.add_argument("--limit", type=int, help="sentences of each group")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--brief", action="store_true")
    parser.add_argument("--out", type=Path, help="sources, references and translations, as TSV")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    network, models = load(given.file)
    english, chinese = Subwords(models["source"]), Subwords(models["target"])
    if given.bits:
        round_rows(network, given.bits)
    rows = read_rows(given.data / f"{given.split}.jsonl")
    rows = thin_out(rows, given.limit) if given.limit else rows
    for width in given.beam:
        begun, beam = time.monotonic(), Beam(width, given.penalty)
        text = [row.english for row in rows]
        found = translate(network, english, chinese, text, beam, batch=64)
        print(f"{given.file.name}, {given.split}, {beam}: {time.monotonic() - begun:.1f} s")
        report(rows, found, given.brief)
        if given.brief:
            print(
                "".join(f"  {rows[k].english[:80]} -> {found[k][:60]}\n" for k in (2, -2)), end=""
            )
        if given.out:
            lines = ["\t".join([*row, text]) for row, text in zip(rows, found, strict=True)]
            given.out.with_suffix(f".beam{width}.tsv").write_text("\n".join(lines), "utf-8")
    if not given.brief:
        print_signature()


def print_signature() -> None:
    try:
        from sacrebleu.metrics import BLEU  # pyright: ignore
    except ImportError:
        print("own BLEU, for sacrebleu is not installed")
        return
    bleu = BLEU(tokenize="zh")
    bleu.corpus_score(["一"], [["一"]])
    print(bleu.get_signature())


if __name__ == "__main__":
    main()
