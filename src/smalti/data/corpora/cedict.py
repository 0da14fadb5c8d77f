"""A glossary from the dictionary CC-CEDICT."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from smalti.data.corpora.languages import HAN
from smalti.data.corpora.text_file import read_lines

ENTRY = re.compile(r"\S+ (\S+) \[[^\]]*\] /(.+)/$")
TERM = re.compile(r"[a-z]{3,}(?: [a-z]{3,}){0,2}")
"""What is taken as an English term: up to three words in lower case, without notes."""


def read_glossary(path: Path) -> dict[str, str]:
    """Read Chinese terms by English term: those that are the only translation of each other.

    Of two entries with the same gloss, none is taken: a glossary has one translation for a term.
    """
    chinese, english = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
    for _, line in read_lines(path):
        if match := ENTRY.match(line):
            for gloss in match[2].split("/"):
                chinese[gloss].add(match[1])
                english[match[1]].add(gloss)
    return {
        gloss: next(iter(words))
        for gloss, words in sorted(chinese.items())
        if len(words) == 1
        and TERM.fullmatch(gloss)
        and is_term(word := next(iter(words)))
        and len(english[word]) == 1
    }


def is_term(word: str) -> bool:
    return 1 < len(word) == len(HAN.findall(word))
