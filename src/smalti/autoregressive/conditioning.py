"""How a network is called: told of conditions by a vector, or by tokens in front of the symbols."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from smalti.autoregressive.gpt.network import GPT
from smalti.autoregressive.naive_walker import NaiveTokenWalker
from smalti.autoregressive.network import Requirements
from smalti.autoregressive.pixelcnn.walkers import build_walker
from smalti.autoregressive.raster_order import to_grid, to_sequence
from smalti.core.conditions import ConditionValues
from smalti.core.protocols import Walker
from smalti.layers.condition_encoder import ConditionEncoder


def to_network_input(network: Any, z: Tensor, values: Tensor | None, dtype: torch.dtype) -> Tensor:
    """Symbols z as a network takes them: as they are without `values`, else these in its range."""
    if values is None:
        return z
    low, high = network.range
    return low + (high - low) * values.to(dtype)[z]


@dataclass(frozen=True)
class VectorConditioning:
    """As `network(x, y)`: PixelCNNs."""

    requirements: Requirements

    def encode_conditions(
        self, encoder: ConditionEncoder, condition_values: ConditionValues, n: int, shifts: Tensor
    ) -> Tensor | None:
        """(n, D), or None where there is nothing to tell. shifts: (n,) below `needs.moves`."""
        y = encoder.to_vector(condition_values, n)
        if not self.requirements.n_shifts:
            return y
        shown = F.one_hot(shifts, self.requirements.n_shifts).to(encoder.zero)
        return shown if y is None else torch.cat([y, shown], dim=1)

    def predict(
        self, network: Any, z: Tensor, y: Any, values: Tensor | None, dtype: torch.dtype
    ) -> Tensor:
        """Parameters of symbols z (N, C, h, w): (N, P, C, h, w), or (N, P, h, w) of places."""
        return network(to_network_input(network, z, values, dtype), y)

    def build_walker(self, network: Any, n: int, y: Any, values: Tensor | None) -> Walker:
        if values is not None:
            every = torch.arange(len(values), device=values.device)
            values = to_network_input(network, every, values, torch.float64)
        C, *size = self.requirements.grid
        return build_walker(network, n, (size[0], size[1]), y, values, C)


@dataclass(frozen=True)
class TokenConditioning:
    """As `network(tokens)`: GPTs."""

    requirements: Requirements

    def encode_conditions(
        self, encoder: ConditionEncoder, condition_values: ConditionValues, n: int, shifts: Tensor
    ) -> Tensor:
        """(n, c) tokens in front of the symbols; their rows come in the order of `needs.rows`."""
        index = [*encoder.to_indices(condition_values, n).unbind(1)] or [torch.zeros_like(shifts)]
        index += [shifts] if self.requirements.n_shifts else []
        rows = accumulate(
            [self.requirements.n_symbols, *(K + 1 for K in self.requirements.choice_sizes or (0,))]
        )
        return torch.stack([i.to(shifts) + row for i, row in zip(index, rows, strict=False)], dim=1)

    def predict(
        self, network: Any, z: Tensor, y: Any, values: Tensor | None, dtype: torch.dtype
    ) -> Tensor:
        """Logits of symbols z (N, C, h, w): (N, K, C, h, w)."""
        tokens = torch.cat([y, to_sequence(z)], dim=1)[:, :-1]
        logits = network(tokens)[:, y.shape[1] - 1 :, : self.requirements.n_symbols]  # (N, T, K)
        wide = torch.promote_types(logits.dtype, torch.float32)
        return to_grid(logits.to(wide), self.requirements.grid).movedim(-1, 1)

    def build_walker(self, network: Any, n: int, y: Any, values: Tensor | None) -> Walker:
        if not isinstance(network, GPT):
            return NaiveTokenWalker(network, y)
        from smalti.autoregressive.gpt.walker import GPTWalker

        return GPTWalker(network, y, self.requirements.sequence_length)


Conditioning = VectorConditioning | TokenConditioning
