"""What a run began with, by which it finds its pictures again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from smalti.core.config import coerce_value
from smalti.core.ranges import Width
from smalti.core.size import Size
from smalti.data.pictures import Splits
from smalti.recipes import find_recipe
from smalti.training import read_run


class RunOrigin(NamedTuple):
    """A run's recipe and its pictures, as run.json's `about` tells of them."""

    recipe: str
    data: str | None
    size: Size

    def read_splits(self, progress: Callable[[int, int], None] | None = None) -> Splits:
        """The pictures, as they are now."""
        return find_recipe(self.recipe).read(self.data, size=self.size, progress=progress)


def read_origin(run: Path) -> RunOrigin:
    """Of the run in `run`. UserError where it does not tell."""
    about, path = read_run(run).about, f"{run / 'run.json'}: about"
    return RunOrigin(
        coerce_value(about.get("recipe"), str, f"{path}.recipe"),
        coerce_value(about.get("data"), str | None, f"{path}.data"),
        coerce_value(about.get("size"), Width | tuple[Width, Width], f"{path}.size"),
    )
