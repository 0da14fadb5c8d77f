"""Jobs: what a client asked for, how far it is, and what came of it."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from smalti.core.files import write_atomically
from smalti.core.progress import Progress
from smalti.web.previews import Preview
from smalti.web.registry import WebTask
from smalti.web.worker import Outcome, Update

OVER = ("done", "failed", "cancelled")
RECORD = "job.json"
FILES = "files"
_versions = itertools.count(time.time_ns() // 1_000_000)
"""Numbers of events: a later server's are larger, so that a page can connect to it again."""


class Signal:
    """Wakes all that wait for the next change."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def notify(self) -> None:
        """Wake those that wait now."""
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self) -> None:
        """Wait for the next change."""
        await self._event.wait()


@dataclass(eq=False)
class Job:
    """One task for one client."""

    client: str
    task: str
    values: Mapping[str, Any]
    """The arguments as the client gave them."""
    folder: Path
    arguments: dict[str, Any] = field(default_factory=dict)
    """The arguments of the task."""
    web_task: WebTask | None = None
    file_names: dict[str, str] = field(default_factory=dict)
    """What the client calls its uploads, by their paths here, which errors must not show."""
    lines: dict[str, str] = field(default_factory=dict)
    """The command line and Python lines that do the same."""
    id: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    state: str = "waiting"
    """waiting, running, done, failed or cancelled"""
    asked: float = field(default_factory=time.time)
    begun: float | None = None
    ended: float | None = None
    position: int = 0
    """Jobs that run before it."""
    told_position: int = -1
    """The place that its streams know."""
    told_at: float = -math.inf
    wait_seconds: float | None = None
    """Estimated time until it begins."""
    progress: Progress | None = None
    fraction: float = 0.0
    preview: Preview | None = None
    preview_version: int = 0
    summary: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    is_stopping: bool = False
    version: int = field(default_factory=lambda: next(_versions))
    changed: Signal = field(default_factory=Signal)

    @property
    def is_over(self) -> bool:
        """Whether it ended in any way."""
        return self.state in OVER

    @property
    def kind(self) -> tuple[str, str]:
        """What the time that it takes depends on, roughly."""
        return self.task, str(self.arguments.get("model", ""))

    @property
    def seconds_left(self) -> float | None:
        """Estimated time until it is done, of a running job."""
        if self.state != "running" or self.begun is None or self.fraction <= 0:
            return None
        elapsed = time.time() - self.begun
        return elapsed * (1 - self.fraction) / self.fraction

    def touch(self) -> None:
        """Number a change, and wake its streams."""
        self.version = next(_versions)
        self.changed.notify()

    def start(self) -> None:
        """Begin to run."""
        self.state, self.begun, self.position, self.wait_seconds = "running", time.time(), 0, None
        self.touch()

    def update(self, update: Update) -> None:
        """Take a report of its task."""
        self.progress, self.fraction = update.progress, update.fraction
        if update.preview is not None:
            self.preview = update.preview
        self.touch()
        if update.preview is not None:
            self.preview_version = self.version

    def end(self, outcome: Outcome) -> None:
        """Take the outcome, and write the record."""
        self.state, self.error = outcome.state, self.name_files(outcome.error)
        self.summary = json.loads(self.name_files(json.dumps(outcome.summary)))
        self.name_files_in_results()
        self.ended, self.preview = time.time(), None
        self.write_record()
        self.touch()

    def name_files(self, text: str) -> str:
        """A text, or JSON, with the client's names of files in place of paths here."""
        for path, name in self.file_names.items():
            for form in (json.dumps(path)[1:-1], path):
                text = text.replace(form, name)
        return text

    def name_files_in_results(self) -> None:
        """Do so in the records of its result: a task records the paths that it was given."""
        for file in (self.folder / FILES).rglob("*.json") if self.file_names else ():
            text = file.read_text(encoding="utf-8")
            if (named := self.name_files(text)) != text:
                write_atomically(file, lambda temporary, text=named: temporary.write_text(text))

    def list_files(self) -> list[dict[str, Any]]:
        """The files of its result, by name."""
        folder = self.folder / FILES
        if self.state != "done" or not folder.is_dir():
            return []
        files = sorted(file for file in folder.rglob("*") if file.is_file())
        return [
            {"name": str(file.relative_to(folder)), "bytes": file.stat().st_size} for file in files
        ]

    def describe(self) -> dict[str, Any]:
        """The job as plain values."""
        progress = self.progress._asdict() if self.progress else None
        if progress is not None:
            progress.pop("render")
            progress["fraction"] = round(self.fraction, 4)
        facts = {
            "id": self.id,
            "task": self.task,
            "arguments": dict(self.values),
            "state": self.state,
            "stopping": self.is_stopping and not self.is_over,
            "asked": round(self.asked, 3),
            "begun": self.begun,
            "ended": self.ended,
            "position": self.position,
            "wait_seconds": round_seconds(self.wait_seconds),
            "seconds_left": round_seconds(self.seconds_left),
            "progress": progress,
            "error": self.error,
        }
        if self.state == "done":
            facts |= {"result": self.summary, "files": self.list_files(), "lines": self.lines}
        return facts

    def write_record(self) -> None:
        """Write what a later server needs to show the job."""
        record = {
            "id": self.id,
            "client": self.client,
            "task": self.task,
            "values": dict(self.values),
            "state": self.state,
            "asked": self.asked,
            "begun": self.begun,
            "ended": self.ended,
            "summary": self.summary,
            "error": self.error,
            "lines": self.lines,
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(record)
        write_atomically(self.folder / RECORD, lambda temporary: temporary.write_text(text))


def read_job(folder: Path) -> Job | None:
    """The job of an earlier server; None if its record is missing or invalid."""
    try:
        record = json.loads((folder / RECORD).read_text())
        job = Job(record.pop("client"), record.pop("task"), record.pop("values"), folder)
        for name in ("id", "state", "asked", "begun", "ended", "summary", "error", "lines"):
            setattr(job, name, record[name])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    if job.id != folder.name:
        return None
    if not job.is_over:
        job.state, job.error = "failed", "the server was stopped before it was done; ask again"
    return job


def round_seconds(seconds: float | None) -> float | None:
    """Seconds to one decimal; None for an unknown time."""
    return None if seconds is None or not math.isfinite(seconds) else round(seconds, 1)
