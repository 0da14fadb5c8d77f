"""`smalti train`: train with a recipe, or resume a run."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from cyclopts import Group

from smalti.cli.dynamic_verb import make_dynamic_verb
from smalti.cli.event_printer import EventPrinter
from smalti.cli.flags import Flag, Flags, add_flags, format_option, list_flags
from smalti.cli.help_layout import OPTIONS
from smalti.cli.options import Size, Switch
from smalti.core.errors import UserError
from smalti.core.ranges import Minutes, Positive
from smalti.core.size import normalize_size
from smalti.data.pictures import Pictures
from smalti.recipes import RECIPES, find_recipe
from smalti.recipes.recipe import Recipe
from smalti.tasks import _train
from smalti.training import Training

EXAMPLES = """[bold]Examples[/bold]

  smalti train ddpm --data photos --minutes 30
  smalti train ddpm --epochs 20 --lr 1e-3 --model.schedule sigmoid
  smalti train gpt --data photos --codec runs/vqgan --minutes 20
  smalti train ddpm --resume"""

GENERAL = """Train a model with a recipe, or resume a run.

`smalti train RECIPE --help` adds the options of the recipe's model."""

DATA_FIELDS = re.compile(
    r"model\.(shape|classes|(codec|network|discriminator)\.(shape|channels|condition_width|classes)"
    r"|codec\.(model|sha256)|network\.(vocab_size|context_length)|conditions\..*\.values)"
)
"""Fields of a model's config that the data and the codec determine."""

EXAMPLE_CODEC = "vqvae-digits"


def find_recipe_in(words: Sequence[str]) -> Recipe | None:
    """The recipe that is named: it decides which options there are."""
    if words and not words[0].startswith("-"):
        return find_recipe(words[0])
    named = [word for word in words if word in RECIPES]
    return find_recipe(named[0]) if len(named) == 1 else None


def choose_command(words: Sequence[str]) -> tuple[Callable[..., Any], str]:
    """The command with the options of the recipe's training and model, and its help."""
    recipe = find_recipe_in(words)
    training = list_flags(recipe.training if recipe else Training())
    model = list_flags(make_example_config(recipe), "model.") if recipe else ()
    own = tuple(flag for flag in model if not DATA_FIELDS.fullmatch(flag.name))
    command = add_flags(
        train_recipe,
        training=Flags(tuple(training), Group("Training", sort_key=1)),
        model=Flags(own, Group("Model", sort_key=2)),
        prior=Flags(make_codec_flags(recipe), OPTIONS),
    )
    return command, f"{recipe.name}: {recipe.summary}." if recipe else GENERAL


def make_codec_flags(recipe: Recipe | None) -> tuple[Flag, ...]:
    """--codec, for the recipes that take one."""
    if recipe is None or recipe.codec is None:
        return ()
    help = "Trained codec: shipped model, run or checkpoint."
    default = None if recipe.codec_recipe else recipe.codec
    return (Flag("codec", str, help, default),)


def make_example_config(recipe: Recipe) -> Any:
    """The model's config with stand-ins for the data and the codec, which are not read yet."""
    if recipe.codec is not None:
        recipe = recipe.use_codec(EXAMPLE_CODEC)
    return recipe.make_config(make_example_pictures(recipe))


def make_example_pictures(recipe: Recipe) -> Pictures:
    """A stand-in for the data, which are not read yet."""
    classes = tuple(map(str, range(10)))
    pixels = torch.zeros(1, 1, *normalize_size(recipe.size), dtype=torch.uint8)
    return Pictures(pixels, torch.zeros(1, dtype=torch.int64), classes, "example")


def train_recipe(
    recipe: str | None = None,
    /,
    *,
    data: str | None = None,
    minutes: Minutes | None = None,
    epochs: Positive | None = None,
    size: Size = None,
    init_from: str | None = None,
    out: Path | None = None,
    resume: Switch = False,
    training: dict[str, Any],
    model: dict[str, Any],
    prior: dict[str, Any],
) -> int:
    """Train a model with a recipe, or resume a run.

    Parameters
    ----------
    recipe
        Name of a recipe; `smalti list` shows them.
    data
        Folder, archive or pack of pictures; subfolders are classes.
    minutes
        Training time (default: the recipe's).
    epochs
        Passes over the training pictures.
    size
        Height and width (default: the data's or recipe's).
    init_from
        Initial weights: shipped model, run or checkpoint.
    out
        Folder of the run (default: runs/RECIPE).
    resume
        Resume the run in --out with its own options.
    """
    if recipe is None and not resume:
        raise UserError(f"RECIPE is missing; there are {', '.join(RECIPES)}")
    if out is None:
        if recipe is None:
            raise UserError("--resume needs a recipe or --out, to find the run")
        out = _train.RUNS / recipe
    own = {"data": data, "minutes": minutes, "epochs": epochs, "size": size, "init_from": init_from}
    event_printer = EventPrinter()
    try:
        if resume:
            refuse_changes(
                [*(k for k, v in {**own, **prior}.items() if v is not None), *training, *model]
            )
            ended = _train.resume(out, recipe, on_event=event_printer)
        else:
            steps = training.pop("steps", None)
            inside = {name.removeprefix("model."): value for name, value in model.items()}
            assert recipe is not None
            selected = find_recipe(recipe).change(training, inside)
            ended = _train.train(
                selected, **own, **prior, steps=steps, out=out, on_event=event_printer
            )
    finally:
        event_printer.close()
    # 128 + signal, as shells do, so that `train && sample` stops
    return 128 + (ended.signal or signal.SIGINT) if ended.interrupted else 0


def refuse_changes(changed: list[str]) -> None:
    """UserError for options that cannot change when a run resumes."""
    if changed:
        first = format_option(changed[0])
        raise UserError(f"{first} cannot change when a run resumes; leave it out with --resume")


USAGE = "Usage: smalti train RECIPE [OPTIONS]"
app = make_dynamic_verb("train", choose_command, usage=USAGE, help_epilogue=EXAMPLES)
