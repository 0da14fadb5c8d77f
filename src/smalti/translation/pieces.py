"""Translation of pieces of text, which keeps their placeholders and a glossary's terms."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from torch import Tensor

from smalti.layers.eval_mode import eval_mode
from smalti.translation.constrained_search import Term, search_with_terms
from smalti.translation.decoding import Beam, BeamSearch, Hypothesis
from smalti.translation.glossary import Glossary, contains_all, spell_translation
from smalti.translation.markup import (
    PLACEHOLDER,
    has_words,
    keeps_placeholders,
    mask_placeholders,
    split_at_placeholders,
    unmask_placeholders,
)
from smalti.translation.model import Translator
from smalti.translation.tokenizer import locate_pieces, pad_sequences

MARKS = "的、，。：；！？（）「」《》“”‘’…,.:;!?()\"'[] "
"""Marks and a particle beside words, which no translation of a term replaces."""
JOINTS = "个和或与"
"""Likewise in front of a word of two characters or more; "个人" and "和平" are words themselves."""


class Translation(NamedTuple):
    """A translation found by the search."""

    text: str
    score: float  # length-normalized log-probability, averaged over pieces


@dataclass(frozen=True)
class PieceSearch:
    """Searches translations of pieces, without the characters unknown to the model."""

    model: Translator
    beam: Beam
    batch_size: int = 32
    unknown: set[str] = field(default_factory=set)
    glossary: Glossary = field(default_factory=lambda: Glossary({}))

    def search(self, pieces: Sequence[str]) -> list[list[Translation]]:
        """Search translations of each piece, best first, whatever they lose."""
        known = [drop_characters(piece, self.unknown) for piece in pieces]
        rows = self.model.search(known, self.beam, self.batch_size) if known else []
        return [self.decode(row) for row in rows]

    def stream(self, piece: str) -> Iterator[list[Translation]]:
        """Search as `search`, symbol by symbol: yields the likeliest so far, then all found."""
        beams = None
        while beams is None or len(beams.active_rows):
            with eval_mode(self.model):
                if beams is None:
                    symbols = self.encode(drop_characters(piece, self.unknown))
                    beams = BeamSearch(self.model.network, symbols, self.beam)
                beams.step()
            yield self.decode([Hypothesis(beams.list_best()[0], 0.0)])
        yield self.decode(sorted(beams.hypotheses[0], key=lambda one: -one.score))

    def encode(self, text: str) -> Tensor:
        return pad_sequences(self.model.source_tokenizer.encode([text])).to(self.model.device)

    def search_with_terms(self, piece: str) -> list[Translation]:
        """Search translations of a piece that contain the glossary's terms, best first."""
        text = drop_characters(piece, self.unknown)
        source, target = self.model.source_tokenizer, self.model.target_tokenizer
        spans, terms = locate_pieces(text, source.list_pieces(text)), []
        for start, end, translation in self.glossary.find_terms(text):
            inside = [k for k, (a, b) in enumerate(spans) if a < end and start < b]
            if inside:
                spellings = spell_translation(translation, target)
                terms.append(Term(inside[0], inside[-1] + 1, spellings))
        with eval_mode(self.model):
            found = search_with_terms(
                self.model.network, self.encode(text), terms, self.beam, self.split_symbol
            )
        return self.decode(found)

    def split_symbol(self, symbol: int) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
        """The marks and particles before and after a symbol's word; None without a word."""
        tokenizer = self.model.target_tokenizer
        (text,) = tokenizer.decode([[symbol]])
        word = text.strip(MARKS)
        word = word[1:] if len(word) > 2 and word[0] in JOINTS else word
        if not word or word in JOINTS:
            return None
        before, after = text.split(word, 1)
        return tuple(
            tuple(tokenizer.encode([part])[0][:-1]) if part else () for part in (before, after)
        )  # pyright: ignore

    def decode(self, hypotheses: Sequence[Hypothesis]) -> list[Translation]:
        texts = self.model.target_tokenizer.decode([one.symbols for one in hypotheses])
        return [Translation(t, one.score) for t, one in zip(texts, hypotheses, strict=True)]

    def select_faithful(self, piece: str, translations: Sequence[Translation]) -> list[Translation]:
        """Select those that keep the piece's placeholders and have the glossary's terms."""
        terms = self.glossary.list_translations(piece)
        return [
            one
            for one in translations
            if keeps_placeholders(piece, one.text) and contains_all(one.text, terms)
        ]

    def mask(self, piece: str) -> tuple[str, list[str]]:
        """Replace placeholders and terms by {0}, {1} ...; returns what belongs in their places."""
        return mask_placeholders(piece, self.glossary.find_terms(piece))


def drop_characters(text: str, characters: set[str]) -> str:
    """Remove these characters outside of placeholders."""
    parts = re.split(f"({PLACEHOLDER.pattern})", text)
    without = str.maketrans(dict.fromkeys(characters))
    return "".join(p if k % 2 else p.translate(without) for k, p in enumerate(parts))


def translate_pieces(pieces: Sequence[str], search: PieceSearch) -> dict[str, list[Translation]]:
    """Translate pieces: best first, at least one translation each.

    The search's own hypotheses come first; but if its best lacks a term, those of a search for
    terms, since others that have it by chance tend to say it twice. Then those of the text with
    masks for placeholders and terms; then the words between these, by themselves.
    """
    found = {}
    for piece, hypotheses in zip(pieces, search.search(pieces), strict=True):
        found[piece] = search.select_faithful(piece, hypotheses)
        if not contains_all(hypotheses[0].text, search.glossary.list_translations(piece)):
            searched = search.select_faithful(piece, search.search_with_terms(piece))
            found[piece] = searched or found[piece]
    left = [piece for piece in pieces if not found[piece]]
    masked = [search.mask(piece) for piece in left]
    for piece, (_, held), hypotheses in zip(
        left, masked, search.search([text for text, _ in masked]), strict=True
    ):
        texts = [Translation(unmask_placeholders(one.text, held), one.score) for one in hypotheses]
        found[piece] = search.select_faithful(piece, texts)
    left = [piece for piece in left if not found[piece]]
    return found | translate_between_placeholders(left, search)


def translate_between_placeholders(
    pieces: Sequence[str], search: PieceSearch
) -> dict[str, list[Translation]]:
    """Translate the words between the placeholders and terms of each piece separately."""
    masked = {piece: search.mask(piece) for piece in pieces}
    between = {piece: split_at_placeholders(text) for piece, (text, _) in masked.items()}
    words = list({part for parts in between.values() for part in parts if has_words(part)})
    best = dict(zip(words, (found[0] for found in search.search(words)), strict=True))
    result = {}
    for piece, parts in between.items():
        scores = [best[part].score for part in parts if part in best]
        # words whose translation adds a placeholder stay untranslated
        texts = [
            best[p].text if p in best and keeps_placeholders(p, best[p].text) else p for p in parts
        ]
        text = unmask_placeholders("".join(texts), masked[piece][1])
        result[piece] = [Translation(text, sum(scores) / max(1, len(scores)))]
    return result
