"""Corpora of sentence pairs: readers of their formats."""

from smalti.data.corpora.pair import LanguagePair, SentencePair
from smalti.data.corpora.reading import guess_languages, iterate_pairs, read_pairs

__all__ = ["LanguagePair", "SentencePair", "guess_languages", "iterate_pairs", "read_pairs"]
