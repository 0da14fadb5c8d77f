"""How to evaluate: most of what becomes a report's protocol."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from smalti.core.config import coerce_value, collect_hints
from smalti.core.errors import UserError
from smalti.core.ranges import BatchSize, BootstrapCount, SampleCount, Seed
from smalti.core.rng import list_seeds
from smalti.evaluation.bootstrap import DEFAULT_RESAMPLES
from smalti.evaluation.sample_set import ClassOrder
from smalti.features import FeatureExtractor

Split = Literal["valid", "test"]


@dataclass(frozen=True)
class Plan:
    """How to evaluate: most of what becomes the protocol."""

    n: SampleCount = 1000
    """How many samples."""
    seed: Seed = 0
    """The first sample's seed; the others count up from it."""
    features: str | Path | FeatureExtractor = "auto"
    """What pictures are looked at through: auto, digits, emoji, inception, or a checkpoint."""
    split: Split | None = None
    """The real pictures of the yardstick: test where the data have them, else valid."""
    sampler: Any = None
    """How samples are drawn; None is the model's own way."""
    classes: ClassOrder = "turns"
    """turns asks for every class equally often, data as often as the training pictures have it."""
    mirrored: bool = False
    """Look for copies left for right, too; a run that was trained with --flip always does."""
    batch_size: BatchSize = 100
    """Samples drawn at a time."""
    bootstraps: BootstrapCount = DEFAULT_RESAMPLES
    """How often samples are drawn again for an error bar."""

    def __post_init__(self) -> None:
        for name in ("n", "seed", "batch_size", "bootstraps"):
            object.__setattr__(
                self, name, coerce_value(getattr(self, name), collect_hints(Plan)[name], name)
            )
        list_seeds(self.seed, self.n)
        if self.split not in (None, "valid", "test"):
            raise UserError(f"no split {self.split!r}; give 'valid' or 'test'")
        if self.classes not in ("turns", "data"):
            raise UserError(f"classes are {self.classes!r}; give 'turns' or 'data'")
