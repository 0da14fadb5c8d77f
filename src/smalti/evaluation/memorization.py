"""Memorization: distances of samples and of held-out pictures to the training set."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from smalti.core.errors import UserError

NEAR_QUANTILE = 0.01
"""Quantile of the held-out distances that is the threshold of `compute_near_share`."""


def compute_median_ratio(samples: Tensor, held_out: Tensor) -> float:
    """Compute the ratio of the median distances to the nearest training picture.

    samples (N,), held_out (M,).  About 1 for a model that draws new pictures, 0 for one that
    copies.  Raises UserError if half of the held-out pictures are copies of training pictures.
    """
    check_distances(samples, held_out)
    if not (middle := held_out.double().median()) > 0:
        raise UserError(
            "half of the held-out pictures or more are also training pictures, so their median "
            "distance is 0"
        )
    return float(samples.double().median() / middle)


def compute_near_share(samples: Tensor, held_out: Tensor, quantile: float = NEAR_QUANTILE) -> float:
    """Compute the share of samples below the `quantile` of the held-out distances.

    samples (N,), held_out (M,) distances to the training set.  About `quantile` for new pictures.
    """
    check_distances(samples, held_out)
    return float((samples.double() < held_out.double().quantile(quantile)).double().mean())


def compute_copying_z(samples: Tensor, held_out: Tensor) -> float:
    """Compute the z-score of the Mann-Whitney U of distances samples (N,) and held_out (M,).

    The data-copying test of arXiv:2004.05675, section 3, with the whole space as one cell. Below
    about -3 samples are significantly nearer to the training set than held-out pictures (copying);
    0 is expected; far above 0 they are farther from it (underfitting).
    """
    check_distances(samples, held_out)
    N, M = len(samples), len(held_out)
    expected, deviation = N * M / 2, math.sqrt(N * M * (N + M + 1) / 12)
    return (mann_whitney(samples, held_out) - expected) / deviation


def mann_whitney(a: Tensor, b: Tensor) -> float:
    """Compute U: the number of pairs with a_i > b_j, counting ties as half."""
    a, b = a.double().contiguous(), b.double().sort().values
    below, upto = torch.searchsorted(b, a), torch.searchsorted(b, a, right=True)
    return float((below + upto).double().sum() / 2)


def check_distances(samples: Tensor, held_out: Tensor) -> None:
    if not len(samples) or not len(held_out):
        raise UserError(
            f"{len(samples)} samples and {len(held_out)} held-out pictures cannot be compared; "
            "give at least one of each"
        )
