"""A translation memory: the training sentence that is most similar to a sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from scipy import sparse

WORD = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af]|[^\W\u2e80-\u9fff\uac00-\ud7af]+")
"""A word; characters of scripts without spaces are words of their own."""
BLOCK = 64
"""Sentences that are compared with all others at once."""


def split_words(text: str) -> list[str]:
    return WORD.findall(text.casefold())


def find_nearest_sources(queries: Sequence[str], sources: Sequence[str]) -> np.ndarray:
    """Row of the most similar source of each query, (N,): the cosine of TF-IDF word vectors.

    The first of equally similar ones; row 0 where no word is shared. sources: M of them, not none.
    """
    vocabulary: dict[str, int] = {}
    for text in sources:
        for word in split_words(text):
            vocabulary.setdefault(word, len(vocabulary))
    memory = count_words_of_each(sources, vocabulary)  # (M, V)
    frequency = np.bincount(memory.indices, minlength=len(vocabulary))
    weights = sparse.diags_array(np.log((1 + len(sources)) / (1 + frequency)) + 1)
    memory = normalize_rows(memory @ weights).T.tocsr()  # (V, M)
    asked = normalize_rows(count_words_of_each(queries, vocabulary) @ weights)  # (N, V)
    blocks = (asked[k : k + BLOCK] @ memory for k in range(0, len(queries), BLOCK))
    return np.concatenate([block.toarray().argmax(1) for block in blocks])


def count_words_of_each(texts: Sequence[str], vocabulary: dict[str, int]) -> sparse.csr_array:
    """Count the words of the vocabulary in each text: (N, V). Others are ignored."""
    rows = [[vocabulary[w] for w in split_words(text) if w in vocabulary] for text in texts]
    ends = np.cumsum([0, *map(len, rows)])
    columns = np.fromiter((k for row in rows for k in row), np.int64, ends[-1])
    shape = (len(texts), max(1, len(vocabulary)))
    counts = sparse.csr_array((np.ones(len(columns), np.float32), columns, ends), shape)
    counts.sum_duplicates()
    return counts


def normalize_rows(matrix: sparse.csr_array) -> sparse.csr_array:
    """Scale rows to length 1; empty ones stay empty."""
    length = np.sqrt(matrix.multiply(matrix).sum(1)).ravel()
    return sparse.csr_array(sparse.diags_array(1 / np.maximum(length, 1e-12)) @ matrix)
