"""Progress events of tasks, and cancellation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Progress(NamedTuple):
    """The progress of a task."""

    activity: str
    """Its activity: "drawing", "encoding" ..."""
    done: int
    total: int
    """Number of pictures, or of what the task counts."""
    detail: str = ""
    """Progress within the current one: "row 3/28"."""
    render: Callable[[], Any] | None = None
    """Renders the pictures so far, (n, C, H, W) in [0, 1]; valid during the call only."""


OnProgress = Callable[[Progress], None]
"""Called during a task, and at its end."""


class Cancelled(Exception):
    """Raise it in an `OnProgress` to cancel a task; it leaves no results behind."""


def ignore_event(event: object) -> None:
    """Ignore every event."""


def label_progress(activity: str, on_progress: OnProgress) -> Callable[[int, int], None]:
    """Make a callback of (done, total) that reports progress of this activity."""
    return lambda done, total: on_progress(Progress(activity, done, total))
