"""Clients and their jobs, by an opaque id in a cookie; they survive a reload and a restart."""

from __future__ import annotations

import re
import secrets
import shutil
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from smalti.core.errors import UserError
from smalti.web.jobs import Job, Signal, read_job
from smalti.web.limits import Limits

COOKIE = "smalti_client"
COOKIE_SECONDS = 180 * 24 * 3600
CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{32}")


@dataclass(eq=False)
class Client:
    """A browser or a script."""

    id: str
    jobs: OrderedDict[str, Job] = field(default_factory=OrderedDict)
    changed: Signal = field(default_factory=Signal)
    streams: int = 0
    """Open streams of events."""
    last_seen: float = field(default_factory=time.time)

    def find_job(self, job_id: str) -> Job:
        """One of its own jobs. UserError for any other id: others' jobs do not exist for it."""
        if job_id not in self.jobs:
            raise UserError("no such job; GET /api/jobs lists yours")
        return self.jobs[job_id]


class Sessions:
    """All clients, with their jobs in `folder`."""

    def __init__(
        self, folder: Path, limits: Limits, on_forget: Callable[[str], None] = lambda client: None
    ):
        self.folder, self.limits, self.on_forget = folder / "jobs", limits, on_forget
        self.clients: OrderedDict[str, Client] = OrderedDict()
        self.folder.mkdir(parents=True, exist_ok=True)
        found = (read_job(entry) for entry in sorted(self.folder.iterdir()) if entry.is_dir())
        for job in sorted(filter(None, found), key=lambda job: job.asked):
            self.open_client(job.client).jobs[job.id] = job

    def open_client(self, client_id: str | None) -> Client:
        """The client of a cookie; a new one for no cookie, or for one that is not an id."""
        if client_id is None or not CLIENT_ID.fullmatch(client_id):
            client_id = secrets.token_urlsafe(24)
        client = self.clients.get(client_id) or Client(client_id)
        self.clients[client_id] = client
        self.clients.move_to_end(client_id)
        client.last_seen = time.time()
        self.forget_clients()
        return client

    def make_folder(self, job: Job) -> None:
        """The job's folder, before it is queued."""
        job.folder.mkdir(parents=True)
        job.write_record()

    def add_job(self, client: Client, job: Job) -> None:
        """Keep a job, and remove its client's oldest if there are too many."""
        client.jobs[job.id] = job
        job.changed = client.changed  # one stream shows all jobs of a client
        over = [one for one in client.jobs.values() if one.is_over]
        for old in over[: max(0, len(over) - self.limits.jobs_kept)]:
            self.remove_job(client, old)

    def remove_job(self, client: Client, job: Job) -> None:
        """Forget a job that is over, with its files."""
        client.jobs.pop(job.id, None)
        shutil.rmtree(job.folder, ignore_errors=True)
        client.changed.notify()

    def forget_clients(self) -> None:
        """Forget those not seen for longest, if there are too many; first those without jobs."""
        if len(self.clients) <= self.limits.clients:
            return
        for client in sorted(self.clients.values(), key=lambda one: bool(one.jobs)):
            if len(self.clients) <= self.limits.clients:
                return
            if not client.streams and all(job.is_over for job in client.jobs.values()):
                for job in [*client.jobs.values()]:
                    self.remove_job(client, job)
                del self.clients[client.id]
                self.on_forget(client.id)
