"""BLEU and chrF by sacrebleu, with bootstrap intervals over documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, NamedTuple

import numpy as np

from smalti.core.errors import MissingExtra
from smalti.evaluation.bootstrap import compute_spread, draw_resamples

INTERVAL = (2.5, 97.5)
"""Percentiles of the resamples that bound an interval."""


class Interval(NamedTuple):
    """A score, its standard error, and the middle 95% of its resamples."""

    value: float
    error: float | None  # None for a single document
    low: float | None
    high: float | None


@dataclass(frozen=True, eq=False)
class TextScorer:
    """A metric of sacrebleu. Its statistics of sentences add up to those of a corpus.

    Documents can be resampled because of that. sacrebleu's own significance tests use the same
    two methods; it has no public ones.
    """

    metric: Any

    def count_statistics(
        self, translations: Sequence[str], references: Sequence[str]
    ) -> np.ndarray:
        """Statistics of each sentence: (N, S)."""
        rows = self.metric._extract_corpus_statistics(translations, [list(references)])
        return np.array(rows, np.float64)

    def compute_score(self, statistics: np.ndarray) -> float:
        """The score, 0 to 100, of summed statistics (S,)."""
        return float(self.metric._compute_score_from_stats(statistics.tolist()).score)

    @cached_property
    def signature(self) -> str:
        """What the score depends on, in sacrebleu's notation."""
        self.metric.corpus_score(["a"], [["a"]])  # it counts the references
        return str(self.metric.get_signature())


@cache
def make_scorer(name: str, language: str) -> TextScorer:
    """Make the scorer "bleu" or "chrf"; BLEU's tokenizer depends on the target language.

    Raises MissingExtra if sacrebleu is not installed.
    """
    try:
        from sacrebleu.metrics.bleu import BLEU
        from sacrebleu.metrics.chrf import CHRF
    except ImportError as error:
        raise MissingExtra("BLEU and chrF need sacrebleu", "translate") from error
    if name == "chrf":
        return TextScorer(CHRF())
    try:
        return TextScorer(BLEU(trg_lang=language))
    except (ImportError, RuntimeError):  # the tokenizers of Japanese and Korean are packages
        return TextScorer(BLEU(tokenize="char"))


def sum_documents(statistics: np.ndarray, documents: np.ndarray) -> np.ndarray:
    """Sum the statistics (N, S) of each document: (D, S). documents: (N,) its numbers."""
    _, rows = np.unique(documents, return_inverse=True)
    table = np.zeros((int(rows.max()) + 1, statistics.shape[1]))
    np.add.at(table, rows, statistics)
    return table


def estimate_score(scorer: TextScorer, table: np.ndarray, bootstraps: int, seed: int) -> Interval:
    """Compute the score of documents (D, S), and resample them with replacement."""
    value = scorer.compute_score(table.sum(0))
    if len(table) < 2:
        return Interval(value, None, None, None)
    resamples = [r.numpy() for r in draw_resamples(len(table), bootstraps, seed)]
    scores = [scorer.compute_score(table[rows].sum(0)) for rows in resamples]
    low, high = np.percentile(scores, INTERVAL)
    return Interval(value, compute_spread(scores), float(low), float(high))


def compare_scores(
    scorer: TextScorer, first: np.ndarray, other: np.ndarray, bootstraps: int, seed: int
) -> Interval:
    """Compute how much higher `other` scores on the same documents (D, S): paired resamples."""
    value = scorer.compute_score(other.sum(0)) - scorer.compute_score(first.sum(0))
    if len(first) < 2:
        return Interval(value, None, None, None)
    resamples = [r.numpy() for r in draw_resamples(len(first), bootstraps, seed)]
    gains = [
        scorer.compute_score(other[rows].sum(0)) - scorer.compute_score(first[rows].sum(0))
        for rows in resamples
    ]
    low, high = np.percentile(gains, INTERVAL)
    return Interval(value, compute_spread(gains), float(low), float(high))
