"""Start and resume training runs: loop, logs, checkpoints, previews and shutdown."""

from __future__ import annotations

import shlex
from contextlib import nullcontext
from dataclasses import astuple, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from smalti.core.checkpoint import build_model
from smalti.core.errors import UserError
from smalti.core.locks import lock_folder
from smalti.core.messages import format_count
from smalti.core.players import HasTrainingCheck
from smalti.core.progress import ignore_event
from smalti.core.protocols import Dataset, ModelConfig
from smalti.core.saved_steps import RUN_FILES, find_intact_step
from smalti.core.staging import make_folders, remove_empty_on_error, remove_leftovers
from smalti.training.config import Training
from smalti.training.device import build_fabric, is_any_process_true
from smalti.training.early_stopping import has_lost_patience, keep_best_step, report_finished
from smalti.training.events import Ended, Note, OnEvent, Started, Stepped
from smalti.training.interrupt import Interrupt, leave_signals_to_children
from smalti.training.logs import Log
from smalti.training.loop import Loop
from smalti.training.oom import read_memory_bytes
from smalti.training.players import collect_premises
from smalti.training.provenance import check_data_unchanged, describe_data, describe_machine
from smalti.training.recovery import ROLLBACK_LR_FACTOR, DivergenceError
from smalti.training.run_record import RunRecord, read_run
from smalti.training.saving import finish_interrupted_save, save_and_validate
from smalti.training.start import load_start_weights, pass_start, start_loop
from smalti.training.step import make_flipped_batch
from smalti.training.timing import probe_step_time

WEIGHT_COPIES = 4
"""Copies of the weights in memory while training: raw, averaged, and two moments of Adam."""


def run(
    model: ModelConfig,
    train: Dataset,
    valid: Dataset,
    training: Training,
    out: str | Path,
    *,
    minutes: float | None = None,
    start: str | None = None,
    on_event: OnEvent = ignore_event,
    about: dict[str, Any] | None = None,
) -> Path:
    """Train a model of config `model` into the new run directory `out`.

    The length is `training.steps`; if it is None, `minutes` is converted to steps by timing a few.
    `start` is a model whose weights initialize the run as far as they fit, for fine-tuning; a Note
    tells what begins anew.
    `about` is stored for a later `resume`. Returns the directory of the last checkpoint. Raises
    UserError if `out` is not empty or the loss diverges.
    """
    out = Path(out)
    check_empty_folder(out)
    if training.steps is None and (minutes is None or minutes <= 0):
        raise UserError(f"minutes is {minutes} and steps is not given; give a time above 0")
    if not len(train):
        raise UserError(f"{train.name} holds no {train.item_name}s to train on; give at least one")
    if training.flip:
        make_flipped_batch(train, torch.arange(1), torch.device("cpu"))  # UserError if impossible
    if isinstance(model, HasTrainingCheck):
        model.check_training()  # fails before anything is written
    if training.patience is not None and not len(valid):
        raise UserError(
            f"patience is {training.patience}, but no {train.item_name}s are held out to judge by; "
            "hold out some, or leave it out"
        )
    check_memory(model)
    built = model.build()  # fails before anything is written
    if start is not None:
        on_event(Note(load_start_weights(built, start).describe(start)))
    pass_start(built, start)
    data = {"train": describe_data(train), "valid": describe_data(valid)}
    record = RunRecord(model, training, out, about or {}, start, minutes, data)
    made = make_folders(out)
    with remove_empty_on_error(made), lock_folder(out):
        check_empty_folder(out)  # again: another process may have started meanwhile
        return launch(record, train, valid, on_event)


def resume(
    out: str | Path, train: Dataset, valid: Dataset, *, on_event: OnEvent = ignore_event
) -> Path:
    """Resume the run in `out` as if it had never stopped. Returns the last checkpoint.

    Resumes from the newest intact step; a Note names the steps that are skipped. Raises UserError
    if there is no run, another process trains it, or the data have changed since it started.
    """
    read_run(out)
    with lock_folder(out):
        record = read_run(out)
        check_data_unchanged(record.data, train=train, valid=valid)
        if (ended := report_finished(record)) is not None:
            on_event(ended)
            return ended.checkpoint
        check_memory(record.model)
        remove_leftovers(record.out)
        saved, passed_over = find_intact_step(record.out, RUN_FILES)
        for note in passed_over:
            on_event(Note(note))
        return launch(replace(record, resume_from=saved), train, valid, on_event)


def check_empty_folder(out: Path) -> None:
    """Raise UserError unless the folder is empty or missing."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        resume_hint = f"resume it with `smalti train --resume --out {shlex.quote(str(out))}`, or "
        hint = resume_hint if (out / "run.json").is_file() else ""
        raise UserError(f"{out} exists already; {hint}choose another --out")


def check_memory(model: ModelConfig) -> None:
    """Raise UserError if the model does not fit into this machine, before allocating memory."""
    weights = build_model(model, "the model", "meta").state_dict().values()
    needed, available = (
        WEIGHT_COPIES * sum(w.numel() * w.element_size() for w in weights),
        read_memory_bytes(),
    )
    if needed > available:
        raise UserError(
            f"the model takes {needed / 2**30:,.0f} GB to train, but this machine has "
            f"{available / 2**30:,.0f} GB; make it smaller"
        )


def launch(record: RunRecord, train: Dataset, valid: Dataset, on_event: OnEvent) -> Path:
    fabric = build_fabric(record.training)
    if record.training.devices == 1:
        ended = run_process(fabric, record, train, valid, on_event)
    else:
        # one callable: Fabric traverses separate arguments and fails on frozen dataclasses
        work = partial(
            run_spawned_process, record=record, train=train, valid=valid, on_event=on_event
        )
        with leave_signals_to_children():
            result = fabric.launch(work)
        if isinstance(result, BaseException):
            raise result
        ended = Ended(*result)
    on_event(ended)
    return ended.checkpoint


def run_spawned_process(
    fabric: Fabric, record: RunRecord, train: Dataset, valid: Dataset, on_event: OnEvent
) -> tuple[Any, ...] | UserError | KeyboardInterrupt:
    """Run `run_process` in a spawned process; return the fields of `Ended`, or an error to raise
    without a traceback.

    Closes `on_event` if it has `close`: the launching process reports the end.
    """
    try:
        return astuple(run_process(fabric, record, train, valid, on_event))
    except (UserError, KeyboardInterrupt) as error:
        return error
    finally:
        getattr(on_event, "close", int)()


def run_process(
    fabric: Fabric, record: RunRecord, train: Dataset, valid: Dataset, on_event: OnEvent
) -> Ended:
    """Train on one process; only the first one writes files and reports events."""
    is_chief = fabric.is_global_zero
    on_event = on_event if is_chief else ignore_event
    with Interrupt() as interrupt:
        record = resolve_steps(fabric, record, train, on_event)
        record = replace(record, facts={**record.facts, **describe_machine()})
        if is_chief:
            record.write()
        loop = start_loop(fabric, record, train)
        loop.on_note = lambda text: on_event(Note(text))
        first = loop.step
        with Log(record.out, loop.step) if is_chief else nullcontext() as log:
            on_event(build_started_event(fabric, loop, record))
            for line in [*(log.warnings if log else ()), *collect_premises(loop.players)]:
                on_event(Note(line))
            if log and first:
                finish_interrupted_save(loop, record, valid, log, on_event)
            stopped = train_with_recovery(loop, record, valid, log, on_event, interrupt)
            directory = record.out / f"step-{loop.step}"
            if not stopped:
                latest = update_record(record, loop, write=False)
                directory = keep_best_step(loop, latest, log, on_event)
    minutes = loop.seconds / 60
    return Ended(loop.step, directory, minutes, stopped, interrupt.signal_number, loop.step - first)


def train_with_recovery(
    loop: Loop,
    record: RunRecord,
    valid: Dataset,
    log: Log | None,
    on_event: OnEvent,
    interrupt: Interrupt,
) -> bool:
    """Train until the last step or an interrupt; return whether it was interrupted."""
    while True:
        try:
            return train_and_save(loop, record, valid, log, on_event, interrupt)
        except DivergenceError as error:
            record = recover_from_divergence(loop, record, log, on_event, error)


def train_and_save(
    loop: Loop,
    record: RunRecord,
    valid: Dataset,
    log: Log | None,
    on_event: OnEvent,
    interrupt: Interrupt,
) -> bool:
    """Step, log and save; return whether it was interrupted.

    Raises DivergenceError if the loss diverges.
    """
    t, first, before = record.training, loop.items, loop.seconds
    assert t.steps is not None
    loop.ending = is_over = has_lost_patience(loop, log)
    for step, terms, learning_rate in loop.run_steps():
        if loop.training != record.training:  # more accumulation after running out of memory
            record = update_record(record, loop, write=log is not None)
        speed = (loop.items - first) / (loop.seconds - before)
        if log:
            log.write(step, **terms, rate=learning_rate, minutes=round(loop.seconds / 60, 4))
        on_event(Stepped(step, t.steps, terms, speed))
        if not loop.ending and is_any_process_true(loop.fabric, interrupt.requested):
            loop.ending = True
            on_event(Note(f"stopping: saving step {loop.step}; press Ctrl-C again to quit at once"))
        if step == loop.step and (loop.is_save_due() or loop.ending):
            record = update_record(record, loop, write=log is not None)
            save_and_validate(loop, record, valid, log, on_event)
            if not loop.ending:
                loop.ending = is_over = has_lost_patience(loop, log)
    return loop.ending and not is_over


def update_record(record: RunRecord, loop: Loop, write: bool) -> RunRecord:
    """Update the record with the loop's progress, and write it to run.json."""
    minutes = round(loop.seconds / 60, 2)
    record = replace(record, training=loop.training, facts={**record.facts, "minutes": minutes})
    if write:
        record.write()
    return record


def recover_from_divergence(
    loop: Loop, record: RunRecord, log: Log | None, on_event: OnEvent, error: DivergenceError
) -> RunRecord:
    """Roll back to the last good state. Raises DivergenceError if no recoveries are left."""
    done, allowed = record.recoveries, record.training.max_recoveries
    if done >= allowed:
        tried = (
            f"; {done} rollbacks, down to {ROLLBACK_LR_FACTOR**done:g} of the learning rate, "
            "did not help"
        )
        raise DivergenceError(f"{error}{tried if done else ''}") from None
    loop.roll_back(done + 1)
    record = update_record(replace(record, recoveries=done + 1), loop, write=log is not None)
    scale = ROLLBACK_LR_FACTOR**record.recoveries
    if log:
        why = {"diverged_at": error.step, "why": error.reason.rstrip(",")}
        log.roll_back(loop.step, recovered_to=loop.step, rate_scale=scale, **why)
    on_event(
        Note(
            f"{error.reason} at step {error.step}: rolled back to step {loop.step} with {scale:g} "
            f"of the learning rate (recovery {record.recoveries} of {allowed})"
        )
    )
    return record


def resolve_steps(
    fabric: Fabric, record: RunRecord, train: Dataset, on_event: OnEvent
) -> RunRecord:
    """Set `steps`: minutes are converted once, by timing a few steps, and saved in run.json."""
    if record.training.steps is not None:
        return record
    assert record.minutes is not None
    budget = 60 * record.minutes
    spent = min(10.0, 0.05 * budget)
    taken, accumulate = probe_step_time(
        fabric, record, train, spent, lambda text: on_event(Note(text))
    )
    steps = max(1, round(0.95 * budget / taken))  # the rest is for previews and saves
    on_event(
        Note(
            f"{taken:.3f} s per step: {format_count(steps, 'step')} in "
            f"{format_count(record.minutes, 'minute')}"
        )
    )
    return record.with_steps(steps, accumulate)


def build_started_event(fabric: Fabric, loop: Loop, record: RunRecord) -> Started:
    trained = sum(p.numel() for p in loop.model.module.parameters() if p.requires_grad)
    assert record.training.steps is not None
    return Started(
        step=loop.step,
        steps=record.training.steps,
        parameters=trained,
        items=len(loop.data),
        item=loop.data.item_name,
        precision=str(fabric._precision.precision),
        devices=fabric.world_size,
        out=record.out,
    )
