"""Reference walkers for any network: they run it in full at every position."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from smalti.autoregressive.raster_order import unravel_position


class NaiveWalker:
    """Runs `network(x, y)` at every position and keeps one pixel of the output."""

    def __init__(
        self,
        network: Any,
        n: int,
        size: tuple[int, int],
        y: Tensor | None = None,
        values: Tensor | None = None,
        channels: int | None = None,
    ):
        """values: the network input for each symbol; None to feed the symbols themselves.

        channels: of a picture. Default: the network config's.
        """
        self.network, self.y = network, y
        weight = next(network.parameters())
        self.values = None if values is None else values.to(weight)
        dtype = torch.int64 if values is None else weight.dtype
        shape = (n, channels or network.config.channels, *size)
        self.x = torch.zeros(shape, dtype=dtype, device=weight.device)

    @torch.no_grad()
    def predict(self, k: int) -> Tensor:
        """Predict the parameters (n, P) at position k."""
        i, j, c = unravel_position(k, self.x.shape[1], self.x.shape[3])
        is_map = self.y is not None and self.y.ndim == 4
        above = self.x if is_map else self.x[:, :, : i + 1]  # rows below have no influence
        out = self.network(above, self.y)[..., i, j]  # (n, P), or (n, P, C)
        return out[..., c] if out.ndim == 3 else out

    def set_symbols(self, k: int, symbols: Tensor) -> None:
        """Set symbols (n,) int64 at position k."""
        i, j, c = unravel_position(k, self.x.shape[1], self.x.shape[3])
        symbols = symbols.to(self.x.device)
        self.x[:, c, i, j] = symbols if self.values is None else self.values[symbols]

    def reorder(self, parents: Tensor) -> None:
        """Keep the pictures with indices `parents` (m,), which may repeat."""
        self.x = self.x[parents]
        self.y = None if self.y is None else self.y[parents]


class NaiveTokenWalker:
    """Runs `network(tokens)` at every position and keeps the last logits."""

    def __init__(self, network: Any, prefix: Tensor):
        """prefix: (n, c) tokens of conditions, c >= 1."""
        self.network, self.tokens = network, prefix

    @torch.no_grad()
    def predict(self, k: int) -> Tensor:
        """Predict the logits (n, P) of the k-th symbol after the prefix."""
        return self.network(self.tokens)[:, -1]

    def set_symbols(self, k: int, symbols: Tensor) -> None:
        """Set symbols (n,) int64 at position k."""
        self.tokens = torch.cat([self.tokens, symbols[:, None].to(self.tokens)], dim=1)
