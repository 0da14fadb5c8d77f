"""A process that runs tasks, one at a time, and keeps the last models in memory."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import time
import traceback
from collections import OrderedDict
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from smalti.core.errors import UserError
from smalti.core.progress import Cancelled, Progress
from smalti.web.previews import Preview, PreviewPace
from smalti.web.registry import WebTask, summarize_result

MODELS_KEPT = 4
UPDATE_SECONDS = 0.05
"""Seconds between reports of progress, at least."""
log = logging.getLogger("smalti.web")


class Order(NamedTuple):
    """A job for a worker."""

    number: int
    """Counts the orders of a worker; to cancel one, its number is sent."""
    task: WebTask
    arguments: dict[str, Any]
    folder: Path
    """Where its files go."""


class Update(NamedTuple):
    """A report of a running job."""

    progress: Progress
    fraction: float
    preview: Preview | None = None


class Outcome(NamedTuple):
    """The end of a job."""

    state: str
    """done, failed or cancelled"""
    summary: dict[str, Any]
    error: str = ""


def run_worker(connection: Connection, cancels: Connection) -> None:
    """Run orders from the connection until it closes. cancels: has numbers of orders to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server ends its workers
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)  # Ctrl-C goes to the server alone: a second one would end training unsaved
    import_module("smalti.core.model")  # PyTorch: seconds that the first client need not wait
    models: OrderedDict[str, Any] = OrderedDict()
    with contextlib.suppress(EOFError, OSError):
        while (order := connection.recv()) is not None:
            connection.send(run_order(order, models, Reporter(connection, cancels, order.number)))


def run_order(order: Order, models: OrderedDict[str, Any], reporter: Reporter) -> Outcome:
    """Run one task. Errors of the user become its outcome, and so do ours, which are logged."""
    try:
        reporter.check()
        arguments = {**order.arguments}
        if isinstance(arguments.get("model"), str):
            arguments["model"] = load_model(arguments["model"], models)
        if order.task.makes_files:
            arguments["out"] = order.folder
        else:
            order.folder.mkdir(parents=True, exist_ok=True)
        callback = "on_event" if order.task.has_parameter("on_event") else "on_progress"
        result = order.task.load_function()(**arguments, **{callback: reporter})
        return Outcome("done", summarize_result(order.task, result, order.folder))
    except Cancelled:
        return Outcome("cancelled", {})
    except UserError as error:
        return Outcome("failed", {}, str(error))
    except MemoryError:
        return Outcome("failed", {}, "this machine has not enough memory for it; ask for less")
    except Exception as error:
        log.error("a job failed: %s", traceback.format_exc())
        return Outcome(
            "failed", {}, f"the server met an error ({type(error).__name__}); see its log"
        )


def load_model(location: str, models: OrderedDict[str, Any]) -> Any:
    """A model by its name or folder, from memory if it is unchanged there."""
    from smalti.core.checkpoint import find_checkpoint, load

    folder = find_checkpoint(location)
    stamp = max(file.stat().st_mtime_ns for file in folder.iterdir())
    key = f"{folder}@{stamp}"
    if key not in models:
        models[key] = load(location)
    models.move_to_end(key)
    while len(models) > MODELS_KEPT:
        models.popitem(last=False)
    return models[key]


class Reporter:
    """A task's callback: reports to the server, and cancels the task between two states."""

    def __init__(self, connection: Connection, cancels: Connection, number: int):
        self.connection, self.cancels, self.number = connection, cancels, number
        self.pace, self.due = PreviewPace(), 0.0
        self.is_interrupted = False
        """Whether training was told to stop."""

    def __call__(self, event: object) -> None:
        if isinstance(event, Progress):
            self.check()
        elif (converted := self.convert_event(event)) is not None:
            event = converted
        else:
            return
        preview = self.pace.render(event.render, event.done) if event.render else None
        now = time.monotonic()
        if preview is None and now < self.due and event.done < event.total:
            return
        self.due = now + UPDATE_SECONDS
        fraction = event.fraction
        with contextlib.suppress(OSError):  # the server has ended, which `check` tells
            self.connection.send(Update(event._replace(render=None), fraction, preview))

    def convert_event(self, event: Any) -> Progress | None:
        """A step of training as progress; None for other events.

        To be cancelled, training is interrupted as by Ctrl-C, so that it saves its last step.
        """
        if not hasattr(event, "steps"):
            return None
        try:
            self.check()
        except Cancelled:
            if threading.current_thread() is not threading.main_thread():
                raise
            if not self.is_interrupted:  # a second one would end it at once
                self.is_interrupted = True
                signal.raise_signal(signal.SIGINT)
        loss = getattr(event, "terms", {}).get("loss")
        detail = "" if loss is None else f"loss {loss:.4g}"
        return Progress("training", event.step, event.steps, detail)

    def check(self) -> None:
        """Raise Cancelled if the job is to stop, or the server has ended."""
        try:
            while self.cancels.poll():
                if self.cancels.recv() == self.number:
                    raise Cancelled
        except (EOFError, OSError):
            raise Cancelled from None
