"""Save a step: checkpoint, preview and validation loss."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch

from smalti.core.pictures import save_png
from smalti.core.players import HasValidation
from smalti.core.protocols import Dataset
from smalti.training.events import Note, OnEvent, Saved, Validated
from smalti.training.examples import EXAMPLES_FOLDER, write_examples
from smalti.training.logs import Log, read_log
from smalti.training.loop import Loop
from smalti.training.players import collect_notes
from smalti.training.preview import draw_preview, translate_examples
from smalti.training.rng_state import read_rng_state, set_rng_state
from smalti.training.run_record import RunRecord, save_step

EXAMPLES_SHOWN = 2
"""Translations of a preview that are also shown as notes."""
MAX_EXAMINED = 512
"""Training pictures to validate a model on if there are no held-out ones."""


def save_and_validate(
    loop: Loop, record: RunRecord, valid: Dataset, log: Log | None, on_event: OnEvent
) -> None:
    """Save the step, draw its preview, compute its validation loss."""
    state = loop.state_dict()  # every process takes part
    loop.take_snapshot(state)
    if log is None:
        return
    directory = save_step(record, loop.step, loop.ema.module, state)
    on_event(Saved(loop.step, directory, write_preview(loop, record, valid, on_event)))
    for line in collect_notes(loop.players):
        on_event(Note(line))
    validate(loop, valid, log, on_event)


def finish_interrupted_save(
    loop: Loop, record: RunRecord, valid: Dataset, log: Log, on_event: OnEvent
) -> None:
    """Add the preview and validation that a kill after the save has prevented."""
    log_lines = [line for line in read_log(log.path)[0] if line["step"] == loop.step]
    if not any(path.is_file() for path in locate_previews(record, loop.step)):
        write_preview(loop, record, valid, on_event)
    if not any("valid" in line or "pictures_examined" in line for line in log_lines):
        validate(loop, valid, log, on_event)


def locate_previews(record: RunRecord, step: int) -> tuple[Path, Path]:
    """Where the preview of a step is: a picture, or texts."""
    name = f"step-{step}"
    return record.out / "grids" / f"{name}.png", record.out / EXAMPLES_FOLDER / f"{name}.tsv"


def write_preview(loop: Loop, record: RunRecord, valid: Dataset, on_event: OnEvent) -> Path | None:
    """Write the preview of a save; None if the model draws no pictures and translates nothing."""
    model, parts = loop.ema.module, loop.training.accumulate
    picture_path, text_path = locate_previews(record, loop.step)
    if examples := translate_examples(model, loop.data, valid):
        for example in examples[:EXAMPLES_SHOWN]:
            on_event(Note(f"  {example}"))
        return write_examples(examples, text_path)
    preview = draw_preview(model, parts, loop.data, valid, loop.fabric.device)
    return None if preview is None else save_png(preview, picture_path)


def validate(loop: Loop, valid: Dataset, log: Log, on_event: OnEvent) -> None:
    """Log the validation loss, and the model's own validation results."""
    numbers, lines = examine_model(loop, valid)
    if len(valid):
        numbers["valid"] = compute_validation_loss(loop, valid)
        on_event(Validated(loop.step, numbers["valid"]))
    if numbers:
        log.write(loop.step, **numbers)
    for line in lines:
        on_event(Note(line))
    log.flush()


def examine_model(loop: Loop, valid: Dataset) -> tuple[dict[str, Any], list[str]]:
    """Numbers and messages of a model with `validate`, computed with the averaged weights."""
    model = loop.ema.module
    if not isinstance(model, HasValidation):
        return {}, []
    data, n = (valid, len(valid)) if len(valid) else (loop.data, MAX_EXAMINED)
    return model.validate(partial(load_pictures, data), min(n, len(data)))


def load_pictures(data: Dataset, rows: slice) -> torch.Tensor:
    """(B, C, H, W) in [0, 1]."""
    return data.make_batch(torch.arange(len(data))[rows], torch.device("cpu")).require_pictures()


@torch.no_grad()
def compute_validation_loss(loop: Loop, valid: Dataset) -> float:
    """Mean loss of the averaged weights on held-out data, with fixed noise."""
    before = read_rng_state()
    torch.manual_seed(0)
    total = weights = 0.0
    for indices in valid.split_indices(loop.training.batch_size // loop.training.accumulate):
        loss = loop.ema.module.loss(valid.make_batch(indices, loop.fabric.device), loop.step)
        weight = len(indices) if loss.weight is None else float(loss.weight)
        total, weights = total + float(loss.total) * weight, weights + weight
    set_rng_state(before)
    return total / weights
