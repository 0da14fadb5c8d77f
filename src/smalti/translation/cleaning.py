"""Cleaning of sentence pairs: named steps that change or drop pairs, with counts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, field

from smalti.data.corpora.held_out import fold_text, hash_folded_text
from smalti.data.corpora.languages import HAN, Language, find_language, is_traditional
from smalti.data.corpora.pair import LanguagePair, SentencePair

LATIN_WORD = re.compile(r"[A-Za-z][A-Za-z'’-]*")
WORD = re.compile(r"[^\W\d_](?:[^\W\d_]|['’-])*")
TOKEN = re.compile(r"\w{2,}", re.ASCII)
PLACEHOLDER = re.compile(
    r"%(?:\d+\$)?[-+#0]*\d*(?:\.\d+)?l*[a-zA-Z]\b|%\d+|\{\w*\}|\$\{?\w+\}?|@\w+@|</?[A-Za-z][^<>]*>"
)
CHARACTERS_PER_WORD = 1.6
"""Median ratio of Chinese characters to English words in help pages."""

EXAMPLES = 3
"""How many pairs are kept as examples of those that a step changed or dropped."""

CleaningStep = Callable[[SentencePair], SentencePair | None]
"""A cleaning step: returns the pair, possibly changed, or None to drop it."""


@dataclass(frozen=True)
class FixSwappedLanguages:
    """Swap source and target where only the wrong one is in a language's script.

    Only languages of different scripts can be told apart; quotes and code stand in all of them.
    """

    source: Language
    target: Language

    def __call__(self, pair: SentencePair) -> SentencePair:
        swapped = False
        if self.source.script != self.target.script:
            if self.target.letter and self.target.script != "Latin":
                letter = self.target.letter
                swapped = has(letter, pair.source) and not has(letter, pair.target)
            elif self.source.letter and self.source.script != "Latin":
                letter = self.source.letter
                swapped = has(letter, pair.target) and not has(letter, pair.source)
        return pair._replace(source=pair.target, target=pair.source) if swapped else pair


def has(letter: re.Pattern[str], text: str) -> bool:
    return letter.search(text) is not None


def drop_empty(pair: SentencePair) -> SentencePair | None:
    return pair if pair.source.strip() and pair.target.strip() else None


@dataclass(frozen=True)
class DropUntranslated:
    """Drop copies, and texts of another script with more Latin words than letters of their own."""

    source: Language
    target: Language

    def __call__(self, pair: SentencePair) -> SentencePair | None:
        if fold_text(pair.source) == fold_text(pair.target):
            return None
        mostly_latin = is_mostly_latin(pair.target, self.target) or is_mostly_latin(
            pair.source, self.source
        )
        return None if mostly_latin else pair


def is_mostly_latin(text: str, language: Language) -> bool:
    if language.letter is None or language.script == "Latin":
        return False
    n_letters = len(language.letter.findall(text))
    return len(LATIN_WORD.findall(text)) > max(n_letters, 2)


@dataclass(frozen=True)
class DropWrongScript:
    """Drop pairs with a text that has no letter of its language, or foreign ones.

    Han characters in languages without them are foreign, and so are traditional characters in
    Chinese, unless the language is zh-TW, zh-HK or zh-Hant.
    """

    languages: LanguagePair = ("en", "zh")

    def __call__(self, pair: SentencePair) -> SentencePair | None:
        source, target = self.languages
        return pair if is_in(pair.source, source) and is_in(pair.target, target) else None


def is_in(text: str, code: str) -> bool:
    """Whether a text can be in a language, judging by its letters."""
    language = find_language(code)
    if language.letter is None:
        return True
    if not has(language.letter, text):
        return False
    if language.script == "Han":
        han = HAN.findall(text)
        foreign = sum(not character.encode("gb2312", "ignore") for character in han)
        return is_traditional(code) or foreign <= 0.1 * len(han)
    return language.script in ("Kana", "Hangul") or not has(HAN, text)


def drop_markup(pair: SentencePair) -> SentencePair | None:
    """Drop pairs whose tags or placeholders (%s, {name}, <b>) differ."""
    same = Counter(PLACEHOLDER.findall(pair.source)) == Counter(PLACEHOLDER.findall(pair.target))
    return pair if same else None


@dataclass(frozen=True)
class DropLong:
    """Drop long pairs."""

    source: Language
    target: Language
    max_words: int = 150
    """Maximum length in words. Chinese characters count 1 / 1.6."""

    def __call__(self, pair: SentencePair) -> SentencePair | None:
        limit = self.max_words * CHARACTERS_PER_WORD
        long = measure_text(pair.source, self.source) > limit
        return None if long or measure_text(pair.target, self.target) > limit else pair


@dataclass(frozen=True)
class DropRatio:
    """Drop pairs whose lengths differ too much, which are likely misaligned."""

    source: Language
    target: Language
    max_ratio: float = 5.0
    """Maximum ratio of the lengths, in either direction."""

    def __call__(self, pair: SentencePair) -> SentencePair | None:
        target, source = (
            measure_text(pair.target, self.target) + 1,
            measure_text(pair.source, self.source) + 1,
        )
        return pair if 1 / self.max_ratio <= target / source <= self.max_ratio else None


@dataclass
class DropRepeated:
    """Drop pairs whose folded text on one side occurred before."""

    side: int = 0
    """Index of the side: 0 for the source, 1 for the target."""
    seen_keys: set[str] = field(default_factory=set)

    def __call__(self, pair: SentencePair) -> SentencePair | None:
        key = fold_text(pair[self.side])
        if key in self.seen_keys:
            return None
        self.seen_keys.add(key)
        return pair


@dataclass(frozen=True)
class DropHeldOut:
    """Drop pairs whose source or target is in the held-out list."""

    hashes: Container[str]
    """Held-out sentences by `hash_folded_text`."""

    def __call__(self, pair: SentencePair) -> SentencePair | None:
        held_out = any(hash_folded_text(text) in self.hashes for text in pair[:2])
        return None if held_out else pair


def make_cleaning_steps(
    max_ratio: float = 5.0,
    held_out: Container[str] = frozenset(),
    languages: LanguagePair = ("en", "zh"),
) -> dict[str, CleaningStep]:
    """Make the default steps by name, in order. DropRepeated is stateful: use once per dataset.

    languages: codes of source and target. Scripts are checked for languages that
    `smalti.data.corpora.languages` knows.
    """
    source, target = map(find_language, languages)
    return {
        "swapped languages": FixSwappedLanguages(source, target),
        "empty": drop_empty,
        "held out": DropHeldOut(held_out),
        "untranslated": DropUntranslated(source, target),
        "wrong script": DropWrongScript(languages),
        "markup": drop_markup,
        "too long": DropLong(source, target),
        "length ratio": DropRatio(source, target, max_ratio),
        "repeated": DropRepeated(choose_key_side(languages)),
    }


def choose_key_side(languages: LanguagePair) -> int:
    """The side by which equal and overlapping sentences are found: English, else the source.

    So a corpus is split in the same way for both directions.
    """
    return 1 if find_language(languages[1]).code == "en" else 0


def clean_pairs(
    pairs: Iterable[SentencePair],
    steps: dict[str, CleaningStep],
    counts: Counter[str],
    examples: dict[str, list[SentencePair]] | None = None,
) -> Iterator[SentencePair]:
    """Yield the pairs that pass all steps; `counts` counts those each step changed or dropped.

    examples: gets the first of them, by step.
    """
    for pair in pairs:
        kept: SentencePair | None = pair
        for name, step in steps.items():
            before, kept = kept, step(kept)
            if kept != before:
                counts[name] += 1
                if examples is not None and len(known := examples.setdefault(name, [])) < EXAMPLES:
                    known.append(before)
            if kept is None:
                break
        else:
            yield kept


def extract_ngrams(text: str, n: int = 5) -> frozenset[str]:
    """All character n-grams of the folded text."""
    folded = fold_text(text)
    return frozenset(folded[k : k + n] for k in range(len(folded) - n + 1))


def measure_text(text: str, language: Language) -> float:
    """Length in Chinese characters.

    A word of a language with spaces counts 1.6 of them; in other languages a Latin word counts one.
    """
    if language.has_spaces:
        return CHARACTERS_PER_WORD * max(len(text.split()), len(WORD.findall(text)))
    n_letters = len(language.letter.findall(text)) if language.letter else len(text)
    return n_letters + len(TOKEN.findall(text))
