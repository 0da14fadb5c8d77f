"""Nearest-neighbor search in a codebook by matrix products."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from smalti.core.errors import UserError

MAX_PRODUCTS = 2**19
"""Elements of the product computed at a time: 2 MB, which fit into a CPU's cache."""


@torch.no_grad()
def find_nearest(z: Tensor, codes: Tensor) -> Tensor:
    """Find the index of the nearest code of each vector. z: (N, D), codes: (K, D) -> (N,) int64.

    |z - e|^2 = |z|^2 + 2 (|e|^2 / 2 - z e), where |z|^2 is the same for all codes. Ties go to the
    first code. At most MAX_PRODUCTS distances are held at a time. UserError if dimensions differ
    or there are no codes.
    """
    if z.shape[1:] != codes.shape[1:]:
        raise UserError(
            f"vectors have shape {tuple(z.shape[1:])} and codes {tuple(codes.shape[1:])}; "
            "give the same"
        )
    if not len(codes):
        raise UserError("there are no codes to choose from; give at least one")
    with torch.autocast(z.device.type, enabled=False):  # bf16 would confuse near codes
        z, codes = promote_dtypes(z, codes)
        half_norms = codes.square().sum(1) / 2  # (K,)
        out = torch.empty(len(z), dtype=torch.int64, device=z.device)
        if z.device.type == "cpu" and torch.get_num_threads() == 1:
            search_by_kernel(z, codes, half_norms, out)
        else:
            search_by_torch(z, codes, half_norms, out)
    return out


def search_by_kernel(z: Tensor, codes: Tensor, half_norms: Tensor, out: Tensor) -> None:
    """Search on one thread, where PyTorch's argmin of rows takes three times as long."""
    from smalti.kernels.argmin import find_argmin  # compiles on first use

    for part, products, indices in split_search(z, codes, out):
        torch.mm(part, codes.t(), out=products)
        find_argmin(products.numpy(), half_norms.numpy(), indices.numpy())


def search_by_torch(z: Tensor, codes: Tensor, half_norms: Tensor, out: Tensor) -> None:
    """Search on several threads, where a kernel's would wait for PyTorch's spinning ones."""
    for part, products, indices in split_search(z, codes, out):
        torch.addmm(half_norms, part, codes.t(), alpha=-1, out=products)
        indices[:] = products.min(1).indices  # argmin takes twice as long


def split_search(z: Tensor, codes: Tensor, out: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield parts of z (n, D), a buffer for their products (n, K), and their part of out (n,)."""
    N, K = len(z), len(codes)
    rows = max(1, MAX_PRODUCTS // K)
    buffer = z.new_empty(min(rows, N), K)
    for first in range(0, N, rows):
        part = z[first : first + rows]
        yield part, buffer[: len(part)], out[first : first + rows]


def promote_dtypes(z: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
    """Convert both to float32, or to float64 if one of them is."""
    wide = torch.promote_types(torch.promote_types(z.dtype, codes.dtype), torch.float32)
    return z.to(wide), codes.to(wide)
