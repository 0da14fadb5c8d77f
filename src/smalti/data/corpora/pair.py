"""A sentence with its translation, and where it comes from."""

from __future__ import annotations

from typing import NamedTuple

LanguagePair = tuple[str, str]
"""Codes of the source's and the target's language, such as ("en", "zh")."""


class SentencePair(NamedTuple):
    """A sentence and its translation."""

    source: str
    target: str
    document: str = ""  # the page, file or section it comes from; corpora are split by it
    corpus: str = ""
