"""Which items each step of a training is given: functions of seed and step, for a resume."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


class EqualCounts:
    """Every epoch is a fresh permutation of 0 .. n-1; batches of `size` go on over the seam."""

    def __init__(self, n: int, size: int, seed: int):
        self.n, self.size, self.seed = n, size, seed
        self.epochs: dict[int, np.ndarray] = {}

    def indices(self, step: int) -> Tensor:
        """(size,) int64 of step 0, 1, ..."""
        places = np.arange(step * self.size, (step + 1) * self.size)
        epochs = places // self.n
        parts = [self.permutation(e)[places[epochs == e] % self.n] for e in np.unique(epochs)]
        return torch.from_numpy(np.concatenate(parts))

    def permutation(self, epoch: int) -> np.ndarray:
        if epoch not in self.epochs:
            self.epochs = {e: p for e, p in self.epochs.items() if e == epoch - 1}
            self.epochs[epoch] = stream(self.seed, epoch).random(self.n).argsort(kind="stable")
        return self.epochs[epoch]


class EqualTokens:
    """Every epoch is all items once, in batches of like length and at most `size` padded tokens.

    lengths: (n,) tokens of each item; one longer than `size` is a batch of its own. Where batches
    begin follows from the lengths alone, so that all epochs have equally many; which items of one
    length stand in which batch, and the order of the batches, are drawn anew for every epoch.
    """

    def __init__(self, lengths: np.ndarray, size: int, seed: int):
        self.lengths, self.seed = lengths, seed
        self.bounds = bounds_by_tokens(np.sort(lengths), size)
        self.epoch, self.batches = -1, list[np.ndarray]()

    def indices(self, step: int) -> Tensor:
        """(B,) int64 of step 0, 1, ..."""
        epoch, place = divmod(step, len(self.bounds) + 1)
        if epoch != self.epoch:
            self.epoch, self.batches = epoch, self.shuffle(epoch)
        return torch.from_numpy(self.batches[place])

    def shuffle(self, epoch: int) -> list[np.ndarray]:
        random = stream(self.seed, epoch)
        rows = np.lexsort((random.random(len(self.lengths)), self.lengths))  # ties by chance
        batches = np.split(rows, self.bounds)
        return [batches[k] for k in random.random(len(batches)).argsort(kind="stable")]


def bounds_by_tokens(lengths: np.ndarray, size: int) -> list[int]:
    """Where batches after the first begin, of ascending lengths, none above `size` when padded."""
    bounds, first = [], 0
    for k, length in enumerate(lengths.tolist()):
        if k > first and (k + 1 - first) * length > size:
            bounds.append(k)
            first = k
    return bounds


def stream(seed: int, epoch: int) -> np.random.Generator:
    key = np.array([seed, epoch], np.uint64)  # a list is of floats beyond 2^63
    return np.random.Generator(np.random.Philox(key=key))
