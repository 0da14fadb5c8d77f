"""Train a model with a recipe, or resume a run."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from smalti.core.checkpoint import read_card
from smalti.core.config import coerce_value
from smalti.core.errors import UserError
from smalti.core.locks import lock_folder
from smalti.core.progress import Progress, ignore_event, label_progress
from smalti.core.ranges import Minutes, Positive
from smalti.core.size import Size, format_size, normalize_size
from smalti.data.pictures import Pictures, Splits
from smalti.data.reading import read_size, to_absolute_path
from smalti.recipes import RECIPES, find_recipe
from smalti.recipes.origin import read_origin
from smalti.recipes.pictures import FetchedReader
from smalti.recipes.recipe import Recipe
from smalti.tasks.encoding import encode_once
from smalti.tasks.reference import find_run
from smalti.training import Training, read_run
from smalti.training import resume as resume_run
from smalti.training import run as begin_run
from smalti.training._run import check_empty_folder
from smalti.training.events import Ended, Event, Note

RUNS = Path("runs")

OnEvent = Callable[[Event | Progress], None]
"""Called with the progress of reading pictures, then with the events of the run."""


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
    codec: str | Path | None = None,
    on_event: OnEvent = ignore_event,
) -> Ended:
    """Train a model with a recipe, in a new folder.

    recipe: A name, or a recipe such as
    `find_recipe("ddpm").change(training={"learning_rate": 1e-3})`.
    data: Pictures (default: the recipe's). Folder, archive, pack or `Splits`; subfolders become
    classes.
    out: Run folder (default: runs/RECIPE).
    steps: Training steps (default: the recipe's).
    minutes: Training time in minutes, instead of steps.
    epochs: Passes over the training set, instead of steps.
    size: Height and width (default: the data's or recipe's).
    init_from: Model to take the initial weights from. Shipped model, run or checkpoint.
    codec: Trained codec of a prior. Shipped model, run or checkpoint (default: the recipe's).

    An interrupted run (Ctrl-C) saves a checkpoint; `Ended` says so, and `resume` continues it.
    Raises UserError if `out` is in use, or if the loss becomes NaN or infinite.
    """
    recipe = find_recipe(recipe) if isinstance(recipe, str) else recipe
    out = RUNS / recipe.name if out is None else Path(out)
    check_empty_folder(out)
    training, minutes = choose_duration(recipe, steps, minutes, epochs)
    source = None if isinstance(data, Splits | None) else str(data)
    if recipe.codec is not None:
        recipe = choose_codec(recipe, codec, data, size)
        if data is None and codec is not None and recipe.codec_recipe:
            source = find_codec_pictures(codec)
    elif codec is not None:
        raise UserError(f"codec {codec} is given, but {recipe.name} takes none; leave it out")
    shape = normalize_size(size or (read_size(source) if source else None) or recipe.size)
    side = shape[0] if shape[0] == shape[1] else shape
    splits = data if isinstance(data, Splits) else read_pictures(recipe, source, side, on_event)
    if size and splits.train.shape[1:] != shape:
        h, w = splits.train.shape[1:]
        raise UserError(
            f"size {format_size(shape)} is given, but these pictures are {h} x {w}; leave it out, "
            "or give other pictures"
        )
    if epochs is not None:
        training = replace(training, steps=count_steps(splits.train, training.batch_size, epochs))
    relay = EventRelay(on_event)
    config = recipe.make_config(splits.train)
    train_data, valid_data = encode_once(config, training.flip, splits, on_event)
    begin_run(
        config,
        train_data,
        valid_data,
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
    """Resume a run from its last checkpoint.

    The run keeps its original options.

    out: Run folder.
    recipe: Needed if it is not one of the table.
    data: Needed if the run was given `Splits`.

    Raises UserError if there is no run, if another process trains it, or if its pictures changed.
    """
    out, name = Path(out), recipe.name if isinstance(recipe, Recipe) else recipe
    origin = read_origin(out)
    if name not in (None, origin.recipe):
        raise UserError(f"{out} is a run of {origin.recipe}, not of {name}; name another folder")
    with lock_folder(out):
        pass  # a run in use raises before its pictures are read
    run_recipe = recipe if isinstance(recipe, Recipe) else find_recipe(origin.recipe)
    splits = data or read_pictures(run_recipe, origin.data, origin.size, on_event)
    relay = EventRelay(on_event)
    record = read_run(out)
    train_data, valid_data = encode_once(record.model, record.training.flip, splits, on_event)
    resume_run(out, train_data, valid_data, on_event=relay)
    return relay.ended


def choose_codec(
    recipe: Recipe, codec: str | Path | None, data: str | Path | Splits | None, size: Size | None
) -> Recipe:
    """The recipe with the given codec, if one is, whose pictures have one size.

    UserError for a model that is no codec, and for another size.
    """
    source = None if isinstance(data, Splits | None) else str(data)
    if codec is None and data is not None and recipe.codec_recipe:
        raise UserError(
            f"codec is missing: train one with `smalti train {recipe.codec_recipe} --data "
            f"{source or 'FOLDER'}`, and then give it (--codec {RUNS / recipe.codec_recipe})"
        )
    if codec is None:
        return recipe
    recipe = recipe.use_codec(str(codec))
    for given, what in ((size, "size"), (source and read_size(source), f"{source}: size")):
        if given and normalize_size(given) != normalize_size(recipe.size):
            raise UserError(
                f"{what} is {format_size(normalize_size(given))}, but codec {recipe.codec} has "
                f"pictures of {format_size(normalize_size(recipe.size))}; give that size"
            )
    return recipe


def find_codec_pictures(codec: str | Path) -> str | None:
    """The data that a codec was trained on: a path, or the name of a pack; None if unknown."""
    if (run := find_run(codec)) is not None:
        origin = read_origin(run)
        name, data = origin.recipe, origin.data
    else:
        name, data = read_card(codec).facts.get("recipe"), None
    if data is None and name in RECIPES:
        recipe = find_recipe(name)
        if isinstance(recipe.read, FetchedReader):
            return recipe.read.pack.format(size=format_size(normalize_size(recipe.size)))
    return data


class EventRelay:
    """Forwards a run's events and keeps the last one. It is pickled into other processes."""

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
    """Optimizer steps in `epochs` passes over the pictures, at least 1."""
    return max(1, math.ceil(epochs * len(pictures) / batch_size))


def choose_duration(
    recipe: Recipe, steps: int | None, minutes: float | None, epochs: float | None
) -> tuple[Training, float | None]:
    """The training config, and minutes if no number of steps is set."""
    minutes = coerce_value(minutes, Minutes | None, "minutes")
    epochs = coerce_value(epochs, Positive | None, "epochs")
    durations = {"minutes": minutes, "steps": steps, "epochs": epochs}
    if len(given := [name for name, value in durations.items() if value is not None]) > 1:
        raise UserError(f"{' and '.join(given)} are both given; choose one")
    if given:
        return replace(recipe.training, steps=steps), minutes
    return recipe.training, recipe.minutes if recipe.training.steps is None else None


def read_pictures(recipe: Recipe, data: str | None, size: Size, on_event: OnEvent) -> Splits:
    """Read the pictures of a recipe."""
    splits = recipe.read(data, size=size, progress=label_progress("reading", on_event))
    for note in splits.notes:
        on_event(Note(note))
    return splits
