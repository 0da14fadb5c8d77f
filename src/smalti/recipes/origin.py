"""The recipe and data that a run was started with."""

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
    """Recipe and pictures of a run, from `about` in run.json."""

    recipe: str
    data: str | None
    size: Size

    def read_splits(self, progress: Callable[[int, int], None] | None = None) -> Splits:
        """Read the pictures in their present state."""
        return find_recipe(self.recipe).read(self.data, size=self.size, progress=progress)


def read_origin(run: Path) -> RunOrigin:
    """Read the origin of the run in a folder. UserError if run.json lacks it."""
    about, path = read_run(run).about, f"{run / 'run.json'}: about"
    return RunOrigin(
        coerce_value(about.get("recipe"), str, f"{path}.recipe"),
        coerce_value(about.get("data"), str | None, f"{path}.data"),
        coerce_value(about.get("size"), Width | tuple[Width, Width], f"{path}.size"),
    )
