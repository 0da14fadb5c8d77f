"""Which pictures a step is given: a function of seed and step alone, so that a run can resume."""

from __future__ import annotations

import numpy as np


class Order:
    """Every epoch is a fresh permutation of 0 .. n-1; batches go on over the seam."""

    def __init__(self, n: int, batch: int, seed: int):
        self.n, self.batch, self.seed = n, batch, seed
        self.epochs: dict[int, np.ndarray] = {}

    def indices(self, step: int) -> np.ndarray:
        """(batch,) indices of step 0, 1, ..."""
        places = np.arange(step * self.batch, (step + 1) * self.batch)
        epochs = places // self.n
        return np.concatenate(
            [self.permutation(e)[places[epochs == e] % self.n] for e in np.unique(epochs)]
        )

    def permutation(self, epoch: int) -> np.ndarray:
        if epoch not in self.epochs:
            self.epochs = {e: p for e, p in self.epochs.items() if e == epoch - 1}
            key = np.array([self.seed, epoch], np.uint64)  # a list is of floats beyond 2^63
            stream = np.random.Generator(np.random.Philox(key=key))
            self.epochs[epoch] = stream.random(self.n).argsort(kind="stable")
        return self.epochs[epoch]
