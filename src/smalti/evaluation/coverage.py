"""Precision and recall of samples, by k-nearest-neighbor manifolds."""

from __future__ import annotations

import torch
from torch import Tensor

from smalti.core.errors import UserError

K = 3
BLOCK = 512  # rows of a distance matrix at a time


def precision_recall(samples: Tensor, real: Tensor, k: int = K) -> tuple[float, float]:
    """Compute improved precision and recall, eqs. 1 and 2 of arXiv:1904.06991.

    samples, real: features (N, D) and (M, D). A set's manifold is the union of balls around its
    members, with the distance to the k-th nearest other member as radius. Precision is the share of
    samples in the manifold of the real ones, recall the share of real ones in that of the samples.
    The paper uses N = M. Raises UserError for fewer than k + 1 members.
    """
    inside, reached = find_covered(samples, real, k), find_covered(real, samples, k)
    return float(inside.double().mean()), float(reached.double().mean())


def find_covered(points: Tensor, members: Tensor, k: int = K) -> Tensor:
    """Find the points (N, D) in the manifold of the members (M, D), f of eq. 1: (N,) bool."""
    radii = compute_radii(members, k)
    return torch.cat(
        [(compute_distances(x, members) <= radii).any(dim=1) for x in points.split(BLOCK)]
    )


def compute_radii(members: Tensor, k: int = K) -> Tensor:
    """Compute the distance of each member to its k-th nearest other one, (M, D) -> (M,)."""
    if len(members) <= k:
        raise UserError(f"{len(members)} pictures have no {k} neighbors each; give more")
    near = [
        compute_distances(x, members).kthvalue(k + 1, dim=1).values  # itself, at 0, is the first
        for x in members.split(BLOCK)
    ]
    return torch.cat(near)


def compute_distances(x: Tensor, y: Tensor) -> Tensor:
    """Compute distances (N, M) from differences: a matrix product would round those of copies."""
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")
