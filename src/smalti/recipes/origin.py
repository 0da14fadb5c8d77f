"""What a run began with, by which it finds its pictures again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from smalti.core.config import fitted
from smalti.core.ranges import Width
from smalti.core.size import Size
from smalti.data.pictures import Splits
from smalti.recipes import find
from smalti.training import read_run


class Origin(NamedTuple):
    """A run's recipe and its pictures, as run.json's `about` tells of them."""

    recipe: str
    data: str | None
    size: Size

    def read(self, progress: Callable[[int, int], None] | None = None) -> Splits:
        """The pictures, as they are now."""
        return find(self.recipe).read(self.data, size=self.size, progress=progress)


def read_origin(out: Path) -> Origin:
    """Of the run in `out`. UserError where it does not tell."""
    about, place = read_run(out).about, f"{out / 'run.json'}: about"
    return Origin(
        fitted(about.get("recipe"), str, f"{place}.recipe"),
        fitted(about.get("data"), str | None, f"{place}.data"),
        fitted(about.get("size"), Width | tuple[Width, Width], f"{place}.size"),
    )
