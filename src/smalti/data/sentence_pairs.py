"""Datasets of sentence pairs, for translation: of tokens, or of text with its vocabularies."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import ClassVar, Protocol, runtime_checkable

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
GROWTH_SAMPLE = 512
"""Pairs on which the effect of dropout on the lengths is estimated."""


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
        check_counts(self.name, len(self.source.lengths), len(self.target.lengths))

    def __len__(self) -> int:
        return len(self.source.lengths)

    @cached_property
    def max_lengths(self) -> np.ndarray:
        """(N,) number of tokens of each pair's longer side."""
        return torch.maximum(self.source.lengths, self.target.lengths).numpy()

    @cached_property
    def min_lengths(self) -> np.ndarray:
        """(N,) number of tokens of each pair's shorter side."""
        return torch.minimum(self.source.lengths, self.target.lengths).numpy()

    def make_batch(self, indices: Tensor, device: torch.device) -> Batch:
        """Gather the given pairs on `device`, each side padded to its longest."""
        source, target = (
            move_to_device(side.pad(indices), device) for side in (self.source, self.target)
        )
        return Batch(pairs=(source, target))

    def plan_batches(self, seed: int, batch_size: int) -> ShuffledTokenBatches:
        """Plan shuffled batches of at most `batch_size` tokens."""
        return ShuffledTokenBatches(self.max_lengths, batch_size, seed, self.min_lengths)

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


class TextCodec(Protocol):
    """A vocabulary, such as a `smalti.translation.Tokenizer`."""

    @property
    def size(self) -> int: ...
    @property
    def model(self) -> bytes: ...
    def encode(self, text: Sequence[str], dropout: float = 0.0) -> list[list[int]]: ...


@runtime_checkable
class HasVocabularies(Protocol):
    """A dataset with the vocabularies that its tokens are of."""

    @property
    def source_tokenizer(self) -> TextCodec: ...
    @property
    def target_tokenizer(self) -> TextCodec: ...


@dataclass(frozen=True, eq=False)
class TextPairs:
    """N sentences and their translations as text, with the vocabularies that tokenize them.

    With `dropout` every batch is tokenized anew (BPE-dropout, arXiv:1910.13267), drawn from
    PyTorch's generator, which a run seeds and saves. Batches are those of `SentencePairs`.
    Raises UserError if the numbers of sentences differ.
    """

    source_texts: list[str]
    target_texts: list[str]
    source_tokenizer: TextCodec
    target_tokenizer: TextCodec
    name: str
    dropout: float = 0.0
    """Probability of skipping a merge of sub-words."""
    item_name: ClassVar[str] = "sentence pair"

    def __post_init__(self) -> None:
        check_counts(self.name, len(self.source_texts), len(self.target_texts))

    @cached_property
    def tokenized(self) -> SentencePairs:
        """The pairs without dropout."""
        return SentencePairs(
            join_sentences(self.source_tokenizer.encode(self.source_texts)),
            join_sentences(self.target_tokenizer.encode(self.target_texts)),
            self.name,
        )

    @cached_property
    def growth(self) -> float:
        """How many times more tokens there are with dropout, estimated on the first pairs."""
        if not (self.dropout and len(self)):
            return 1.0
        plain = self.tokenized.max_lengths[:GROWTH_SAMPLE]
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(0)
            drawn = self.encode(torch.arange(len(plain)))
        return sum(max(len(s), len(t)) for s, t in zip(*drawn, strict=True)) / plain.sum()

    @cached_property
    def max_lengths(self) -> np.ndarray:
        """(N,) number of tokens of each pair's longer side, with dropout an estimate."""
        return np.ceil(self.tokenized.max_lengths * self.growth).astype(np.int64)

    def __len__(self) -> int:
        return len(self.source_texts)

    def list_examples(self, n: int) -> list[tuple[str, str]]:
        """At most n pairs of usual length, at even distances."""
        lengths = self.tokenized.max_lengths
        usual = np.flatnonzero((lengths > 4) & (lengths < 40)) if len(lengths) else lengths
        rows = usual if len(usual) >= n else np.arange(len(lengths))
        chosen = rows[np.linspace(0, len(rows) - 1, min(n, len(rows))).astype(np.int64)]
        return [(self.source_texts[k], self.target_texts[k]) for k in chosen.tolist()]

    def encode(self, indices: Tensor) -> tuple[list[list[int]], list[list[int]]]:
        """Tokenize both sides of the given pairs, with dropout."""
        rows = indices.tolist()
        return (
            self.source_tokenizer.encode([self.source_texts[k] for k in rows], self.dropout),
            self.target_tokenizer.encode([self.target_texts[k] for k in rows], self.dropout),
        )

    def make_batch(self, indices: Tensor, device: torch.device) -> Batch:
        """Gather the given pairs on `device`, each side padded to its longest."""
        if not self.dropout:
            return self.tokenized.make_batch(indices, device)
        source, target = map(join_sentences, self.encode(indices))
        pairs = SentencePairs(source, target, self.name)
        return pairs.make_batch(torch.arange(len(indices)), device)

    def plan_batches(self, seed: int, batch_size: int) -> ShuffledTokenBatches:
        """Plan shuffled batches of at most `batch_size` tokens."""
        shorter = self.tokenized.min_lengths
        return ShuffledTokenBatches(self.max_lengths, batch_size, seed, shorter)

    def split_indices(self, batch_size: int) -> tuple[Tensor, ...]:
        """Split the indices, sorted by length, into batches of at most `batch_size` tokens."""
        return self.tokenized.split_indices(batch_size)

    def compute_fingerprint(self) -> str:
        """Hash all tokens and the vocabularies."""
        models = (self.source_tokenizer.model, self.target_tokenizer.model)
        hashes = [hashlib.sha256(model).hexdigest() for model in models]
        return hash_texts(self.tokenized.compute_fingerprint(), *hashes)


def check_counts(name: str, n: int, translations: int) -> None:
    if n != translations:
        raise UserError(
            f"{name}: {n} sentences and {translations} translations; give equal numbers"
        )


def join_sentences(sentences: Sequence[Sequence[int]]) -> Sentences:
    """Concatenate lists of tokens."""
    tokens = torch.tensor(list(chain.from_iterable(sentences)), dtype=torch.int32)
    return Sentences(tokens, torch.tensor([len(s) for s in sentences], dtype=torch.int64))
