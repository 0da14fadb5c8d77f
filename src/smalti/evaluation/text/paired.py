"""Differences of two translators' scores on the same documents, by paired resampling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from smalti.core.errors import UserError
from smalti.evaluation.report import Report, Row
from smalti.evaluation.text.scores import compare_scores, make_scorer

METRICS = ("bleu", "chrf")


def pack_statistics(table: np.ndarray) -> list[str]:
    """A line of numbers per document, from sums (D, S)."""
    return [" ".join(f"{value:g}" for value in row) for row in table]


def unpack_statistics(lines: Sequence[str]) -> np.ndarray:
    """What `pack_statistics` packed: (D, S)."""
    return np.array([[float(value) for value in line.split()] for line in lines])


def compare_reports(first: Report, other: Report) -> list[Row]:
    """How much higher `other` scores than `first`: rows "bleu" and "chrf", with 95% intervals.

    Documents are resampled, and each resample is scored for both: an interval without 0 is a
    significant difference, also where the two scores' own intervals overlap. Empty for pictures.
    """
    rows = []
    for metric in METRICS:
        lines = [report.statistics.get(metric) for report in (first, other)]
        if not all(lines):
            continue
        try:
            scorer = make_scorer(metric, first.statistics["language"])
            one, two = (unpack_statistics(each) for each in lines if each)
            p = first.protocol
            found = compare_scores(scorer, one, two, p.bootstraps, p.bootstrap_seed)
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise UserError(f"the statistics of a report are damaged: {error}") from error
        rows.append(
            Row(metric, found.value, found.error, low=found.low, high=found.high, better="higher")
        )
    return rows
