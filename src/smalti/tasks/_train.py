"""Training: a recipe on pictures, or a run that goes on."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from smalti.core.config import coerce_value
from smalti.core.errors import UserError
from smalti.core.locks import lock_folder
from smalti.core.progress import Progress, ignore_event, label_progress
from smalti.core.ranges import Minutes, Positive
from smalti.core.size import Size, format_size, normalize_size
from smalti.data.pictures import Pictures, Splits
from smalti.data.reading import read_size, to_absolute_path
from smalti.recipes import find_recipe
from smalti.recipes.origin import read_origin
from smalti.recipes.recipe import Recipe
from smalti.training import Training
from smalti.training import resume as resume_run
from smalti.training import run as begin_run
from smalti.training._run import check_empty_folder
from smalti.training.events import Ended, Event, Note

RUNS = Path("runs")

OnEvent = Callable[[Event | Progress], None]
"""Called with all that a run tells, and before it with how many pictures are read."""


def train(
    recipe: str | Recipe,
    *,
    data: str | Path | Splits | None = None,
    out: str | Path | None = None,
    steps: int | None = None,
    minutes: float | None = None,
    epochs: float | None = None,
    size: Size | None = None,
    init_from: str | Path | None = None,
    on_event: OnEvent = ignore_event,
) -> Ended:
    """Train a model by a recipe, in the new folder `out`: runs/RECIPE unless told otherwise.

    recipe: its name, or a recipe such as `find_recipe("ddpm").change(training={"learning_rate": 1e-3})`.
    data: a folder, archive or pack of pictures, or the pictures, if not the recipe's own;
    subfolders become classes. steps, minutes or epochs: how long, if not as long as the recipe says;
    an epoch is one pass over the training pictures.
    size: height and width of the pictures; the pack's or the recipe's own when not given.
    init_from: a model whose weights the run begins with: a shipped name, a run or a checkpoint.

    A run that is interrupted (Ctrl-C) saves its step; `Ended` says so, and `resume` goes on with
    it. UserError when `out` is in use, or the loss stops being a number.
    """
    recipe = find_recipe(recipe) if isinstance(recipe, str) else recipe
    out = RUNS / recipe.name if out is None else Path(out)
    check_empty_folder(out)
    training, minutes = choose_duration(recipe, steps, minutes, epochs)
    source = None if isinstance(data, Splits | None) else str(data)
    shape = normalize_size(size or (read_size(source) if source else None) or recipe.size)
    side = shape[0] if shape[0] == shape[1] else shape
    splits = data if isinstance(data, Splits) else read_pictures(recipe, source, side, on_event)
    if size and splits.train.shape[1:] != shape:
        h, w = splits.train.shape[1:]
        raise UserError(
            f"size {format_size(shape)} is given, but these pictures are {h} x {w}; leave it out, "
            "or bring your own pictures"
        )
    if epochs is not None:
        training = replace(training, steps=count_steps(splits.train, training.batch_size, epochs))
    relay = EventRelay(on_event)
    begin_run(
        recipe.make_config(splits.train),
        splits.train,
        splits.valid,
        training,
        out,
        minutes=minutes,
        start=None if init_from is None else str(init_from),
        on_event=relay,
        about={"recipe": recipe.name, "data": source and to_absolute_path(source), "size": side},
    )
    return relay.ended


def resume(
    out: str | Path,
    recipe: str | Recipe | None = None,
    *,
    data: Splits | None = None,
    on_event: OnEvent = ignore_event,
) -> Ended:
    """Go on with the run in `out` from its last step; its options are those that it began with.

    recipe and data: for a recipe that is in no table, and for pictures that were given as such.
    UserError where there is no run, another process trains it, or its pictures have changed.
    """
    out, name = Path(out), recipe.name if isinstance(recipe, Recipe) else recipe
    origin = read_origin(out)
    if name not in (None, origin.recipe):
        raise UserError(f"{out} is a run of {origin.recipe}, not of {name}; name the folder of one")
    with lock_folder(out):
        pass  # in use: said before the pictures are read
    own = recipe if isinstance(recipe, Recipe) else find_recipe(origin.recipe)
    splits = data or read_pictures(own, origin.data, origin.size, on_event)
    relay = EventRelay(on_event)
    resume_run(out, splits.train, splits.valid, on_event=relay)
    return relay.ended


class EventRelay:
    """Passes a run's events on, and keeps the last. It goes into other processes."""

    ended: Ended

    def __init__(self, on_event: OnEvent):
        self.on_event = on_event

    def __call__(self, event: Event) -> None:
        if isinstance(event, Ended):
            self.ended = event
        self.on_event(event)

    def close(self) -> None:
        getattr(self.on_event, "close", int)()


def count_steps(pictures: Pictures, batch_size: int, epochs: float) -> int:
    """Optimizer steps of so many passes over the pictures, 1 at least."""
    return max(1, math.ceil(epochs * len(pictures) / batch_size))


def choose_duration(
    recipe: Recipe, steps: int | None, minutes: float | None, epochs: float | None
) -> tuple[Training, float | None]:
    """How to train, and for how long where no number of steps is set."""
    minutes = coerce_value(minutes, Minutes | None, "minutes")
    epochs = coerce_value(epochs, Positive | None, "epochs")
    durations = {"minutes": minutes, "steps": steps, "epochs": epochs}
    if len(given := [name for name, value in durations.items() if value is not None]) > 1:
        raise UserError(f"{' and '.join(given)} are both given; choose one")
    if given:
        return replace(recipe.training, steps=steps), minutes
    return recipe.training, recipe.minutes if recipe.training.steps is None else None


def read_pictures(recipe: Recipe, data: str | None, size: Size, on_event: OnEvent) -> Splits:
    """The recipe's pictures."""
    splits = recipe.read(data, size=size, progress=label_progress("reading", on_event))
    for note in splits.notes:
        on_event(Note(note))
    return splits
