"""Segmentation of text into lines and sentences that a translator takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from smalti.translation.markup import PLACEHOLDER

LINE_BREAK = re.compile(r"\s*(?:\n|(?<![:\\])\\[nrt])\s*|^\s+|\s+$")
"""Line breaks, also those written as \\n, with surrounding space; and space at the ends."""
SENTENCE = re.compile(r"(?<=[.!?])(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\b[A-Z]\.)\s+(?=[\"'(\[]?[A-Z\0])")
CLAUSE = re.compile(r"(?<=[;:,])\s+")
SPACE = re.compile(r"\s+")
WIDE_CHARACTER = re.compile("[\u2e80-\u9fff\uff00-\uffef]")


def split_lines(text: str) -> list[str]:
    """Split into lines (even items) and separators (odd items), which join to the text."""
    parts, end = [], 0
    for match in LINE_BREAK.finditer(text):
        if match[0]:
            parts += [text[end : match.start()], match[0]]
            end = match.end()
    return [*parts, text[end:]]


Measure = Callable[[Sequence[str]], list[int]]
"""The length of each piece."""


def split_long(text: str, usual_length: int, max_length: int, measure: Measure) -> list[str]:
    """Split text into pieces of whole sentences, up to `usual_length` by `measure`.

    A sentence longer than `max_length` is split into clauses, then words. Placeholders are never
    split.
    """
    if measure([text])[0] <= usual_length:
        return [text]
    pieces = [PLACEHOLDER.sub(lambda match: match[0].replace(" ", "\0"), text)]
    for cut, limit in ((SENTENCE, usual_length), (CLAUSE, max_length), (SPACE, max_length)):
        sizes = measure([piece.replace("\0", " ") for piece in pieces])
        parts = [[p] if n <= limit else cut.split(p) for p, n in zip(pieces, sizes, strict=True)]
        pieces = [piece for part in parts for piece in pack_pieces(part, limit, measure)]
    return [piece.replace("\0", " ") for piece in pieces]


def split_sentences(text: str) -> list[str]:
    """Split text at the ends of its sentences."""
    return SENTENCE.split(text)


def pack_pieces(parts: Sequence[str], max_length: int, measure: Measure) -> list[str]:
    """Join neighbors while they fit."""
    packed: list[str] = []
    room = 0
    for part, size in zip(parts, measure(parts), strict=True):
        if packed and size <= room:
            packed[-1] += " " + part
        else:
            packed.append(part)
            room = max_length
        room -= size
    return packed


def join_pieces(pieces: Sequence[str]) -> str:
    """Join translated pieces with spaces, except next to Chinese."""
    text = ""
    for piece in filter(None, pieces):
        apart = text and not WIDE_CHARACTER.match(text[-1]) and not WIDE_CHARACTER.match(piece[0])
        text += " " + piece if apart else piece
    return text
