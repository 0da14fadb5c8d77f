"""A fair queue: clients take turns, and the work stops when its client cancels it."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import time
from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence

from smalti.core.errors import UserError
from smalti.web.jobs import FILES, Job
from smalti.web.limits import Limits
from smalti.web.slots import END_SECONDS, Slot
from smalti.web.worker import Order, Outcome

DEFAULT_SECONDS = 3.0
"""What a job is taken to last whose like was never run."""
PLACE_SECONDS = 1.0
"""Seconds between two messages of a job's place."""
SMOOTHING = 0.3
"""Weight of the last duration in the average of its kind."""


class JobQueue:
    """Waiting and running jobs of all clients. Used in one event loop only."""

    def __init__(self, slots: Sequence[Slot], limits: Limits):
        self.idle, self.limits, self.count = [*slots], limits, len(slots)
        self.slots = tuple(slots)
        self.waiting: OrderedDict[str, deque[Job]] = OrderedDict()
        """Jobs by client; the client at the front is served next."""
        self.running: dict[Job, Slot] = {}
        self.durations: dict[tuple[str, str], float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._numbers = itertools.count(1)
        self._timer: asyncio.TimerHandle | None = None

    def add(self, job: Job) -> None:
        """Queue a job. UserError if its client, or all together, have too many."""
        own = sum(job.client == one.client for one in self.running)
        own += len(self.waiting.get(job.client, ()))
        if own >= self.limits.jobs_waiting:
            raise UserError(f"you have {own} jobs that wait or run; wait for one, or cancel it")
        if sum(map(len, self.waiting.values())) >= self.limits.jobs_waiting_in_all:
            raise UserError("the server is full; try again in a few minutes")
        self.waiting.setdefault(job.client, deque()).append(job)
        self.dispatch()

    def cancel(self, job: Job) -> None:
        """Stop a job: at once if it waits, between two states if it runs."""
        if job in self.running:
            if not job.is_stopping:
                job.is_stopping = True
                self.running[job].cancel()
                self.spawn(self.kill_later(job, self.running[job]))
                job.touch()
        elif job in self.waiting.get(job.client, ()):
            self.waiting[job.client].remove(job)
            if not self.waiting[job.client]:
                del self.waiting[job.client]
            job.end(Outcome("cancelled", {}))
            self.renumber()

    async def kill_later(self, job: Job, slot: Slot) -> None:
        """End the process of a job that does not stop by itself."""
        limits = self.limits
        await asyncio.sleep(limits.save_seconds if is_long(job) else limits.cancel_seconds)
        if self.running.get(job) is slot:
            slot.kill()

    def dispatch(self) -> None:
        """Start jobs while slots are idle; the client that was served goes to the end."""
        while self.idle and self.waiting:
            client, jobs = next(iter(self.waiting.items()))
            job = jobs.popleft()
            self.waiting.move_to_end(client)
            if not jobs:
                del self.waiting[client]
            slot = self.idle.pop()
            self.running[job] = slot
            job.start()
            self.spawn(self.run(job, slot))
        self.renumber()

    async def run(self, job: Job, slot: Slot) -> None:
        """Run a job to its end in a slot."""
        assert job.web_task is not None
        limit = job.web_task.job_seconds
        limit = self.limits.job_seconds if limit is None else limit
        timer = self.spawn(self.stop_later(job, slot, limit)) if limit else None
        try:
            order = Order(next(self._numbers), job.web_task, job.arguments, job.folder / FILES)
            outcome = await slot.run(order, job.update)
        except Exception as error:
            outcome = Outcome("failed", {}, f"the server met an error ({type(error).__name__})")
        if timer is not None:
            timer.cancel()
        if job.is_stopping and outcome.state != "done":
            reason = job.error
            outcome = Outcome("failed" if reason else "cancelled", {}, reason)
        del self.running[job]
        if outcome.state == "done" and job.begun:
            self.learn_duration(job, time.time() - job.begun)
        else:
            shutil.rmtree(job.folder / FILES, ignore_errors=True)
        job.end(outcome)
        self.idle.append(slot)
        self.dispatch()

    async def stop_later(self, job: Job, slot: Slot, seconds: float) -> None:
        """Stop a job that takes too long."""
        await asyncio.sleep(seconds)
        if self.running.get(job) is slot:
            job.error = f"it took more than {seconds:g} s, the limit of this server; ask for less"
            self.cancel(job)

    def learn_duration(self, job: Job, seconds: float) -> None:
        """Average the durations of a kind of job."""
        before = self.durations.get(job.kind, seconds)
        self.durations[job.kind] = before + SMOOTHING * (seconds - before)

    def list_in_order(self) -> Iterator[Job]:
        """The waiting jobs as they will be served."""
        queues = [[*jobs] for jobs in self.waiting.values()]
        for turn in range(max(map(len, queues), default=0)):
            yield from (jobs[turn] for jobs in queues if turn < len(jobs))

    def renumber(self) -> None:
        """Tell waiting jobs their places, and about when they begin; each once a second at most.

        With many clients, most messages would be of places, and few of pictures.
        """
        now, is_late = time.monotonic(), False
        ahead = sum(self.estimate_rest(job) for job in self.running)
        for position, job in enumerate(self.list_in_order(), len(self.running)):
            wait = ahead / max(1, self.count)
            ahead += self.durations.get(job.kind, DEFAULT_SECONDS)
            job.wait_seconds = wait
            job.position = position
            if position != job.told_position:
                if now - job.told_at >= PLACE_SECONDS:
                    job.told_position, job.told_at = position, now
                    job.touch()
                else:
                    is_late = True
        if is_late and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PLACE_SECONDS, self.renumber_later)

    def renumber_later(self) -> None:
        """Tell the places that were not told before."""
        self._timer = None
        self.renumber()

    def estimate_rest(self, job: Job) -> float:
        """Seconds that a running job still takes, about."""
        if (left := job.seconds_left) is not None:
            return left
        elapsed = time.time() - (job.begun or time.time())
        return max(0.0, self.durations.get(job.kind, DEFAULT_SECONDS) - elapsed)

    def spawn(self, coroutine) -> asyncio.Task[None]:
        """Run a coroutine beside; it is kept until it ends."""
        task = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def close(self) -> None:
        """Stop everything."""
        if self._timer is not None:
            self._timer.cancel()
        for task in [*self._tasks]:
            task.cancel()
        saving = {slot for job, slot in self.running.items() if is_long(job)}
        for slot in self.slots:
            slot.close(self.limits.save_seconds if slot in saving else END_SECONDS)


def is_long(job: Job) -> bool:
    """Whether what a job made is saved when it is stopped."""
    return job.web_task is not None and job.web_task.lane == "long"
