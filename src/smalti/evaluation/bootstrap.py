"""Error bars: the same statistic of the same numbers, drawn again with replacement."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

DEFAULT_RESAMPLES = 100
MIN_NUMBERS = 3
"""Numbers of which the spread of what is drawn again says something: two of them are half of the
time one and the same.
"""


def draw_resamples(
    n: int, count: int = DEFAULT_RESAMPLES, seed: int = 0, labels: Tensor | None = None
) -> Iterator[Tensor]:
    """`count` times n rows out of n, with replacement; each (n,) int64.

    labels (n,): each row is replaced by one of its own class, where the number of each class is set
    and not drawn. Otherwise chance in the classes would count as an error, and for the Frechet
    distance of digits as the largest one.
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
    """The standard deviation of a statistic's replicates: its standard error (Efron, 1979).

    NaN where there are not two, or one is none: then the numbers are too few to tell.

    It is a spread about their own mean. Where a statistic is biased upward in small samples, as the
    Frechet distance is, the replicates' mean is biased once more, so only their spread is used.
    """
    if len(replicates) < 2 or not all(map(math.isfinite, replicates)):
        return math.nan
    return statistics.stdev(replicates)


def bootstrap_error(
    statistic: Callable[..., float], *sides: tuple[Tensor, Iterator[Tensor]]
) -> float:
    """The standard error of statistic(*numbers), each side's numbers (n, ...) with its resamples.

    NaN for fewer than FEWEST numbers on a side. The sides are drawn again together, so their
    resamples must be of different seeds.
    """
    if min(len(x) for x, _ in sides) < MIN_NUMBERS:
        return math.nan
    ways = zip(*(rows for _, rows in sides), strict=True)
    numbers = [x for x, _ in sides]
    return compute_spread(
        [statistic(*(x[rows] for x, rows in zip(numbers, way, strict=True))) for way in ways]
    )
