"""Progress of long work: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from smalti.cli.display import console
from smalti.core.progress import Progress as TaskProgress

EVERY = 20.0
"""Seconds between plain lines."""


class Meter:
    """Work of known length, shown on stderr while it goes on."""

    def __init__(self, what: str, total: int, done: int = 0):
        self.what, self.total, self.done = what, total, done
        self.shown = time.monotonic()
        self.console = console(stderr=True, highlight=True)
        self.bar = bar(self.console) if self.console.is_terminal else None
        self.task = (
            self.bar.add_task(what, total=total, completed=done, notes="") if self.bar else None
        )

    def __enter__(self) -> Meter:
        if self.bar:
            self.bar.start()
        return self

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar:
            self.bar.stop()

    def advance(self, count: int = 1, notes: str = "") -> None:
        """`count` more are done; `notes` stand beside them."""
        self.done += count
        if self.bar and self.task is not None:
            self.bar.update(self.task, completed=self.done, notes=notes)
        elif time.monotonic() - self.shown >= EVERY:
            self.shown = time.monotonic()
            self.say(f"{self.what} {self.done}/{self.total}  {notes}".rstrip())

    def say(self, text: str) -> None:
        """A line above the bar."""
        if self.bar:
            self.bar.console.print(text, highlight=False)
        else:
            print(text, file=sys.stderr, flush=True)


class ProgressMeter:
    """Shows how far a task is: a meter for each thing that it does in turn."""

    def __init__(self) -> None:
        self.meter: Meter | None = None

    def __enter__(self) -> ProgressMeter:
        return self

    def __call__(self, at: TaskProgress) -> None:
        if self.meter and (at.what != self.meter.what or at.done < self.meter.done):
            self.close()  # the next piece of work
        self.meter = self.meter or Meter(at.what, at.total).__enter__()
        self.meter.advance(at.done - self.meter.done, at.detail)

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self.meter:
            self.meter.__exit__(None, None, None)
            self.meter = None


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
