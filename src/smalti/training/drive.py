"""run and resume: a loop with its logs, saves, sample grids and an orderly end."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from smalti.core.errors import UserError
from smalti.core.messages import count
from smalti.core.pictures import save_png
from smalti.data.pictures import Pictures
from smalti.training.config import Training
from smalti.training.device import agreed, fabric_for
from smalti.training.events import Ended, Note, Saved, Started, Stepped, Validated, Watch
from smalti.training.interrupt import Interrupt, left_to_children
from smalti.training.job import Job, last_step, read_run, save_step
from smalti.training.logs import Log
from smalti.training.loop import (
    Loop,
    begin,
    probe,
    rng_state,
    set_rng_state,
    take_weights,
)
from smalti.training.player import batch_of
from smalti.training.provenance import check_same, facts_of, machine
from smalti.training.recovery import BACK, Diverged
from smalti.training.seats import lines
from smalti.training.sheet import sheet_of


def ignore(event: object) -> None:
    """A watch that looks away."""


def run(
    model: Any,
    train: Pictures,
    valid: Pictures,
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
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(
            f"{out} exists already; add --resume to go on with it, or give another --out"
        )
    if training.steps is None and (minutes is None or minutes <= 0):
        raise UserError(f"minutes is {minutes} and steps is not given; give a time above 0")
    if not len(train):
        raise UserError(f"{train.name} holds no pictures to train on; give at least one")
    if check := getattr(model, "check", None):
        check()  # what it lacks is told before anything is written
    if start is not None:
        take_weights(model.build(), start)  # refused, if need be, before anything is written
    data = {"train": facts_of(train), "valid": facts_of(valid)}
    job = Job(model, training, out, about or {}, start, minutes, data)
    return launch(job, train, valid, watch)


def resume(out: str | Path, train: Pictures, valid: Pictures, *, watch: Watch = ignore) -> Path:
    """Go on with the run in `out` as if it had never stopped. Returns the last checkpoint.

    UserError when there is no run, or the pictures are not those that it began with.
    """
    job = read_run(out)
    check_same(job.data, train=train, valid=valid)
    return launch(job, train, valid, watch)


def launch(job: Job, train: Pictures, valid: Pictures, watch: Watch) -> Path:
    fabric = fabric_for(job.training)
    if job.training.devices == 1:
        drive(fabric, job, train, valid, watch)
    else:
        # one callable: Fabric takes apart what it is given beside, and stumbles over frozen records
        work = partial(drive_told, job=job, train=train, valid=valid, watch=watch)
        with left_to_children():
            error = fabric.launch(work)
        if error:
            raise error
    return found(last_step(job.out))


def found(directory: Path | None) -> Path:
    assert directory is not None  # a run that ends in order has saved its last step
    return directory


def drive_told(
    fabric: Fabric, job: Job, train: Pictures, valid: Pictures, watch: Watch
) -> UserError | KeyboardInterrupt | None:
    """`drive` in a process of its own: what the user should see comes back, not a trace."""
    try:
        drive(fabric, job, train, valid, watch)
    except (UserError, KeyboardInterrupt) as error:
        return error


def drive(fabric: Fabric, job: Job, train: Pictures, valid: Pictures, watch: Watch) -> None:
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
        with Log(job.out, loop.step) if chief else nullcontext() as log:
            watch(started(fabric, loop, job))
            for line in lines(loop.seats, "premises"):
                watch(Note(line))
            interrupted = follow(loop, job, valid, log, watch, interrupt)
        if chief:
            watch(Ended(loop.step, found(last_step(job.out)), loop.seconds / 60, interrupted))


def follow(
    loop: Loop, job: Job, valid: Pictures, log: Log | None, watch: Watch, interrupt: Interrupt
) -> bool:
    """Train until the last step or an interrupt; returns whether it was one."""
    while True:
        try:
            return go(loop, job, valid, log, watch, interrupt)
        except Diverged as error:
            job = stepped_back(loop, job, log, watch, error)


def go(
    loop: Loop, job: Job, valid: Pictures, log: Log | None, watch: Watch, interrupt: Interrupt
) -> bool:
    """Step, log and save; whether an interrupt ended it. Diverged when the loss ran away."""
    t, first, before = job.training, loop.step, loop.seconds
    assert t.steps is not None
    loop.ending = False
    for step, terms, rate in loop.steps():
        if loop.training != job.training:  # memory ran out
            job = so_far(job, loop, write=log is not None)
        speed = t.batch * (loop.step - first) / (loop.seconds - before)
        if log:
            log.write(step, **terms, rate=rate, minutes=round(loop.seconds / 60, 4))
        watch(Stepped(step, t.steps, terms, speed))
        if not loop.ending and agreed(loop.fabric, interrupt.asked):
            loop.ending = True
            watch(Note(f"stopping: step {loop.step} is being saved; Ctrl-C again leaves at once"))
        if step == loop.step and (loop.is_saved() or loop.ending):
            job = so_far(job, loop, write=log is not None)
            keep(loop, job, valid, log, watch)
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


def keep(loop: Loop, job: Job, valid: Pictures, log: Log | None, watch: Watch) -> None:
    """Save the step, draw its grid, try it on held-out pictures."""
    state = loop.state()  # every process takes part
    loop.keep(state)
    if log is None:
        return
    model = loop.average.module
    directory = save_step(job, loop.step, model, state)
    sheet = sheet_of(model, loop.training.accumulate, loop.pictures, valid, loop.fabric.device)
    picture = (
        None if sheet is None else save_png(sheet, job.out / "grids" / f"step-{loop.step}.png")
    )
    watch(Saved(loop.step, directory, picture))
    for line in lines(loop.seats, "notes"):
        watch(Note(line))
    if len(valid):
        loss = validated(loop, valid)
        log.write(loop.step, valid=loss)
        watch(Validated(loop.step, loss))
    log.flush()


@torch.no_grad()
def validated(loop: Loop, valid: Pictures) -> float:
    """Mean loss of the averaged weights on held-out pictures, always with the same noise."""
    before = rng_state()
    torch.manual_seed(0)
    total = 0.0
    at_once = loop.training.batch // loop.training.accumulate
    for indices in torch.arange(len(valid)).split(at_once):
        batch = batch_of(valid, indices, loop.fabric.device, flip=False)
        total += float(loop.average.module.loss(batch, loop.step).total) * len(indices)
    set_rng_state(before)
    return total / len(valid)


def with_known_steps(fabric: Fabric, job: Job, train: Pictures, watch: Watch) -> Job:
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
        pictures=len(loop.pictures),
        precision=str(fabric._precision.precision),
        devices=fabric.world_size,
        out=job.out,
    )
