"""Options of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from smalti.core.config import coerce_value, collect_hints
from smalti.core.errors import UserError
from smalti.core.ranges import BatchSize, BootstrapCount, SampleCount, Seed
from smalti.core.rng import list_seeds
from smalti.evaluation.sample_set import ClassOrder
from smalti.features import FeatureExtractor

Split = Literal["valid", "test"]


@dataclass(frozen=True)
class Plan:
    """Options of an evaluation; most become part of the report's protocol."""

    n: SampleCount = 1000
    """Number of samples."""
    seed: Seed = 0
    """Seed of the first sample. The others count up from it."""
    features: str | Path | FeatureExtractor = "auto"
    """Feature network: auto, a name, or a checkpoint. Names: digits, emoji, inception."""
    split: Split | None = None
    """Split of the held-out pictures. Default: test if there is one, else valid."""
    sampler: Any = None
    """Sampler. Default: the model's sampler."""
    classes: ClassOrder = "turns"
    """Class frequencies: turns (equal) or data. With data, as in the training pictures."""
    mirrored: bool = False
    """Also search for mirrored copies. Always on for a run trained with --flip."""
    batch_size: BatchSize = 100
    """Batch size of sampling."""
    bootstraps: BootstrapCount | None = None
    """Bootstrap resamples (default: 100, of text 1,000)."""
    memory: str | Path | Sequence[Any] | None = None
    """Training pairs, for the translation memory. A file of sentence pairs, or pairs."""

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
