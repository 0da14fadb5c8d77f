"""Prepare a corpus for training: clean it, split it by document, remove overlaps with the test."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypedDict

from smalti.core.errors import UserError
from smalti.core.short_repr import add_short_repr
from smalti.data.corpora.held_out import fold_text, read_held_out
from smalti.data.corpora.help_sources import HELP_CORPORA, PROSE, RATIOS, TRAIN_ONLY
from smalti.data.corpora.pair import LanguagePair, SentencePair
from smalti.translation.cleaning import (
    PLACEHOLDER,
    CleaningStep,
    choose_key_side,
    clean_pairs,
    extract_ngrams,
    make_cleaning_steps,
)

LONG, SECTION = 60, 30
"""A document of more than LONG pairs is cut into sections of SECTION pairs in a row, which are
split as documents: manuals of one file are tested on, too."""
FEWEST = 20
"""Documents that a corpus should have at least; sections are shorter where there are fewer."""
OVERLAP, LEAST = 0.8, 20
"""Largest share of a test sentence's 5-grams in a training sentence; sentences with fewer 5-grams
than LEAST are compared exactly."""
CHANGES = {"swapped languages"}
"""Steps that change pairs; the others drop them."""


@dataclass
@add_short_repr
class CorpusReport:
    """What became of the pairs of a corpus."""

    n_pairs: int = 0
    """Pairs that were read."""
    steps: dict[str, dict[str, int]] = field(default_factory=dict)
    """By corpus and cleaning step: pairs that were changed or dropped."""
    corpora: dict[str, int] = field(default_factory=dict)
    """Pairs that were read, by corpus."""
    examples: dict[str, list[SentencePair]] = field(default_factory=dict)
    """The first pairs that each cleaning step changed or dropped."""
    overlaps: dict[str, int] = field(default_factory=dict)
    """Training pairs dropped as equal to, or overlapping, a test or valid sentence."""
    splits: dict[str, int] = field(default_factory=dict)
    """Pairs of each split."""
    documents: dict[str, int] = field(default_factory=dict)
    """Documents or sections of each split."""

    def count_steps(self) -> dict[str, int]:
        """Pairs that each step changed or dropped, in all corpora, in the order of the steps."""
        total: Counter[str] = Counter()
        for counts in self.steps.values():
            total.update(counts)
        return dict(total)

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON values."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
@add_short_repr
class CorpusSplits:
    """The splits of a corpus. A pair's document tells the section, as in "manual.html#3"."""

    train: list[SentencePair]
    valid: list[SentencePair]
    test: list[SentencePair]
    messages: list[SentencePair]
    """Held-out single messages with placeholders, to check that these are kept."""
    report: CorpusReport


def prepare_corpus(
    pairs: Iterable[SentencePair],
    *,
    languages: LanguagePair = ("en", "zh"),
    ratio: float = 5.0,
    ratios: Mapping[str, float] | None = None,
    held_out: Container[str] | None = None,
    valid: float = 0.03,
    test: float = 0.035,
    messages: Collection[str] = (),
    messages_share: float = 0.03,
    train_only: Collection[str] = (),
    leave_out: Mapping[str, str] | Collection[str] = (),
) -> CorpusSplits:
    """Clean the pairs, split them by document, and drop training pairs that overlap the others.

    languages: Codes of source and target.
    ratio: Maximum ratio of the lengths of a pair.
    ratios: Other ratios of some corpora, by name.
    held_out: Hashes of sentences to leave out of all splits (default: the shipped list).
    valid, test: Shares of the documents. A hash of the name selects them.
    messages: Corpora of single messages, which are used for training alone.
    messages_share: Share of their messages with placeholders for the split `messages`.
    train_only: Corpora that no other split takes pairs from.
    leave_out: Corpora to leave out; a mapping tells the reasons for the report.
    Raises UserError if no pair is left for training.
    """
    report, dropped = CorpusReport(), defaultdict[str, Counter[str]](Counter)
    hashes = read_held_out() if held_out is None else held_out
    cleaned: list[SentencePair] = []
    side = choose_key_side(languages)
    by_corpus: dict[str, dict[str, CleaningStep]] = {}
    for pair in pairs:
        report.n_pairs += 1
        name = pair.corpus
        report.corpora[name] = report.corpora.get(name, 0) + 1
        counts = dropped[name]
        if name in leave_out:
            counts[leave_out[name] if isinstance(leave_out, Mapping) else "left out"] += 1
            continue
        if name not in by_corpus:
            by_corpus[name] = make_cleaning_steps(
                (ratios or {}).get(name, ratio), hashes, languages
            )
            by_corpus[name]["repeated"] = next(iter(by_corpus.values()))["repeated"]
        cleaned += clean_pairs([pair], by_corpus[name], counts, report.examples)
    report.steps = {name: {k: n for k, n in c.items() if n} for name, c in dropped.items()}
    splits = split_pairs(cleaned, valid, test, messages, messages_share, train_only)
    splits["train"] = drop_overlaps(
        splits["train"], splits["test"] + splits["valid"], side, report.overlaps
    )
    report.splits = {name: len(rows) for name, rows in splits.items()}
    report.documents = {
        name: len({(pair.corpus, pair.document) for pair in rows}) for name, rows in splits.items()
    }
    if not splits["train"]:
        raise UserError(describe_nothing(report))
    return CorpusSplits(**splits, report=report)


class HelpOptions(TypedDict, total=False):
    """Arguments of `prepare_corpus`."""

    ratios: Mapping[str, float]
    messages: Collection[str]
    train_only: Collection[str]


def choose_help_options(pairs: Iterable[SentencePair]) -> HelpOptions:
    """The options for the sources of `smalti fetch help-corpus`; none for other corpora.

    Messages of its programs, and sources that are too free to test on, are for training alone.
    """
    names = {pair.corpus for pair in pairs} & HELP_CORPORA
    if not names:
        return {}
    return {"ratios": RATIOS, "messages": names - PROSE, "train_only": TRAIN_ONLY}


def describe_nothing(report: CorpusReport) -> str:
    counts = {name: n for name, n in report.count_steps().items() if name not in CHANGES}
    worst = max(counts.items(), key=lambda item: item[1], default=("", 0))
    reason = f"; {worst[1]} were dropped as {worst[0]}" if worst[1] else ""
    return f"none of {report.n_pairs} pairs is left for training{reason}; give more pairs"


def split_pairs(
    pairs: Sequence[SentencePair],
    valid: float,
    test: float,
    messages: Collection[str],
    messages_share: float,
    train_only: Collection[str],
) -> dict[str, list[SentencePair]]:
    splits: dict[str, list[SentencePair]] = {"train": [], "valid": [], "test": [], "messages": []}
    prose = []
    for pair in cut_sections(pairs):
        if pair.corpus in messages:
            held = pair.corpus not in train_only and PLACEHOLDER.search(pair.source)
            is_held = held and hash_to_unit(pair.source) < messages_share
            splits["messages" if is_held else "train"].append(pair)
        elif pair.corpus in train_only:
            splits["train"].append(pair)
        else:
            prose.append(pair)
    names = {f"{pair.corpus}/{pair.document}" for pair in prose}
    chosen = choose_documents(names, valid, test)
    for pair in prose:
        splits[chosen.get(f"{pair.corpus}/{pair.document}", "train")].append(pair)
    return splits


def cut_sections(pairs: Sequence[SentencePair]) -> list[SentencePair]:
    """Add the number of its section to the document of each pair: 0 in short documents."""
    sizes = Counter((pair.corpus, pair.document) for pair in pairs)
    n_sections = sum(-(-n // SECTION) if n > LONG else 1 for n in sizes.values())
    long, section = LONG, SECTION
    if n_sections < FEWEST:  # a small corpus
        long, section = 0, max(1, min(SECTION, len(pairs) // FEWEST))
    positions: Counter[tuple[str, str]] = Counter()
    named = []
    for pair in pairs:
        key = pair.corpus, pair.document
        number = positions[key] // section if sizes[key] > long else 0
        named.append(pair._replace(document=f"{pair.document}#{number}"))
        positions[key] += 1
    return named


def choose_documents(names: Collection[str], valid: float, test: float) -> dict[str, str]:
    """Choose the documents of valid and test by a hash of their names; at least one for each.

    A split with a share of 0 gets none.
    """
    places = {name: hash_to_unit(name) for name in names}
    order = sorted(names, key=lambda name: places[name])
    chosen = {name: "valid" for name in order if places[name] < valid}
    chosen |= {name: "test" for name in order if places[name] > 1 - test}
    if len(order) > 2:
        if valid and "valid" not in chosen.values():
            chosen[order[0]] = "valid"
        if test and "test" not in chosen.values():
            chosen[order[-1]] = "test"
    return chosen


def hash_to_unit(name: str) -> float:
    """Hash a name to a number in [0, 1)."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) / 2**32


def drop_overlaps(
    train: Iterable[SentencePair],
    others: Sequence[SentencePair],
    side: int,
    counts: dict[str, int],
) -> list[SentencePair]:
    """Drop training pairs that equal one of the others, or contain most of one, on one side."""
    same = {fold_text(pair[side]) for pair in others}
    grams = [extract_ngrams(pair[side]) for pair in others]
    sizes = [len(one) for one in grams]
    index: dict[str, list[int]] = defaultdict(list)
    for k, one in enumerate(grams):
        for gram in one if sizes[k] >= LEAST else ():
            index[gram].append(k)
    total = Counter({"equal": 0, "overlapping": 0})
    kept = []
    for pair in train:
        if fold_text(pair[side]) in same:
            total["equal"] += 1
        elif overlaps(pair[side], index, sizes):
            total["overlapping"] += 1
        else:
            kept.append(pair)
    counts.update(total)
    return kept


def overlaps(text: str, index: Mapping[str, list[int]], sizes: Sequence[int]) -> bool:
    """Whether a text contains more than OVERLAP of the n-grams of an indexed sentence."""
    shared = Counter(k for gram in extract_ngrams(text) for k in index.get(gram, ()))
    return any(n > OVERLAP * sizes[k] for k, n in shared.items())
