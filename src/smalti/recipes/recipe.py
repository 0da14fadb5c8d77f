"""A recipe: which pictures, which model, how trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Protocol

from smalti.core.changes import change_config
from smalti.core.size import Size
from smalti.data.pictures import Pictures, Splits
from smalti.training.config import Training

NO_CHANGES: Mapping[str, Any] = MappingProxyType({})


class SplitsReader(Protocol):
    """Gives the pictures at (data path or None) in the given size, split."""

    def __call__(
        self, path: str | None, *, size: Size, progress: Callable[[int, int], None] | None = None
    ) -> Splits: ...


@dataclass(frozen=True)
class Recipe:
    """One complete run; `smalti train NAME` follows it.

    Its name, its summary and how long it trains stand in the table, from which `find` takes them.
    """

    read: SplitsReader
    """(data path or None, size) -> pictures to train on, to choose by, to measure with."""
    make_config: Callable[[Pictures], Any]
    """The model's config for these pictures: channels, classes and size are theirs."""
    training: Training
    size: int = 32
    """Height and width that a folder's pictures are brought to."""
    name: str = ""
    summary: str = ""
    minutes: float = 10.0
    """Training time when neither steps nor minutes are given."""

    def change(
        self, training: Mapping[str, Any] = NO_CHANGES, model: Mapping[str, Any] = NO_CHANGES
    ) -> Recipe:
        """The recipe with other values for some fields of its training and of its model's config.

        They go by their names: training={"learning_rate": 1e-3}, model={"network.widths": (8, 16)}.
        """

        def make_changed_config(pictures: Pictures) -> Any:
            return change_config(self.make_config(pictures), model, "model", "model.")

        plan = change_config(self.training, training, "training")
        return replace(
            self, training=plan, make_config=make_changed_config if model else self.make_config
        )
