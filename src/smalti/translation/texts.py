"""Translation of any text: splits long text and preserves placeholders."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

from smalti.core.errors import Notice, UserError, shorten
from smalti.core.model import open_model
from smalti.translation.decoding import Beam
from smalti.translation.markup import (
    PLACEHOLDER,
    add_access_key,
    has_words,
    keeps_placeholders,
    mask_placeholders,
    split_access_key,
    unmask_placeholders,
)
from smalti.translation.model import Translator
from smalti.translation.segments import join_pieces, split_lines, split_long
from smalti.translation.tokenizer import UNK

USUAL_LENGTH, MAX_LENGTH = 30, 50
"""Maximum symbols of several sentences translated together, and of a single one. Selected on
validation pages: the model drops words in longer pieces."""
LETTERS = re.compile(r"[^\W\d_]")
SCRIPTS = {"en": re.compile("[A-Za-z\u00c0-\u024f]")}
"""Letters of the languages that can be recognized by them."""
LANGUAGE_NAMES = {"en": "English", "zh": "Chinese"}


class Translation(NamedTuple):
    """A translation found by the search."""

    text: str
    score: float  # length-normalized log-probability, averaged over pieces


def translate(
    model: Translator | str | Path,
    texts: Sequence[str],
    beam: Beam | None = None,
    batch_size: int = 32,
) -> list[str]:
    """Translate texts. Arguments and errors as in `find_translations`."""
    return [found[0].text for found in find_translations(model, texts, 1, beam, batch_size)]


def find_translations(
    model: Translator | str | Path,
    texts: Sequence[str],
    n: int = 1,
    beam: Beam | None = None,
    batch_size: int = 32,
) -> list[list[Translation]]:
    """Find up to n translations of each text, best first; n is limited by the beam's width.

    Line breaks are kept; lines of more than USUAL_LENGTH symbols are split into sentences.
    Placeholders and tags are preserved: hypotheses that lose one are dropped; if all do, they are
    masked, or else the words between them are translated separately. Raises UserError for a text
    that is empty or in another language.
    """
    translator = open_model(model, "translate")
    if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
        raise UserError(f"texts is {shorten(texts)}; give a list of strings")
    for k, text in enumerate(texts, 1):
        if fault := find_fault(translator, text):
            raise UserError(f"text {k} is {fault}")
    documents = [Document(translator, text) for text in texts]
    pieces = list(dict.fromkeys(piece for document in documents for piece in document.pieces))
    if unknown := find_unknown(translator, pieces):
        shown = " ".join(sorted(unknown)[:10])
        warnings.warn(Notice(f"unknown to the model, omitted: {shown}"), stacklevel=2)
    beam = beam or default_beam(translator)
    translations = translate_pieces(
        pieces, partial(search_without_unknown, translator, beam, batch_size, unknown)
    )
    return [document.assemble(translations, n) for document in documents]


def default_beam(model: Translator) -> Beam:
    sampler = model.config.sampler
    return sampler if isinstance(sampler, Beam) else Beam()


def find_fault(model: Translator, text: str) -> str:
    """Describe why a text cannot be translated; "" if it can."""
    code = model.config.source_language
    name = LANGUAGE_NAMES.get(code, code)
    if not text.strip():
        return f"empty; give {name} text"
    letters = LETTERS.findall(PLACEHOLDER.sub(" ", text))
    script = SCRIPTS.get(code)
    if script and 2 * sum(map(bool, map(script.match, letters))) < len(letters):
        return f"not {name}: {shorten(text)}; this model translates only {name}"
    return ""


def find_unknown(model: Translator, texts: Sequence[str]) -> set[str]:
    """Characters outside of placeholders that the vocabulary lacks."""
    words = [PLACEHOLDER.sub(" ", text) for text in texts]
    return {
        character
        for text, symbols in zip(words, model.source_tokenizer.encode(words), strict=True)
        if UNK in symbols
        for character in set(text) - {" "}
        if UNK in model.source_tokenizer.encode([character])[0]
    }


def drop_characters(text: str, characters: set[str]) -> str:
    """Remove these characters outside of placeholders."""
    parts = re.split(f"({PLACEHOLDER.pattern})", text)
    without = str.maketrans(dict.fromkeys(characters))
    return "".join(p if k % 2 else p.translate(without) for k, p in enumerate(parts))


@dataclass(frozen=True)
class Segment:
    """Part of a text: pieces to translate, or verbatim text."""

    pieces: tuple[str, ...] = ()
    access_key: str = ""  # such as "&O"
    verbatim: str = ""


class Document:
    """A text split into segments."""

    def __init__(self, model: Translator, text: str):
        self.segments = [
            Segment(verbatim=part) if between else make_segment(model, part)
            for part, between in zip(split_lines(text), cycle([False, True]), strict=False)
        ]

    @property
    def pieces(self) -> Iterator[str]:
        return (piece for part in self.segments for piece in part.pieces)

    def assemble(self, translations: dict[str, list[Translation]], n: int) -> list[Translation]:
        """Combine the translations of its pieces: the k-th of each, or its last."""
        pieces = list(self.pieces)
        most = max((len(translations[piece]) for piece in pieces), default=1)
        texts = [self.write_translation(translations, k) for k in range(min(n, most))]
        return list({translation.text: translation for translation in reversed(texts)}.values())[
            ::-1
        ]

    def write_translation(self, translations: dict[str, list[Translation]], k: int) -> Translation:
        def choose(piece: str) -> Translation:
            return translations[piece][min(k, len(translations[piece]) - 1)]

        text = "".join(
            part.verbatim
            or add_access_key(
                join_pieces([choose(piece).text for piece in part.pieces]), part.access_key
            )
            for part in self.segments
        )
        scores = [choose(piece).score for piece in self.pieces]
        return Translation(text, sum(scores) / max(1, len(scores)))


def make_segment(model: Translator, line: str) -> Segment:
    if not has_words(line):
        return Segment(verbatim=line)
    text, key = split_access_key(line)

    def measure(pieces: Sequence[str]) -> list[int]:
        return [len(symbols) for symbols in model.source_tokenizer.encode(pieces)]

    return Segment(tuple(split_long(text, USUAL_LENGTH, MAX_LENGTH, measure)), key)


SearchFunction = Callable[[Sequence[str]], list[list[Translation]]]


def translate_pieces(pieces: Sequence[str], search: SearchFunction) -> dict[str, list[Translation]]:
    """Translate pieces, preserving placeholders: best first, at least one translation each."""
    found = {
        piece: [one for one in hypotheses if keeps_placeholders(piece, one.text)]
        for piece, hypotheses in zip(pieces, search(pieces), strict=True)
    }
    left = [piece for piece in pieces if not found[piece]]
    masked = [mask_placeholders(piece) for piece in left]
    for piece, (_, held), hypotheses in zip(
        left, masked, search([text for text, _ in masked]), strict=True
    ):
        texts = [Translation(unmask_placeholders(one.text, held), one.score) for one in hypotheses]
        found[piece] = [one for one in texts if keeps_placeholders(piece, one.text)]
    left = [piece for piece in left if not found[piece]]
    return found | translate_between_placeholders(left, search)


def search_without_unknown(
    model: Translator, beam: Beam, batch_size: int, unknown: set[str], pieces: Sequence[str]
) -> list[list[Translation]]:
    """Search translations of pieces, without characters unknown to the model."""
    rows = (
        model.search([drop_characters(p, unknown) for p in pieces], beam, batch_size)
        if pieces
        else []
    )
    decode = cache(lambda symbols: model.target_tokenizer.decode([symbols])[0])
    return [[Translation(decode(tuple(h.symbols)), h.score) for h in row] for row in rows]


def translate_between_placeholders(
    pieces: Sequence[str], search: SearchFunction
) -> dict[str, list[Translation]]:
    """Translate the words between the placeholders of each piece separately."""
    between = {piece: split_at_placeholders(piece) for piece in pieces}
    words = list({part for parts in between.values() for part in parts if has_words(part)})
    best = dict(zip(words, (found[0] for found in search(words)), strict=True))
    result = {}
    for piece, parts in between.items():
        scores = [best[part].score for part in parts if part in best]
        # words whose translation adds a placeholder stay untranslated
        texts = [
            best[p].text if p in best and keeps_placeholders(p, best[p].text) else p for p in parts
        ]
        result[piece] = [Translation("".join(texts), sum(scores) / max(1, len(scores)))]
    return result


def split_at_placeholders(piece: str) -> list[str]:
    """Split into words, and the placeholders and spaces between them."""
    parts = re.split(rf"(\s*(?:{PLACEHOLDER.pattern})\s*|^\s+|\s+$)", piece)
    return [part for part in parts if part]
