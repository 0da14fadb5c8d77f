"""The nearest training pictures of samples."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from smalti.core.errors import UserError
from smalti.data.pictures import Pictures

BLOCK = 2048  # training pictures at a time
SPARE_CANDIDATES = 4  # more candidates than are asked for, against rounding


@dataclass(frozen=True, eq=False)
class Neighbors:
    """The k nearest of each of N queries, nearest first."""

    distances: Tensor
    """(N, k), Euclidean."""
    rows: Tensor
    """(N, k), which of the others they are."""
    mirrored: Tensor
    """(N, k) bool: the mirrored query is what is near."""


def find_nearest(
    queries: Tensor, candidates: Tensor | Pictures, k: int = 1, mirrored: bool = False
) -> Neighbors:
    """The k nearest of `candidates` (M, ...) for each query (N, ...): pictures or features.

    Bytes count as [0, 1]. mirrored: pictures are compared left for right, too, as training with
    --flip calls for.  Memory is bounded: `candidates` is gone through in blocks.
    """
    shape = candidates.shape if isinstance(candidates, Pictures) else candidates.shape[1:]
    if not len(candidates) or queries.shape[1:] != shape:
        raise UserError(
            f"{tuple(queries.shape)} have no neighbors among {(len(candidates), *shape)}; "
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
    """Distances and rows (N, k): candidates by a matrix product, then their exact distances."""
    x = flatten_to_floats(queries)  # (N, F)
    take = candidates.take if isinstance(candidates, Pictures) else candidates.__getitem__
    keep = min(k + SPARE_CANDIDATES, len(candidates))
    distances, rows = torch.empty(len(x), 0), torch.empty(len(x), 0, dtype=torch.int64)
    for first in range(0, len(candidates), BLOCK):
        block = flatten_to_floats(take(slice(first, first + BLOCK)))
        d = torch.cdist(x, block, compute_mode="use_mm_for_euclid_dist")  # (N, block)
        d, places = d.topk(min(keep, len(block)), largest=False)
        distances = torch.cat([distances, d], dim=1)
        rows = torch.cat([rows, places + first], dim=1)
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
