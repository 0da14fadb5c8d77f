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
import json
from collections import Counter
from pathlib import Path

import numpy as np
from translator_pairs import GAMES, PROSE

from smalti.data.corpora import SentencePair, read_pairs
from smalti.translation.corpus import CorpusSplits, prepare_corpus
from smalti.translation.tokenizer import SubwordTokenizer, train_tokenizer

LEFT_OUT = {
    "mo:libreoffice-l10n-zh-cn": "its tooltips are the help's sentences",
    "manpages": "the two sides are of other versions",
    "mo:iso-codes": "names of places, not sentences",
}
UNTESTED = ("gimp-help", "lilypond-doc", "debian-handbook")
"""Prose with too few or too free translations to test on; it is used for training."""
RATIOS = {"debian-handbook": 1.7}
SOURCE_SIZE, TARGET_SIZE = 5000, 6000


def split_help_pages(pairs: list[SentencePair]) -> CorpusSplits:
    """Clean and split the pairs; all sources but those of prose are single messages."""
    return prepare_corpus(
        pairs,
        ratios=RATIOS,
        messages={pair.corpus for pair in pairs} - {*PROSE},
        train_only=(*UNTESTED, *GAMES),
        leave_out=LEFT_OUT,
    )


def select_vocabulary_text(pairs: list[SentencePair]) -> list[SentencePair]:
    """Select the text for the vocabularies: prose twice, no games."""
    return [pair for pair in pairs if pair.corpus not in GAMES] + [
        pair for pair in pairs if pair.corpus in PROSE
    ]


def pack_rows(rows: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Concatenate all symbols; also return each sentence's length."""
    return (
        np.concatenate([np.array(row, np.uint16) for row in rows]),
        np.array([len(row) for row in rows], np.uint16),
    )


def write_splits(folder: Path, splits: dict[str, list[SentencePair]], report: dict) -> None:
    text = select_vocabulary_text(splits["train"])
    source = train_tokenizer((pair.source for pair in text), SOURCE_SIZE, character_coverage=0.9999)
    target = train_tokenizer(
        (pair.target for pair in text),
        TARGET_SIZE,
        character_coverage=0.9997,
        add_dummy_prefix=False,
    )
    arrays = {"source_model": source.model, "target_model": target.model}
    packed: dict[str, np.ndarray] = {k: np.frombuffer(v, np.uint8) for k, v in arrays.items()}
    names = sorted({pair.corpus for pairs in splits.values() for pair in pairs})
    packed["names"] = np.array(names)
    for split, pairs in splits.items():
        for side, codec in (("source", source), ("target", target)):
            rows = codec.encode([getattr(pair, side) for pair in pairs])
            packed[f"{split}_{side}"], packed[f"{split}_{side}_lengths"] = pack_rows(rows)
            report[f"{split} {side}"] = describe_lengths(codec, rows)
        packed[f"{split}_name"] = np.array([names.index(pair.corpus) for pair in pairs], np.uint8)
        write_lines(folder / f"{split}.jsonl", pairs)
        report[split] = dict(Counter(pair.corpus for pair in pairs).most_common())
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


def write_lines(path: Path, pairs: list[SentencePair]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for pair in pairs:
            row = {"source": pair.corpus, "document": pair.document}
            row |= {"english": pair.source, "chinese": pair.target}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("pairs", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    done = split_help_pages(read_pairs(options.pairs))
    splits = {"train": done.train, "valid": done.valid, "test": done.test, "strings": done.messages}
    report = {"corpus": done.report.to_json()}
    options.folder.mkdir(parents=True, exist_ok=True)
    write_splits(options.folder, splits, report)
    (options.folder / "report.json").write_text(json.dumps(report, indent=1, ensure_ascii=False))
    print(json.dumps(report, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
