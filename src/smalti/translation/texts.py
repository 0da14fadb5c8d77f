"""Translation of any text: split into pieces, and put together again."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from smalti.core.errors import Notice, UserError, shorten
from smalti.core.model import open_model
from smalti.translation.decoding import Beam
from smalti.translation.glossary import GlossarySource, open_glossary
from smalti.translation.markup import PLACEHOLDER, add_access_key, has_words, split_access_key
from smalti.translation.model import Translator
from smalti.translation.pieces import PieceSearch, Translation, translate_pieces
from smalti.translation.segments import (
    join_pieces,
    split_lines,
    split_long,
    split_sentences,
)
from smalti.translation.tokenizer import UNK

USUAL_LENGTH, MAX_LENGTH = 30, 50
"""Maximum symbols of several sentences translated together, and of a single one. Selected on
validation pages: the model drops words in longer pieces."""
LETTERS = re.compile(r"[^\W\d_]")
SCRIPTS = {"en": re.compile("[A-Za-z\u00c0-\u024f]")}
"""Letters of the languages that can be recognized by them."""
LANGUAGE_NAMES = {"en": "English", "zh": "Chinese"}


def translate(
    model: Translator | str | Path,
    texts: Sequence[str],
    beam: Beam | None = None,
    batch_size: int = 32,
    glossary: GlossarySource = None,
) -> list[str]:
    """Translate texts. Arguments and errors as in `find_translations`."""
    found = find_translations(model, texts, 1, beam, batch_size, glossary)
    return [translations[0].text for translations in found]


def find_translations(
    model: Translator | str | Path,
    texts: Sequence[str],
    n: int = 1,
    beam: Beam | None = None,
    batch_size: int = 32,
    glossary: GlossarySource = None,
) -> list[list[Translation]]:
    """Find up to n translations of each text, best first; n is limited by the beam's width.

    glossary: terms and the translations that they get, or a file of them (`read_glossary`).

    Line breaks are kept; lines of more than USUAL_LENGTH symbols are split into sentences.
    Placeholders and tags are preserved: hypotheses that lose one are dropped; if all do, they are
    masked, or else the words between them are translated separately. Raises UserError for a text
    that is empty or in another language, and for a glossary that is not one.
    """
    documents, search = open_search(model, texts, beam, batch_size, glossary)
    translations = translate_pieces(list_pieces(documents), search)
    return [document.assemble(translations, n) for document in documents]


def translate_in_pieces(
    model: Translator | str | Path,
    text: str,
    beam: Beam | None = None,
    glossary: GlossarySource = None,
) -> list[tuple[str, str]]:
    """The sentences or parts that a text is translated in, each with its best translation."""
    documents, search = open_search(model, [text], beam, 32, glossary)
    translations = translate_pieces(list_pieces(documents), search)
    return [(piece, translations[piece][0].text) for piece in documents[0].pieces]


def stream_translation(
    model: Translator | str | Path,
    text: str,
    beam: Beam | None = None,
    glossary: GlossarySource = None,
) -> Iterator[str]:
    """Translate a text symbol by symbol: yields the likeliest translation so far, then the best.

    Arguments and errors as in `find_translations`.
    """
    (document,), search = open_search(model, [text], beam, 1, glossary)
    translations: dict[str, list[Translation]] = {}
    for piece in list_pieces([document]):
        found: list[Translation] = []
        for found in search.stream(piece):
            yield document.write_beginning(translations | {piece: found})
        if search.select_faithful(piece, found[:1]):
            translations[piece] = search.select_faithful(piece, found)
        else:
            translations |= translate_pieces([piece], search)
    yield document.write_translation(translations, 0).text


def open_search(
    model: Translator | str | Path,
    texts: Sequence[str],
    beam: Beam | None,
    batch_size: int,
    glossary: GlossarySource,
) -> tuple[list[Document], PieceSearch]:
    """Split texts into pieces, and prepare a search of their translations."""
    translator = open_model(model, "translate")
    terms = open_glossary(glossary, translator.target_tokenizer)
    if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
        raise UserError(f"texts is {shorten(texts)}; give a list of strings")
    for k, text in enumerate(texts, 1):
        if fault := find_fault(translator, text):
            raise UserError(f"text {k} is {fault}")
    documents = [Document(translator, text) for text in texts]
    unknown = find_unknown(translator, list_pieces(documents))
    warn_about_losses(documents, unknown)
    beam = beam or default_beam(translator)
    return documents, PieceSearch(translator, beam, batch_size, unknown, terms)


def list_pieces(documents: Sequence[Document]) -> list[str]:
    """List the pieces of texts, each once."""
    return list(dict.fromkeys(piece for document in documents for piece in document.pieces))


def warn_about_losses(documents: Sequence[Document], unknown: set[str]) -> None:
    """Say that characters are omitted, or that sentences are too long."""
    if unknown:
        shown = " ".join(sorted(unknown)[:10])
        warnings.warn(Notice(f"unknown to the model, omitted: {shown}"), stacklevel=4)
    if long := sum(segment.long_sentences for one in documents for segment in one.segments):
        what = "1 sentence is" if long == 1 else f"{long} sentences are"
        said = f"{what} longer than {MAX_LENGTH} symbols and translated in parts, less well"
        warnings.warn(Notice(said), stacklevel=4)


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


@dataclass(frozen=True)
class Segment:
    """Part of a text: pieces to translate, or verbatim text."""

    pieces: tuple[str, ...] = ()
    access_key: str = ""  # such as "&O"
    verbatim: str = ""
    long_sentences: int = 0  # that are longer than the model takes


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

    def write_beginning(self, translations: dict[str, list[Translation]]) -> str:
        """Write the translation up to the first piece that has none."""
        text = ""
        for part in self.segments:
            found = [translations[piece][0].text for piece in part.pieces if piece in translations]
            text += part.verbatim or join_pieces(found)
            if len(found) < len(part.pieces):
                break
        return text

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

    pieces = tuple(split_long(text, USUAL_LENGTH, MAX_LENGTH, measure))
    long = sum(n > MAX_LENGTH for n in measure(split_sentences(text))) if len(pieces) > 1 else 0
    return Segment(pieces, key, long_sentences=long)
