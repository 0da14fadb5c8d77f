"""Attributes of pictures: one of several named values of each, such as its style."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Attribute:
    """The values of N pictures."""

    labels: Tensor
    """int64 (N,), indices into `values`."""
    values: tuple[str, ...]
    """The names of all values, sorted."""

    def select(self, positions: Tensor) -> Attribute:
        """Select pictures; the names stay."""
        return Attribute(self.labels[positions], self.values)

    def list_words(self) -> list[str]:
        """List the value of each picture."""
        return [self.values[k] for k in self.labels.tolist()]


def make_attributes(words: Mapping[str, Sequence[str]], rows: np.ndarray) -> dict[str, Attribute]:
    """Make the attributes of some rows of a source from the words of all of them."""
    return {name: make_attribute(column, rows) for name, column in words.items()}


def make_attribute(words: Sequence[str], rows: np.ndarray) -> Attribute:
    """Make the attribute of some rows; its values are those of all rows."""
    values, labels = np.unique(np.array(words, dtype=object), return_inverse=True)
    return Attribute(torch.from_numpy(labels[rows].astype(np.int64)), tuple(map(str, values)))
