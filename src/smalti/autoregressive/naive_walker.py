"""The walk that any network can take: the whole of it anew for every number."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Whole:
    """A walker that runs `network(x, y)` at each step and keeps one place of the outcome."""

    def __init__(self, network: Any, n: int, size: tuple[int, int], y: Tensor | None = None):
        self.network, self.y = network, y
        weight = next(network.parameters())
        self.x = torch.zeros(
            n, network.config.channels, *size, dtype=weight.dtype, device=weight.device
        )

    @torch.no_grad()
    def parameters(self, i: int, j: int, c: int) -> Tensor:
        """(n, P) at channel c of pixel (i, j)."""
        above = self.x[:, :, : i + 1]  # what lies below is not seen
        here = self.network(above, self.y)[..., i, j]  # (n, P), or (n, P, C)
        return here[..., c] if here.ndim == 3 else here

    def put(self, i: int, j: int, c: int, x: Tensor) -> None:
        """x (n,) in the network's range."""
        self.x[:, c, i, j] = x.to(self.x)
