"""Progress: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from smalti.cli.display import make_console
from smalti.core.progress import Progress as TaskProgress

LINE_INTERVAL = 20.0
"""Seconds between plain lines."""


class ProgressBar:
    """Shows a task's progress on stderr: one bar for each activity."""

    def __init__(self) -> None:
        self.progress: TaskProgress | None = None
        self.rich_bar: Progress | None = None
        self.last_printed = 0.0

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __call__(self, progress: TaskProgress) -> None:
        if self.progress and (
            progress.activity != self.progress.activity or progress.done < self.progress.done
        ):
            self.close()  # the next activity
        if self.progress is None:
            self.start(progress)
        self.progress = progress
        if self.rich_bar:
            self.rich_bar.update(
                self.rich_bar.task_ids[0], completed=progress.done, notes=progress.detail
            )
        elif time.monotonic() - self.last_printed >= LINE_INTERVAL:
            self.last_printed = time.monotonic()
            self.print_line(
                f"{progress.activity} {progress.done}/{progress.total}  {progress.detail}".rstrip()
            )
        if progress.done >= progress.total:
            self.close()

    def start(self, progress: TaskProgress) -> None:
        self.last_printed, out = time.monotonic(), make_console(stderr=True, highlight=True)
        if out.is_terminal:
            self.rich_bar = make_rich_bar(out)
            self.rich_bar.add_task(
                progress.activity, total=progress.total, completed=progress.done, notes=""
            )
            self.rich_bar.start()

    def print_line(self, text: str) -> None:
        """A line above the bar."""
        if self.rich_bar:
            self.rich_bar.console.print(text, highlight=False)
        else:
            print(text, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Remove the bar."""
        if self.rich_bar:
            self.rich_bar.stop()
        self.progress = self.rich_bar = None


def make_rich_bar(out: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[notes]}", style="cyan", markup=False),
        TimeRemainingColumn(),
        console=out,
        transient=True,
    )
