"""What a run trains on: the datasets that a recipe made of the user's data, and the model."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from smalti.core.errors import UserError
from smalti.core.progress import Progress
from smalti.core.protocols import Dataset, ModelConfig
from smalti.data.sentence_pairs import TextPairs
from smalti.training.events import Event

OnEvent = Callable[[Event | Progress], None]
"""Called with the progress of reading the data, then with the events of the run."""


@dataclass(frozen=True)
class RunData:
    """Datasets, the config of the model for them, and how they are read again."""

    config: ModelConfig
    train: Dataset
    valid: Dataset
    origin: dict[str, Any]
    """Plain values for `about` in run.json, from which a resumed run reads the data again."""

    def count_steps(self, batch_size: int, epochs: float) -> int:
        """Optimizer steps in `epochs` passes over the training data, at least 1."""
        if isinstance(self.train, TextPairs):  # batches of tokens
            return max(1, math.ceil(epochs * len(self.train.split_indices(batch_size))))
        return max(1, math.ceil(epochs * len(self.train) / batch_size))


def refuse_options(recipe: str, **options: object) -> None:
    """UserError for an option that a recipe does not take."""
    for name, value in options.items():
        if value is not None:
            raise UserError(f"{name} {value} is given, but {recipe} takes none; leave it out")
