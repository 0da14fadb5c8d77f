"""Progress of long work: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from smalti.cli.display import console
from smalti.core.progress import Progress as TaskProgress

EVERY = 20.0
"""Seconds between plain lines."""


class Meter:
    """Shows on stderr how far a task is: a bar for each thing that it does in turn."""

    def __init__(self) -> None:
        self.at: TaskProgress | None = None
        self.bar: Progress | None = None
        self.shown = 0.0

    def __enter__(self) -> Meter:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __call__(self, at: TaskProgress) -> None:
        if self.at and (at.what != self.at.what or at.done < self.at.done):
            self.close()  # the next piece of work
        if self.at is None:
            self.begin(at)
        self.at = at
        if self.bar:
            self.bar.update(self.bar.task_ids[0], completed=at.done, notes=at.detail)
        elif time.monotonic() - self.shown >= EVERY:
            self.shown = time.monotonic()
            self.say(f"{at.what} {at.done}/{at.total}  {at.detail}".rstrip())
        if at.done >= at.total:
            self.close()

    def begin(self, at: TaskProgress) -> None:
        self.shown, where = time.monotonic(), console(stderr=True, highlight=True)
        if where.is_terminal:
            self.bar = bar(where)
            self.bar.add_task(at.what, total=at.total, completed=at.done, notes="")
            self.bar.start()

    def say(self, text: str) -> None:
        """A line above the bar."""
        if self.bar:
            self.bar.console.print(text, highlight=False)
        else:
            print(text, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Take the bar away."""
        if self.bar:
            self.bar.stop()
        self.at = self.bar = None


def bar(where: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[notes]}", style="cyan", markup=False),
        TimeRemainingColumn(),
        console=where,
        transient=True,
    )
