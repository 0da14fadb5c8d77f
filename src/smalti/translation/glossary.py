"""Glossaries: English terms, and the Chinese that must translate them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from smalti.core.errors import UserError, shorten
from smalti.translation.catalog import decode_bytes
from smalti.translation.markup import PLACEHOLDER
from smalti.translation.tokenizer import UNK, Tokenizer

FORM = "give an English term, a tab and its translation on each line"
MAX_LENGTH = 200
"""Characters of a translation."""
LETTER = re.compile(r"[^\W\d_]")
HAN = re.compile("[\u2e80-\u9fff]")


@dataclass(frozen=True)
class Glossary:
    """Terms and their translations.

    A term in lower case matches in any case, also with a plural "s" or "es"; one with capitals
    matches as it is written. Longer terms go first.
    """

    terms: Mapping[str, str]

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        terms = sorted(self.terms, key=lambda term: -len(term))
        groups = "|".join(f"(?P<t{k}>{match_term(term)})" for k, term in enumerate(terms))
        return re.compile(
            rf"(?P<skip>{PLACEHOLDER.pattern})|(?<![\w-])(?i:the\s+|an?\s+)?(?:{groups})(?![\w-])"
        )

    @cached_property
    def translations(self) -> list[str]:
        """In the order of the pattern's groups."""
        return [self.terms[term] for term in sorted(self.terms, key=lambda term: -len(term))]

    def find_terms(self, text: str) -> list[tuple[int, int, str]]:
        """Find terms outside of placeholders: start, end and translation of each.

        An article before a term belongs to it.
        """
        if not self.terms:
            return []
        matches = [m for m in self.pattern.finditer(text) if m["skip"] is None]
        return [(*m.span(), self.translations[int(str(m.lastgroup)[1:])]) for m in matches]

    def list_translations(self, text: str) -> list[str]:
        """The translations that a text's terms need, one for each time that a term stands there."""
        return [translation for _, _, translation in self.find_terms(text)]


GlossarySource = Glossary | Mapping[str, str] | str | Path | None
"""A glossary, the terms of one, or a file."""


def match_term(term: str) -> str:
    """A regular expression for a term."""
    words = r"\s+".join(map(re.escape, term.split()))
    return f"(?i:{words}(?:e?s)?)" if term == term.lower() else words


def contains_all(text: str, translations: Iterable[str]) -> bool:
    """Whether a text contains each translation as often as it is listed, without overlap."""
    for one, count in sorted(Counter(translations).items(), key=lambda item: -len(item[0])):
        if text.count(one) < count:
            return False
        text = text.replace(one, "\0", count)
    return True


def read_glossary(path: str | Path) -> Glossary:
    """Read a UTF-8 file of terms and translations separated by tabs.

    Empty lines, and those that begin with #, are skipped. Raises UserError, naming the line, for
    other text and for a term with two translations.
    """
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{path} is a folder; name a file of terms and translations")
    terms: dict[str, str] = {}
    lines: dict[str, int] = {}
    for k, line in enumerate(decode_bytes(path.read_bytes(), "UTF-8", path).splitlines(), 1):
        line = line.lstrip("\ufeff")
        if not line.strip() or line.startswith("#"):
            continue
        fields = [field.strip() for field in line.split("\t")]
        if len(fields) != 2 or not all(fields):
            raise UserError(f"{path}, line {k}: {shorten(line)} is not two terms; {FORM}")
        term, translation = " ".join(fields[0].split()), fields[1]
        if terms.get(term, translation) != translation:
            raise UserError(
                f"{path}, line {k}: {term!r} becomes {translation!r}, but {terms[term]!r} in line "
                f"{lines[term]}; keep one of them"
            )
        try:
            check_term(term, translation)
        except UserError as error:
            raise UserError(f"{path}, line {k}: {error}") from None
        terms[term], lines[term] = translation, k
    return Glossary(terms)


def check_term(term: str, translation: str) -> None:
    """Raise UserError for a term that is not English, or an empty or long translation."""
    if not LETTER.search(term) or HAN.search(term):
        raise UserError(f"{shorten(term)} is not English; {FORM}")
    if len(translation) > MAX_LENGTH:  # every beam would have to write it
        raise UserError(f"{shorten(term)} has a translation of {len(translation)} characters; "
                        f"give at most {MAX_LENGTH}")  # fmt: skip
    if not translation.strip() or "\n" in translation:
        raise UserError(f"{shorten(term)} has the translation {translation!r}; give one line")


def open_glossary(source: GlossarySource, tokenizer: Tokenizer) -> Glossary:
    """Open a file or a mapping of terms. Raises UserError for what the tokenizer cannot write."""
    if isinstance(source, str | Path):
        glossary = read_glossary(source)
    elif isinstance(source, Glossary):
        glossary = source
    else:
        glossary = Glossary({" ".join(k.split()): v.strip() for k, v in (source or {}).items()})
    for term, translation in glossary.terms.items():
        check_term(term, translation)
        if UNK in tokenizer.encode([translation])[0]:
            unknown = [c for c in translation if UNK in tokenizer.encode([c])[0]]
            raise UserError(
                f"the model cannot write {(unknown or [translation])[0]!r} of the glossary's "
                f"{translation!r} for {term!r}; use other characters or leave the term out"
            )
    return glossary


def spell_translation(translation: str, tokenizer: Tokenizer) -> list[list[int]]:
    """The symbols of a translation: joined to what is before it, and Latin after a space, too."""
    (joined,) = tokenizer.encode([translation])
    spellings = [joined[:-1]]
    if not HAN.match(translation):
        before, after = tokenizer.encode(["\u7684", f"\u7684 {translation}"])
        if after[: len(before) - 1] == before[:-1]:
            spellings.append(after[len(before) - 1 : -1])
    return [list(one) for one in dict.fromkeys(map(tuple, spellings))]
