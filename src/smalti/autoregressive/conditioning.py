"""How a network is conditioned: by a vector, or by prefix tokens before the symbols."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from smalti.autoregressive.gpt.network import GPT
from smalti.autoregressive.naive_walker import NaiveTokenWalker
from smalti.autoregressive.network import Requirements
from smalti.autoregressive.pixelcnn.walkers import build_walker
from smalti.core.conditions import ConditionValues
from smalti.core.protocols import Walker
from smalti.layers.condition_encoder import ConditionEncoder


def to_network_input(network: Any, z: Tensor, values: Tensor | None, dtype: torch.dtype) -> Tensor:
    """Convert symbols z to network input: values in its range, or z itself without `values`."""
    if values is None:
        return z
    low, high = network.range
    return low + (high - low) * values.to(dtype)[z]


@dataclass(frozen=True)
class VectorConditioning:
    """Calls `network(x, y)` with a condition vector y: PixelCNNs."""

    requirements: Requirements

    def encode_conditions(
        self,
        encoder: ConditionEncoder,
        condition_values: ConditionValues,
        n: int,
        shifts: Tensor,
        pictures: Sequence[Tensor] = (),
        hidden: Tensor | None = None,
    ) -> Tensor | None:
        """Encode conditions as (n, D), or None without any. shifts: (n,) below `n_shifts`.

        hidden: (n,) where all conditions are dropped.
        """
        y = encoder.to_vector(condition_values, n)
        none = None if hidden is None else encoder.to_unconditional_vector(n)
        if hidden is not None and y is not None and none is not None:
            y = torch.where(hidden[:, None], none, y)
        if not self.requirements.n_shifts:
            return y
        one_hot = F.one_hot(shifts, self.requirements.n_shifts).to(encoder.zero)
        return one_hot if y is None else torch.cat([y, one_hot], dim=1)

    def predict(
        self, network: Any, z: Tensor, y: Any, values: Tensor | None, dtype: torch.dtype
    ) -> Tensor:
        """Predict parameters for symbols z (N, C, h, w): (N, P, C, h, w), or joint (N, P, h, w)."""
        return network(to_network_input(network, z, values, dtype), y)

    def build_walker(
        self, network: Any, n: int, y: Any, values: Tensor | None, start: Tensor | None = None
    ) -> Walker:
        """Build a walker of n pictures; start: (n, m) symbols that are set already."""
        if values is not None:
            every = torch.arange(len(values), device=values.device)
            values = to_network_input(network, every, values, torch.float64)
        C, *size = self.requirements.grid
        walker = build_walker(network, n, (size[0], size[1]), y, values, C)
        for k, symbols in enumerate(() if start is None else start.unbind(1)):
            walker.predict(k)
            walker.set_symbols(k, symbols)
        return walker


@dataclass(frozen=True)
class TokenConditioning:
    """Calls `network(tokens)` with conditions as prefix tokens: GPTs."""

    requirements: Requirements

    def encode_conditions(
        self,
        encoder: ConditionEncoder,
        condition_values: ConditionValues,
        n: int,
        shifts: Tensor,
        pictures: Sequence[Tensor] = (),
        hidden: Tensor | None = None,
    ) -> Tensor:
        """Encode conditions as prefix tokens (n, c), numbered as in `Requirements.prefix_rows`.

        pictures: tokens (n, c) of each picture condition. hidden: (n,) where all are dropped.
        """
        parts = self.encode_parts(encoder, condition_values, n, shifts, pictures, hidden)
        return torch.cat(parts, dim=1)

    def encode_parts(
        self,
        encoder: ConditionEncoder,
        condition_values: ConditionValues,
        n: int,
        shifts: Tensor,
        pictures: Sequence[Tensor] = (),
        hidden: Tensor | None = None,
    ) -> list[Tensor]:
        """Encode each condition's prefix tokens (n, c): choices, shifts, pictures row by row."""
        r = self.requirements
        choices = encoder.to_indices(condition_values, n).split(1, dim=1) if r.choice_sizes else ()
        if hidden is not None:
            choices = hide_parts(choices, r.choice_sizes, hidden)
            pictures = hide_parts(pictures, [K for _, K, _ in r.pictures], hidden)
        start = [torch.zeros_like(shifts)[:, None]] if r.has_start else []
        own = [shifts[:, None]] if r.n_shifts else []
        parts = [part.to(shifts) for part in (*choices, *start, *own, *pictures)]
        return [
            torch.where(part == K, none, first + part)
            for part, K, (first, none) in zip(parts, r.prefix_sizes, r.prefix_rows, strict=True)
        ]

    def predict(
        self, network: Any, z: Tensor, y: Any, values: Tensor | None, dtype: torch.dtype
    ) -> Tensor:
        """Predict logits for symbols z (N, C, h, w): (N, K, C, h, w)."""
        tokens = torch.cat([y, self.requirements.to_sequence(z)], dim=1)[:, :-1]
        logits = network(tokens)[:, y.shape[1] - 1 :, : self.requirements.n_symbols]  # (N, T, K)
        wide = torch.promote_types(logits.dtype, torch.float32)
        return self.requirements.to_grid(logits.to(wide)).movedim(-1, 1)

    def build_walker(
        self, network: Any, n: int, y: Any, values: Tensor | None, start: Tensor | None = None
    ) -> Walker:
        """Build a walker of n pictures; start: (n, m) symbols that are set already."""
        prefix = y if start is None else torch.cat([y, start], dim=1)
        if not isinstance(network, GPT):
            return NaiveTokenWalker(network, prefix)
        from smalti.autoregressive.gpt.walker import GPTWalker

        length = self.requirements.sequence_length + y.shape[1] - prefix.shape[1]
        return GPTWalker(network, prefix, length)


def hide_parts(parts: Sequence[Tensor], sizes: Sequence[int], hidden: Tensor) -> list[Tensor]:
    """Replace the tokens (n, c) of hidden pictures by "none", each condition's size."""
    return [
        part.masked_fill(hidden[:, None].to(part.device), K)
        for part, K in zip(parts, sizes, strict=True)
    ]


Conditioning = VectorConditioning | TokenConditioning
