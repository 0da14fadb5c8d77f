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

from smalti.core.device import move_to_device
from smalti.core.errors import UserError
from smalti.core.fingerprint import hash_tensors, hash_texts
from smalti.core.protocols import Batch
from smalti.data.shuffle import ShuffledTokenBatches, find_batch_bounds

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
        positions = torch.arange(int(lengths.max()))
        index = (self.starts[rows][:, None] + positions).clamp(max=len(self.tokens) - 1)
        return torch.where(positions < lengths, self.tokens[index].long(), PAD)


@dataclass(frozen=True, eq=False)
class SentencePairs:
    """N sentences and their translations. UserError where their numbers differ.

    Batches are planned by tokens: pairs of like length, at most `size` tokens of the longer side,
    padding included.
    """

    source: Sentences
    target: Sentences
    name: str
    item_name: ClassVar[str] = "sentence pair"

    def __post_init__(self) -> None:
        n, translations = len(self.source.lengths), len(self.target.lengths)
        if n != translations:
            raise UserError(
                f"{self.name}: {n} sentences and {translations} translations; give one to each"
            )

    def __len__(self) -> int:
        return len(self.source.lengths)

    @cached_property
    def max_lengths(self) -> np.ndarray:
        """(N,) tokens of each pair's longer side."""
        return torch.maximum(self.source.lengths, self.target.lengths).numpy()

    def make_batch(self, indices: Tensor, device: torch.device) -> Batch:
        """The chosen pairs, each side padded to its longest."""
        source, target = (
            move_to_device(side.pad(indices), device) for side in (self.source, self.target)
        )
        return Batch(pairs=(source, target))

    def plan_batches(self, seed: int, batch_size: int) -> ShuffledTokenBatches:
        """Batches of at most `batch_size` tokens for every step."""
        return ShuffledTokenBatches(self.max_lengths, batch_size, seed)

    def split_indices(self, batch_size: int) -> tuple[Tensor, ...]:
        """Indices of all pairs by length, in batches of at most `batch_size` tokens."""
        order = self.max_lengths.argsort(kind="stable")
        return torch.from_numpy(order).tensor_split(
            find_batch_bounds(self.max_lengths[order], batch_size)
        )

    def compute_fingerprint(self) -> str:
        """A hash of all tokens."""
        sides = (self.source, self.target)
        return hash_texts(*(hash_tensors(side.tokens, side.lengths) for side in sides))


def join_sentences(sentences: Sequence[Sequence[int]]) -> Sentences:
    """Lists of tokens in a row."""
    tokens = torch.tensor(list(chain.from_iterable(sentences)), dtype=torch.int32)
    return Sentences(tokens, torch.tensor([len(s) for s in sentences], dtype=torch.int64))
