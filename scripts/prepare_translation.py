"""Split the help pages and messages that the shipped translator learns from and is tested on.

    python scripts/prepare_translation.py pairs.jsonl.xz FOLDER

FOLDER gets `train.jsonl`, `valid.jsonl` and `test.jsonl` (documents of prose that are held out),
`strings.jsonl` (held-out messages with placeholders) and `report.json` (what was dropped). `smalti
evaluate MODEL --data FOLDER/test.jsonl` scores a translator on them.

Each line of the pairs is {"source", "doc", "en", "zh"}. A document of more than 60 pairs is cut
into sections of 30 pairs in a row, which count as documents. A hash of the name selects them, so no
list is needed. Overlaps are removed from training, never from the test.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from smalti.data.corpora import SentencePair, read_pairs
from smalti.translation import CorpusSplits, prepare_corpus

PROSE = (
    *("libreoffice-help", "debian-reference", "debian-handbook", "gnome-apps-help"),
    *("mate-apps-help", "kicad-doc", "debmake-doc", "gnome-user-docs", "maint-guide"),
    *("debian-faq", "debian-edu", "gimp-help", "lilypond-doc"),
)
GAMES = ("mo:cataclysm-dda-data", "mo:wesnoth-1.16-data")
LEFT_OUT = {
    "mo:libreoffice-l10n-zh-cn": "its tooltips are the help's sentences",
    "manpages": "the two sides are of other versions",
    "mo:iso-codes": "names of places, not sentences",
}
UNTESTED = ("gimp-help", "lilypond-doc", "debian-handbook")
"""Prose with too few or too free translations to test on; it is used for training."""
RATIOS = {"debian-handbook": 1.7}


def split_help_pages(pairs: list[SentencePair]) -> CorpusSplits:
    """Clean and split the pairs; all sources but those of prose are single messages."""
    return prepare_corpus(
        pairs,
        ratios=RATIOS,
        messages={pair.corpus for pair in pairs} - {*PROSE},
        train_only=(*UNTESTED, *GAMES),
        leave_out=LEFT_OUT,
    )


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
    splits = split_help_pages(read_pairs(options.pairs))
    options.folder.mkdir(parents=True, exist_ok=True)
    parts = {"train": splits.train, "valid": splits.valid, "test": splits.test}
    for name, pairs in {**parts, "strings": splits.messages}.items():
        write_lines(options.folder / f"{name}.jsonl", pairs)
    report = json.dumps(splits.report.to_json(), indent=1, ensure_ascii=False)
    (options.folder / "report.json").write_text(report)
    print(report)


if __name__ == "__main__":
    main()
