"""Early stopping: end a run whose held-out loss no longer falls, and keep its best step.

All is read from the log, so a resumed run decides as one that never stopped.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from smalti.core.files import write_text
from smalti.core.messages import format_count
from smalti.training.device import is_any_process_true
from smalti.training.events import Ended, Note, OnEvent
from smalti.training.logs import Log, read_log
from smalti.training.loop import Loop
from smalti.training.run_record import RunRecord


class BestStep(NamedTuple):
    """The validation with the lowest loss."""

    step: int
    loss: float
    waited: int
    """Validations since then."""


def find_best_step(lines: Iterable[dict[str, Any]]) -> BestStep | None:
    """Find the best validation in the lines of a log; None if there is none."""
    losses: dict[int, float] = {
        line["step"]: line["valid"] for line in lines if isinstance(line.get("valid"), int | float)
    }
    if not losses:
        return None
    step = min(losses, key=lambda k: (losses[k], k))
    return BestStep(step, losses[step], sum(other > step for other in losses))


def has_lost_patience(loop: Loop, log: Log | None) -> bool:
    """Whether the run should stop, on all processes alike; the first one has the log."""
    patience = loop.training.patience
    if patience is None:
        return False
    best = find_best_step(read_log(log.path)[0]) if log else None
    return is_any_process_true(loop.fabric, best is not None and best.waited >= patience)


def keep_best_step(loop: Loop, record: RunRecord, log: Log | None, on_event: OnEvent) -> Path:
    """Make the best step the run's model, if it has patience. Returns that step's folder."""
    last = record.out / f"step-{loop.step}"
    best = find_best_step(read_log(log.path)[0]) if log and loop.training.patience else None
    if best is None or not (directory := record.out / f"step-{best.step}").is_dir():
        return last
    replace(record, best_step=best.step, stopped_at=loop.step).write()
    write_text(record.out / "latest", directory.name + "\n")
    on_event(Note(describe_end(loop, best)))
    return directory


def describe_end(loop: Loop, best: BestStep) -> str:
    """One line: why the run ended, and which step is its model."""
    model = f"the model is step {best.step}, whose held-out loss was the lowest ({best.loss:.4f})"
    if loop.step == loop.training.steps:
        return model
    return f"stopped: no improvement in {format_count(best.waited, 'validation')}; {model}"


def report_finished(record: RunRecord) -> Ended | None:
    """The end of a run that has stopped and kept its best step; None for other runs."""
    if record.best_step is None or record.stopped_at is None:
        return None
    minutes = record.facts.get("minutes")
    return Ended(
        step=record.stopped_at,
        checkpoint=record.out / f"step-{record.best_step}",
        minutes=float(minutes) if isinstance(minutes, int | float) else 0.0,
        interrupted=False,
        steps_taken=0,
    )
