"""`smalti train`: train with a recipe, or resume a run."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
from cyclopts import Group, Parameter

from smalti.cli.dynamic_verb import make_dynamic_verb
from smalti.cli.event_printer import EventPrinter
from smalti.cli.flags import Flags, add_flags
from smalti.cli.help_layout import OPTIONS
from smalti.cli.options import Size, Switch, split_words
from smalti.core.config_flags import Flag, format_option, list_flags
from smalti.core.errors import UserError
from smalti.core.players import HasAugmentation
from smalti.core.ranges import Minutes, Positive
from smalti.core.size import normalize_size
from smalti.data.pictures import Pictures
from smalti.data.sentence_pairs import TextPairs
from smalti.recipes import RECIPES, find_any_recipe
from smalti.recipes.corpus_recipe import CorpusRecipe
from smalti.recipes.picture_option import PictureOption, PictureSource
from smalti.recipes.recipe import Recipe, condition_on_picture
from smalti.tasks import _train
from smalti.training import Training
from smalti.translation.words import WordTokenizer

EXAMPLES = """[bold]Examples[/bold]

  smalti train ddpm --data photos --minutes 30
  smalti train ddpm --data photos --start ddpm-emoji --minutes 10
  smalti train ddpm --epochs 20 --lr 1e-3 --model.schedule sigmoid
  smalti train gpt --data photos --codec runs/vqgan --minutes 20
  smalti train translate --corpus help.en help.zh --minutes 60
  smalti train ddpm --resume"""

GENERAL = """Train a model with a recipe, or resume a run.

`smalti train RECIPE --help` adds the options of the recipe's model."""

DATA_FIELDS = re.compile(
    r"model\.(shape|classes|(codec|network|discriminator)\.(shape|channels|condition_width|classes)"
    r"|codec\.(model|sha256)|space(\..*)?|picture\.(source|shape)|network\.map_channels"
    r"|network\.(vocab_size|context_length|output_size)|conditions\..*\.(values|optional)"
    r"|(source|target)_(tokenizer_bytes|language)|network\.((source|target)_vocab_size|tied_source))"
)
"""Fields of a model's config that the data and the codec determine."""

EXAMPLE_CODEC = "vqvae-digits"
EXAMPLE_PAIRS = 50_000

CorpusFiles = Annotated[
    tuple[str, ...],
    Parameter(
        name=("--data", "--corpus"),
        consume_multiple=True,
        negative_iterable=(),
        show_default=False,
        metavar="FILES",
    ),
]
Start = Annotated[str | None, Parameter(name=("--start", "--init-from"), show_default=False)]
Augment = Annotated[bool | None, Parameter(negative="--no-augment", show_default=False)]
ConditionNames = Annotated[
    tuple[str, ...],
    Parameter(negative_iterable=(), show_default=False, metavar="NAMES"),
]
"""Names of conditions, the option repeated or its value a list with commas."""
Languages = Annotated[
    tuple[str, str] | None,
    Parameter(negative_iterable=(), show_default=False, metavar="CODES"),
]


def find_recipe_in(words: Sequence[str]) -> Recipe | CorpusRecipe | None:
    """The recipe that is named: it decides which options there are."""
    if words and not words[0].startswith("-"):
        return find_any_recipe(words[0])
    named = [word for word in words if word in RECIPES]
    return find_any_recipe(named[0]) if len(named) == 1 else None


def choose_command(words: Sequence[str]) -> tuple[Callable[..., Any], str]:
    """The command with the options of the recipe's training, data and model, and its help."""
    recipe = find_recipe_in(words)
    help = f"{recipe.name}: {recipe.summary}." if recipe else GENERAL
    training = Flags(
        tuple(list_flags(recipe.training if recipe else Training())), Group("Training", sort_key=1)
    )
    model = Flags(list_model_flags(recipe), Group("Model", sort_key=2))
    if isinstance(recipe, CorpusRecipe):
        flags = tuple(list_flags(recipe.vocabulary, "vocabulary."))
        vocabulary = Flags(flags, Group("Vocabulary", sort_key=3))
        return add_flags(
            train_translator, training=training, model=model, vocabulary=vocabulary
        ), help
    prior = Flags(make_codec_flags(recipe), OPTIONS)
    return add_flags(train_recipe, training=training, model=model, prior=prior), help


def list_model_flags(recipe: Recipe | CorpusRecipe | None) -> tuple[Flag, ...]:
    """Options of the model, but those that the data determine."""
    if recipe is None:
        return ()
    flags = list_flags(make_example_config(recipe), "model.")
    return tuple(flag for flag in flags if not DATA_FIELDS.fullmatch(flag.name))


def make_codec_flags(recipe: Recipe | None) -> tuple[Flag, ...]:
    """--codec and --picture, for the recipes that take them."""
    if recipe is None:
        return ()
    picture = (
        Flag("picture", PictureSource, "Picture as a condition.", None),
        Flag("picture_size", str, "Its height and width (default: its codec's, or half).", None),
        Flag("picture_data", str, "Folder of given pictures, matched by name.", None),
    )
    if recipe.codec is None:
        return picture if recipe.takes_picture else ()
    help = "Trained codec: shipped model, run or checkpoint."
    default = None if recipe.codec_recipe else recipe.codec
    return (
        Flag("codec", str, help, default),
        *picture[:1],
        Flag("picture_codec", str, "Its codec (default: levels, or the prior's).", None),
        *picture[1:],
    )


def make_example_config(recipe: Recipe | CorpusRecipe) -> Any:
    """The model's config with stand-ins for the data and the codec, which are not read yet."""
    if isinstance(recipe, CorpusRecipe):
        words = WordTokenizer({})
        text = ["example"] * EXAMPLE_PAIRS
        pairs = TextPairs(text, text, words, words, "example")
        return recipe.make_config(pairs, ("en", "zh"))
    if recipe.codec is not None:
        recipe = recipe.use_codec(EXAMPLE_CODEC)
    if recipe.takes_picture:
        recipe = condition_on_picture(recipe, PictureOption("low-resolution"))
    config = recipe.make_config(make_example_pictures(recipe))
    return config.add_augmentation() if isinstance(config, HasAugmentation) else config


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
    start: Start = None,
    augment: Augment = None,
    group_by: str | None = None,
    conditions: ConditionNames = (),
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
    start
        Model to start from: shipped model, run or checkpoint.
    augment
        Augment the pictures (default: if they are few).
    group_by
        Pattern of names that stay on one side of the split.
    conditions
        Conditions: class, text, or attributes of the pictures.
    out
        Folder of the run (default: runs/RECIPE).
    resume
        Resume the run in --out with its own options.
    """
    own = {
        "data": data,
        "minutes": minutes,
        "epochs": epochs,
        "size": size,
        "start": start,
        "augment": augment,
        "group_by": group_by,
        "conditions": split_words(conditions) or None,
    }
    return run_training(recipe, out, resume, {**own, **prior}, training, model)


def train_translator(
    recipe: str | None = None,
    /,
    *,
    corpus: CorpusFiles = (),
    languages: Languages = None,
    minutes: Minutes | None = None,
    epochs: Positive | None = None,
    start: Start = None,
    out: Path | None = None,
    resume: Switch = False,
    training: dict[str, Any],
    model: dict[str, Any],
    vocabulary: dict[str, Any],
) -> int:
    """Train a translator with a recipe, or resume a run.

    Parameters
    ----------
    recipe
        Name of a recipe; `smalti list` shows them.
    corpus
        Two aligned files, or files with both languages.
    languages
        Codes of source and target (default: by the files).
    minutes
        Training time (default: the recipe's).
    epochs
        Passes over the training pairs.
    start
        Translator to start from: shipped model, run or checkpoint.
    out
        Folder of the run (default: runs/RECIPE).
    resume
        Resume the run in --out with its own options.
    """
    own = {
        "corpus": corpus or None,
        "languages": languages,
        "minutes": minutes,
        "epochs": epochs,
        "start": start,
    }
    return run_training(recipe, out, resume, own, training, model, vocabulary)


def run_training(
    name: str | None,
    out: Path | None,
    resume: bool,
    own: dict[str, Any],
    training: dict[str, Any],
    model: dict[str, Any],
    vocabulary: dict[str, Any] | None = None,
) -> int:
    """Train or resume; own: arguments of `train`, None where not given. Returns the exit code."""
    if name is None and not resume:
        raise UserError(f"RECIPE is missing; there are {', '.join(RECIPES)}")
    if out is None:
        if name is None:
            raise UserError("--resume needs a recipe or --out, to find the run")
        out = _train.RUNS / name
    event_printer = EventPrinter()
    try:
        if resume:
            given = [k for k, v in own.items() if v is not None]
            refuse_changes([*given, *training, *model, *(vocabulary or {})])
            ended = _train.resume(out, name, on_event=event_printer)
        else:
            steps = training.pop("steps", None)
            recipe = find_any_recipe(name or "")
            changes = {"training": training, "model": strip_prefix("model.", model)}
            if vocabulary:
                changes["vocabulary"] = strip_prefix("vocabulary.", vocabulary)
            selected = recipe.change(**changes)
            ended = _train.train(selected, **own, steps=steps, out=out, on_event=event_printer)
    finally:
        event_printer.close()
    # 128 + signal, as shells do, so that `train && sample` stops
    return 128 + (ended.signal or signal.SIGINT) if ended.interrupted else 0


def strip_prefix(prefix: str, options: dict[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in options.items()}


def refuse_changes(changed: list[str]) -> None:
    """UserError for options that cannot change when a run resumes."""
    if changed:
        first = format_option(changed[0])
        raise UserError(f"{first} cannot change when a run resumes; leave it out with --resume")


USAGE = "Usage: smalti train RECIPE [OPTIONS]"
app = make_dynamic_verb("train", choose_command, usage=USAGE, help_epilogue=EXAMPLES)
