"""A recipe: which pictures, which model, how trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from smalti.core.protocols import Card
from smalti.data.pictures import Pictures
from smalti.training.config import Training


class Reader(Protocol):
    """Gives training and validation pictures of (data path or None, size)."""

    def __call__(
        self, path: str | None, *, size: int, progress: Callable[[int, int], None] | None = None
    ) -> tuple[Pictures, Pictures]: ...


@dataclass(frozen=True)
class Recipe:
    """One complete run; `smalti train NAME` follows it."""

    name: str
    summary: str
    read: Reader
    """(data path or None, size) -> training and validation pictures."""
    model: Callable[[Pictures], Any]
    """The model's config for these pictures: channels, classes and size are theirs."""
    training: Training
    size: int = 32
    """Height and width that a folder's pictures are brought to."""
    minutes: float = 10.0
    """Training time when neither steps nor minutes are given."""
    card: Card = Card()
