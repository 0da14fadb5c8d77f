"""run and resume: a loop with its logs, saves, sample grids and an orderly end."""

from __future__ import annotations

import shlex
from contextlib import nullcontext
from dataclasses import astuple, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from smalti.core.checkpoint import build
from smalti.core.errors import UserError
from smalti.core.locks import lock_folder
from smalti.core.messages import count
from smalti.core.players import Checkable
from smalti.core.progress import ignore
from smalti.core.protocols import Dataset, ModelConfig
from smalti.core.staging import empty_removed_on_error, make_folders, remove_leftovers
from smalti.core.steps import FILES_OF_A_RUN, find_whole_step
from smalti.training.config import Training
from smalti.training.device import agreed, fabric_for
from smalti.training.events import Ended, Note, Started, Stepped, Watch
from smalti.training.interrupt import Interrupt, left_to_children
from smalti.training.job import Job, read_run
from smalti.training.logs import Log
from smalti.training.loop import Loop, begin, take_weights
from smalti.training.memory import memory_bytes
from smalti.training.provenance import check_same, facts_of, machine
from smalti.training.recovery import BACK, Diverged
from smalti.training.saving import complete_save, save_and_validate
from smalti.training.seats import premises
from smalti.training.timing import probe

COPIES = 4
"""Of its weights, that training a model takes: they themselves, their average, and two of Adam."""


def run(
    model: ModelConfig,
    train: Dataset,
    valid: Dataset,
    training: Training,
    out: str | Path,
    *,
    minutes: float | None = None,
    start: str | None = None,
    watch: Watch = ignore,
    about: dict[str, Any] | None = None,
) -> Path:
    """Train a model of config `model` into the new run directory `out`.

    `training.steps` says how long; when it is None, `minutes` does, through a timed probe.
    `start` names a model whose weights the run begins with, to train it further or on other data.
    `about` is stored for a later `resume`. Returns the last checkpoint's directory. UserError when
    `out` already holds a run, or the loss stops being a number.
    """
    out = Path(out)
    check_unused(out)
    if training.steps is None and (minutes is None or minutes <= 0):
        raise UserError(f"minutes is {minutes} and steps is not given; give a time above 0")
    if not len(train):
        raise UserError(f"{train.name} holds no {train.item}s to train on; give at least one")
    if training.flip and train.batch(torch.arange(1), torch.device("cpu")).pictures is None:
        raise UserError(f"training.flip mirrors pictures, and {train.name} has none; leave it out")
    if isinstance(model, Checkable):
        model.check()  # what it lacks is told before anything is written
    check_memory(model)
    if start is not None:
        take_weights(model.build(), start)  # refused, if need be, before anything is written
    data = {"train": facts_of(train), "valid": facts_of(valid)}
    job = Job(model, training, out, about or {}, start, minutes, data)
    made = make_folders(out)
    with empty_removed_on_error(made), lock_folder(out):
        check_unused(out)  # again: another may have begun meanwhile
        return launch(job, train, valid, watch)


def resume(out: str | Path, train: Dataset, valid: Dataset, *, watch: Watch = ignore) -> Path:
    """Go on with the run in `out` as if it had never stopped. Returns the last checkpoint.

    It goes on from the newest step that is whole; a Note says which are passed over. UserError when
    there is no run, another process trains it, or the data are not those that it began with.
    """
    read_run(out)
    with lock_folder(out):
        job = read_run(out)
        check_same(job.data, train=train, valid=valid)
        check_memory(job.model)
        remove_leftovers(job.out)
        saved, passed_over = find_whole_step(job.out, FILES_OF_A_RUN)
        for complaint in passed_over:
            watch(Note(complaint))
        return launch(replace(job, saved=saved), train, valid, watch)


def check_unused(out: Path) -> None:
    """UserError for a folder that holds something."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        go_on = f"go on with it by `smalti train --resume --out {shlex.quote(str(out))}`, or "
        hint = go_on if (out / "run.json").is_file() else ""
        raise UserError(f"{out} exists already; {hint}choose another --out")


def check_memory(model: ModelConfig) -> None:
    """UserError for a model that this machine cannot hold, before any memory is taken for it."""
    weights = build(model, "the model", "meta").state_dict().values()
    needed, there = COPIES * sum(w.numel() * w.element_size() for w in weights), memory_bytes()
    if needed > there:
        raise UserError(
            f"the model takes {needed / 2**30:,.0f} GB to train, and this machine has "
            f"{there / 2**30:,.0f}; make it smaller"
        )


def launch(job: Job, train: Dataset, valid: Dataset, watch: Watch) -> Path:
    fabric = fabric_for(job.training)
    if job.training.devices == 1:
        ended = drive(fabric, job, train, valid, watch)
    else:
        # one callable: Fabric takes apart what it is given beside, and stumbles over frozen records
        work = partial(drive_apart, job=job, train=train, valid=valid, watch=watch)
        with left_to_children():
            result = fabric.launch(work)
        if isinstance(result, BaseException):
            raise result
        ended = Ended(*result)
    watch(ended)
    return ended.checkpoint


def drive_apart(
    fabric: Fabric, job: Job, train: Dataset, valid: Dataset, watch: Watch
) -> tuple[Any, ...] | UserError | KeyboardInterrupt:
    """`drive` in a process of its own: the fields of `Ended`, or what the user should see instead
    of a trace.

    A `watch` that has `close` is closed: it is told of the end in the process that launched.
    """
    try:
        return astuple(drive(fabric, job, train, valid, watch))
    except (UserError, KeyboardInterrupt) as error:
        return error
    finally:
        getattr(watch, "close", int)()


def drive(fabric: Fabric, job: Job, train: Dataset, valid: Dataset, watch: Watch) -> Ended:
    """The run on one of its processes; the first one writes and is watched."""
    chief = fabric.is_global_zero
    watch = watch if chief else ignore
    with Interrupt() as interrupt:
        job = with_known_steps(fabric, job, train, watch)
        job = replace(job, facts={**job.facts, **machine()})
        if chief:
            job.write()
        loop = begin(fabric, job, train)
        loop.tell = lambda text: watch(Note(text))
        first = loop.step
        with Log(job.out, loop.step) if chief else nullcontext() as log:
            watch(started(fabric, loop, job))
            for line in [*(log.complaints if log else ()), *premises(loop.seats)]:
                watch(Note(line))
            if log and first:
                complete_save(loop, job, valid, log, watch)
            stopped = follow(loop, job, valid, log, watch, interrupt)
    directory, minutes = job.out / f"step-{loop.step}", loop.seconds / 60
    return Ended(loop.step, directory, minutes, stopped, interrupt.number, loop.step - first)


def follow(
    loop: Loop, job: Job, valid: Dataset, log: Log | None, watch: Watch, interrupt: Interrupt
) -> bool:
    """Train until the last step or an interrupt; returns whether it was one."""
    while True:
        try:
            return go(loop, job, valid, log, watch, interrupt)
        except Diverged as error:
            job = stepped_back(loop, job, log, watch, error)


def go(
    loop: Loop, job: Job, valid: Dataset, log: Log | None, watch: Watch, interrupt: Interrupt
) -> bool:
    """Step, log and save; whether an interrupt ended it. Diverged when the loss ran away."""
    t, first, before = job.training, loop.items, loop.seconds
    assert t.steps is not None
    loop.ending = False
    for step, terms, rate in loop.steps():
        if loop.training != job.training:  # memory ran out
            job = so_far(job, loop, write=log is not None)
        speed = (loop.items - first) / (loop.seconds - before)
        if log:
            log.write(step, **terms, rate=rate, minutes=round(loop.seconds / 60, 4))
        watch(Stepped(step, t.steps, terms, speed))
        if not loop.ending and agreed(loop.fabric, interrupt.asked):
            loop.ending = True
            watch(Note(f"stopping: step {loop.step} is being saved; Ctrl-C again leaves at once"))
        if step == loop.step and (loop.is_saved() or loop.ending):
            job = so_far(job, loop, write=log is not None)
            save_and_validate(loop, job, valid, log, watch)
    return loop.ending


def so_far(job: Job, loop: Loop, write: bool) -> Job:
    """The job with what the loop has come to, as run.json keeps it."""
    minutes = round(loop.seconds / 60, 2)
    job = replace(job, training=loop.training, facts={**job.facts, "minutes": minutes})
    if write:
        job.write()
    return job


def stepped_back(loop: Loop, job: Job, log: Log | None, watch: Watch, error: Diverged) -> Job:
    """The job, going on from the last good state. Diverged when it must not step back again."""
    done, allowed = job.recovered, job.training.recover
    if done >= allowed:
        tried = f"; {done} times back, down to {BACK**done:g} of the rate, did not help"
        raise Diverged(f"{error}{tried if done else ''}") from None
    loop.step_back(done + 1)
    job = so_far(replace(job, recovered=done + 1), loop, write=log is not None)
    scale = BACK**job.recovered
    if log:
        why = {"diverged_at": error.step, "why": error.what.rstrip(",")}
        log.step_back(loop.step, recovered_to=loop.step, rate_scale=scale, **why)
    watch(
        Note(
            f"{error.what} at step {error.step}: going on from step {loop.step} with {scale:g} "
            f"of the rate ({job.recovered} of {allowed} times)"
        )
    )
    return job


def with_known_steps(fabric: Fabric, job: Job, train: Dataset, watch: Watch) -> Job:
    """The job with `steps`; minutes become steps once, by a timed probe, and are saved so."""
    if job.training.steps is not None:
        return job
    assert job.minutes is not None
    budget = 60 * job.minutes
    spent = min(10.0, 0.05 * budget)
    taken, accumulate = probe(fabric, job, train, spent, lambda text: watch(Note(text)))
    steps = max(1, round(0.95 * budget / taken))  # the rest is for grids and saves
    watch(Note(f"{taken:.3f} s a step: {count(steps, 'step')} in {count(job.minutes, 'minute')}"))
    return job.with_steps(steps, accumulate)


def started(fabric: Fabric, loop: Loop, job: Job) -> Started:
    trained = sum(p.numel() for p in loop.model.module.parameters() if p.requires_grad)
    assert job.training.steps is not None
    return Started(
        step=loop.step,
        steps=job.training.steps,
        parameters=trained,
        items=len(loop.data),
        item=loop.data.item,
        precision=str(fabric._precision.precision),
        devices=fabric.world_size,
        out=job.out,
    )
