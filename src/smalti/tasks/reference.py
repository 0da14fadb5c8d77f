"""The reference pictures of an evaluation: training and held-out pictures of the model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from smalti.core.checkpoint import SHIPPED_FOLDER, find_checkpoint, read_card
from smalti.core.errors import UserError
from smalti.core.progress import OnProgress, label_progress
from smalti.core.protocols import Dataset, HasSpec
from smalti.data import Splits, digit_pictures, read_splits
from smalti.data.codes import Codes
from smalti.features.registry import DIGIT_CLASSES
from smalti.recipes import RECIPES, find_recipe
from smalti.recipes.origin import read_origin
from smalti.tasks.picture_conditions import pair_reference
from smalti.training import read_run
from smalti.training.provenance import find_change

OTHER_PICTURES = (
    "--data names other pictures than the run's ({}): if some of them were used in training, the "
    "metrics are too good"
)


def find_reference(
    model: object,
    loaded: HasSpec,
    data: Splits | str | Path | None,
    on_progress: OnProgress,
    picture_data: str | Path | None = None,
) -> Splits:
    """The pictures at `data`, or those of the model's run or recipe, or the digits.

    picture_data: condition pictures of those at `data`.
    model: what it was loaded from, or the loaded model. UserError if its training pictures are
    unknown, or if the pictures of its run have changed.
    """
    if picture_data is not None and (data is None or isinstance(data, Splits)):
        raise UserError(f"picture_data {picture_data} is given without data; give their folder")
    if isinstance(data, Splits):
        return data
    reading = label_progress("reading", on_progress)
    run = find_run(model)
    if data is not None:
        splits = read_splits(data, size=loaded.spec.size, progress=reading)
        splits = pair_reference(splits, picture_data, loaded.spec.conditions, on_progress)
        if run is not None and (change := describe_change(run, splits)):
            return replace(splits, notes=(*splits.notes, OTHER_PICTURES.format(change)))
        return splits
    if run is not None:
        splits = read_origin(run).read_splits(reading)
        if change := describe_change(run, splits):
            raise UserError(
                f"{change}, so some that are held out now may have been trained on; put them back, "
                "or give other pictures by --data"
            )
        return splits
    if isinstance(model, str | Path):
        recipe = read_card(model).facts.get("recipe")
        if (
            isinstance(recipe, str)
            and recipe in RECIPES
            and find_checkpoint(model).parent == SHIPPED_FOLDER
        ):
            shipped = find_recipe(recipe)
            return shipped.read(None, size=shipped.size, progress=reading)
    elif is_digits_model(loaded):
        return Splits(digit_pictures("train"), digit_pictures("valid"), digit_pictures("test"))
    raise UserError("data are missing: its training pictures are unknown; give them (--data)")


def is_digits_model(model: HasSpec) -> bool:
    spec = model.spec
    return (spec.channels, spec.size, spec.classes or DIGIT_CLASSES) == (1, (28, 28), DIGIT_CLASSES)


def find_run(model: object) -> Path | None:
    """The run of a folder that is a run, or a checkpoint in one."""
    folder = Path(model) if isinstance(model, str | Path) else Path()
    for path in (folder, folder.parent):
        if (path / "run.json").is_file() and (path == folder or folder.name.startswith("step-")):
            return path
    return None


def describe_change(run: Path, splits: Splits) -> str:
    """What changed in the pictures since the run began, or an empty string."""
    recorded = read_run(run).data
    parts: dict[str, Dataset] = {"train": splits.train, "valid": splits.valid}
    if codec_sha256 := recorded.get("train", {}).get("codec"):  # it was trained on codes of them
        parts = {
            name: Codes(torch.empty(len(part), 0), part, codec_sha256)
            for name, part in (("train", splits.train), ("valid", splits.valid))
        }
    return find_change(recorded, **parts)


def has_flips(model: object) -> bool:
    """Whether a run flipped its training pictures."""
    run = find_run(model)
    return run is not None and read_run(run).training.flip
