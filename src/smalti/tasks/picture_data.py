"""The pictures of a run, for recipes of pictures and of codes."""

from __future__ import annotations

from pathlib import Path

from smalti.core.checkpoint import read_card
from smalti.core.errors import UserError
from smalti.core.progress import label_progress
from smalti.core.size import Size, format_size, normalize_size
from smalti.data.pictures import Splits
from smalti.data.reading import read_size, to_absolute_path
from smalti.recipes import RECIPES, find_recipe
from smalti.recipes.origin import read_origin
from smalti.recipes.picture_option import PictureOption
from smalti.recipes.pictures import FetchedReader
from smalti.recipes.recipe import Recipe, condition_on_picture
from smalti.tasks.encoding import encode_once
from smalti.tasks.picture_conditions import pair_pictures
from smalti.tasks.reference import find_run
from smalti.tasks.run_data import OnEvent, RunData
from smalti.training import read_run
from smalti.training.events import Note

RUNS = Path("runs")


def prepare_pictures(
    recipe: Recipe,
    data: str | Path | Splits | None,
    size: Size | None,
    codec: str | Path | None,
    on_event: OnEvent,
    option: PictureOption | None = None,
) -> RunData:
    """Read the pictures of a new run; a prior's are encoded. Arguments as in `train`.

    option: picture that a prior is conditioned on.
    """
    source = None if isinstance(data, Splits | None) else str(data)
    if recipe.codec is not None:
        recipe = choose_codec(recipe, codec, data, size)
        if data is None and codec is not None and recipe.codec_recipe:
            source = find_codec_pictures(codec)
    elif codec is not None:
        raise UserError(f"codec {codec} is given, but {recipe.name} takes none; leave it out")
    recipe = recipe if option is None else condition_on_picture(recipe, option)
    shape = normalize_size(size or (read_size(source) if source else None) or recipe.size)
    side = shape[0] if shape[0] == shape[1] else shape
    splits = data if isinstance(data, Splits) else read_pictures(recipe, source, side, on_event)
    if size and splits.train.shape[1:] != shape:
        h, w = splits.train.shape[1:]
        raise UserError(
            f"size {format_size(shape)} is given, but these pictures are {h} x {w}; leave it out, "
            "or give other pictures"
        )
    folder = option and option.find_folder()
    splits = pair_pictures(splits, folder, on_event)
    config = recipe.make_config(splits.train)
    train, valid = encode_once(config, recipe.training.flip, splits, on_event)
    origin = {"recipe": recipe.name, "data": source and to_absolute_path(source), "size": side}
    if folder is not None:
        origin["condition_folder"] = [*folder]
    return RunData(config, train, valid, origin)


def read_pictures_again(
    out: Path, recipe: Recipe, data: Splits | None, on_event: OnEvent
) -> RunData:
    """Read the pictures of the run in `out`, to resume it."""
    origin, record = read_origin(out), read_run(out)
    splits = data or read_pictures(recipe, origin.data, origin.size, on_event)
    if data is None:
        splits = pair_pictures(splits, origin.condition_folder, on_event)
    train, valid = encode_once(record.model, record.training.flip, splits, on_event)
    return RunData(record.model, train, valid, record.about)


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


def read_pictures(recipe: Recipe, data: str | None, size: Size, on_event: OnEvent) -> Splits:
    """Read the pictures of a recipe."""
    splits = recipe.read(data, size=size, progress=label_progress("reading", on_event))
    for note in splits.notes:
        on_event(Note(note))
    return splits
