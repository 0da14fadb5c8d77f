"""The nearest code to each of many vectors, by one matrix product."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from smalti.core.errors import UserError

PART = 2**19
"""Numbers of the product worked on at a time: 2 MB, which stay in a CPU's cache."""


@torch.no_grad()
def nearest(z: Tensor, codes: Tensor) -> Tensor:
    """z: (N, D), codes: (K, D) -> (N,) int64, each the place of the nearest code.

    |z - e|^2 = |z|^2 + 2 (|e|^2 / 2 - z e), of which |z|^2 is the same for all codes. Of several
    at the same distance the first is taken. Never more than PART distances are held at a time.
    """
    if z.shape[1:] != codes.shape[1:]:
        raise UserError(f"vectors of {tuple(z.shape[1:])} and codes of {tuple(codes.shape[1:])}")
    if not len(codes):
        raise UserError("there are no codes to choose from; give at least one")
    with torch.autocast(z.device.type, enabled=False):  # bf16 would mistake near codes
        z, codes = in_one_type(z, codes)
        half = codes.square().sum(1) / 2  # (K,)
        found = torch.empty(len(z), dtype=torch.int64, device=z.device)
        if z.device.type == "cpu" and torch.get_num_threads() == 1:
            by_kernel(z, codes, half, found)
        else:
            by_torch(z, codes, half, found)
    return found


def by_kernel(z: Tensor, codes: Tensor, half: Tensor, found: Tensor) -> None:
    """On one thread: PyTorch takes three times as long to find the smallest of each row."""
    from smalti.kernels.argmin import lowest  # compiles on first use

    for part, products, places in parts(z, codes, found):
        torch.mm(part, codes.t(), out=products)
        lowest(products.numpy(), half.numpy(), places.numpy())


def by_torch(z: Tensor, codes: Tensor, half: Tensor, found: Tensor) -> None:
    """On several: a kernel's threads would wait for PyTorch's, which spin behind a product."""
    for part, products, places in parts(z, codes, found):
        torch.addmm(half, part, codes.t(), alpha=-1, out=products)
        places[:] = products.min(1).indices  # argmin takes twice as long


def parts(z: Tensor, codes: Tensor, found: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Some vectors, room for their products (n, K), and where their places go."""
    N, K = len(z), len(codes)
    rows = max(1, PART // K)
    held = z.new_empty(min(rows, N), K)
    for first in range(0, N, rows):
        part = z[first : first + rows]
        yield part, held[: len(part)], found[first : first + rows]


def in_one_type(z: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
    """Both in float32, or in float64 when one of them is."""
    wide = torch.promote_types(torch.promote_types(z.dtype, codes.dtype), torch.float32)
    return z.to(wide), codes.to(wide)
