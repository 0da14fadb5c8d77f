"""Server-sent events: the state of jobs as it changes.

A stream sends what has changed since the last event that its reader knows, never a backlog: a slow
reader gets fewer states, and memory stays bounded. The id of an event is the job's version; a
browser that reconnects sends the last one.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

from smalti.web.jobs import Job, Signal

ALIVE_SECONDS = 15.0
"""Seconds without an event after which a comment is sent."""
PAUSE_SECONDS = 0.04
"""Seconds between events of one stream, at least."""


def format_event(name: str, data: dict[str, Any], event_id: int | None = None) -> str:
    """An event of a stream."""
    head = f"id: {event_id}\n" if event_id is not None else ""
    return f"{head}event: {name}\ndata: {json.dumps(data)}\n\n"


def format_preview(job: Job) -> str:
    """The pictures of a running job as an event."""
    assert job.preview is not None
    preview = job.preview
    data = base64.b64encode(preview.data).decode()
    facts = {
        "id": job.id,
        "url": f"data:{preview.media_type};base64,{data}",
        "count": preview.count,
        "columns": preview.columns,
        "first": preview.first,
    }
    return format_event("preview", facts)


async def stream_jobs(
    list_jobs: Callable[[], Iterable[Job]],
    signal: Signal,
    last_id: int = 0,
    is_finished: Callable[[], bool] = lambda: False,
) -> AsyncIterator[str]:
    """Yield events of jobs that changed after `last_id`, until `is_finished`."""
    yield "retry: 1000\n\n"
    previews: dict[str, int] = {}
    known: set[str] = set()
    while True:
        finished = is_finished()
        waiting = asyncio.ensure_future(signal.wait())  # before looking, so that none is missed
        jobs = [*list_jobs()]
        for gone in sorted(known - {job.id for job in jobs}):
            yield format_event("removed", {"id": gone})
        known = {job.id for job in jobs}
        for job in sorted(jobs, key=lambda job: job.version):
            if job.version > last_id:
                last_id = job.version
                yield format_event("job", job.describe(), job.version)
            if job.preview is not None and job.preview_version > previews.get(job.id, 0):
                previews[job.id] = job.preview_version
                yield format_preview(job)
        if finished:
            waiting.cancel()
            return
        try:
            await asyncio.wait_for(waiting, ALIVE_SECONDS)
        except TimeoutError:
            yield ": still here\n\n"
        await asyncio.sleep(PAUSE_SECONDS)
