"""Kernel distance between two sets of feature vectors."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from smalti.core.errors import UserError

BLOCK = 1024  # rows of a kernel matrix at a time


def kernel_distance(a: Tensor, b: Tensor, labels: Tensor | None = None) -> float:
    """Compute the squared maximum mean discrepancy of features (N, D) and (M, D), arXiv:1801.01401.

    The kernel is (x.y / D + 1)^3, the estimate the unbiased one (Gretton et al., JMLR 13, 2012,
    lemma 6): for two sets of one distribution it is 0 on average, and can be negative. All pairs
    are used, which is the average over subsets.
    labels (N,): the class of each row of `a`, for samples whose class counts are fixed. Pairs of
    one class are then weighted by N_c / (N_c - 1): otherwise the distance would be biased below 0
    by the differences of the classes. If a class has a single row, all pairs have equal weight.
    Raises UserError for fewer than 2 rows, or different D.
    """
    check_features(a, b)
    x, y = a.double(), b.double()
    once = torch.ones(len(x)).double()
    same = (
        compute_pair_mean(x)
        if labels is None
        else compute_class_mean(compute_kernel(x, x), once, labels)
    )
    return same + compute_pair_mean(y) - 2 * float(compute_cross_means(x, y).mean())


def bootstrap_kernel(
    a: Tensor, b: Tensor, resamples: Iterable[Tensor], labels: Tensor | None = None
) -> list[float]:
    """Compute the distance for resampled rows of `a`; `b` stays fixed.

    a: (N, D), resamples: (N,) each.  Pairs of a picture with itself are not counted, so the
    replicates are unbiased. Resamples of a single picture have no pairs and are skipped.
    """
    x, y = a.double(), b.double()
    labels = torch.zeros(len(x), dtype=torch.int64) if labels is None else labels
    within, across, others = compute_kernel(x, x), compute_cross_means(x, y), compute_pair_mean(y)
    found = []
    for rows in resamples:
        w = torch.bincount(rows, minlength=len(x)).double()  # how often each was drawn
        if int((w > 0).sum()) < 2:
            continue
        same = compute_class_mean(within, w, labels)
        found.append(same + others - 2 * float(w @ across / w.sum()))
    return found


def compute_class_mean(matrix: Tensor, w: Tensor, labels: Tensor) -> float:
    """Compute the mean of k (N, N) over pairs of rows weighted by w (N,), as for random classes."""
    groups = [labels == k for k in labels.unique()]
    if min(int((w[g] > 0).sum()) for g in groups) < 2:  # no pair within a class
        groups = [torch.ones_like(labels, dtype=torch.bool)]
    total = w @ matrix @ w
    for g in groups:
        v, part = w[g], matrix[g][:, g]
        diagonal = v.square() @ part.diagonal()
        pairs = v.sum() ** 2 - v.square().sum()
        within = v @ part @ v
        total = total - within + (within - diagonal) * v.sum() ** 2 / pairs
    return float(total / w.sum() ** 2)


def compute_kernel(x: Tensor, y: Tensor) -> Tensor:
    """(x.y / D + 1)^3, (N, D) and (M, D) -> (N, M)."""
    return (x @ y.T / x.shape[1] + 1) ** 3


def compute_pair_mean(x: Tensor) -> float:
    """Compute the mean of k(x_i, x_j) over i != j."""
    N = len(x)
    total = sum(float(compute_kernel(part, x).sum()) for part in x.split(BLOCK))
    diagonal = (x.square().sum(dim=1) / x.shape[1] + 1) ** 3
    return (total - float(diagonal.sum())) / (N * (N - 1))


def compute_cross_means(x: Tensor, y: Tensor) -> Tensor:
    """Compute the mean of k(x_i, y_j) over j, (N,)."""
    return torch.cat([compute_kernel(part, y).mean(dim=1) for part in x.split(BLOCK)])


def check_features(a: Tensor, b: Tensor) -> None:
    for x in (a, b):
        if x.ndim != 2 or len(x) < 2:
            raise UserError(f"features are {tuple(x.shape)}; give (N, D) with 2 rows or more")
    if a.shape[1] != b.shape[1]:
        raise UserError(
            f"features have {a.shape[1]} and {b.shape[1]} dimensions; take both from one network"
        )
