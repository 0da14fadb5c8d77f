"""Nearest training pictures of samples."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from smalti.core.errors import UserError
from smalti.data.pictures import Pictures

BLOCK = 2048  # training pictures at a time
SPARE_CANDIDATES = 4  # additional candidates, because their distances are rounded


@dataclass(frozen=True, eq=False)
class Neighbors:
    """The k nearest candidates of each of N queries, nearest first."""

    distances: Tensor
    """(N, k), Euclidean."""
    rows: Tensor
    """(N, k), row indices of the candidates."""
    mirrored: Tensor
    """(N, k) bool: whether the mirrored query is the near one."""


def find_nearest(
    queries: Tensor, candidates: Tensor | Pictures, k: int = 1, mirrored: bool = False
) -> Neighbors:
    """Find the k nearest of `candidates` (M, ...) for each query (N, ...), pictures or features.

    Bytes are scaled to [0, 1].  mirrored: also compare mirrored queries, for models trained with
    --flip.  `candidates` are processed in blocks to bound memory.
    """
    shape = candidates.shape if isinstance(candidates, Pictures) else candidates.shape[1:]
    if not len(candidates) or queries.shape[1:] != shape:
        raise UserError(
            f"queries {tuple(queries.shape)} do not match candidates "
            f"{(len(candidates), *shape)}; "
            "give pictures or features of one shape"
        )
    found = find_nearest_unmirrored(queries, candidates, k)
    flags = torch.zeros_like(found[1], dtype=torch.bool)
    if not mirrored:
        return Neighbors(*found, flags)
    other = find_nearest_unmirrored(queries.flip(-1), candidates, k)
    distances = torch.cat([found[0], other[0]], dim=1)  # (N, 2 k)
    rows = torch.cat([found[1], other[1]], dim=1)
    flags = torch.cat([flags, torch.ones_like(other[1], dtype=torch.bool)], dim=1)
    order = distances.argsort(dim=1, stable=True)[:, : min(k, len(candidates))]
    return Neighbors(*(x.gather(1, order) for x in (distances, rows, flags)))


def find_nearest_unmirrored(
    queries: Tensor, candidates: Tensor | Pictures, k: int
) -> tuple[Tensor, Tensor]:
    """Find distances and rows (N, k): preselected by a matrix product, then computed exactly."""
    x = flatten_to_floats(queries)  # (N, F)
    take = candidates.take if isinstance(candidates, Pictures) else candidates.__getitem__
    keep = min(k + SPARE_CANDIDATES, len(candidates))
    distances, rows = torch.empty(len(x), 0), torch.empty(len(x), 0, dtype=torch.int64)
    for first in range(0, len(candidates), BLOCK):
        block = flatten_to_floats(take(slice(first, first + BLOCK)))
        d = torch.cdist(x, block, compute_mode="use_mm_for_euclid_dist")  # (N, block)
        d, positions = d.topk(min(keep, len(block)), largest=False)
        distances = torch.cat([distances, d], dim=1)
        rows = torch.cat([rows, positions + first], dim=1)
        order = distances.argsort(dim=1, stable=True)[:, :keep]
        distances, rows = distances.gather(1, order), rows.gather(1, order)
    for i, query in enumerate(x):
        distances[i] = (flatten_to_floats(take(rows[i])) - query).square().sum(dim=1).sqrt()
    order = distances.argsort(dim=1, stable=True)[:, : min(k, len(candidates))]
    return distances.gather(1, order), rows.gather(1, order)


def flatten_to_floats(x: Tensor) -> Tensor:
    """(N, ...) -> (N, F) float32; bytes to [0, 1]."""
    x = x.flatten(1)
    return x.float() / 255 if x.dtype == torch.uint8 else x.float()
