"""audit of a corpus: clean and split it as training would, and report what was dropped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from smalti.core.errors import UserError
from smalti.core.folders import ResultFiles, stage_optional_folder, write_record
from smalti.core.progress import OnProgress, Progress, ignore_event
from smalti.core.short_repr import add_short_repr
from smalti.data.corpora.fetched_corpus import find_corpus
from smalti.data.corpora.language_files import is_code
from smalti.data.corpora.languages import find_language
from smalti.data.corpora.pair import LanguagePair, SentencePair
from smalti.data.corpora.reading import (
    PAIR_READERS,
    find_suffix,
    guess_languages,
    iterate_pairs,
    list_groups,
    name_corpus,
)
from smalti.data.corpora.reading import READERS as CORPUS_READERS
from smalti.data.picture_formats import list_picture_suffixes
from smalti.translation.corpus import CorpusReport, choose_help_options, prepare_corpus

FILES = ResultFiles(r"report\.json", "report.json", ("name", "pairs", "steps"))
"""Files of a corpus audit's folder."""
DEFAULT_LANGUAGES: LanguagePair = ("en", "zh")
STEP = 5000
"""Pairs between two reports of progress."""


@dataclass(frozen=True, eq=False)
@add_short_repr
class SideLengths:
    """Lengths of the kept sentences of one language, in words, or characters where it has none."""

    median: float
    longest: int
    total: int
    unit: str


@dataclass(frozen=True, eq=False)
@add_short_repr
class CorpusAudit:
    """What cleaning, splitting and removing overlaps do to a corpus."""

    name: str
    languages: LanguagePair
    report: CorpusReport
    source: SideLengths
    target: SideLengths
    n_kept: dict[str, int]
    """Pairs that were kept, by corpus."""
    files: tuple[Path, ...]
    """The files that were written."""

    @property
    def n_dropped(self) -> int:
        """Pairs that are in no split."""
        return self.report.n_pairs - sum(self.report.splits.values())

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON values."""
        record = self.report.to_json()
        sides = {"source": vars(self.source), "target": vars(self.target)}
        first = {"name": self.name, "languages": list(self.languages)}
        return {**first, "pairs": record.pop("n_pairs"), **record, "lengths": sides}


def is_corpus(path: str | Path) -> bool:
    """Whether a path is a corpus of sentence pairs, not a set of pictures."""
    found = find_corpus(path)
    if found.is_dir():
        suffixes = list_picture_suffixes()
        files = [one for one in found.rglob("*") if one.suffix.lower() in suffixes]
        return not files and any(list_groups(found, DEFAULT_LANGUAGES))
    suffix = find_suffix(found)
    is_text = suffix == ".txt" or is_code(suffix.removeprefix("."))
    return is_text or suffix in CORPUS_READERS or suffix in PAIR_READERS


def audit_corpus(
    *paths: str | Path,
    out: str | Path | None = None,
    out_root: str | Path | None = None,
    languages: str | None = None,
    ratio: float = 5.0,
    on_progress: OnProgress = ignore_event,
) -> CorpusAudit:
    """Read, clean and split a corpus as training does, and describe what was dropped.

    paths: Files or folders, as `smalti.data.corpora.read_pairs` reads them.
    out, out_root: As in `audit`; the folder gets report.json.
    languages: Such as "en-zh" (default: what the names of two files tell, or en-zh).
    ratio: Maximum ratio of the lengths of a pair.
    Raises UserError for files that cannot be read, or if no pair is left.
    """
    codes = parse_languages(languages) or guess_languages(*paths) or DEFAULT_LANGUAGES
    name = name_corpus(Path(paths[0]))
    folder_path = out or (Path(out_root, name) if out_root else None)
    with stage_optional_folder(folder_path, FILES) as folder:
        pairs = []
        for pair in iterate_pairs(*paths, languages=codes):
            pairs.append(pair)
            if len(pairs) % STEP == 0:
                on_progress(Progress("reading", len(pairs), len(pairs) + STEP))
        splits = prepare_corpus(pairs, languages=codes, ratio=ratio, **choose_help_options(pairs))
        kept = [*splits.train, *splits.valid, *splits.test, *splits.messages]
        n_kept = dict.fromkeys(splits.report.corpora, 0)
        for pair in kept:
            n_kept[pair.corpus] += 1
        sides = [measure_side(kept, side, code) for side, code in enumerate(codes)]
        files = (Path(folder_path, "report.json"),) if folder_path else ()
        audit = CorpusAudit(name, codes, splits.report, sides[0], sides[1], n_kept, files)
        if folder is not None:
            write_record(folder / "report.json", audit.to_json())
    return audit


def measure_side(pairs: Sequence[SentencePair], side: int, code: str) -> SideLengths:
    has_words = find_language(code).has_spaces
    lengths = [len(pair[side].split() if has_words else pair[side]) for pair in pairs]
    unit = "words" if has_words else "characters"
    return SideLengths(median(lengths), max(lengths), sum(lengths), unit)


def parse_languages(text: str | None) -> LanguagePair | None:
    """Parse "en-zh" or "en zh"; None for None."""
    if text is None:
        return None
    codes = text.replace(",", " ").replace(">", " ").split()
    codes = codes if len(codes) == 2 else text.split("-") if text.count("-") == 1 else codes
    if len(codes) != 2 or not all(codes) or codes[0] == codes[1]:
        raise UserError(f"--languages {text!r} is no pair of codes; give for example en-zh")
    return codes[0], codes[1]
