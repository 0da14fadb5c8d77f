"""Shuffled batches as functions of seed and step, so that a resumed run sees the same ones."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

NOISE = 0.3
"""Relative noise of lengths by which ties are sorted: pairs meet others in every epoch."""


class ShuffledBatches:
    """Batches of a new permutation of 0 .. n-1 in every epoch; a batch may span two epochs."""

    def __init__(self, n: int, batch_size: int, seed: int):
        self.n, self.batch_size, self.seed = n, batch_size, seed
        self.permutations: dict[int, np.ndarray] = {}

    def select_indices(self, step: int) -> Tensor:
        """Return the item indices (batch_size,) int64 of step 0, 1, ..."""
        positions = np.arange(step * self.batch_size, (step + 1) * self.batch_size)
        epochs = positions // self.n
        parts = [self.permute_epoch(e)[positions[epochs == e] % self.n] for e in np.unique(epochs)]
        return torch.from_numpy(np.concatenate(parts))

    def permute_epoch(self, epoch: int) -> np.ndarray:
        if epoch not in self.permutations:
            self.permutations = {e: p for e, p in self.permutations.items() if e == epoch - 1}
            self.permutations[epoch] = (
                make_generator(self.seed, epoch).random(self.n).argsort(kind="stable")
            )
        return self.permutations[epoch]


class ShuffledTokenBatches:
    """Batches of items of similar length, with at most `max_tokens` padded tokens.

    Every epoch has every item once.  lengths: (n,) tokens of each item; an item longer than
    `max_tokens` is a batch by itself.  Batch boundaries depend only on the lengths, so all epochs
    have equally many batches; the assignment of items of one length, and the order of the batches,
    are drawn in every epoch.  other_lengths: (n,) tokens of the other side of pairs; items of one
    length are sorted by them, up to noise, so that this side is padded less, too.
    """

    def __init__(
        self,
        lengths: np.ndarray,
        max_tokens: int,
        seed: int,
        other_lengths: np.ndarray | None = None,
    ):
        self.lengths, self.seed = lengths, seed
        self.other_lengths = other_lengths
        self.bounds = find_batch_bounds(np.sort(lengths), max_tokens)
        self.epoch, self.batches = -1, list[np.ndarray]()

    def select_indices(self, step: int) -> Tensor:
        """Return the item indices (B,) int64 of step 0, 1, ..."""
        epoch, k = divmod(step, len(self.bounds) + 1)
        if epoch != self.epoch:
            self.epoch, self.batches = epoch, self.shuffle_epoch(epoch)
        return torch.from_numpy(self.batches[k])

    def shuffle_epoch(self, epoch: int) -> list[np.ndarray]:
        random = make_generator(self.seed, epoch)
        ties = random.random(len(self.lengths))  # random order of ties
        if self.other_lengths is not None:
            ties = self.other_lengths * (1 + NOISE * ties)
        rows = np.lexsort((ties, self.lengths))
        batches = np.split(rows, self.bounds)
        return [batches[k] for k in random.random(len(batches)).argsort(kind="stable")]


def find_batch_bounds(lengths: np.ndarray, max_tokens: int) -> list[int]:
    """Find the starts of all batches but the first, for ascending lengths.

    No batch exceeds `max_tokens` when padded, except single items.
    """
    bounds, first = [], 0
    for k, length in enumerate(lengths.tolist()):
        if k > first and (k + 1 - first) * length > max_tokens:
            bounds.append(k)
            first = k
    return bounds


def make_generator(seed: int, epoch: int) -> np.random.Generator:
    key = np.array([seed, epoch], np.uint64)  # a list would become floats beyond 2^63
    return np.random.Generator(np.random.Philox(key=key))
