"""Cleaning of sentence pairs: named steps that change or drop pairs, with counts."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

HAN = re.compile("[\u3400-\u9fff]")
LATIN = re.compile("[A-Za-z]{2}")
WORD = re.compile(r"[A-Za-z][A-Za-z'’-]*")
TOKEN = re.compile(r"\w{2,}", re.ASCII)
PLACEHOLDER = re.compile(
    r"%(?:\d+\$)?[-+#0]*\d*(?:\.\d+)?l*[a-zA-Z]\b|%\d+|\{\w*\}|\$\{?\w+\}?|@\w+@|</?[A-Za-z][^<>]*>"
)
HELD_OUT = Path(__file__).parent.parent / "assets" / "data" / "translation-held-out.txt"
"""`hash_folded_text` of 1,049 sentences held out for evaluating translators: do not train or select
on pairs that contain one."""
CHARACTERS_PER_WORD = 1.6
"""Median ratio of Chinese characters to English words in help pages."""


class SentencePair(NamedTuple):
    """A sentence and its translation."""

    source: str  # English
    target: str  # Chinese


CleaningStep = Callable[[SentencePair], SentencePair | None]
"""A cleaning step: returns the pair, possibly changed, or None to drop it."""


def fix_swapped_languages(pair: SentencePair) -> SentencePair:
    """Swap source and target if only the source has Han characters."""
    swapped = HAN.search(pair.source) and not HAN.search(pair.target)
    return SentencePair(pair.target, pair.source) if swapped else pair


def drop_empty(pair: SentencePair) -> SentencePair | None:
    return pair if pair.source.strip() and pair.target.strip() else None


def drop_untranslated(pair: SentencePair) -> SentencePair | None:
    """Drop copies, and targets with more Latin words than Han characters."""
    if fold_text(pair.source) == fold_text(pair.target):
        return None
    return pair if len(WORD.findall(pair.target)) <= max(len(HAN.findall(pair.target)), 2) else None


def drop_wrong_script(pair: SentencePair) -> SentencePair | None:
    """Drop sources without Latin words or with Han, and targets without Han or in Traditional."""
    if not LATIN.search(pair.source) or HAN.search(pair.source):
        return None
    han = HAN.findall(pair.target)
    foreign = sum(not character.encode("gb2312", "ignore") for character in han)
    return pair if han and foreign <= 0.1 * len(han) else None


def drop_markup(pair: SentencePair) -> SentencePair | None:
    """Drop pairs whose tags or placeholders (%s, {name}, <b>) differ."""
    same = Counter(PLACEHOLDER.findall(pair.source)) == Counter(PLACEHOLDER.findall(pair.target))
    return pair if same else None


@dataclass(frozen=True)
class DropLong:
    """Drop long pairs."""

    max_words: int = 150
    """Maximum length in words. Chinese characters count 1 / 1.6."""

    def __call__(self, pair: SentencePair) -> SentencePair | None:
        limit = self.max_words * CHARACTERS_PER_WORD
        return pair if measure_source(pair) <= limit and measure_target(pair) <= limit else None


@dataclass(frozen=True)
class DropRatio:
    """Drop pairs whose lengths differ too much, which are likely misaligned."""

    max_ratio: float = 5.0
    """Maximum ratio of the lengths, in either direction."""

    def __call__(self, pair: SentencePair) -> SentencePair | None:
        ratio = (measure_target(pair) + 1) / (measure_source(pair) + 1)
        return pair if 1 / self.max_ratio <= ratio <= self.max_ratio else None


@dataclass
class DropRepeated:
    """Drop pairs whose folded source occurred before."""

    seen_keys: set[str] = field(default_factory=set)

    def __call__(self, pair: SentencePair) -> SentencePair | None:
        key = fold_text(pair.source)
        if key in self.seen_keys:
            return None
        self.seen_keys.add(key)
        return pair


@dataclass(frozen=True)
class DropHeldOut:
    """Drop pairs whose source is in the held-out list."""

    hashes: Container[str]
    """Held-out sentences by `hash_folded_text`."""

    def __call__(self, pair: SentencePair) -> SentencePair | None:
        return None if hash_folded_text(pair.source) in self.hashes else pair


def make_cleaning_steps(
    max_ratio: float = 5.0, held_out: Container[str] = frozenset()
) -> dict[str, CleaningStep]:
    """Make the default steps by name, in order. DropRepeated is stateful: use once per dataset."""
    return {
        "swapped languages": fix_swapped_languages,
        "empty": drop_empty,
        "held out": DropHeldOut(held_out),
        "untranslated": drop_untranslated,
        "wrong script": drop_wrong_script,
        "markup": drop_markup,
        "too long": DropLong(),
        "length ratio": DropRatio(max_ratio),
        "repeated": DropRepeated(),
    }


def clean_pairs(
    pairs: Iterable[SentencePair], steps: dict[str, CleaningStep], counts: Counter[str]
) -> Iterator[SentencePair]:
    """Yield the pairs that pass all steps; `counts` counts those each step changed or dropped."""
    for pair in pairs:
        kept: SentencePair | None = pair
        for name, step in steps.items():
            before, kept = kept, step(kept)
            counts[name] += kept != before
            if kept is None:
                break
        else:
            yield kept


def read_held_out(path: Path = HELD_OUT) -> frozenset[str]:
    """Read the hashes of held-out sentences, one per line."""
    return frozenset(path.read_text().split())


def fold_text(text: str) -> str:
    """Case-folded letters and digits only; sentences that are equal in it count as duplicates."""
    return "".join(character for character in text.casefold() if character.isalnum())


def hash_folded_text(text: str) -> str:
    """Hash the folded text to 16 hex digits, for the held-out list."""
    return hashlib.sha256(fold_text(text).encode()).hexdigest()[:16]


def extract_ngrams(text: str, n: int = 5) -> frozenset[str]:
    """All character n-grams of the folded text."""
    folded = fold_text(text)
    return frozenset(folded[k : k + n] for k in range(len(folded) - n + 1))


def measure_source(pair: SentencePair) -> float:
    """Length of the source in Chinese characters."""
    return CHARACTERS_PER_WORD * max(len(pair.source.split()), len(WORD.findall(pair.source)))


def measure_target(pair: SentencePair) -> int:
    """Length of the target in Chinese characters, a Latin word counting as one."""
    return len(HAN.findall(pair.target)) + len(TOKEN.findall(pair.target))
