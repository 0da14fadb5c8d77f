"""The nearest code to each of many vectors, by one matrix product."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from smalti.core.errors import UserError

MAX_PRODUCTS = 2**19
"""Numbers of the product worked on at a time: 2 MB, which stay in a CPU's cache."""


@torch.no_grad()
def find_nearest(z: Tensor, codes: Tensor) -> Tensor:
    """z: (N, D), codes: (K, D) -> (N,) int64, each the place of the nearest code.

    |z - e|^2 = |z|^2 + 2 (|e|^2 / 2 - z e), of which |z|^2 is the same for all codes. Of several
    at the same distance the first is taken. Never more than MAX_PRODUCTS distances are held at a time.
    """
    if z.shape[1:] != codes.shape[1:]:
        raise UserError(f"vectors of {tuple(z.shape[1:])} and codes of {tuple(codes.shape[1:])}")
    if not len(codes):
        raise UserError("there are no codes to choose from; give at least one")
    with torch.autocast(z.device.type, enabled=False):  # bf16 would mistake near codes
        z, codes = promote_dtypes(z, codes)
        half_norms = codes.square().sum(1) / 2  # (K,)
        found = torch.empty(len(z), dtype=torch.int64, device=z.device)
        if z.device.type == "cpu" and torch.get_num_threads() == 1:
            search_by_kernel(z, codes, half_norms, found)
        else:
            search_by_torch(z, codes, half_norms, found)
    return found


def search_by_kernel(z: Tensor, codes: Tensor, half_norms: Tensor, out: Tensor) -> None:
    """On one thread: PyTorch takes three times as long to find the smallest of each row."""
    from smalti.kernels.argmin import find_argmin  # compiles on first use

    for part, products, places in split_search(z, codes, out):
        torch.mm(part, codes.t(), out=products)
        find_argmin(products.numpy(), half_norms.numpy(), places.numpy())


def search_by_torch(z: Tensor, codes: Tensor, half_norms: Tensor, out: Tensor) -> None:
    """On several: a kernel's threads would wait for PyTorch's, which spin behind a product."""
    for part, products, places in split_search(z, codes, out):
        torch.addmm(half_norms, part, codes.t(), alpha=-1, out=products)
        places[:] = products.min(1).indices  # argmin takes twice as long


def split_search(z: Tensor, codes: Tensor, out: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Some vectors, room for their products (n, K), and where their places go."""
    N, K = len(z), len(codes)
    rows = max(1, MAX_PRODUCTS // K)
    held = z.new_empty(min(rows, N), K)
    for first in range(0, N, rows):
        part = z[first : first + rows]
        yield part, held[: len(part)], out[first : first + rows]


def promote_dtypes(z: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
    """Both in float32, or in float64 when one of them is."""
    wide = torch.promote_types(torch.promote_types(z.dtype, codes.dtype), torch.float32)
    return z.to(wide), codes.to(wide)
