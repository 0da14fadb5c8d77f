"""What a run tells whoever watches it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Started:
    """The plan, once the number of steps is known."""

    step: int
    """Steps done already: 0, or where a resumed run goes on."""
    steps: int
    parameters: int
    items: int
    """Of the data that it trains on."""
    item: str
    """What one of them is called, such as \"picture\"."""
    precision: str
    devices: int
    out: Path


@dataclass(frozen=True)
class Stepped:
    """One optimizer step is done."""

    step: int
    steps: int
    terms: dict[str, float]
    """Of this step: `loss`, the model's own terms, and `norm`, the gradient's before clipping."""
    items_per_second: float


@dataclass(frozen=True)
class Validated:
    """The averaged weights were tried on held-out data."""

    step: int
    loss: float


@dataclass(frozen=True)
class Saved:
    """A step was saved, from which the run can be resumed; `preview` shows samples of it."""

    step: int
    checkpoint: Path
    preview: Path | None


@dataclass(frozen=True)
class Note:
    """Something that the user should know."""

    text: str


@dataclass(frozen=True)
class Ended:
    """The run is over, or was interrupted; `checkpoint` is the last saved step."""

    step: int
    checkpoint: Path
    minutes: float
    interrupted: bool
    signal: int | None = None
    """What interrupted it, where this process was told."""
    steps_taken: int = 1
    """Steps taken in this sitting; 0 when the run was finished before."""


Event = Started | Stepped | Validated | Saved | Note | Ended
OnEvent = Callable[[Event], None]
