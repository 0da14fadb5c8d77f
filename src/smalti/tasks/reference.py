"""Which pictures a model is measured against: those it was trained on and those held out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from smalti.core.checkpoint import SHIPPED, find, read_card
from smalti.core.errors import UserError
from smalti.core.progress import OnProgress, name_progress
from smalti.core.protocols import Specified
from smalti.data import Splits, digit_pictures, read_splits
from smalti.features.registry import DIGITS
from smalti.recipes import RECIPES
from smalti.recipes import find as find_recipe
from smalti.recipes.origin import read_origin
from smalti.training import read_run
from smalti.training.provenance import find_change

FLATTERED = (
    "--data names other pictures than the run's ({}): if some of them were trained on, the numbers "
    "flatter"
)


def find_reference(
    model: object, loaded: Specified, data: Splits | str | Path | None, on_progress: OnProgress
) -> Splits:
    """The pictures at `data`, or those that the model's run or recipe names, or the digits.

    model: what it was loaded by, or the loaded one.  UserError where nothing tells what it was
    trained on, or its run's pictures have changed since.
    """
    if isinstance(data, Splits):
        return data
    reading = name_progress("reading", on_progress)
    run = find_run(model)
    if data is not None:
        splits = read_splits(data, size=loaded.spec.size, progress=reading)
        if run is not None and (change := change_since(run, splits)):
            return replace(splits, notes=(*splits.notes, FLATTERED.format(change)))
        return splits
    if run is not None:
        splits = read_origin(run).read(reading)
        if change := change_since(run, splits):
            raise UserError(
                f"{change}, so some that are held out now may have been trained on; put them back, "
                "or give other pictures by --data"
            )
        return splits
    if isinstance(model, str | Path):
        recipe = read_card(model).facts.get("recipe")
        if isinstance(recipe, str) and recipe in RECIPES and find(model).parent == SHIPPED:
            own = find_recipe(recipe)
            return own.read(None, size=own.size, progress=reading)
    elif draws_digits(loaded):
        return Splits(digit_pictures("train"), digit_pictures("valid"), digit_pictures("test"))
    raise UserError(
        "data are missing: nothing tells what it was trained on; give those pictures (--data)"
    )


def draws_digits(model: Specified) -> bool:
    spec = model.spec
    return (spec.channels, spec.size, spec.classes or DIGITS) == (1, (28, 28), DIGITS)


def find_run(model: object) -> Path | None:
    """The run that a folder is, or is a step of."""
    folder = Path(model) if isinstance(model, str | Path) else Path()
    for place in (folder, folder.parent):
        if (place / "run.json").is_file() and (place == folder or folder.name.startswith("step-")):
            return place
    return None


def change_since(run: Path, splits: Splits) -> str:
    """What changed in the pictures since the run began, or nothing."""
    return find_change(read_run(run).data, train=splits.train, valid=splits.valid)


def flips(model: object) -> bool:
    """Whether a run mirrored its training pictures."""
    run = find_run(model)
    return run is not None and read_run(run).training.flip
