"""Train a model with a recipe, or resume a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from smalti.core.config import coerce_value
from smalti.core.errors import UserError
from smalti.core.locks import lock_folder
from smalti.core.progress import ignore_event
from smalti.core.ranges import Minutes, Positive
from smalti.core.size import Size
from smalti.data.corpora.pair import LanguagePair, SentencePair
from smalti.data.pictures import Splits
from smalti.recipes import find_any_recipe
from smalti.recipes.corpus_recipe import CorpusRecipe
from smalti.recipes.origin import read_recipe_name
from smalti.recipes.picture_option import PictureSource
from smalti.recipes.recipe import Recipe
from smalti.tasks.corpus_data import Corpus, prepare_corpus_data, read_corpus_again
from smalti.tasks.picture_conditions import choose_picture
from smalti.tasks.picture_data import RUNS, PicturePlan, prepare_pictures, read_pictures_again
from smalti.tasks.run_data import OnEvent, RunData, refuse_options
from smalti.training import Training
from smalti.training import resume as resume_run
from smalti.training import run as begin_run
from smalti.training._run import check_empty_folder
from smalti.training.events import Ended, Event

AnyRecipe = Recipe | CorpusRecipe


def train(
    recipe: str | AnyRecipe,
    *,
    data: str | Path | Splits | None = None,
    corpus: str | Path | Corpus | None = None,
    languages: LanguagePair | None = None,
    out: str | Path | None = None,
    steps: int | None = None,
    minutes: float | None = None,
    epochs: float | None = None,
    size: Size | None = None,
    start: str | Path | None = None,
    augment: bool | None = None,
    group_by: str | None = None,
    codec: str | Path | None = None,
    picture: PictureSource | None = None,
    picture_codec: str | Path | None = None,
    picture_size: Size | str | None = None,
    picture_data: str | Path | None = None,
    conditions: Sequence[str] | None = None,
    init_from: str | Path | None = None,
    on_event: OnEvent = ignore_event,
) -> Ended:
    """Train a model with a recipe, in a new folder.

    recipe: A name, or a recipe such as
    `find_recipe("ddpm").change(training={"learning_rate": 1e-3})`.
    data: Pictures (default: the recipe's). Folder, archive, pack or `Splits`; subfolders become
    classes.
    corpus: Sentence pairs of a translator. Two aligned files, or files that hold both languages.
    languages: Codes of source and target (default: by the files).
    out: Run folder (default: runs/RECIPE).
    steps: Training steps (default: the recipe's).
    minutes: Training time in minutes, instead of steps.
    epochs: Passes over the training set, instead of steps.
    size: Height and width (default: the data's or recipe's).
    start: Model whose weights training starts from. Shipped model, run or checkpoint. The network
    is that model's; what does not fit other classes, sizes or channels begins anew.
    augment: Augment the training pictures (default: the recipe's choice, by their number).
    group_by: Pattern of file names. Pictures whose match is equal are on one side of the split.
    codec: Trained codec of a prior. Shipped model, run or checkpoint (default: the recipe's).
    picture: Picture that a prior is conditioned on. The pictures in low resolution, their edges, or
    given ones.
    picture_codec: Codec of that picture (default: the prior's; levels in low resolution).
    picture_size: Height and width of that picture (default: its codec's).
    picture_data: Folder of the given pictures. Matched to `data` by file name.
    conditions: Names of the conditions (default: the recipe's). Such as ["class", "text"]; also
    attributes of the pictures.
    init_from: Older name of `start`.

    An interrupted run (Ctrl-C) saves a checkpoint; `Ended` says so, and `resume` continues it.
    Raises UserError if `out` is in use, or if the loss becomes NaN or infinite.
    """
    recipe = find_any_recipe(recipe) if isinstance(recipe, str) else recipe
    out = RUNS / recipe.name if out is None else Path(out)
    check_empty_folder(out)
    training, minutes = choose_duration(recipe, steps, minutes, epochs)
    option = choose_picture(picture, picture_codec, picture_size, picture_data)
    start = choose_start(start, init_from)
    if isinstance(recipe, CorpusRecipe):
        refuse_options(
            recipe.name, data=data, size=size, codec=codec, picture=picture, augment=augment
        )
        refuse_options(recipe.name, group_by=group_by, conditions=conditions)
        prepared = prepare_corpus_data(recipe, corpus, languages, start, on_event)
    else:
        refuse_options(recipe.name, corpus=corpus, languages=languages)
        plan = PicturePlan(data, size, codec, option, start, augment, group_by, conditions)
        prepared = prepare_pictures(recipe, plan, on_event)
    if epochs is not None:
        steps = prepared.count_steps(training.batch_size, epochs)
        training = replace(training, steps=steps)
    relay = EventRelay(on_event)
    begin_run(
        prepared.config,
        prepared.train,
        prepared.valid,
        training,
        out,
        minutes=minutes,
        start=start,
        on_event=relay,
        about=prepared.origin,
    )
    return relay.ended


def resume(
    out: str | Path,
    recipe: str | AnyRecipe | None = None,
    *,
    data: Splits | Sequence[SentencePair] | None = None,
    on_event: OnEvent = ignore_event,
) -> Ended:
    """Resume a run from its last checkpoint.

    The run keeps its original options.

    out: Run folder.
    recipe: Needed if it is not one of the table.
    data: Needed if the run was given `Splits` or sentence pairs.

    Raises UserError if there is no run, if another process trains it, or if its data changed.
    """
    out, name = Path(out), recipe if isinstance(recipe, str | None) else recipe.name
    origin = read_recipe_name(out)
    if name not in (None, origin):
        raise UserError(f"{out} is a run of {origin}, not of {name}; name another folder")
    with lock_folder(out):
        pass  # a run in use raises before its data are read
    run_recipe = find_any_recipe(origin) if isinstance(recipe, str | None) else recipe
    prepared = read_again(out, run_recipe, data, on_event)
    relay = EventRelay(on_event)
    resume_run(out, prepared.train, prepared.valid, on_event=relay)
    return relay.ended


def choose_start(start: str | Path | None, init_from: str | Path | None) -> str | None:
    """The model to start from, under either name. UserError for both."""
    if start is not None and init_from is not None:
        raise UserError("start and init_from are both given; init_from is its older name")
    chosen = start if init_from is None else init_from
    return None if chosen is None else str(chosen)


def read_again(
    out: Path,
    recipe: AnyRecipe,
    data: Splits | Sequence[SentencePair] | None,
    on_event: OnEvent,
) -> RunData:
    """Read the data of a run, unless they are given. UserError for data of another kind."""
    if isinstance(recipe, CorpusRecipe):
        if isinstance(data, Splits):
            raise UserError(f"data are pictures, but {recipe.name} needs sentence pairs")
        return read_corpus_again(out, recipe, data)
    if data is not None and not isinstance(data, Splits):
        raise UserError(f"data are no pictures, which {recipe.name} needs; give Splits")
    return read_pictures_again(out, recipe, data, on_event)


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


def choose_duration(
    recipe: AnyRecipe, steps: int | None, minutes: float | None, epochs: float | None
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
