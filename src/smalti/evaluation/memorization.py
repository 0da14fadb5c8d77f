"""Does a model copy?  Samples' distances to the training set beside held-out pictures'."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from smalti.core.errors import UserError

NEAR_QUANTILE = 0.01
"""Held-out pictures nearer than this share of them set the mark for `share_near`."""


def median_ratio(samples: Tensor, held_out: Tensor) -> float:
    """The samples' median distance to their nearest training picture over the held-out ones'.

    samples (N,), held (M,).  About 1 for a model that draws new pictures; 0 for one that copies.
    UserError where half of the held-out pictures are copies of training pictures.
    """
    check_distances(samples, held_out)
    if not (middle := held_out.double().median()) > 0:
        raise UserError(
            "half of the held-out pictures or more are training pictures, too, so that there is "
            "no distance to compare with"
        )
    return float(samples.double().median() / middle)


def compute_near_share(samples: Tensor, held_out: Tensor, quantile: float = NEAR_QUANTILE) -> float:
    """The share of samples nearer to the training set than all but `quantile` of the held-out ones.

    samples (N,), held (M,) distances.  Of new pictures it is about `quantile`.
    """
    check_distances(samples, held_out)
    return float((samples.double() < held_out.double().quantile(quantile)).double().mean())


def copying_z(samples: Tensor, held_out: Tensor) -> float:
    """The z-score of the Mann-Whitney U of distances samples (N,) and held (M,).

    The data-copying test of arXiv:2004.05675, section 3, over the whole space as one cell: far
    below 0 (-3, say) samples are nearer to the training set than held-out pictures by more than
    chance; about 0 is as it should be; far above 0 they are farther from it, that is, underfitted.
    """
    check_distances(samples, held_out)
    N, M = len(samples), len(held_out)
    expected, deviation = N * M / 2, math.sqrt(N * M * (N + M + 1) / 12)
    return (mann_whitney(samples, held_out) - expected) / deviation


def mann_whitney(a: Tensor, b: Tensor) -> float:
    """U: how many pairs have a_i > b_j, ties counting half."""
    a, b = a.double().contiguous(), b.double().sort().values
    below, upto = torch.searchsorted(b, a), torch.searchsorted(b, a, right=True)
    return float((below + upto).double().sum() / 2)


def check_distances(samples: Tensor, held_out: Tensor) -> None:
    if not len(samples) or not len(held_out):
        raise UserError(
            f"{len(samples)} samples and {len(held_out)} held-out pictures do not compare; give both"
        )
