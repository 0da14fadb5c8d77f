"""Pairs of sentences as tokens: what a translator is trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from smalti.core.device import send
from smalti.core.errors import UserError
from smalti.core.fingerprint import tensor_hash, text_hash
from smalti.core.protocols import Batch
from smalti.data.order import EqualTokens, bounds_by_tokens

PAD = 0
"""What stands behind a sentence in a batch of longer ones, in every vocabulary."""


@dataclass(frozen=True, eq=False)
class Sentences:
    """N sentences in a row. tokens: (all,) int32; lengths: (N,) int64, none of them 0."""

    tokens: Tensor
    lengths: Tensor

    @cached_property
    def starts(self) -> Tensor:
        """(N,) int64: where each begins."""
        return self.lengths.cumsum(0) - self.lengths

    def pad(self, rows: Tensor) -> Tensor:
        """(B, T) int64: the chosen sentences, `PAD` behind each that is not the longest."""
        lengths = self.lengths[rows][:, None]
        places = torch.arange(int(lengths.max()))
        index = (self.starts[rows][:, None] + places).clamp(max=len(self.tokens) - 1)
        return torch.where(places < lengths, self.tokens[index].long(), PAD)


@dataclass(frozen=True, eq=False)
class Pairs:
    """N sentences and their translations. UserError where their numbers differ.

    Batches are planned by tokens: pairs of like length, at most `size` tokens of the longer side,
    padding included.
    """

    source: Sentences
    target: Sentences
    name: str
    item: ClassVar[str] = "sentence pair"

    def __post_init__(self) -> None:
        n, translations = len(self.source.lengths), len(self.target.lengths)
        if n != translations:
            raise UserError(
                f"{self.name}: {n} sentences and {translations} translations; give one to each"
            )

    def __len__(self) -> int:
        return len(self.source.lengths)

    @cached_property
    def longer(self) -> np.ndarray:
        """(N,) tokens of each pair's longer side."""
        return torch.maximum(self.source.lengths, self.target.lengths).numpy()

    def batch(self, indices: Tensor, device: torch.device) -> Batch:
        """The chosen pairs, each side padded to its longest."""
        source, target = (send(side.pad(indices), device) for side in (self.source, self.target))
        return Batch(pairs=(source, target))

    def plan(self, seed: int, size: int) -> EqualTokens:
        """Batches of at most `size` tokens for every step."""
        return EqualTokens(self.longer, size, seed)

    def parts(self, size: int) -> tuple[Tensor, ...]:
        """Indices of all pairs by length, in batches of at most `size` tokens."""
        order = self.longer.argsort(kind="stable")
        return torch.from_numpy(order).tensor_split(bounds_by_tokens(self.longer[order], size))

    def fingerprint(self) -> str:
        """A hash of all tokens."""
        sides = (self.source, self.target)
        return text_hash(*(tensor_hash(side.tokens, side.lengths) for side in sides))


def join_sentences(sentences: Sequence[Sequence[int]]) -> Sentences:
    """Lists of tokens in a row."""
    tokens = torch.tensor(list(chain.from_iterable(sentences)), dtype=torch.int32)
    return Sentences(tokens, torch.tensor([len(s) for s in sentences], dtype=torch.int64))
