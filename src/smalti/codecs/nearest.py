"""Nearest-neighbor search in a codebook by matrix products."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from smalti.core.errors import UserError
from smalti.kernels.threads import run_in_torch_threads, split_batch

MAX_PRODUCTS = 2**18
"""Elements of the product that a thread computes at a time: 1 MB, which fits into its cache."""


@torch.no_grad()
def find_nearest(z: Tensor, codes: Tensor) -> Tensor:
    """Find the index of the nearest code of each vector. z: (N, D), codes: (K, D) -> (N,) int64.

    |z - e|^2 = |z|^2 + 2 (|e|^2 / 2 - z e), where |z|^2 is the same for all codes. Ties go to the
    first code. Each thread holds at most MAX_PRODUCTS distances at a time. UserError if dimensions
    differ or there are no codes.
    """
    if z.shape[1:] != codes.shape[1:]:
        raise UserError(
            f"vectors have shape {tuple(z.shape[1:])} and codes {tuple(codes.shape[1:])}; "
            "give the same"
        )
    if not len(codes):
        raise UserError("there are no codes to choose from; give at least one")
    with torch.autocast(z.device.type, enabled=False):  # bf16 would confuse near codes
        z, codes = promote_dtypes(z.detach(), codes.detach())
        out = torch.empty(len(z), dtype=torch.int64, device=z.device)
        if z.device.type == "cpu":
            search_by_kernel(z, codes, out)
        else:
            search_by_torch(z, codes, out)
    return out


def search_by_kernel(z: Tensor, codes: Tensor, out: Tensor) -> None:
    """Search on the CPU, where PyTorch's argmin of rows takes three times as long.

    Each thread searches for a share of the vectors from beginning to end: with a product on all
    threads, the kernel would wait for PyTorch's, which spin for a while after it.
    """
    from smalti.kernels.argmin import find_argmin  # compiles on first use

    codes_T = codes.t()
    half_norms = np.square(codes.numpy()).sum(1) / 2  # (K,)

    def search(rows: slice) -> None:
        for part, products, indices in split_search(z[rows], len(codes), out[rows]):
            torch.mm(part, codes_T, out=products)
            find_argmin(products.numpy(), half_norms, indices.numpy())

    chunks = split_batch(len(z), torch.get_num_threads())
    run_in_torch_threads(search, chunks, z.numel() * len(codes))


def search_by_torch(z: Tensor, codes: Tensor, out: Tensor) -> None:
    """Search on a GPU."""
    half_norms = codes.square().sum(1) / 2  # (K,)
    for part, products, indices in split_search(z, len(codes), out):
        torch.addmm(half_norms, part, codes.t(), alpha=-1, out=products)
        indices[:] = products.min(1).indices  # argmin takes twice as long


def split_search(z: Tensor, K: int, out: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield parts of z (n, D), a buffer for their products (n, K), and their part of out (n,)."""
    N = len(z)
    rows = max(1, MAX_PRODUCTS // K)
    buffer = z.new_empty(min(rows, N), K)
    for first in range(0, N, rows):
        part = z[first : first + rows]
        yield part, buffer[: len(part)], out[first : first + rows]


def promote_dtypes(z: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
    """Convert both to float32, or to float64 if one of them is."""
    wide = torch.promote_types(torch.promote_types(z.dtype, codes.dtype), torch.float32)
    return z.to(wide), codes.to(wide)
