"""A compute slot: one worker process, started when it is needed and again after it ends."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.context import SpawnProcess

from smalti.web.worker import Order, Outcome, Update, run_worker

CONTEXT = multiprocessing.get_context("spawn")
END_SECONDS = 3.0
"""Seconds that a process has to end, if what it runs need not be saved."""


class Slot:
    """Runs one order at a time in a process of its own."""

    def __init__(self, threads: int = 0):
        self.threads = threads
        self.process: SpawnProcess | None = None
        self.number = 0
        """Of the last order."""
        self._reader = ThreadPoolExecutor(1, "smalti-slot")

    def start(self) -> None:
        """Start the process, if there is none."""
        if self.process is not None and self.process.is_alive():
            return
        self.connection, theirs = CONTEXT.Pipe()
        their_cancels, self.cancels = CONTEXT.Pipe(duplex=False)
        before = os.environ.get("OMP_NUM_THREADS")
        if self.threads:
            os.environ["OMP_NUM_THREADS"] = str(self.threads)
        try:
            self.process = CONTEXT.Process(
                target=run_worker, args=(theirs, their_cancels), daemon=True, name="smalti worker"
            )
            self.process.start()
        finally:
            if self.threads and before is None:
                del os.environ["OMP_NUM_THREADS"]
            elif before is not None:
                os.environ["OMP_NUM_THREADS"] = before
        theirs.close()
        their_cancels.close()

    async def run(self, order: Order, on_update: Callable[[Update], None]) -> Outcome:
        """Run one order. on_update: called in the event loop with each report."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._reader, self.start)
        self.number = order.number
        try:
            self.connection.send(order)
            while True:
                message = await loop.run_in_executor(self._reader, self.connection.recv)
                if isinstance(message, Outcome):
                    return message
                on_update(message)
        except (EOFError, OSError):
            return Outcome(
                "failed", {}, "its process ended: perhaps memory was short; ask for less"
            )

    async def warm_up(self) -> None:
        """Start the process before its first order."""
        await asyncio.get_running_loop().run_in_executor(self._reader, self.start)

    def cancel(self) -> None:
        """Ask the task to stop, which it does between two states."""
        with suppress(OSError):  # it has ended by itself
            self.cancels.send(self.number)

    def kill(self) -> None:
        """End the process at once; the next order starts another."""
        if self.process is not None:
            self.process.kill()

    def close(self, seconds: float = END_SECONDS) -> None:
        """End the process, which has so many seconds for what it runs."""
        if self.process is not None:
            self.cancel()
            self.connection.close()
            self.process.join(seconds)
            self.process.kill()
        self._reader.shutdown(wait=False, cancel_futures=True)
