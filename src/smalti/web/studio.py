"""A studio: its models, tasks, clients, uploads and queue. The routes of app.py call it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import smalti
from smalti.core.errors import UserError, shorten
from smalti.web.archives import Archives
from smalti.web.arguments import parse_arguments
from smalti.web.client_files import ClientFiles
from smalti.web.command_lines import format_command, format_python
from smalti.web.job_queue import JobQueue
from smalti.web.jobs import Job
from smalti.web.limits import Limits
from smalti.web.models import Models
from smalti.web.openapi import make_openapi
from smalti.web.registry import Page, Registry
from smalti.web.runs import Runs
from smalti.web.schema import make_form
from smalti.web.sessions import Client, Sessions
from smalti.web.slots import Slot
from smalti.web.strings import list_languages
from smalti.web.uploads import Uploads

RUN_TASKS = ("train", "resume")
"""Tasks whose argument `out` is a run."""


class Studio:
    """Everything behind the pages of one server. Used in one event loop only."""

    def __init__(
        self,
        folder: str | Path,
        *,
        models: Sequence[str] = (),
        limits: Limits = Limits(),
        slots: int = 1,
        is_local: bool = True,
        pages: Sequence[Page] | None = None,
    ):
        self.folder, self.limits, self.is_local = Path(folder), limits, is_local
        self.models = Models(models)
        self.registry = Registry(pages)
        self.uploads = Uploads(self.folder, limits)
        self.archives = Archives(self.folder, limits)
        self.runs = Runs(self.folder, limits, is_local=is_local)
        self.sessions = Sessions(self.folder, limits, self.forget_client)
        threads = max(1, (os.cpu_count() or 1) // slots)
        self.queue = JobQueue([Slot(threads) for _ in range(slots)], limits)
        self.queues = {"main": self.queue} | {
            lane: JobQueue([Slot(threads)], limits) for lane in ("quick", "slow", "long")
        }

    def describe(self) -> dict[str, Any]:
        """What the shell of the pages needs to know."""
        return {
            "version": smalti.__version__,
            "local": self.is_local,
            "languages": list_languages(),
            "pages": [page.name for page in self.registry.pages],
            "tasks": {name: task.verb for name, task in self.registry.tasks.items()},
            "limits": {
                "pictures": self.limits.pictures,
                "side": self.limits.side,
                "upload_bytes": self.limits.upload_bytes,
                "archive_bytes": self.limits.archive_bytes,
                "train_minutes": None if self.is_local else self.limits.train_minutes,
                "job_seconds": self.limits.job_seconds,
            },
        }

    @cached_property
    def abilities(self) -> list[str]:
        """What the pages' tasks need of models."""
        return sorted({task.ability for task in self.registry.tasks.values() if task.ability})

    def find_models(self, client: Client) -> Models:
        """The models that a client may name: those of the server, and its own runs."""
        runs = self.list_runs(client)
        return self.models.add_runs({name: str(run) for name, run in runs.items()})

    def list_runs(self, client: Client) -> dict[str, Path]:
        """A client's own runs that have a saved step, by name."""
        jobs = [job for job in client.jobs.values() if job.task in RUN_TASKS]
        named = [job.values.get("out") for job in jobs]
        return self.runs.list_trained(client.id, [name for name in named if isinstance(name, str)])

    def describe_models(self, models: Models) -> list[dict[str, Any]]:
        """A client's models as plain values."""
        return models.describe(self.abilities)  # type: ignore[arg-type]

    def make_form(self, models: Models, task_name: str, model: str | None) -> dict[str, Any]:
        """The form of a task for one of a client's models."""
        return make_form(self.registry.find_task(task_name), models, self.limits, model)

    def make_openapi(self) -> dict[str, Any]:
        """The interface as OpenAPI."""
        return make_openapi(self.registry, self.models, self.limits)

    def prepare(self, request: object) -> None:
        """Import the task that a request names, which may take seconds, on any thread."""
        if isinstance(request, Mapping) and isinstance(request.get("task"), str):
            self.registry.find_task(request["task"]).load_function()

    def add_job(self, client: Client, request: object) -> Job:
        """Queue what a client asks for: {"task": name, "arguments": {...}}."""
        if not isinstance(request, Mapping) or set(request) - {"task", "arguments"}:
            raise UserError(
                f'the body is {shorten(request)}; give {{"task": ..., "arguments": ...}}'
            )
        task = self.registry.find_task(request.get("task"))
        values = request.get("arguments", {})

        files = ClientFiles(client.id, self.uploads, self.archives, self.runs)
        arguments = parse_arguments(task, values, self.find_models(client), self.limits, files)
        if not self.is_local:
            for name, run in self.list_runs(client).items():
                files.note(run, name)
        job = Job(client.id, task.name, values, self.sessions.folder)
        job.folder = self.sessions.folder / job.id
        job.arguments, job.web_task = arguments, task
        job.file_names = files.names
        shown = files.rename(arguments)
        job.lines = {"command": format_command(task, shown), "python": format_python(task, shown)}
        self.sessions.make_folder(job)
        try:
            self.sessions.add_job(client, job)
            self.queues[task.lane].add(job)
        except UserError:
            self.sessions.remove_job(client, job)
            raise
        return job

    def delete_job(self, client: Client, job_id: str) -> Job:
        """Cancel a job, or remove it if it is over."""
        job = client.find_job(job_id)
        if job.is_over:
            self.sessions.remove_job(client, job)
        else:
            assert job.web_task is not None
            self.queues[job.web_task.lane].cancel(job)
        return job

    def remove_run(self, client: Client, name: str) -> None:
        """Remove a client's run. UserError while it is trained."""
        for job in client.jobs.values():
            if job.values.get("out") == name and not job.is_over:
                raise UserError(f"{name} is being trained; cancel that first")
        self.runs.remove(client.id, name)

    def forget_client(self, client_id: str) -> None:
        """Remove what a client uploaded and trained."""
        self.archives.forget_client(client_id)
        self.runs.forget_client(client_id)
