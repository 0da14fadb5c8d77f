"""A dataset of tokenized sentence pairs, for translation."""

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
"""Padding token, in every vocabulary."""


@dataclass(frozen=True, eq=False)
class Sentences:
    """N concatenated sentences. tokens: (total,) int32; lengths: (N,) int64, none of them 0."""

    tokens: Tensor
    lengths: Tensor

    @cached_property
    def starts(self) -> Tensor:
        """(N,) int64: the start of each sentence."""
        return self.lengths.cumsum(0) - self.lengths

    def pad(self, rows: Tensor) -> Tensor:
        """Gather the given sentences, padded with `PAD`: (B, T) int64."""
        lengths = self.lengths[rows][:, None]
        positions = torch.arange(int(lengths.max()))
        index = (self.starts[rows][:, None] + positions).clamp(max=len(self.tokens) - 1)
        return torch.where(positions < lengths, self.tokens[index].long(), PAD)


@dataclass(frozen=True, eq=False)
class SentencePairs:
    """N sentences and their translations. Raises UserError if their numbers differ.

    Batches have pairs of similar length, and at most `batch_size` tokens of the longer side,
    including padding.
    """

    source: Sentences
    target: Sentences
    name: str
    item_name: ClassVar[str] = "sentence pair"

    def __post_init__(self) -> None:
        n, translations = len(self.source.lengths), len(self.target.lengths)
        if n != translations:
            raise UserError(
                f"{self.name}: {n} sentences and {translations} translations; give equal numbers"
            )

    def __len__(self) -> int:
        return len(self.source.lengths)

    @cached_property
    def max_lengths(self) -> np.ndarray:
        """(N,) number of tokens of each pair's longer side."""
        return torch.maximum(self.source.lengths, self.target.lengths).numpy()

    def make_batch(self, indices: Tensor, device: torch.device) -> Batch:
        """Gather the given pairs on `device`, each side padded to its longest."""
        source, target = (
            move_to_device(side.pad(indices), device) for side in (self.source, self.target)
        )
        return Batch(pairs=(source, target))

    def plan_batches(self, seed: int, batch_size: int) -> ShuffledTokenBatches:
        """Plan shuffled batches of at most `batch_size` tokens."""
        return ShuffledTokenBatches(self.max_lengths, batch_size, seed)

    def split_indices(self, batch_size: int) -> tuple[Tensor, ...]:
        """Split the indices, sorted by length, into batches of at most `batch_size` tokens."""
        order = self.max_lengths.argsort(kind="stable")
        return torch.from_numpy(order).tensor_split(
            find_batch_bounds(self.max_lengths[order], batch_size)
        )

    def compute_fingerprint(self) -> str:
        """Hash all tokens."""
        sides = (self.source, self.target)
        return hash_texts(*(hash_tensors(side.tokens, side.lengths) for side in sides))


def join_sentences(sentences: Sequence[Sequence[int]]) -> Sentences:
    """Concatenate lists of tokens."""
    tokens = torch.tensor(list(chain.from_iterable(sentences)), dtype=torch.int32)
    return Sentences(tokens, torch.tensor([len(s) for s in sentences], dtype=torch.int64))
