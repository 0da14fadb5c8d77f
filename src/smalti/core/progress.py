"""Progress events of tasks, and cancellation."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

STEP_OF_STEPS = re.compile(r"(\d+)/(\d+)$")


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

    @property
    def fraction(self) -> float:
        """How much is done, 0 to 1, with what `detail` says of a batch of all pictures."""
        inner = STEP_OF_STEPS.search(self.detail)
        within = int(inner[1]) / max(1, int(inner[2])) if inner and self.done < self.total else 0.0
        rest = self.total - self.done
        return min(1.0, (self.done + within * rest) / max(1, self.total))


OnProgress = Callable[[Progress], None]
"""Called during a task, and at its end."""


class Cancelled(Exception):
    """Raise it in an `OnProgress` to cancel a task; it leaves no results behind."""


def ignore_event(event: object) -> None:
    """Ignore every event."""


def label_progress(activity: str, on_progress: OnProgress) -> Callable[[int, int], None]:
    """Make a callback of (done, total) that reports progress of this activity."""
    return lambda done, total: on_progress(Progress(activity, done, total))
