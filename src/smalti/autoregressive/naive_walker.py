"""The walk that any network can take: the whole of it anew for every number."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from smalti.autoregressive.raster_order import unravel_position


class NaiveWalker:
    """A walker that runs `network(x, y)` at each step and keeps one place of the outcome."""

    def __init__(
        self,
        network: Any,
        n: int,
        size: tuple[int, int],
        y: Tensor | None = None,
        values: Tensor | None = None,
        channels: int | None = None,
    ):
        """values: what the network is shown of each symbol; None shows the symbols themselves.

        channels: of a picture; None for as many as the network's config says.
        """
        self.network, self.y = network, y
        weight = next(network.parameters())
        self.values = None if values is None else values.to(weight)
        dtype = torch.int64 if values is None else weight.dtype
        shape = (n, channels or network.config.channels, *size)
        self.x = torch.zeros(shape, dtype=dtype, device=weight.device)

    @torch.no_grad()
    def predict(self, k: int) -> Tensor:
        """(n, P) at position k."""
        i, j, c = unravel_position(k, self.x.shape[1], self.x.shape[3])
        above = self.x[:, :, : i + 1]  # what lies below is not seen
        here = self.network(above, self.y)[..., i, j]  # (n, P), or (n, P, C)
        return here[..., c] if here.ndim == 3 else here

    def set_symbols(self, k: int, symbols: Tensor) -> None:
        """symbols: (n,) int64."""
        i, j, c = unravel_position(k, self.x.shape[1], self.x.shape[3])
        symbols = symbols.to(self.x.device)
        self.x[:, c, i, j] = symbols if self.values is None else self.values[symbols]

    def reorder(self, parents: Tensor) -> None:
        """Go on with the pictures `parents` (m,), which may be fewer, or some of them twice."""
        self.x = self.x[parents]
        self.y = None if self.y is None else self.y[parents]


class NaiveTokenWalker:
    """A walker that runs `network(tokens)` at each step and keeps the last outcome."""

    def __init__(self, network: Any, prefix: Tensor):
        """prefix: (n, c) tokens of conditions, c >= 1."""
        self.network, self.tokens = network, prefix

    @torch.no_grad()
    def predict(self, k: int) -> Tensor:
        """(n, P): the logits of the k-th symbol behind the front."""
        return self.network(self.tokens)[:, -1]

    def set_symbols(self, k: int, symbols: Tensor) -> None:
        """symbols: (n,) int64."""
        self.tokens = torch.cat([self.tokens, symbols[:, None].to(self.tokens)], dim=1)
