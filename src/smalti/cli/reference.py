"""Which pictures a model is measured against: those it was trained on and those held out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from smalti.cli.meter import Meter
from smalti.core.checkpoint import SHIPPED, find, read_card
from smalti.core.errors import UserError
from smalti.data import Splits, read_splits
from smalti.recipes import RECIPES
from smalti.recipes import find as find_recipe
from smalti.recipes.origin import read_origin
from smalti.training import read_run
from smalti.training.provenance import find_change


class Progress:
    """A bar for each thing that goes on."""

    def __init__(self) -> None:
        self.meter: Meter | None = None

    def __call__(self, what: str, done: int, total: int) -> None:
        if self.meter is None or self.meter.what != what or done < self.meter.done:
            self.close()
            self.meter = Meter(what, total).__enter__()
        self.meter.advance(done - self.meter.done)

    def reading(self, done: int, total: int) -> None:
        self("reading", done, total)

    def close(self) -> None:
        if self.meter:
            self.meter.__exit__(None, None, None)
            self.meter = None


def reference_of(name: str, model: Any, data: str | None, progress: Progress) -> Splits:
    """The pictures at `data`, or those that the model's run or recipe names.

    name: what the model was loaded by.  UserError where nothing tells what it was trained on.
    """
    if data is not None:
        return read_splits(data, size=model.spec.size, progress=progress.reading)
    if (run := run_of(Path(name))) is not None:
        splits = read_origin(run).read(progress.reading)
        if change := change_since(run, splits):
            raise UserError(
                f"{change}, so some that are held out now may have been trained on; put them back, "
                "or give other pictures by --data"
            )
        return splits
    recipe = read_card(name).facts.get("recipe")
    if isinstance(recipe, str) and recipe in RECIPES and find(name).parent == SHIPPED:
        own = find_recipe(recipe)
        return own.read(None, size=own.size, progress=progress.reading)
    raise UserError(
        f"--data is missing: nothing tells what {name} was trained on; give those pictures"
    )


def run_of(folder: Path) -> Path | None:
    """The run that a folder is, or is a step of."""
    for place in (folder, folder.parent):
        if (place / "run.json").is_file() and (place == folder or folder.name.startswith("step-")):
            return place
    return None


def change_since(run: Path, splits: Splits) -> str:
    """What changed in the pictures since the run began, or nothing."""
    return find_change(read_run(run).data, train=splits.train, valid=splits.valid)


def notes_on_data(name: str, data: str | None, splits: Splits) -> tuple[str, ...]:
    """What a reader should know where other pictures were named than the run's own."""
    run = run_of(Path(name))
    if data is None or run is None or not (change := change_since(run, splits)):
        return splits.notes
    return (
        *splits.notes,
        f"--data names other pictures than the run's ({change}): if some of them were trained on, "
        "the numbers flatter",
    )


def flips(name: str) -> bool:
    """Whether a run mirrored its training pictures."""
    run = run_of(Path(name))
    return run is not None and read_run(run).training.flip
