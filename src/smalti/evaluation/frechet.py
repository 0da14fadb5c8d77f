"""Frechet distance between two sets of feature vectors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from smalti.core.errors import UserError


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and covariance of feature vectors, in float64 on the CPU."""

    mean: Tensor
    """(D,)."""
    covariance: Tensor
    """(D, D), unbiased: divided by n - 1."""
    n: int
    """Number of vectors."""


def compute_moments(features: Tensor) -> Moments:
    """Compute mean and covariance of features (N, D).

    Raises UserError if N < 2 or a value is not finite.
    """
    if features.ndim != 2 or features.shape[1] == 0:
        raise UserError(f"features are {tuple(features.shape)}; give (N, D), one row per sample")
    n = len(features)
    if n < 2:
        raise UserError(f"features of {n} samples have no covariance; give at least 2 samples")
    x = features.detach().cpu().double()
    if not x.isfinite().all():
        bad = int((~x.isfinite().all(dim=1)).nonzero()[0])
        raise UserError(f"features of sample {bad} are not finite; check how it was made")
    mean = x.mean(dim=0)
    centered = x - mean
    return Moments(mean, centered.T @ centered / (n - 1), n)


def frechet_distance(a: Tensor | Moments, b: Tensor | Moments) -> float:
    """Compute ||mu_a - mu_b||^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2)), eq. 6 of arXiv:1706.08500.

    a, b: features (N, D), or their `Moments`.  The estimate is biased upward, more so for fewer
    samples: compare distances at equal numbers of samples only.
    Raises UserError for too few samples, values that are not finite, or a different D.
    """
    a, b = (x if isinstance(x, Moments) else compute_moments(x) for x in (a, b))
    if len(a.mean) != len(b.mean):
        raise UserError(
            f"features have {len(a.mean)} and {len(b.mean)} dimensions; take both from one network"
        )
    between = (a.mean - b.mean).square().sum()
    within = a.covariance.trace() + b.covariance.trace()
    distance = between + within - 2 * compute_sqrt_trace(a.covariance, b.covariance)
    return max(0.0, float(distance))  # rounding can make it slightly negative


def bootstrap_frechet(features: Tensor, real: Moments, resamples: Iterable[Tensor]) -> list[float]:
    """Compute the distance for resampled rows of features (N, D); `real` stays fixed.

    resamples: (N,) each.  A resample has fewer distinct pictures, so replicates are biased above
    the distance: use only their spread.  The square root of `real` is computed once; for N < D no
    other (D, D) one is needed.
    """
    x = features.detach().cpu().double()
    root = compute_symmetric_sqrt(real.covariance)
    found = []
    for rows in resamples:
        mean = x[rows].mean(dim=0)
        centered = x[rows] - mean
        y = centered @ root / (len(x) - 1) ** 0.5  # (N, D), y^T y = R T R
        small = (
            y.T @ y if len(y) >= y.shape[1] else y @ y.T
        )  # both have the same nonzero eigenvalues
        trace = compute_square_roots(torch.linalg.eigvalsh(small)).sum()
        between = (mean - real.mean).square().sum()
        within = centered.square().sum() / (len(x) - 1) + real.covariance.trace()
        found.append(max(0.0, float(between + within - 2 * trace)))
    return found


def compute_sqrt_trace(s: Tensor, t: Tensor) -> Tensor:
    """Compute tr((S T)^(1/2)) of symmetric S, T >= 0, (D, D) float64.

    S T has the eigenvalues of the symmetric R T R, R = S^(1/2), so S T itself needs no root.
    """
    root = compute_symmetric_sqrt(s)  # R
    middle = root @ t @ root
    return compute_square_roots(torch.linalg.eigvalsh((middle + middle.T) / 2)).sum()


def compute_symmetric_sqrt(s: Tensor) -> Tensor:
    """Compute the root R of a symmetric S >= 0, R R = S, (D, D) float64."""
    values, vectors = torch.linalg.eigh(s)
    return vectors * compute_square_roots(values) @ vectors.T


def compute_square_roots(values: Tensor) -> Tensor:
    """Compute square roots of eigenvalues (D,).

    Values within rounding of 0 count as 0: each root could be as large as 1e-8, summed D times.
    """
    rounding = len(values) * torch.finfo(values.dtype).eps * values.max()
    return values.where(values > rounding, 0).clamp(min=0).sqrt()
