"""Studios for tests: toy tasks, and a slot in a thread instead of a process."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from starlette.testclient import TestClient

from smalti.core.errors import UserError
from smalti.core.progress import OnProgress, Progress, ignore_event
from smalti.core.ranges import SampleCount, Seed
from smalti.data.single_picture import PictureLike
from smalti.tasks.inputs import read_pictures
from smalti.web.app import make_app
from smalti.web.limits import Limits
from smalti.web.registry import Page, WebTask
from smalti.web.security import Access
from smalti.web.studio import Studio
from smalti.web.worker import Order, Outcome, Reporter, Update, run_order

URL = "http://127.0.0.1"
gates: dict[int, threading.Event] = {}
"""Gates that `count` waits at, by seed."""


def count(
    n: SampleCount = 3,
    *,
    seed: Seed = 0,
    out: str | Path | None = None,
    on_progress: OnProgress = ignore_event,
) -> int:
    """Count to a number.

    n: How far to count. Slowly.
    seed: The gate to wait at.
    """
    for k in range(n):
        while (gate := gates.get(seed)) and not gate.wait(0.01):
            on_progress(Progress("counting", k, n))
        on_progress(Progress("counting", k, n, "", lambda: torch.zeros(2, 1, 4, 4)))
    if n == 13:
        raise UserError("n is 13; give another")
    if n == 14:
        raise ZeroDivisionError
    if out is not None:
        Path(out).mkdir()
        (Path(out) / "sum.txt").write_text(str(n))
    return n


def measure(picture: PictureLike, *, on_progress: OnProgress = ignore_event) -> list[int]:
    """Measure a picture."""
    return [*read_pictures(picture, 1, None).shape]


def summarize(result: Any, folder: Path) -> dict[str, Any]:
    return {"result": result}


COUNT = WebTask(f"{__name__}:count", f"{__name__}:summarize", verb="count")
MEASURE = WebTask(f"{__name__}:measure", f"{__name__}:summarize", uploads=("picture",))
PAGE = Page("draw", 0, (COUNT, MEASURE))


class ThreadSlot:
    """A slot whose worker is a thread."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.kills = 0

    async def warm_up(self) -> None: ...

    async def run(self, order: Order, on_update: Callable[[Update], None]) -> Outcome:
        loop = asyncio.get_running_loop()
        self.stop.clear()
        ours = Connection(loop, on_update, self.stop, order.number)
        reporter = Reporter(ours, ours, order.number)  # type: ignore[arg-type]
        return await loop.run_in_executor(None, run_order, order, OrderedDict(), reporter)

    def cancel(self) -> None:
        self.stop.set()

    def kill(self) -> None:
        self.kills += 1

    def close(self, seconds: float = 0) -> None:
        self.stop.set()


class Connection:
    """Hands a thread's updates to the event loop, and tells it to stop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_update: Callable[[Update], None],
        stop: threading.Event,
        number: int,
    ):
        self.loop, self.on_update, self.stop, self.number = loop, on_update, stop, number

    def send(self, update: Update) -> None:
        self.loop.call_soon_threadsafe(self.on_update, update)

    def poll(self) -> bool:
        return self.stop.is_set()

    def recv(self) -> int:
        return self.number


@contextmanager
def open_studio(
    folder: Path,
    *,
    limits: Limits = Limits(),
    access: Access = Access(),
    pages: Sequence[Page] = (PAGE,),
    slots: int = 1,
    url: str = URL,
    models: Sequence[str] = ("ddpm-digits",),
    is_local: bool = True,
) -> Iterator[TestClient]:
    """A client of a studio with toy tasks; its `app.state.studio` is the studio."""
    studio = Studio(
        folder, models=models, limits=limits, pages=pages, slots=slots, is_local=is_local
    )
    for queue in studio.queues.values():
        queue.slots = tuple(ThreadSlot() for _ in queue.slots)  # type: ignore[assignment]
        queue.idle = [*queue.slots]
    app = make_app(studio, access)
    app.state.studio = studio
    with TestClient(app, base_url=url) as client:
        yield client


def ask(client: TestClient, task: str = "count", **arguments: Any) -> dict[str, Any]:
    """Ask for a job."""
    answer = client.post("/api/jobs", json={"task": task, "arguments": arguments})
    assert answer.status_code == 201, answer.text
    return answer.json()


def wait_until(
    client: TestClient, job: dict[str, Any], *states: str, seconds: float = 20
) -> dict[str, Any]:
    """Wait until a job is in one of these states."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        now = client.get(f"/api/jobs/{job['id']}").json()
        if now["state"] in (states or ("done", "failed", "cancelled")):
            return now
        time.sleep(0.01)
    raise AssertionError(f"still {now['state']}")


def close_gate(seed: int) -> threading.Event:
    """Make jobs of a seed wait until the gate is set."""
    gates[seed] = threading.Event()
    return gates[seed]
