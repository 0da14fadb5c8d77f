"""The sentences that a translator is measured on, and the parts that are scored alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np

from smalti.core.errors import UserError
from smalti.core.fingerprint import hash_texts
from smalti.data.corpora import SentencePair
from smalti.evaluation.text.nearest_source import split_words

MIN_WORDS = 8
"""Words of the longer sentences, which are scored apart: short ones are often fixed phrases."""
WHOLE = ""
"""Name of the part that is everything."""


@dataclass(frozen=True, eq=False)
class HeldOutPairs:
    """Sentence pairs that a translator has not been trained on."""

    pairs: Sequence[SentencePair]
    train: Sequence[SentencePair] = ()
    """Training pairs, for the translation-memory baseline."""
    name: str = "sentence pairs"
    split: str = "test"
    notes: tuple[str, ...] = ()
    """Messages for the user."""

    def __post_init__(self) -> None:
        if not self.pairs:
            raise UserError(f"{self.name} contains no held-out sentence pairs; give some")

    def __repr__(self) -> str:
        return f"<HeldOutPairs {self.name}: {len(self.pairs):,}, {len(self.train):,} for training>"

    @property
    def sources(self) -> list[str]:
        return [pair.source for pair in self.pairs]

    @property
    def targets(self) -> list[str]:
        return [pair.target for pair in self.pairs]

    @cached_property
    def has_documents(self) -> bool:
        """Whether the documents are known; else every sentence counts as one."""
        return len({(pair.corpus, pair.document) for pair in self.pairs}) > 1

    @cached_property
    def documents(self) -> np.ndarray:
        """(N,) the number of each sentence's document."""
        if not self.has_documents:
            return np.arange(len(self.pairs))
        numbers: dict[tuple[str, str], int] = {}
        keys = [(pair.corpus, pair.document) for pair in self.pairs]
        return np.array([numbers.setdefault(key, len(numbers)) for key in keys])

    @cached_property
    def parts(self) -> dict[str, np.ndarray]:
        """Rows of the sentences that are scored together, by name: (n,) each.

        All; the longer ones; and with several corpora, each of them, and all but the largest.
        """

        def find_rows(fits: Callable[[SentencePair], bool]) -> np.ndarray:
            return np.flatnonzero([fits(pair) for pair in self.pairs])

        parts = {
            WHOLE: np.arange(len(self.pairs)),
            f"{MIN_WORDS} words and more": find_rows(
                lambda pair: count_words(pair.source) >= MIN_WORDS
            ),
        }
        corpora = [name for name, _ in Counter(pair.corpus for pair in self.pairs).most_common()]
        if len(corpora) > 2:
            parts[f"all but {corpora[0]}"] = find_rows(lambda pair: pair.corpus != corpora[0])
        if len(corpora) > 1:
            for name in corpora:
                parts[name or "no corpus"] = find_rows(lambda pair, name=name: pair.corpus == name)
        return {name: rows for name, rows in parts.items() if len(rows)}

    def count_documents(self, rows: np.ndarray) -> int:
        return len({*self.documents[rows].tolist()})


def count_words(text: str) -> float:
    """Number of words; 1.6 Chinese or Japanese characters count as one."""
    spaced = len(text.split())
    single = sum(len(word) == 1 and ord(word) >= 0x2E80 for word in split_words(text))
    return max(spaced, single / 1.6)


def hash_pairs(pairs: Sequence[SentencePair]) -> str:
    """Hash all sentences in order."""
    return hash_texts(*chain.from_iterable((pair.source, pair.target) for pair in pairs))
