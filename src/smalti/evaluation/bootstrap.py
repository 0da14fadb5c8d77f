"""Bootstrap standard errors: a statistic of values resampled with replacement."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

DEFAULT_RESAMPLES = 100
MIN_NUMBERS = 3
"""Fewest values for a standard error: half of all resamples of two values are constant."""


def draw_resamples(
    n: int, count: int = DEFAULT_RESAMPLES, seed: int = 0, labels: Tensor | None = None
) -> Iterator[Tensor]:
    """Yield `count` resamples of n rows with replacement; each (n,) int64.

    labels (n,): resample within each class, for samples whose class counts are fixed. Otherwise
    random class counts would add to the error; for the Frechet distance of digits they dominate it.
    """
    generator = np.random.Generator(np.random.Philox(seed))
    if labels is None:
        labels = torch.zeros(n, dtype=torch.int64)
    groups = [(labels == k).nonzero()[:, 0] for k in labels.unique()]
    for _ in range(count):
        rows = torch.empty(n, dtype=torch.int64)
        for group in groups:
            rows[group] = group[torch.from_numpy(generator.integers(0, len(group), len(group)))]
        yield rows


def compute_spread(replicates: Sequence[float]) -> float:
    """Compute a statistic's standard error: the standard deviation of its replicates (Efron, 1979).

    NaN for fewer than two replicates, or if one is not finite.

    The deviation is from the replicates' mean. A statistic that is biased upward in small samples,
    such as the Frechet distance, has replicates with twice the bias: only their spread is used.
    """
    if len(replicates) < 2 or not all(map(math.isfinite, replicates)):
        return math.nan
    return statistics.stdev(replicates)


def bootstrap_error(
    statistic: Callable[..., float], *sides: tuple[Tensor, Iterator[Tensor]]
) -> float:
    """Compute the standard error of statistic(*values), given each side's values (n, ...) and
    resamples.

    NaN for fewer than MIN_NUMBERS values on a side. The sides are resampled together, so their
    resamples must have different seeds.
    """
    if min(len(x) for x, _ in sides) < MIN_NUMBERS:
        return math.nan
    resamples = zip(*(rows for _, rows in sides), strict=True)
    values = [x for x, _ in sides]
    return compute_spread(
        [statistic(*(x[rows] for x, rows in zip(values, r, strict=True))) for r in resamples]
    )
