"""Prepare the pairs of `smalti.translation` for training: clean, split, learn vocabularies.

    python scripts/prepare_translation.py pairs.jsonl.xz FOLDER

Each line of the pairs is {"source", "doc", "en", "zh"}. FOLDER gets `pairs.npz` (symbols of all
splits, and the two vocabularies), `valid.jsonl`, `test.jsonl`, `strings.jsonl` and `report.json`
(what was dropped).

Test and validation are whole documents of the prose sources; a document of more than 60 pairs is
cut into sections of 30 pairs in a row, which count as documents. A hash of the name selects
them, so no list is needed. Overlaps are removed from training, never from the test.
`strings` are single messages with placeholders, to check that these are kept.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import lzma
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from translator_pairs import GAMES, PROSE

from smalti.translation.cleaning import (
    PLACEHOLDER,
    SentencePair,
    clean_pairs,
    extract_ngrams,
    fold_text,
    hash_folded_text,
    make_cleaning_steps,
    read_held_out,
)
from smalti.translation.tokenizer import SubwordTokenizer, train_tokenizer

LEFT_OUT = {
    "mo:libreoffice-l10n-zh-cn": "its tooltips are the help's sentences",
    "manpages": "the two sides are of other versions",
    "mo:iso-codes": "names of places, not sentences",
}
UNTESTED = ("gimp-help", "lilypond-doc", "debian-handbook")
"""Prose with too few or too free translations to test on; it is used for training."""
RATIOS = {"debian-handbook": 1.7}
VALID, TEST, STRINGS = 0.03, 0.035, 0.03
"""Shares of the documents, and of the messages with placeholders."""
LONG, SECTION = 60, 30
OVERLAP, LEAST = 0.8, 20
"""Largest share of a test sentence's 5-grams in a training sentence; sentences with fewer 5-grams
than LEAST are compared exactly."""
SOURCE_SIZE, TARGET_SIZE = 5000, 6000


class Line(NamedTuple):
    """A pair and its source."""

    source: str  # of the corpus
    document: str
    pair: SentencePair


def read_lines(path: Path, held_out: frozenset[str], report: dict) -> list[Line]:
    """Read and clean the pairs of all sources."""
    found: dict[str, list[tuple[str, SentencePair]]] = defaultdict(list)
    with lzma.open(path, "rt", encoding="utf-8") as file:
        for text in file:
            row = json.loads(text)
            found[row["source"]].append((row["doc"], SentencePair(row["en"], row["zh"])))
    lines, report["dropped"] = [], {}
    for source, rows in found.items():
        counts: Counter[str] = Counter()
        if source in LEFT_OUT:
            counts[LEFT_OUT[source]] = len(rows)
        else:
            steps = make_cleaning_steps(RATIOS.get(source, 5.0), held_out)
            for document, pair in rows:
                lines += [
                    Line(source, document, kept) for kept in clean_pairs([pair], steps, counts)
                ]
        report["dropped"][source] = {"of": len(rows), **{k: n for k, n in counts.items() if n}}
    return lines


def cut_sections(lines: list[Line]) -> list[str]:
    """Name the document of each line, or the section of a long document."""
    sizes = Counter((line.source, line.document) for line in lines)
    positions: Counter[tuple[str, str]] = Counter()
    names = []
    for line in lines:
        key = line.source, line.document
        section = positions[key] // SECTION if sizes[key] > LONG else 0
        names.append(f"{line.source}/{line.document}#{section}")
        positions[key] += 1
    return names


def choose_split(line: Line, name: str) -> str:
    if line.source not in PROSE:
        held = line.source not in GAMES and PLACEHOLDER.search(line.pair.source)
        return "strings" if held and hash_to_unit(line.pair.source) < STRINGS else "train"
    place = hash_to_unit(name)
    if line.source in UNTESTED or VALID <= place <= 1 - TEST:
        return "train"
    return "valid" if place < VALID else "test"


def hash_to_unit(name: str) -> float:
    """Hash a name to a number in [0, 1)."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) / 2**32


def index_ngrams(test: Iterable[Line]) -> dict[str, list[int]]:
    """Index the longer test sentences by their 5-grams."""
    index: dict[str, list[int]] = defaultdict(list)
    for k, line in enumerate(test):
        for gram in extract_ngrams(line.pair.source):
            index[gram].append(k)
    return index


def drop_overlaps(train: list[Line], test: list[Line], report: dict) -> list[Line]:
    """Drop training sentences that equal a test sentence or contain most of one."""
    same = {fold_text(line.pair.source) for line in test}
    long = [line for line in test if len(extract_ngrams(line.pair.source)) >= LEAST]
    sizes, index = [len(extract_ngrams(line.pair.source)) for line in long], index_ngrams(long)
    counts: Counter[str] = Counter()
    kept = []
    for line in train:
        if fold_text(line.pair.source) in same:
            counts["same as a test sentence"] += 1
            continue
        shared = Counter(
            k for gram in extract_ngrams(line.pair.source) for k in index.get(gram, ())
        )
        if any(n > OVERLAP * sizes[k] for k, n in shared.items()):
            counts["overlaps a test sentence"] += 1
            counts[f"overlaps: {line.source}"] += 1
            continue
        kept.append(line)
    report["overlaps"] = dict(counts)
    return kept


def select_vocabulary_text(lines: list[Line]) -> list[Line]:
    """Select the text for the vocabularies: prose twice, no games."""
    return [line for line in lines if line.source not in GAMES] + [
        line for line in lines if line.source in PROSE
    ]


def pack_rows(rows: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Concatenate all symbols; also return each sentence's length."""
    return (
        np.concatenate([np.array(row, np.uint16) for row in rows]),
        np.array([len(row) for row in rows], np.uint16),
    )


def write_splits(folder: Path, splits: dict[str, list[Line]], report: dict) -> None:
    text = select_vocabulary_text(splits["train"])
    source = train_tokenizer(
        (line.pair.source for line in text), SOURCE_SIZE, character_coverage=0.9999
    )
    target = train_tokenizer(
        (line.pair.target for line in text),
        TARGET_SIZE,
        character_coverage=0.9997,
        add_dummy_prefix=False,
    )
    arrays = {"source_model": source.model, "target_model": target.model}
    packed: dict[str, np.ndarray] = {k: np.frombuffer(v, np.uint8) for k, v in arrays.items()}
    names = sorted({line.source for lines in splits.values() for line in lines})
    packed["names"] = np.array(names)
    for split, lines in splits.items():
        for side, codec in (("source", source), ("target", target)):
            rows = codec.encode([getattr(line.pair, side) for line in lines])
            packed[f"{split}_{side}"], packed[f"{split}_{side}_lengths"] = pack_rows(rows)
            report[f"{split} {side}"] = describe_lengths(codec, rows)
        packed[f"{split}_name"] = np.array([names.index(line.source) for line in lines], np.uint8)
        if split != "train":
            write_lines(folder / f"{split}.jsonl", lines)
        report[split] = dict(Counter(line.source for line in lines).most_common())
    np.savez_compressed(folder / "pairs.npz", allow_pickle=False, **packed)


def describe_lengths(codec: SubwordTokenizer, rows: list[list[int]]) -> dict[str, float]:
    lengths = np.array([len(row) for row in rows])
    unknown = sum(row.count(1) for row in rows)
    return {
        "sentences": len(rows),
        "symbols": int(lengths.sum()),
        "unknown": unknown,
        "longest": int(lengths.max()),
        "over 128": int((lengths > 128).sum()),
    }


def write_lines(path: Path, lines: list[Line]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for line in lines:
            row = {"source": line.source, "document": line.document}
            row |= {"english": line.pair.source, "chinese": line.pair.target}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("pairs", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    held_out, report = read_held_out(), {}
    lines = read_lines(options.pairs, held_out, report)
    assert not any(hash_folded_text(line.pair.source) in held_out for line in lines)
    splits: dict[str, list[Line]] = {"train": [], "valid": [], "test": [], "strings": []}
    for line, name in zip(lines, cut_sections(lines), strict=True):
        line = line._replace(document=name.removeprefix(f"{line.source}/"))
        splits[choose_split(line, name)].append(line)
    splits["train"] = drop_overlaps(splits["train"], splits["test"] + splits["valid"], report)
    options.folder.mkdir(parents=True, exist_ok=True)
    write_splits(options.folder, splits, report)
    (options.folder / "report.json").write_text(json.dumps(report, indent=1, ensure_ascii=False))
    print(json.dumps(report, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
