"""A recipe: pictures, model and training."""

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
    """Reads the pictures at a path, or the default ones for None, in this size, with splits."""

    def __call__(
        self, path: str | None, *, size: Size, progress: Callable[[int, int], None] | None = None
    ) -> Splits: ...


@dataclass(frozen=True)
class Recipe:
    """A complete run, for `smalti train NAME`.

    The name, the summary and the training time are in the table; `find_recipe` fills them in.
    """

    read: SplitsReader
    """(data path or None, size) -> pictures to train on, to validate and to test."""
    make_config: Callable[[Pictures], Any]
    """Makes the model's config, with the channels, classes and size of the pictures."""
    training: Training
    size: int = 32
    """Height and width that pictures are resized to."""
    name: str = ""
    summary: str = ""
    minutes: float = 10.0
    """Training time if neither steps nor minutes are given."""

    def change(
        self, training: Mapping[str, Any] = NO_CHANGES, model: Mapping[str, Any] = NO_CHANGES
    ) -> Recipe:
        """Return a recipe with changed fields of the training and of the model's config.

        Fields are given by name: training={"learning_rate": 1e-3},
        model={"network.widths": (8, 16)}.
        """

        def make_changed_config(pictures: Pictures) -> Any:
            return change_config(self.make_config(pictures), model, "model", "model.")

        changed = change_config(self.training, training, "training")
        return replace(
            self, training=changed, make_config=make_changed_config if model else self.make_config
        )
