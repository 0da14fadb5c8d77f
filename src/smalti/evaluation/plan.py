"""How to evaluate: most of what becomes a report's protocol."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from smalti.core.config import fitted, hints_of
from smalti.core.errors import UserError
from smalti.core.ranges import Batch, Bootstraps, Samples, Seed
from smalti.core.rng import count_seeds
from smalti.evaluation.bootstrap import DRAWS
from smalti.evaluation.draws import Turns
from smalti.features import Features

Split = Literal["valid", "test"]


@dataclass(frozen=True)
class Plan:
    """How to evaluate: most of what becomes the protocol."""

    n: Samples = 1000
    """How many samples."""
    seed: Seed = 0
    """The first sample's seed; the others count up from it."""
    features: str | Path | Features = "auto"
    """What pictures are looked at through: auto, digits, emoji, inception, or a checkpoint."""
    split: Split | None = None
    """The real pictures of the yardstick: test where the data have them, else valid."""
    sampler: Any = None
    """How samples are drawn; None is the model's own way."""
    classes: Turns = "turns"
    """turns asks for every class equally often, data as often as the training pictures have it."""
    mirrored: bool = False
    """Look for copies left for right, too; a run that was trained with --flip always does."""
    batch: Batch = 100
    """Samples drawn at a time."""
    bootstraps: Bootstraps = DRAWS
    """How often samples are drawn again for an error bar."""

    def __post_init__(self) -> None:
        for name in ("n", "seed", "batch", "bootstraps"):
            object.__setattr__(self, name, fitted(getattr(self, name), hints_of(Plan)[name], name))
        count_seeds(self.seed, self.n)
        if self.split not in (None, "valid", "test"):
            raise UserError(f"no split {self.split!r}; give 'valid' or 'test'")
        if self.classes not in ("turns", "data"):
            raise UserError(f"classes are {self.classes!r}; give 'turns' or 'data'")
