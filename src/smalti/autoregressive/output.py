"""Outputs: from a network's parameters to a distribution over the levels of every pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from smalti.core.config import check_fields
from smalti.core.protocols import SymbolDistribution


@runtime_checkable
class Output(Protocol):
    """The interface of outputs: from a network's parameters to distributions over levels."""

    @property
    def joint(self) -> bool:
        """Whether all channels of a pixel share one set of parameters; symbols must be ordered."""
        ...

    def compute_nats(self, parameters: Tensor, x: Tensor, levels: int) -> Tensor:
        """Compute -log p of every symbol of x (N, C, H, W), int64: (N, C, H, W)."""
        ...

    def build_distribution(
        self, parameters: Tensor, previous_levels: Tensor, c: int, levels: int
    ) -> SymbolDistribution:
        """Build the distribution of channel c: parameters (n, P), previous_levels (n, c)."""
        ...

    def count_parameters(self, channels: int, levels: int) -> int:
        """Count the parameters P that the network outputs per pixel, or per channel of it."""
        ...


@dataclass(frozen=True)
class SoftmaxDistribution:
    """A softmax over all levels; probabilities are computed on demand."""

    parameters: Tensor
    """(n, L)"""

    @property
    def logits(self) -> Tensor:
        """(n, L) float64 log-probabilities."""
        return self.parameters.double().log_softmax(1)

    def sample(self, u: Tensor, temperature: float = 1.0) -> Tensor:
        """Draw levels (n,) by inverse transform of u[:, 0]; temperature 0 takes the likeliest."""
        if temperature == 0:
            return self.parameters.argmax(1)
        from smalti.kernels.softmax_draw import draw_softmax  # compiles on first use

        x = np.ascontiguousarray(self.parameters.detach().cpu().numpy())
        level = np.empty(len(x), np.int64)
        u0 = np.ascontiguousarray(u[:, 0].double().cpu().numpy())
        draw_softmax(x, u0, float(temperature), np.empty(x.shape[1]), level)
        return torch.from_numpy(level).to(self.parameters.device)


@dataclass(frozen=True)
@check_fields
class Categorical:
    """A softmax over the levels of every symbol."""

    joint = False

    def count_parameters(self, channels: int, levels: int) -> int:
        return levels

    def compute_nats(self, parameters: Tensor, x: Tensor, levels: int) -> Tensor:
        """parameters: (N, L, H, W), or (N, L, C, H, W).  x: (N, C, H, W) levels."""
        N, C, H, W = x.shape
        each = parameters.reshape(N, levels, C, H, W).permute(0, 3, 4, 2, 1)  # (N, H, W, C, L)
        target = x.permute(0, 2, 3, 1).flatten()
        from smalti.kernels.cross_entropy import compute_cross_entropy  # compiles on first use

        _, nats = compute_cross_entropy(each.flatten(0, 3), target)
        return nats.unflatten(0, (N, H, W, C)).permute(0, 3, 1, 2)

    def build_distribution(
        self, parameters: Tensor, previous_levels: Tensor, c: int, levels: int
    ) -> SoftmaxDistribution:
        """Build the softmax; the network has already seen the earlier channels."""
        return SoftmaxDistribution(parameters)
