"""How a task says how far it is, and how it is told to stop."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Progress(NamedTuple):
    """How far a task is."""

    activity: str
    """What it does: "drawing", "encoding" ..."""
    done: int
    total: int
    """Pictures, or whatever the task counts."""
    detail: str = ""
    """Where it is within the next of them: "row 3/28"."""


OnProgress = Callable[[Progress], None]
"""Called between two states of a task, and at its end."""


class Cancelled(Exception):
    """Raise it in an `OnProgress` to end a task there; nothing of its results is left behind."""


def ignore_event(event: object) -> None:
    """Shows nothing, whatever it is told."""


def label_progress(activity: str, on_progress: OnProgress) -> Callable[[int, int], None]:
    """For work that tells (done, total) alone."""
    return lambda done, total: on_progress(Progress(activity, done, total))
