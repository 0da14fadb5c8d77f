"""Events of a training run, passed to `on_event`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Started:
    """Training starts; the number of steps is known."""

    step: int
    """Steps done already; above 0 in a resumed run."""
    steps: int
    parameters: int
    items: int
    """Items of the training data."""
    item: str
    """Name of an item, such as "picture"."""
    precision: str
    devices: int
    out: Path


@dataclass(frozen=True)
class Stepped:
    """An optimizer step is done."""

    step: int
    steps: int
    terms: dict[str, float]
    """`loss`, the model's own terms, and `norm`, the gradient norm before clipping."""
    items_per_second: float


@dataclass(frozen=True)
class Validated:
    """The validation loss of the averaged weights was computed."""

    step: int
    loss: float


@dataclass(frozen=True)
class Saved:
    """A step was saved, from which the run can be resumed; `preview` is a picture of samples."""

    step: int
    checkpoint: Path
    preview: Path | None


@dataclass(frozen=True)
class Note:
    """A message for the user."""

    text: str


@dataclass(frozen=True)
class Ended:
    """The run is finished or was interrupted; `checkpoint` is the last saved step."""

    step: int
    checkpoint: Path
    minutes: float
    interrupted: bool
    signal: int | None = None
    """The signal that interrupted it, if this process received one."""
    steps_taken: int = 1
    """Steps taken since it was started or resumed; 0 if it was finished before."""


Event = Started | Stepped | Validated | Saved | Note | Ended
OnEvent = Callable[[Event], None]
