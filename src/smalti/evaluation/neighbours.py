"""The nearest training pictures of samples."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from smalti.core.errors import UserError
from smalti.data.pictures import Pictures

BLOCK = 2048  # training pictures at a time
SPARE = 4  # more candidates than are asked for, against rounding


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The k nearest of each of N queries, nearest first."""

    distances: Tensor
    """(N, k), Euclidean."""
    rows: Tensor
    """(N, k), which of the others they are."""
    mirrored: Tensor
    """(N, k) bool: the mirrored query is what is near."""


def nearest(
    queries: Tensor, among: Tensor | Pictures, k: int = 1, mirrored: bool = False
) -> Neighbours:
    """The k nearest of `among` (M, ...) for each query (N, ...): pictures or features.

    Bytes count as [0, 1]. mirrored: pictures are compared left for right, too, as training with
    --flip calls for.  Memory is bounded: `among` is gone through in blocks.
    """
    shape = among.shape if isinstance(among, Pictures) else among.shape[1:]
    if not len(among) or queries.shape[1:] != shape:
        raise UserError(
            f"{tuple(queries.shape)} have no neighbours among {(len(among), *shape)}; "
            "give pictures or features of one shape"
        )
    found = one_way(queries, among, k)
    flags = torch.zeros_like(found[1], dtype=torch.bool)
    if not mirrored:
        return Neighbours(*found, flags)
    other = one_way(queries.flip(-1), among, k)
    distances = torch.cat([found[0], other[0]], dim=1)  # (N, 2 k)
    rows = torch.cat([found[1], other[1]], dim=1)
    flags = torch.cat([flags, torch.ones_like(other[1], dtype=torch.bool)], dim=1)
    order = distances.argsort(dim=1, stable=True)[:, : min(k, len(among))]
    return Neighbours(*(x.gather(1, order) for x in (distances, rows, flags)))


def one_way(queries: Tensor, among: Tensor | Pictures, k: int) -> tuple[Tensor, Tensor]:
    """Distances and rows (N, k): candidates by a matrix product, then their exact distances."""
    x = floats(queries)  # (N, F)
    take = among.take if isinstance(among, Pictures) else among.__getitem__
    keep = min(k + SPARE, len(among))
    distances, rows = torch.empty(len(x), 0), torch.empty(len(x), 0, dtype=torch.int64)
    for first in range(0, len(among), BLOCK):
        block = floats(take(slice(first, first + BLOCK)))
        d = torch.cdist(x, block, compute_mode="use_mm_for_euclid_dist")  # (N, block)
        d, places = d.topk(min(keep, len(block)), largest=False)
        distances = torch.cat([distances, d], dim=1)
        rows = torch.cat([rows, places + first], dim=1)
        order = distances.argsort(dim=1, stable=True)[:, :keep]
        distances, rows = distances.gather(1, order), rows.gather(1, order)
    for i, query in enumerate(x):
        distances[i] = (floats(take(rows[i])) - query).square().sum(dim=1).sqrt()
    order = distances.argsort(dim=1, stable=True)[:, : min(k, len(among))]
    return distances.gather(1, order), rows.gather(1, order)


def floats(x: Tensor) -> Tensor:
    """(N, ...) -> (N, F) float32; bytes to [0, 1]."""
    x = x.flatten(1)
    return x.float() / 255 if x.dtype == torch.uint8 else x.float()
