"""What is done at every save: the step itself, its grid, and how it does on held-out pictures."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch

from smalti.core.pictures import save_png
from smalti.core.players import Examined
from smalti.core.protocols import Dataset
from smalti.training.events import Note, Saved, Validated, Watch
from smalti.training.job import Job, save_step
from smalti.training.logs import Log, read_log
from smalti.training.loop import Loop, rng_state, set_rng_state
from smalti.training.seats import notes
from smalti.training.sheet import sheet_of

MOST = 512
"""Pictures that a model without held-out ones is examined on."""


def save_and_validate(loop: Loop, job: Job, valid: Dataset, log: Log | None, watch: Watch) -> None:
    """Save the step, draw its grid, try it on held-out pictures."""
    state = loop.state()  # every process takes part
    loop.keep(state)
    if log is None:
        return
    directory = save_step(job, loop.step, loop.average.module, state)
    watch(Saved(loop.step, directory, draw_grid(loop, job, valid)))
    for line in notes(loop.seats):
        watch(Note(line))
    validate(loop, valid, log, watch)


def complete_save(loop: Loop, job: Job, valid: Dataset, log: Log, watch: Watch) -> None:
    """What a kill between a save and its validation has left out of the step at hand."""
    told = [line for line in read_log(log.path)[0] if line["step"] == loop.step]
    if not grid_path(job, loop.step).is_file():
        draw_grid(loop, job, valid)
    if not any("valid" in line or "pictures_examined" in line for line in told):
        validate(loop, valid, log, watch)


def grid_path(job: Job, step: int) -> Path:
    return job.out / "grids" / f"step-{step}.png"


def draw_grid(loop: Loop, job: Job, valid: Dataset) -> Path | None:
    """The picture of a save; None for models that draw none."""
    model, parts = loop.average.module, loop.training.accumulate
    sheet = sheet_of(model, parts, loop.data, valid, loop.fabric.device)
    return None if sheet is None else save_png(sheet, grid_path(job, loop.step))


def validate(loop: Loop, valid: Dataset, log: Log, watch: Watch) -> None:
    """Log the loss on held-out pictures, and what the model tells of itself on them."""
    numbers, said = examine(loop, valid)
    if len(valid):
        numbers["valid"] = held_out_loss(loop, valid)
        watch(Validated(loop.step, numbers["valid"]))
    if numbers:
        log.write(loop.step, **numbers)
    for line in said:
        watch(Note(line))
    log.flush()


def examine(loop: Loop, valid: Dataset) -> tuple[dict[str, Any], list[str]]:
    """Numbers and lines of a model that has `examine`, with the weights that are saved."""
    model = loop.average.module
    if not isinstance(model, Examined):
        return {}, []
    data, n = (valid, len(valid)) if len(valid) else (loop.data, MOST)
    return model.examine(partial(take_pictures, data), min(n, len(data)))


def take_pictures(data: Dataset, rows: slice) -> torch.Tensor:
    """(B, C, H, W) in [0, 1]."""
    return data.batch(torch.arange(len(data))[rows], torch.device("cpu")).require_pictures()


@torch.no_grad()
def held_out_loss(loop: Loop, valid: Dataset) -> float:
    """Mean loss of the averaged weights on held-out data, always with the same noise."""
    before = rng_state()
    torch.manual_seed(0)
    total = weights = 0.0
    for indices in valid.parts(loop.training.batch // loop.training.accumulate):
        loss = loop.average.module.loss(valid.batch(indices, loop.fabric.device), loop.step)
        weight = len(indices) if loss.weight is None else float(loss.weight)
        total, weights = total + float(loss.total) * weight, weights + weight
    set_rng_state(before)
    return total / weights
