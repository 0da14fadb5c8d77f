"""`smalti train`: a recipe on pictures, or a run that goes on."""

from __future__ import annotations

import shlex
import signal
from pathlib import Path
from typing import Annotated, Any

import torch
from cyclopts import App, Group, Parameter

from smalti.cli.flags import Flag, Name, apply, flags_of, parameter, with_flags
from smalti.cli.meter import Meter
from smalti.cli.options import Size, Switch
from smalti.cli.watch import Watcher
from smalti.core.errors import UserError
from smalti.core.locks import lock_folder
from smalti.core.ranges import Minutes
from smalti.core.size import show_size
from smalti.data.pictures import Pictures, Splits
from smalti.data.reading import lasting, size_of
from smalti.recipes import RECIPES, find
from smalti.recipes.origin import read_origin
from smalti.recipes.recipe import Recipe
from smalti.training import Training, resume, run

EXAMPLES = """[bold]Examples[/bold]

  smalti train ddpm --data photos --minutes 30
  smalti train ddpm --resume
  smalti train ddpm --help            the options of its model, too
  smalti train ddpm --steps 5000 --rate 1e-3 --model.schedule sigmoid"""

GENERAL = """Train a model by a recipe, or go on with a run.

`smalti list` shows the recipes, `smalti train RECIPE --help` what its model can be told."""

RUNS = Path("runs")
OF_THE_DATA = {
    ("shape",),
    ("classes",),
    ("network", "channels"),
    ("network", "classes"),
    ("critic", "channels"),
}
"""Fields of a model's config that its pictures decide."""

app = App(name="train", help_flags=(), version_flags=())


@app.default
def train(*tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)]) -> int:
    """Train a model by a recipe, or go on with a run."""
    from smalti.cli import call

    return call(app_for(recipe_among(tokens)), list(tokens)) or 0


def recipe_among(tokens: tuple[str, ...]) -> Recipe | None:
    """The recipe that is asked for, before the options, which depend on it, can be read."""
    if tokens and not tokens[0].startswith("-"):
        return find(tokens[0])
    named = [token for token in tokens if token in RECIPES]
    return find(named[0]) if len(named) == 1 else None


def app_for(recipe: Recipe | None) -> App:
    """The verb with the options of the recipe's training and model, and its defaults."""
    training = recipe.training if recipe else Training()
    model = recipe.model(example(recipe)) if recipe else None
    sets = {
        "training": options_of(training, Group("Training", sort_key=1), training_option),
        "model": options_of(model, Group("Model", sort_key=2), model_option) if recipe else {},
    }
    about = f"{recipe.name}: {recipe.summary}." if recipe else GENERAL
    inner = App(
        name="smalti train",
        help=about,
        usage="Usage: smalti train RECIPE [OPTIONS]",
        help_epilogue=EXAMPLES,
        help_format="rich",
        version_flags=(),
    )
    inner["--help"].show = False
    inner.default(with_flags(train_recipe, **sets))
    return inner


def options_of(config: Any, group: Group, name: Name) -> dict[str, tuple[Flag, Any]]:
    flags = [f for f in flags_of(config) if f.path not in OF_THE_DATA]
    return {name(f.path): (f, parameter(f, name(f.path), group)) for f in flags}


def training_option(path: tuple[str, ...]) -> str:
    """("weight_decay",) is --weight-decay."""
    return "--" + ".".join(path).replace("_", "-")


def model_option(path: tuple[str, ...]) -> str:
    """("network", "widths") is --model.network.widths."""
    return training_option(("model", *path))


def example(recipe: Recipe) -> Pictures:
    """A picture that the recipe's model is made for when nobody has read the data yet."""
    classes = tuple(map(str, range(10)))
    pixels = torch.zeros(1, 1, recipe.size, recipe.size, dtype=torch.uint8)
    return Pictures(pixels, torch.zeros(1, dtype=torch.int64), classes, "example")


def train_recipe(
    recipe: str | None = None,
    /,
    *,
    data: str | None = None,
    minutes: Minutes | None = None,
    size: Size = None,
    start: str | None = None,
    out: Path | None = None,
    resume: Switch = False,
    training: dict[tuple[str, ...], Any],
    model: dict[tuple[str, ...], Any],
) -> int:
    """Train a model by a recipe, or go on with a run.

    Parameters
    ----------
    recipe
        A recipe's name; `smalti list` shows them.
    data
        A folder, archive or pack of pictures, if not the recipe's own; subfolders become classes.
    minutes
        How long to train, instead of --steps; the recipe's own time when neither is given.
    size
        Height and width of the pictures; the pack's or the recipe's own when not given.
    start
        A model whose weights the run begins with: a shipped name, a run or a checkpoint.
    out
        Folder of the run; runs/RECIPE unless told otherwise.
    resume
        Go on with the run in --out; its recipe, data and options are those it began with.
    """
    if recipe is None and not resume:
        raise UserError(f"RECIPE is missing; there are {', '.join(RECIPES)}")
    if out is None:
        if recipe is None:
            raise UserError("--resume needs a recipe or --out, to know which run to go on with")
        out = RUNS / recipe
    if resume:
        given = {"--data": data, "--minutes": minutes, "--size": size, "--start": start}
        fixed = [o for o, v in given.items() if v is not None]
        fixed += [training_option(p) for p in training] + [model_option(p) for p in model]
        return go_on(recipe, out, fixed)
    assert recipe is not None
    return begin(find(recipe), out, data, size, minutes, start, training, model)


def begin(
    recipe: Recipe,
    out: Path,
    data: str | None,
    size: tuple[int, int] | None,
    minutes: float | None,
    start: str | None,
    training: dict[tuple[str, ...], Any],
    model: dict[tuple[str, ...], Any],
) -> int:
    """A new run; returns the exit code. UserError when `out` holds one already."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        is_run = (out / "run.json").is_file()
        hint = (
            f"go on with it by `smalti train --resume --out {shlex.quote(str(out))}`, or "
            if is_run
            else ""
        )
        raise UserError(f"{out} exists already; {hint}choose another --out")
    plan, minutes = planned(recipe, training, minutes)
    extent = size or (size_of(data) if data else None) or (recipe.size, recipe.size)
    side = extent[0] if extent[0] == extent[1] else extent
    splits = read(recipe, data, side)
    if size and splits.train.shape[1:] != size:
        h, w = splits.train.shape[1:]
        raise UserError(
            f"--size {show_size(size)} is given, but these pictures are {h} x {w}; leave it out, "
            "or bring your own by --data"
        )
    config = apply(recipe.model(splits.train), model, model_option)
    about = {"recipe": recipe.name, "data": data and lasting(data), "size": side}
    watcher = Watcher()
    try:
        run(
            config,
            splits.train,
            splits.valid,
            plan,
            out,
            minutes=minutes,
            start=start,
            watch=watcher,
            about=about,
        )
    finally:
        watcher.close()
    return exit_code(watcher)


def exit_code(watcher: Watcher) -> int:
    """0, or as a shell tells of a program that a signal ended: `train && sample` stops then."""
    return 128 + (watcher.signal or signal.SIGINT) if watcher.interrupted else 0


def planned(
    recipe: Recipe, values: dict[tuple[str, ...], Any], minutes: float | None
) -> tuple[Training, float | None]:
    """How to train, and for how long when no number of steps is set."""
    if minutes is not None and values.get(("steps",)) is not None:
        raise UserError("--minutes and --steps are both given; choose one")
    if minutes is not None:
        values = {**values, ("steps",): None}
    plan = apply(recipe.training, values, training_option)
    return plan, minutes or (recipe.minutes if plan.steps is None else None)


def go_on(recipe: str | None, out: Path, fixed: list[str]) -> int:
    """The run in `out` from its last step; returns the exit code."""
    if fixed:
        raise UserError(
            f"{fixed[0]} cannot change in a run that goes on; leave it out with --resume"
        )
    origin = read_origin(out)
    if recipe not in (None, origin.recipe):
        raise UserError(f"{out} is a run of {origin.recipe}, not of {recipe}; give its --out")
    with lock_folder(out):
        pass  # in use: said before the pictures are read
    splits = read(find(origin.recipe), origin.data, origin.size)
    watcher = Watcher()
    try:
        resume(out, splits.train, splits.valid, watch=watcher)
    finally:
        watcher.close()
    return exit_code(watcher)


def read(recipe: Recipe, data: str | None, size: int | tuple[int, int]) -> Splits:
    """The recipe's pictures, with progress."""
    meter: Meter | None = None

    def progress(done: int, total: int) -> None:
        nonlocal meter
        meter = meter or Meter("reading", total).__enter__()
        meter.advance(done - meter.done)

    try:
        splits = recipe.read(data, size=size, progress=progress)
    finally:
        if meter:
            meter.__exit__(None, None, None)
    for note in splits.notes:
        print(note)
    return splits
