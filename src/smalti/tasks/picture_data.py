"""The pictures of a run, for recipes of pictures and of codes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from smalti.autoregressive import FrozenCodec
from smalti.core.checkpoint import find_checkpoint, read_card, read_model_config
from smalti.core.errors import UserError
from smalti.core.messages import format_count
from smalti.core.progress import label_progress
from smalti.core.size import Size, format_size, normalize_size
from smalti.data.pictures import Splits
from smalti.data.reading import read_size, to_absolute_path
from smalti.recipes import RECIPES, find_recipe
from smalti.recipes.origin import read_origin
from smalti.recipes.picture_option import PictureOption
from smalti.recipes.pictures import FetchedReader
from smalti.recipes.recipe import Recipe, condition_on_picture, use_conditions
from smalti.recipes.selected_conditions import CLASS, list_condition_names, select_conditions
from smalti.tasks.encoding import encode_once
from smalti.tasks.picture_conditions import pair_pictures
from smalti.tasks.reference import find_run
from smalti.tasks.run_data import OnEvent, RunData
from smalti.training import read_run
from smalti.training.events import Note

RUNS = Path("runs")


class PicturePlan(NamedTuple):
    """What a user wants a new run to train on and to start from; arguments as in `train`."""

    data: str | Path | Splits | None = None
    size: Size | None = None
    codec: str | Path | None = None
    option: PictureOption | None = None
    """Picture that a prior is conditioned on."""
    start: str | None = None
    augment: bool | None = None
    group_by: str | None = None
    conditions: Sequence[str] | None = None

    @property
    def source(self) -> str | None:
        """The path of the data, or the name of a pack; None for default and given pictures."""
        return None if isinstance(self.data, Splits | None) else str(self.data)


def prepare_pictures(recipe: Recipe, plan: PicturePlan, on_event: OnEvent) -> RunData:
    """Read the pictures of a new run; a prior's are encoded."""
    data, size, source, option = plan.data, plan.size, plan.source, plan.option
    begun = None if plan.start is None else read_model_config(find_checkpoint(plan.start))
    codec = plan.codec or find_start_codec(recipe, begun)
    if recipe.codec is not None:
        recipe = choose_codec(recipe, codec, data, size)
        if data is None and codec is not None and recipe.codec_recipe:
            source = find_own_pictures(codec)
    elif codec is not None:
        raise UserError(f"codec {codec} is given, but {recipe.name} takes none; leave it out")
    recipe = recipe if option is None else condition_on_picture(recipe, option)
    recipe = recipe if begun is None else recipe.follow_start(begun, str(plan.start))
    shape = choose_size(recipe, plan, source, begun)
    side = shape[0] if shape[0] == shape[1] else shape
    group_by = check_grouping(plan)
    splits = (
        data
        if isinstance(data, Splits)
        else read_pictures(recipe, source, side, on_event, group_by)
    )
    if size and splits.train.shape[1:] != shape:
        h, w = splits.train.shape[1:]
        raise UserError(
            f"size {format_size(shape)} is given, but these pictures are {h} x {w}; leave it out, "
            "or give other pictures"
        )
    names = choose_conditions(recipe, plan.conditions, splits, is_own=data is not None)
    recipe, splits = use_conditions(recipe, names), select_conditions(splits, names)
    folder = option and option.find_folder()
    splits = pair_pictures(splits, folder, on_event)
    few = plan.augment is None and len(splits.train) < recipe.few
    recipe = recipe.augment() if plan.augment or few else recipe
    config = recipe.make_config(splits.train)
    if few:
        on_event(describe_augmentation(len(splits.train)))
    if plan.conditions is not None:
        check_takes_conditions(config, plan.conditions, recipe)
    train, valid = encode_once(config, recipe.training.flip, splits, on_event)
    origin = {"recipe": recipe.name, "data": source and to_absolute_path(source), "size": side}
    if group_by is not None:
        origin["group_by"] = group_by
    if folder is not None:
        origin["condition_folder"] = [*folder]
    if names is not None:
        origin["conditions"] = [*names]
    return RunData(config, train, valid, origin)


def check_grouping(plan: PicturePlan) -> str | None:
    """The pattern of names. UserError if no names are split."""
    if plan.group_by is not None and plan.source is None:
        what = "Splits are split already" if plan.data else "the recipe's own pictures are split"
        raise UserError(f"group_by {plan.group_by} is given, but {what}; leave it out")
    return plan.group_by


def choose_size(
    recipe: Recipe, plan: PicturePlan, source: str | None, begun: object
) -> tuple[int, int]:
    """Height and width: as given, those of a pack, of the start, or the recipe's."""
    size = plan.size or (read_size(source) if source else None)
    shape = getattr(begun, "shape", None) if source else None
    return normalize_size(size or (shape and shape[1:]) or recipe.size)


def find_start_codec(recipe: Recipe, begun: object) -> str | None:
    """The codec of a prior that another one starts from, if it can be found."""
    codec = getattr(begun, "codec", None)
    if recipe.codec is None or not isinstance(codec, FrozenCodec):
        return None
    return codec.model


def describe_augmentation(n: int) -> Note:
    """What a run with few pictures does by itself."""
    verb = "is" if n == 1 else "are"
    count = format_count(n, "picture")
    return Note(f"augmenting: {count} {verb} few; --no-augment trains without")


def choose_conditions(
    recipe: Recipe, conditions: Sequence[str] | None, splits: Splits, *, is_own: bool
) -> tuple[str, ...] | None:
    """Names of the model's conditions; None for those that the recipe takes by itself.

    is_own: whether the pictures are not the recipe's own. Of those, its conditions may be missing.
    """
    if conditions is not None:
        return tuple(conditions)
    if recipe.conditions is None or not is_own:
        return recipe.conditions
    known = list_condition_names(splits.train)
    names = tuple(name for name in recipe.conditions if name in known)
    has_attributes = any(name in splits.train.attributes for name in names)
    return names if has_attributes or CLASS not in known else (CLASS, *names)


def check_takes_conditions(config: object, names: Sequence[str], recipe: Recipe) -> None:
    """UserError for a named condition that the recipe's model has not."""
    known = [c.name for c in getattr(config, "conditions", ())]
    for name in names:
        if name not in known:
            takes = f"takes {', '.join(known)}" if known else "takes no conditions"
            raise UserError(f"condition {name} is given, but {recipe.name} {takes}; leave it out")


def read_pictures_again(
    out: Path, recipe: Recipe, data: Splits | None, on_event: OnEvent
) -> RunData:
    """Read the pictures of the run in `out`, to resume it."""
    origin, record = read_origin(out), read_run(out)
    splits = data or read_pictures(recipe, origin.data, origin.size, on_event, origin.group_by)
    if data is None:
        splits = pair_pictures(splits, origin.condition_folder, on_event)
    splits = select_conditions(splits, origin.conditions)
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


def find_own_pictures(model: str | Path) -> str | None:
    """The data that a model was trained on: a path, or the name of a pack; None if unknown."""
    if (run := find_run(model)) is not None:
        origin = read_origin(run)
        name, data = origin.recipe, origin.data
    else:
        name, data = read_card(model).facts.get("recipe"), None
    if data is None and name in RECIPES:
        recipe = find_recipe(name)
        if isinstance(recipe.read, FetchedReader):
            return recipe.read.pack.format(size=format_size(normalize_size(recipe.size)))
    return data


def read_pictures(
    recipe: Recipe,
    data: str | None,
    size: Size,
    on_event: OnEvent,
    group_by: str | None = None,
) -> Splits:
    """Read the pictures of a recipe."""
    progress = label_progress("reading", on_event)
    grouping = {} if group_by is None else {"group_by": group_by}
    splits = recipe.read(data, size=size, progress=progress, **grouping)
    for note in splits.notes:
        on_event(Note(note))
    return splits
